"""Kernels of notebooks: no port, no personal setting, nothing left behind, and an error in words."""

import contextlib
import inspect
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import pytest
from test_notebooks import execute, outputs, write_notebook

from replication.errors import NotebookError

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def notebook(folder: Path, *cells: str) -> Path:
    return write_notebook(folder / "n.ipynb", "a = 0", *cells)


@pytest.fixture
def sockets(tmp_path, monkeypatch) -> Path:
    """Where the folders of sockets lie in a test."""
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", tempfile.mkdtemp(prefix="t", dir="/tmp"))
    yield Path(os.environ["TMPDIR"])
    os.rmdir(os.environ["TMPDIR"])


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


@linux
def test_a_kernel_is_reached_by_no_port(tmp_path):
    """The one port that is left is IPython's, for the output of subprocesses; it is chosen when it is bound."""
    cell = "import contextlib, os\nfrom pathlib import Path\nfrom ipykernel.kernelapp import IPKernelApp\n"
    cell += inspect.getsource(listening)
    cell += "print(*listening(os.getpid()), sep='\\n')\nprint('pipe', IPKernelApp.instance().iopub_thread._pipe_port)"
    *names, pipe = outputs(execute(notebook(tmp_path, cell), {}, tmp_path)).splitlines()
    ports = {name for name in names if name.startswith("tcp")}
    assert ports <= {f"tcp {pipe.split()[1]}"}
    assert len(set(names) - ports) == 5  # shell, iopub, stdin, control, heartbeat


def test_a_long_folder_of_temporary_files_is_no_obstacle(tmp_path, monkeypatch):
    long = tmp_path / ("long" * 30)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    assert "ran" in outputs(execute(notebook(tmp_path, "print('ran')"), {}, tmp_path))


def test_no_folder_of_sockets_is_left(tmp_path, sockets):
    execute(notebook(tmp_path, "print('ran')"), {}, tmp_path)
    with pytest.raises(NotebookError, match="ZeroDivisionError"):
        execute(notebook(tmp_path, "1 / a"), {}, tmp_path)
    assert not list(sockets.iterdir())


def test_a_kernel_that_does_not_start_is_an_error_with_what_it_wrote(tmp_path, monkeypatch):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "sitecustomize.py").write_text("import sys; sys.exit('broken on purpose')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "broken"))
    with pytest.raises(NotebookError, match=r"(?s)Kernel died before replying.*broken on purpose"):
        execute(notebook(tmp_path, "print('ran')"), {}, tmp_path)


def test_a_kernel_that_is_killed_is_an_error_in_words_and_nothing_runs_twice(tmp_path):
    cell = f"open({str(tmp_path / 'tried')!r}, 'a').write('x')"
    with pytest.raises(NotebookError, match=r"(?s)Kernel died.*enough memory"):
        execute(notebook(tmp_path, cell, "import os; os.kill(os.getpid(), 9)"), {}, tmp_path)
    assert (tmp_path / "tried").read_text() == "x"


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_kernel_is_left_when_the_process_that_started_it_ends(number, tmp_path):
    pid = tmp_path / "pid"
    cell = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    command = [sys.executable, "-m", "replication", "notebook", "--parameters", "{}"]
    command += ["--notebook", notebook(tmp_path, cell)]
    command += ["--working-copy", tmp_path / "w.ipynb", "--output", tmp_path / "o.ipynb"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 120
        while not (pid.exists() and pid.read_text()) and time.monotonic() < end:
            time.sleep(0.05)
        process.send_signal(number)
        process.wait(60)
        while not is_gone(int(pid.read_text())) and time.monotonic() < end:
            time.sleep(0.05)
        assert is_gone(int(pid.read_text()))
    finally:
        process.kill()
        process.wait()


def test_a_notebook_takes_no_settings_of_the_person_who_runs_it(tmp_path, monkeypatch):
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


def test_the_notebook_says_which_python_ran_it(tmp_path):
    """Not the kernel "python3" of the person who runs it, wherever that lies."""
    executed = execute(notebook(tmp_path, "import sys; print(sys.executable)"), {}, tmp_path)
    assert outputs(executed).strip() == sys.executable
    assert nbformat.read(executed, 4).metadata.kernelspec.name == "python3"
