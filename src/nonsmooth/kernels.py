"""Kernels that start at once: forked from one process that has imported what every notebook imports.

Starting Python, torch and matplotlib takes longer than many a training. The workflow starts `serve` once; a notebook
that finds it in the environment variable NONSMOOTH_KERNELS gets a fork of it as its kernel, and any other notebook an
ordinary kernel of the same interpreter. No fork keeps a module of this package, so that an edited one is never
served stale. It ends, and its kernels with it, when the process that started it ends, however that happens; a kernel
ends when the notebook that asked for it does.
"""

import atexit
import contextlib
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

VARIABLE = "NONSMOOTH_KERNELS"
WARM = ("torch", "torch._dynamo", "matplotlib.pyplot", "pyarrow.parquet", "safetensors.torch", "ipykernel.kernelapp")


def start(log: str | Path) -> None:
    """Start the server behind this process and name it in the environment; nothing where it cannot be (not Linux).

    Notebooks that run before it is ready, some seconds later, get ordinary kernels.
    """
    if sys.platform != "linux":
        return
    folder = tempfile.mkdtemp(prefix="nonsmooth-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ[VARIABLE] = os.path.join(folder, "kernels")
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "nonsmooth", "kernels", "--address", os.environ[VARIABLE]]
    with open(log, "w") as stream:
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=stream, stderr=stream)
    atexit.register(server.stdin.close)  # keeps the pipe open until then, or until this process is gone


def serve(address: str) -> None:
    """Fork a kernel for each connection to the Unix socket at `address`, until standard input is closed.

    A connection carries one line of JSON each way: the kernel's arguments, working directory and environment in, its
    process number out. It stays open for the kernel's life: closed by the client, the kernel is killed; when the kernel
    ends, a line with its return code follows. There are never more kernels than the machine has cores for; who asks for
    another waits, since trainings that share a core and its caches take longer than one after the other.
    """
    # What is imported here is forked: one thread, so that no lock is held by a thread that the fork leaves behind.
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"  # as a kernel sets it for itself
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C reaches the notebooks, which let go of kernels
    os.environ["JE_ARROW_MALLOC_CONF"] = "background_thread:false"  # pyarrow would start a thread
    for module in WARM:
        __import__(module)
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        sys.exit(f"{threads} threads after the imports: forks would not be safe, notebooks get ordinary kernels")
    kernels: dict[int, socket.socket] = {}
    most = len(os.sched_getaffinity(0))
    with socket.socket(socket.AF_UNIX) as listener, selectors.DefaultSelector() as selector:
        listener.bind(address)
        listener.listen(64)
        selector.register(sys.stdin, selectors.EVENT_READ)
        while True:
            if len(kernels) < most and listener not in selector.get_map():
                selector.register(listener, selectors.EVENT_READ)
            elif len(kernels) >= most and listener in selector.get_map():
                selector.unregister(listener)
            for key, _ in selector.select(timeout=0.1):
                if key.fileobj is sys.stdin:
                    for process in kernels:
                        os.kill(process, signal.SIGKILL)
                    return
                if key.fileobj is listener:
                    client, _ = listener.accept()
                    client.settimeout(5)  # a client that stalls must not hold up the rest
                    try:
                        request = json.loads(client.makefile().readline())
                    except (OSError, ValueError):  # it went before it had asked
                        client.close()
                        continue
                    client.settimeout(None)
                    process = os.fork()
                    if process == 0:
                        for inherited in (selector, listener, client, *kernels.values()):
                            inherited.close()
                        _become_kernel(request)
                    kernels[process] = client
                    selector.register(client, selectors.EVENT_READ, process)
                    _tell(client, pid=process)
                elif key.data in kernels:  # the client has gone
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(key.data, signal.SIGKILL)
                    selector.unregister(key.fileobj)
            while kernels:
                process, status = os.waitpid(-1, os.WNOHANG)
                if process == 0:
                    break
                client = kernels.pop(process)
                _tell(client, returncode=os.waitstatus_to_exitcode(status))
                with contextlib.suppress(KeyError, ValueError):
                    selector.unregister(client)
                client.close()


def _tell(client: socket.socket, **message: int) -> None:
    with contextlib.suppress(OSError):  # who has gone need not be told
        client.sendall(json.dumps(message).encode() + b"\n")


def _become_kernel(request: dict) -> None:
    from ipykernel.kernelapp import launch_new_instance

    os.setsid()  # as an ordinary kernel, out of reach of the terminal's signals
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    for name in [name for name in sys.modules if name.split(".")[0] == "nonsmooth"]:
        del sys.modules[name]  # the notebook imports the package as it stands now
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)  # standard input was the server's
    parent = f"--IPKernelApp.parent_handle={os.getppid()}"  # the kernel ends by itself should the server be killed
    sys.argv = ["ipykernel_launcher", *request["arguments"], parent]
    sys.stdin = open(os.devnull)  # noqa: SIM115  (for the life of the process)
    try:
        launch_new_instance()
    finally:
        os._exit(0)


class _Fork:
    """A kernel behind its connection to the server, with the part of subprocess.Popen that jupyter_client uses."""

    stdin = stdout = stderr = None

    def __init__(self, address: str, request: dict):
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.connect(address)
        self.connection.sendall(json.dumps(request).encode() + b"\n")
        self._lines = self.connection.makefile("rb", buffering=0)  # unbuffered: `poll` looks at the socket itself
        answer = self._lines.readline()
        if not answer:
            raise ConnectionError(f"the server of kernels at {address} has ended")
        self.pid: int = json.loads(answer)["pid"]
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.connection.setblocking(False)
            try:
                waiting = self.connection.recv(1, socket.MSG_PEEK)
            except BlockingIOError:
                return None
            finally:
                self.connection.setblocking(True)
            self.returncode = json.loads(self._lines.readline())["returncode"] if waiting else -signal.SIGKILL
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        end = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            if end is not None and time.monotonic() > end:
                raise TimeoutError
            time.sleep(0.02)
        return self.returncode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def manager_class() -> type | None:
    """The kernel manager that forks from a running server, or None where there is none."""
    address = os.environ.get(VARIABLE)
    if not address or not Path(address).exists():
        return None
    from jupyter_client.manager import AsyncKernelManager
    from jupyter_client.provisioning import LocalProvisioner

    class ForkProvisioner(LocalProvisioner):
        async def launch_kernel(self, cmd: list[str], **kwargs) -> dict:
            arguments = cmd[cmd.index("-m") + 2 :]  # python -m ipykernel_launcher -f FILE ...
            environment = dict(kwargs.get("env") or os.environ)
            request = {"arguments": arguments, "cwd": kwargs.get("cwd") or os.getcwd(), "env": environment}
            try:
                self.process = _Fork(address, request)
            except OSError:  # the server has ended
                return await super().launch_kernel(cmd, **kwargs)
            self.pid = self.process.pid
            self.pgid = self.pid
            return self.connection_info

    class ForkManager(AsyncKernelManager):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.provisioner = ForkProvisioner(kernel_id="fork", kernel_spec=self.kernel_spec, parent=self)

    return ForkManager
