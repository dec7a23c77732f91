"""Kernels for the notebooks of a workflow: they start fast, take turns and are never left behind.

Starting Python, torch and matplotlib takes longer than many a training. So a workflow on Linux starts `serve` once,
and each of its notebooks gets a fork of that process as its kernel. Any other notebook gets an ordinary kernel of the
same interpreter.

No kernel needs a TCP port. A port is chosen before the kernel starts, and any program can take it in between. Kernels
listen on Unix sockets in a private folder instead.

A workflow has a folder, which the environment variable REPLICATION_KERNELS names:
- lock: the workflow holds it to its end. A process that can take it knows that the workflow is gone.
- slot-0, slot-1, ...: one for each core. A notebook holds one while it runs.
- kernels: the server's socket.
The operating system frees a lock when the process that holds it ends, however it ends.
"""

import atexit
import fcntl
import json
import os
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

PACKAGES = ("nonsmooth", "replication")  # this file runs as a script too, and so imports neither
VARIABLE = "REPLICATION_KERNELS"
WARM = ("torch", "torch._dynamo", "matplotlib.pyplot", "pyarrow.parquet", "safetensors.torch", "ipykernel.kernelapp")
ORDINARY = [sys.executable, "-m", "ipykernel_launcher"]


def private_folder() -> Path:
    """A new folder for sockets: in the workflow's folder, or else where temporary files lie.

    The path of a socket must not exceed 103 bytes on macOS and 107 on Linux. So a long TMPDIR is not used: 51 bytes
    are left for the two folders and the name of the socket below it.
    """
    usual = tempfile.gettempdir()
    parent = os.environ.get(VARIABLE) or (usual if len(os.fsencode(usual)) <= 52 else "/tmp")
    return Path(tempfile.mkdtemp(prefix="nonsmooth-", dir=parent))


def start(log: str | Path) -> None:
    """Make this process the workflow: give it a folder and, on Linux, a server, which writes to `log`."""
    folder = private_folder()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    lock = open(folder / "lock", "w")  # noqa: SIM115  (for the life of the process)
    atexit.register(lock.close)
    fcntl.flock(lock, fcntl.LOCK_EX)
    linux = sys.platform == "linux"
    for number in range(len(os.sched_getaffinity(0)) if linux else os.cpu_count()):
        (folder / f"slot-{number}").touch()
    if linux:
        Path(log).parent.mkdir(parents=True, exist_ok=True)
        with socket.socket(socket.AF_UNIX) as listener, open(log, "w") as stream:
            listener.bind(str(folder / "kernels"))
            listener.listen(128)  # before the server is ready: the first notebooks wait for it
            command = [sys.executable, "-m", "replication", "kernels", "--folder", folder]
            subprocess.Popen(command, stdin=listener, stdout=stream, stderr=stream)
    os.environ[VARIABLE] = str(folder)


def end_with_workflow() -> None:
    """See that this process ends when its workflow is gone, also when the workflow was killed."""
    folder = os.environ.get(VARIABLE)

    def wait() -> None:
        with suppress(FileNotFoundError), open(f"{folder}/lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
        shutil.rmtree(folder, ignore_errors=True)
        print("the workflow that started this is gone", file=sys.stderr, flush=True)
        os._exit(1)

    if folder:
        threading.Thread(target=wait, daemon=True).start()


@contextmanager
def slot() -> Iterator[None]:
    """Wait for a slot of the workflow and hold it. Without a workflow there is nothing to wait for.

    Trainings that share a core take longer than one after the other, and the seconds that they record mean nothing.
    """
    slots = sorted(Path(os.environ[VARIABLE]).glob("slot-*")) if VARIABLE in os.environ else []
    held = None
    while slots and not (held := next(filter(None, map(_take, slots)), None)):
        time.sleep(0.05)
    try:
        yield
    finally:
        if held:
            held.close()


def _take(slot: Path) -> TextIO | None:
    """The locked file of a slot that is free, or None. Closing the file frees the slot."""
    file = open(slot)  # noqa: SIM115
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return file.close()
    return file


def serve(folder: str) -> None:
    """Fork a kernel for each connection to the socket that is standard input, until the workflow of `folder` is gone.

    A connection brings the kernel's standard streams, arguments, working directory and environment. It stays open for
    the kernel's life, and when the other side closes it the kernel ends.
    """
    # What is imported here is forked: one thread, so that no lock is held by a thread that the fork leaves behind.
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"  # as a kernel sets it for itself
    os.environ["JE_ARROW_MALLOC_CONF"] = "background_thread:false"  # pyarrow would start a thread
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C reaches the notebooks, which let go of kernels
    for module in WARM:
        __import__(module)
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        sys.exit(f"{threads} threads after the imports: forks would not be safe, notebooks get ordinary kernels")
    _Server(folder).serve_forever()


class _Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    max_children = sys.maxsize  # the slots are the limit

    def __init__(self, folder: str):
        super().__init__("", _Kernel, bind_and_activate=False)
        self.socket = socket.socket(fileno=sys.stdin.fileno())
        self.folder = folder
        self.lock = open(f"{folder}/lock")  # noqa: SIM115  (for the life of the process)

    def service_actions(self) -> None:
        super().service_actions()
        with suppress(BlockingIOError):
            fcntl.flock(self.lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            shutil.rmtree(self.folder, ignore_errors=True)
            os._exit(0)


class _Kernel(socketserver.BaseRequestHandler):
    """What a fork does. An exception is printed to the kernel's standard error, and the fork ends."""

    def handle(self) -> None:
        from ipykernel.kernelapp import launch_new_instance

        _, streams, *_ = socket.recv_fds(self.request, 1, 3)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        request = json.loads(self.request.makefile().readline())
        self.request.send(b".")
        os.setsid()  # as an ordinary kernel, out of reach of the terminal's signals
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["env"])
        for name in [name for name in sys.modules if name.split(".")[0] in PACKAGES]:
            del sys.modules[name]  # the notebook imports the package as it stands now
        threading.Thread(target=self.end_with_client, daemon=True).start()
        parent = f"--IPKernelApp.parent_handle={os.getppid()}"  # the kernel ends should the server be killed
        launch_new_instance(["ipykernel_launcher", *request["arguments"], parent])

    def end_with_client(self) -> None:
        self.request.recv(1)
        os._exit(1)


def ask(address: str, arguments: list[str]) -> None:
    """Get a kernel from the server at `address` and live as long as it: the process that jupyter_client starts.

    The kernel has this process's streams, working directory and environment. Without a server this process becomes an
    ordinary kernel.
    """
    notebook, begun = os.getppid(), False
    with socket.socket(socket.AF_UNIX) as server:
        with suppress(OSError):
            server.connect(address)
            socket.send_fds(server, [b"."], [0, 1, 2])
            request = {"arguments": arguments, "cwd": os.getcwd(), "env": dict(os.environ)}
            server.sendall(json.dumps(request).encode() + b"\n")
            begun = server.recv(1) != b""
        if not begun:
            os.execv(sys.executable, [*ORDINARY, *arguments])
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # jupyter_client interrupts before it kills
        server.settimeout(1)
        while os.getppid() == notebook:
            with suppress(TimeoutError):
                server.recv(1)
                sys.exit("the kernel has ended")


def manager_class(folder: Path) -> type:
    """A class of kernel managers for one kernel: its sockets lie in `folder`, its output in the file `log` there."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    address = Path(os.environ.get(VARIABLE, ""), "kernels")
    command = [sys.executable, "-I", "-S", __file__, str(address)] if address.is_socket() else ORDINARY

    class Manager(AsyncKernelManager):
        kernel_spec = KernelSpec(argv=[*command, "-f", "{connection_file}"], language="python")

        def __init__(self, **settings):
            super().__init__(transport="ipc", connection_file=str(folder / "kernel.json"), **settings)

        async def start_kernel(self, **settings) -> None:
            with open(folder / "log", "w") as log:
                await super().start_kernel(stdout=log, stderr=log, **settings)

    return Manager


if __name__ == "__main__":
    ask(sys.argv[1], sys.argv[2:])
