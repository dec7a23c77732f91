"""The processes of a workflow: they start fast, and none is left behind. Notebooks take turns.

Starting Python, torch and matplotlib takes longer than many a training. So a workflow on Linux starts `serve` once. It
imports them and waits. Each job of a rule, and the kernel of each notebook, is then a fork of it. Without a server
(another system, a cluster's job, a notebook that a person opens) each is an ordinary process.

A workflow has a folder, which the environment variable REPLICATION_WORKFLOW names:
- lock: the workflow holds it to its end. A process that can take it knows that the workflow is gone.
- slot-0, slot-1, ...: one for each core. A notebook holds one while it runs.
- server: the server's socket.
The operating system frees a lock when the process that holds it ends, however it ends.
"""

import atexit
import fcntl
import json
import os
import runpy
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

PACKAGES = ("nonsmooth", "replication")  # this file runs as a script too, and so imports neither
VARIABLE = "REPLICATION_WORKFLOW"
SERVE = ["-P", "-m", "replication", "forkserver"]  # -P: modules of the working directory are not imported
WARM = (
    "torch",
    "torch._dynamo",  # torch.optim imports it when the first optimizer is made
    "matplotlib.pyplot",
    "pyarrow.parquet",
    "safetensors.torch",
    "ipykernel.kernelapp",
    "papermill",
    "snakemake.logging",  # Snakemake's first lines in a script import it
)


def private_folder() -> Path:
    """A new folder for sockets: in the workflow's folder, or else where temporary files lie.

    The path of a socket must not exceed 103 bytes on macOS and 107 on Linux. So a long TMPDIR is not used: 51 bytes
    are left for the two folders and the name of the socket below it.
    """
    usual = tempfile.gettempdir()
    parent = os.environ.get(VARIABLE) or (usual if len(os.fsencode(usual)) <= 52 else "/tmp")
    return Path(tempfile.mkdtemp(prefix="nonsmooth-", dir=parent))


def start(log: str | Path) -> None:
    """Make this process the workflow: give it a folder and, on Linux, a server, which writes to `log`.

    A workflow inside another, as in the tests, takes forks from the outer one's server.
    """
    outer = address()
    os.environ.pop(VARIABLE, None)  # the folder lies beside the outer one, not in it: paths of sockets are short
    folder = private_folder()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    lock = open(folder / "lock", "w")  # noqa: SIM115  (for the life of the process)
    atexit.register(lock.close)
    fcntl.flock(lock, fcntl.LOCK_EX)
    linux = sys.platform == "linux"
    for number in range(len(os.sched_getaffinity(0)) if linux else os.cpu_count()):
        (folder / f"slot-{number}").touch()
    if outer:
        (folder / "server").symlink_to(outer)
    elif linux:
        Path(log).parent.mkdir(parents=True, exist_ok=True)
        with socket.socket(socket.AF_UNIX) as listener, open(log, "w") as stream:
            listener.bind(str(folder / "server"))
            listener.listen(128)  # before the server is ready: the first jobs wait for it
            command = [sys.executable, *SERVE, "--folder", folder]
            subprocess.Popen(command, stdin=listener, stdout=stream, stderr=stream)
    os.environ[VARIABLE] = str(folder)


def end_with_workflow() -> None:
    """See that this process ends when its workflow is gone, also when the workflow was killed.

    The workflow's folder is removed then.
    """
    folder = os.environ.get(VARIABLE)

    def wait() -> None:
        with suppress(FileNotFoundError), open(f"{folder}/lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # not print, which may wait for a lock
            os.write(2, b"the workflow that started this is gone\n")
        _end()

    if folder:
        threading.Thread(target=wait, daemon=True).start()


def _end() -> None:
    """End this process at once. A fork leads a group of processes, and takes with it what it has started."""
    if _is_fork():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _is_fork() -> bool:
    """Whether this process is a fork of the server: it still has the server's command line."""
    return sys.orig_argv[1 : 1 + len(SERVE)] == SERVE


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


def address() -> str | None:
    """Where the workflow's server listens, or None without one."""
    path = os.path.join(os.environ.get(VARIABLE, ""), "server")
    return path if VARIABLE in os.environ and os.path.exists(path) else None


def serve(folder: str) -> None:
    """Fork for each connection to the socket that is standard input, until the workflow of `folder` is gone.

    A connection brings standard streams, the arguments of a Python interpreter, working directory and environment. The
    fork does with them what a new interpreter would, but runs no `atexit` functions and waits for no threads. When the
    other side closes the connection, the fork ends.
    """
    # What is imported here is forked: one thread, so that no lock is held by a thread that the fork leaves behind.
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"  # as a kernel sets it for itself
    os.environ["JE_ARROW_MALLOC_CONF"] = "background_thread:false"  # pyarrow would start a thread
    os.environ["JPY_PARENT_PID"] = "1"  # a kernel need not look out for its parent: it ends with its connection
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C reaches the jobs, which let go of their forks
    for module in WARM:
        __import__(module)
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        sys.exit(f"{threads} threads after the imports: forks would not be safe, jobs are ordinary processes")
    _Server(folder).serve_forever()


class _Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    max_children = sys.maxsize  # Snakemake's cores and the slots are the limit

    def __init__(self, folder: str):
        super().__init__("", _Fork, bind_and_activate=False)
        self.socket = socket.socket(fileno=sys.stdin.fileno())
        self.folder = folder
        self.lock = open(f"{folder}/lock")  # noqa: SIM115  (for the life of the process)

    def service_actions(self) -> None:
        super().service_actions()
        with suppress(BlockingIOError):
            fcntl.flock(self.lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            shutil.rmtree(self.folder, ignore_errors=True)
            os._exit(0)


class _Fork(socketserver.BaseRequestHandler):
    """A fork of the server. It forks once more and tells the other side how that process ended."""

    def handle(self) -> None:
        with open(os.devnull) as nothing:  # not the server's socket: clients must notice when the server dies
            os.dup2(nothing.fileno(), 0)
        _, streams, *_ = socket.recv_fds(self.request, 1, 3)
        request = json.loads(self.request.makefile().readline())
        self.request.send(b".")
        process = os.fork()
        if process == 0:
            self.run(streams, **request)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        with suppress(OSError):  # a notebook does not wait for its kernel's end
            self.request.send(bytes([code if code >= 0 else 128 - code]))  # a signal's number as a shell tells it

    def run(self, streams: list[int], arguments: list[str], directory: str, environment: dict[str, str]) -> None:
        """Do what `python` would with these arguments: a script, or -P -m and a module, and its own arguments."""
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(line_buffering=True)
        os.setsid()  # out of reach of the terminal's signals
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(directory)
        os.environ.clear()
        os.environ.update(environment)
        is_module = arguments[:2] == ["-P", "-m"]
        beside = [] if is_module else [os.path.dirname(os.path.abspath(arguments[0]))]
        sys.path[:0] = [*beside, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
        for name in [name for name in sys.modules if name.split(".")[0] in PACKAGES]:
            del sys.modules[name]  # these packages are imported as they stand now
        threading.Thread(target=self.end_with_client, daemon=True).start()
        code = 1
        try:
            if is_module:
                sys.argv = arguments[2:]
                runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
            else:
                sys.argv = arguments
                runpy.run_path(os.path.abspath(sys.argv[0]), run_name="__main__")
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
            if code and not isinstance(end.code, int):
                print(end.code, file=sys.stderr)
        except BaseException:
            traceback.print_exc()
        finally:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os._exit(code)

    def end_with_client(self) -> None:
        with suppress(OSError):
            self.request.recv(1)
        _end()


def run_in_fork(server_address: str, arguments: list[str]) -> int | None:
    """Have a fork of the server do what `python` would do with `arguments`, and wait for its end: its exit status.

    The fork has this process's streams, working directory and environment, and ends when this process or its parent
    has gone. The status is 128 and the signal's number where a signal ended it, and 1 where nobody can tell. None:
    there is no server, and nothing was begun.
    """
    parent, begun, status = os.getppid(), b"", b""
    with socket.socket(socket.AF_UNIX) as server:
        with suppress(OSError):
            server.connect(server_address)
            socket.send_fds(server, [b"."], [0, 1, 2])
            request = {"arguments": arguments, "directory": os.getcwd(), "environment": dict(os.environ)}
            server.sendall(json.dumps(request).encode() + b"\n")
            begun = server.recv(1)
        if not begun:
            return None
        server.settimeout(1)
        while os.getppid() == parent:
            with suppress(TimeoutError):
                status = server.recv(1)
                break
    return status[0] if status else 1


def as_fork() -> None:
    """Go on as a fork of the workflow's server: a fork runs this script from its start, and this process ends with it.

    Does nothing without a server, and in a fork.
    """
    server_address = address()
    if server_address is None or _is_fork():
        return
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing here to tidy up: the fork ends too
    status = run_in_fork(server_address, sys.argv)
    if status is not None:
        if status > 128:
            hint = ": is there enough memory?" if status - 128 == signal.SIGKILL else ""
            print(f"{sys.argv[0]} was ended by signal {status - 128}{hint}", file=sys.stderr, flush=True)
        os._exit(status)
    signal.signal(signal.SIGINT, before)


def be_kernel(server_address: str, arguments: list[str]) -> None:
    """What jupyter_client starts as a kernel: a fork of the server, or without a server an ordinary kernel."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # jupyter_client interrupts before it kills
    if run_in_fork(server_address, arguments) is not None:
        sys.exit("the kernel has ended")
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execv(sys.executable, [sys.executable, *arguments])


if __name__ == "__main__":
    be_kernel(sys.argv[1], sys.argv[2:])
