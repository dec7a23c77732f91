"""Processes of a workflow: no port, no waiting with something in hand, nothing left behind."""

import contextlib
import fcntl
import inspect
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from test_notebooks import execute, outputs, write_notebook
from workflow_processes import end, start_workflow, wait_for

from replication import forkserver, kernels, paths
from replication.errors import NotebookError

linux = pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux alone")
START_KERNEL = "from replication.ipython_kernel import Kernel; Kernel.launch_instance()"
WITH_A_SLOT = """
import sys
from replication import forkserver
with forkserver.slot():
    print("has one", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module", autouse=True)
def running(tmp_path_factory) -> Iterator[subprocess.Popen]:
    """A workflow with the server that a workflow has. It gets warm while the first tests run."""
    workflow = start_workflow(tmp_path_factory.mktemp("workflow"), light=False)
    yield workflow
    end(workflow)


@pytest.fixture
def workflow(running, monkeypatch):
    monkeypatch.setenv(forkserver.VARIABLE, str(running.folder))
    return running


@pytest.fixture
def bare(monkeypatch):
    """The folder of a workflow that has one slot and no server."""
    monkeypatch.delenv(forkserver.VARIABLE, raising=False)
    folder = forkserver.private_folder()
    (folder / "slot-0").touch()
    monkeypatch.setenv(forkserver.VARIABLE, str(folder))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(params=["ordinary", pytest.param("forked", marks=linux)])
def either(request):
    """With and without a workflow."""
    if request.param == "forked":
        request.getfixturevalue("workflow")
    else:
        request.getfixturevalue("monkeypatch").delenv(forkserver.VARIABLE, raising=False)
    return request.param


@pytest.fixture
def startup(tmp_path, monkeypatch):
    """Code that every kernel of the test runs while it starts."""

    def write(code: str) -> None:
        (tmp_path / "kernel_to_test.py").write_text(f"{code}\n{START_KERNEL}")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
        monkeypatch.setattr(kernels, "KERNEL", ["-P", "-m", "kernel_to_test"])

    return write


def notebook(folder: Path, *cells: str) -> Path:
    return write_notebook(folder / "n.ipynb", "a = 0", *cells)


def listening(pid: int) -> set[str]:
    """The names of the sockets that a process listens on: "tcp" for each port, and paths."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            inodes.add(os.readlink(descriptor))
    names = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
            names.add(f"tcp {int(fields[1].split(':')[1], 16)}")
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        fields = line.split()
        if len(fields) > 7 and fields[3] == "00010000" and f"socket:[{fields[6]}]" in inodes:
            names.add(fields[7])
    return names


def test_the_script_that_asks_for_a_fork_knows_the_packages():
    """It imports neither, and so has their names a second time."""
    assert forkserver.PACKAGES == paths.PACKAGES


def test_the_slot_comes_before_everything_else(bare, tmp_path):
    """While it waits, a notebook has no kernel, no file of a connection and no socket."""
    thread = threading.Thread(target=execute, args=(notebook(tmp_path, "print('ran')"), {}, tmp_path))
    with open(bare / "slot-0") as slot:
        fcntl.flock(slot, fcntl.LOCK_EX)
        thread.start()
        thread.join(2)
        assert thread.is_alive()
        assert [path.name for path in bare.iterdir()] == ["slot-0"]
    thread.join(120)
    assert "ran" in outputs(tmp_path / "out" / "n.ipynb")
    assert [path.name for path in bare.iterdir()] == ["slot-0"]


def test_as_many_slots_as_cores_and_a_dead_holder_frees_its_own(tmp_path):
    workflow = start_workflow(tmp_path)
    slots = list(workflow.folder.glob("slot-*"))
    assert len(slots) == (len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count())
    command = {"args": [sys.executable, "-c", WITH_A_SLOT], "text": True}
    command |= {"env": os.environ | {forkserver.VARIABLE: str(workflow.folder)}}
    command |= {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    holders = [subprocess.Popen(**command) for _ in slots]
    assert [holder.stdout.readline() for holder in holders] == ["has one\n"] * len(slots)
    one_more = subprocess.Popen(**command)
    try:
        assert not select.select([one_more.stdout], [], [], 1)[0]
        holders[0].kill()
        assert one_more.stdout.readline() == "has one\n"
    finally:
        for process in (*holders, one_more):
            process.kill()
        end(workflow)


@linux
def test_without_a_server_the_kernel_is_an_ordinary_one(bare, tmp_path):
    with socket.socket(socket.AF_UNIX) as closed:
        closed.bind(str(bare / "server"))  # and nobody listens: the server has ended
    cell = f"print({kernels.KERNEL[-1]!r} in open('/proc/self/cmdline').read())"
    assert "True" in outputs(execute(notebook(tmp_path, cell), {}, tmp_path))


@linux
def test_an_interrupt_is_left_to_what_follows_it(bare):
    """jupyter_client interrupts a kernel before it kills it; that must not end in a traceback for each notebook."""

    def ignores_interrupts(pid: int) -> bool:
        status = dict(line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        return bool(int(status["SigIgn"], 16) >> (signal.SIGINT - 1) & 1)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(bare / "server"))
        listener.listen()
        command = [sys.executable, "-I", "-S", forkserver.__file__, str(bare / "server"), *kernels.KERNEL]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        client, _ = listener.accept()
        client.makefile().readline()
        client.send(b".")
        assert wait_for(lambda: ignores_interrupts(process.pid))
        process.send_signal(signal.SIGINT)
        client.close()
        assert process.communicate(timeout=60)[1] == "the kernel has ended\n"


@pytest.fixture
def folders(monkeypatch) -> list[Path]:
    """The private folders of the kernels that the test starts, as they come."""
    created, create = [], forkserver.private_folder

    def private_folder() -> Path:
        created.append(create())
        return created[-1]

    monkeypatch.setattr(forkserver, "private_folder", private_folder)
    return created


def test_a_long_folder_of_temporary_files_is_no_obstacle(tmp_path, monkeypatch, folders):
    long = tmp_path / ("long" * 30)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    monkeypatch.delenv(forkserver.VARIABLE, raising=False)
    assert "ran" in outputs(execute(notebook(tmp_path, "print('ran')"), {}, tmp_path))
    assert [folder.parent for folder in folders] == [Path("/tmp")]
    workflow = start_workflow(tmp_path, TMPDIR=str(long))
    assert workflow.folder.parent == Path("/tmp")
    end(workflow)


@pytest.fixture
def asleep(tmp_path):
    """Starts a notebook whose kernel sleeps, in a workflow: the notebook's process and the kernel's pid."""
    processes = []

    def start(workflow: subprocess.Popen) -> tuple[subprocess.Popen, int]:
        pid = tmp_path / "pid"
        cell = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
        command = [sys.executable, "-m", "replication", "notebook", "--parameters", "{}"]
        command += ["--notebook", notebook(tmp_path, cell)]
        command += ["--working-copy", tmp_path / "w.ipynb", "--output", tmp_path / "o.ipynb"]
        environment = os.environ | {forkserver.VARIABLE: str(workflow.folder)}
        processes.append(subprocess.Popen(command, env=environment))
        assert wait_for(lambda: pid.exists() and pid.read_text())
        return processes[-1], int(pid.read_text())

    yield start
    for process in processes:
        process.kill()
        process.wait()


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@linux
def test_no_kernel_is_left_when_the_workflow_is_killed(asleep, tmp_path):
    workflow = start_workflow(tmp_path)
    process, kernel = asleep(workflow)
    parent = Path(f"/proc/{kernel}/stat").read_text().rpartition(")")[2].split()[1]
    assert "forkserver" in Path(f"/proc/{parent}/cmdline").read_text().split("\0")  # the server
    workflow.kill()
    workflow.wait()
    assert process.wait(120) == 1
    assert wait_for(lambda: is_gone(kernel))
    assert wait_for(lambda: not workflow.folder.exists())


@linux
def test_when_the_server_alone_is_killed_what_follows_is_ordinary(asleep, tmp_path, monkeypatch):
    workflow = start_workflow(tmp_path)
    _, kernel = asleep(workflow)
    parent = Path(f"/proc/{kernel}/stat").read_text().rpartition(")")[2].split()[1]
    server = Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()[1]
    assert "forkserver" in Path(f"/proc/{server}/cmdline").read_text().split("\0")
    os.kill(int(server), signal.SIGKILL)
    monkeypatch.setenv(forkserver.VARIABLE, str(workflow.folder))
    assert forkserver.address()
    assert wait_for(lambda: forkserver.run_in_fork(forkserver.address(), ["-c", ""]) is None)
    end(workflow)


def test_a_folder_that_is_no_workflows_is_left_alone(tmp_path):
    """Named by mistake, it has no lock; the process ends and removes nothing."""
    (tmp_path / "mine").touch()
    code = "import time; from replication import forkserver; forkserver.end_with_workflow(); time.sleep(60)"
    environment = os.environ | {forkserver.VARIABLE: str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (1, "the workflow that started this is gone\n")
    assert (tmp_path / "mine").exists()


# With the server, which is warm by now


@linux
def test_no_kernel_is_left_when_the_notebook_is_killed(workflow, asleep):
    process, kernel = asleep(workflow)
    process.kill()
    assert wait_for(lambda: is_gone(kernel))


@linux
def test_no_kernel_is_left_when_the_user_interrupts(workflow, asleep):
    before = set(workflow.folder.iterdir())
    process, kernel = asleep(workflow)
    process.send_signal(signal.SIGINT)
    process.wait(120)
    assert wait_for(lambda: is_gone(kernel))
    assert set(workflow.folder.iterdir()) <= before


@linux
def test_a_kernel_is_reached_by_no_port(either, tmp_path):
    """The one port that is left is IPython's, for the output of subprocesses; it is chosen when it is bound."""
    cell = "import contextlib, os\nfrom pathlib import Path\nfrom ipykernel.kernelapp import IPKernelApp\n"
    cell += inspect.getsource(listening)
    cell += "print(*listening(os.getpid()), sep='\\n')\nprint('pipe', IPKernelApp.instance().iopub_thread._pipe_port)"
    *names, pipe = outputs(execute(notebook(tmp_path, cell), {}, tmp_path)).splitlines()
    ports = {name for name in names if name.startswith("tcp")}
    assert ports <= {f"tcp {pipe.split()[1]}"}
    assert len(set(names) - ports) == 5  # shell, iopub, stdin, control, heartbeat


@linux
def test_a_kernel_starts_where_every_port_is_taken(either, tmp_path, startup):
    startup("""
import zmq
def bind(self, address, *rest, bind=zmq.Socket.bind):
    if address.startswith("tcp"):
        raise zmq.ZMQError(98, "Address already in use")
    return bind(self, address, *rest)
zmq.Socket.bind = bind
""")
    assert "ran" in outputs(execute(notebook(tmp_path, "print('ran')"), {}, tmp_path))


def test_a_kernel_that_does_not_start_is_tried_again_once(either, tmp_path, startup):
    startup(f"""
import os
if not os.path.exists({str(tmp_path / "tried")!r}):
    open({str(tmp_path / "tried")!r}, "w").close()
    os._exit(3)
""")
    assert "ran" in outputs(execute(notebook(tmp_path, "print('ran')"), {}, tmp_path))
    assert (tmp_path / "tried").exists()


def test_a_kernel_that_never_starts_is_an_error_with_its_own_traceback(either, tmp_path, startup):
    startup(f"""
open({str(tmp_path / "tried")!r}, "a").write("x")
import ipykernel.kernelapp
def broken(self):
    raise ArithmeticError("on purpose")
ipykernel.kernelapp.IPKernelApp.init_sockets = broken
""")
    with pytest.raises(NotebookError, match="ArithmeticError: on purpose") as failure:
        execute(notebook(tmp_path, "print('ran')"), {}, tmp_path)
    assert "Kernel died before replying" in str(failure.value)
    assert (tmp_path / "tried").read_text() == "xx"


def test_a_kernel_that_dies_later_is_an_error_and_nothing_runs_twice(either, tmp_path):
    cell = f"open({str(tmp_path / 'tried')!r}, 'a').write('x')"
    with pytest.raises(NotebookError, match=r"(?s)Kernel died.*enough memory"):
        execute(notebook(tmp_path, cell, "import os; os.kill(os.getpid(), 9)"), {}, tmp_path)
    assert (tmp_path / "tried").read_text() == "x"


def test_no_private_folder_is_left(either, tmp_path, folders):
    execute(notebook(tmp_path, "print('ran')"), {}, tmp_path)
    with pytest.raises(NotebookError, match="ZeroDivisionError"):
        execute(notebook(tmp_path, "1 / a"), {}, tmp_path)
    assert len(folders) == 2
    assert not any(folder.exists() for folder in folders)


@linux
def test_a_forked_kernel_is_in_the_notebooks_own_folder_and_environment(workflow, tmp_path, monkeypatch):
    monkeypatch.setenv("SEEN", "yes")
    monkeypatch.chdir(tmp_path)
    cell = "import os, sys\nprint(os.getcwd(), os.environ['SEEN'], 'torch' in sys.modules)"
    cell += "\nprint(*(name for name in sys.modules if name.startswith(('nonsmooth', 'replication'))))"
    cell += "\nprint('forkserver' in open(f'/proc/{os.getppid()}/cmdline').read().split('\\0'))"
    assert outputs(execute(notebook(tmp_path, cell), {}, tmp_path)).split() == [
        str(tmp_path),
        "yes",
        "True",  # warm
        "replication",  # the kernel's own: nothing of these packages that could be stale
        "True",  # the server's child
    ]


@linux
def test_clients_that_stall_or_go_before_they_ask_do_no_harm(workflow, tmp_path):
    with contextlib.ExitStack() as stack:
        for sent in (b"", b"not json\n", b"{"):
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(str(workflow.folder / "server"))
            client.sendall(sent)
        assert "ran" in outputs(execute(notebook(tmp_path, "print('ran')"), {}, tmp_path))


def test_a_notebook_takes_no_settings_of_the_person_who_runs_it(either, tmp_path, monkeypatch):
    """Startup files, configuration, kernels, $PYTHONSTARTUP and modules in the working directory are not read."""
    profile = tmp_path / "ipython" / "profile_default"
    (profile / "startup").mkdir(parents=True)
    files = [profile / "startup" / "own.py", tmp_path / "pythonstartup.py", tmp_path / "skimage.py"]
    for file in files:
        file.write_text("import os; os.environ['SETTING'] = __file__")
    (profile / "ipython_config.py").write_text("c.InteractiveShellApp.exec_lines = ['a_setting = 1']")
    (profile / "ipython_kernel_config.py").write_text("c.InteractiveShellApp.exec_lines = ['a_setting = 1']")
    kernel = tmp_path / "jupyter" / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text('{"argv": ["/bin/false"], "display_name": "Python 3", "language": "python"}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("PYTHONSTARTUP", str(files[1]))
    monkeypatch.chdir(tmp_path)
    cell = "import os, skimage\nprint(os.environ.get('SETTING'), 'a_setting' in globals())"
    assert outputs(execute(notebook(tmp_path, cell), {}, tmp_path)) == "None False\n"


def test_the_notebook_says_which_python_ran_it(either, tmp_path):
    """Not the kernel "python3" of the person who runs it, wherever that lies."""
    executed = execute(notebook(tmp_path, "import sys; print(sys.executable)"), {}, tmp_path)
    assert outputs(executed).strip() == sys.executable
    assert nbformat.read(executed, 4).metadata.kernelspec.name == "python3"
