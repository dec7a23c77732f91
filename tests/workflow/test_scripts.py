"""What every job of a rule has in common."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from snakemake_calls import ROOT

from replication.personal import WORKFLOW

RULES = "\n".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))
SCRIPTS = sorted((ROOT / "src/replication/scripts").glob("[a-z]*.py"))

JOB = """
import multiprocessing, os, subprocess, sys, time
from types import SimpleNamespace
from replication.errors import DataError
from replication.scripts import job

if __name__ == "__main__":
    with job(SimpleNamespace(log=["logs/some/job.log"])):
        print("printed")
        {}
"""


def wait_for(condition, seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


@pytest.fixture
def start(tmp_path):
    """A function that starts a job which does what `line` says, after it has printed "printed"."""

    def start(line: str, **environment: str) -> subprocess.Popen:
        (tmp_path / "job.py").write_text(JOB.format(line))
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        command = [sys.executable, tmp_path / "job.py"]
        return subprocess.Popen(command, cwd=tmp_path, env=os.environ | environment, text=True, **pipes)

    return start


@pytest.fixture
def run(tmp_path, start):
    """A function that gives exit status, what is seen, and the log of a job."""

    def run(line: str) -> tuple[int, str, str]:
        job = start(line)
        seen, _ = job.communicate(timeout=120)
        return job.returncode, seen, (tmp_path / "logs/some/job.log").read_text()

    return run


@pytest.mark.parametrize("line", ["print('warned', file=sys.stderr)", "subprocess.run(['echo', 'warned'])"])
def test_what_is_printed_is_seen_and_kept(run, line):
    assert run(line) == (0, "printed\nwarned\n", "printed\nwarned\n")


def test_much_output_is_kept_whole(run):
    code, seen, log = run("print('0123456789' * 100000)")
    assert (code, seen) == (0, log)
    assert len(log) == len("printed\n") + 10 * 100000 + 1


def test_an_error_that_can_be_mended_is_its_message(run):
    assert run("raise DataError('put it there')") == (1, *["printed\nDataError: put it there\n"] * 2)


def test_another_error_is_a_traceback(run):
    code, _, log = run("raise KeyError('lost')")
    assert code == 1
    assert "Traceback" in log
    assert log.endswith("KeyError: 'lost'\n")


def test_processes_that_multiprocessing_leaves_behind_do_not_hold_a_job_up(run):
    line = "p = multiprocessing.get_context('spawn').Process(target=print, args=('child',)); p.start(); p.join()"
    assert run(line) == (0, "printed\nchild\n", "printed\nchild\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_goes_on_when_the_process_that_snakemake_started_is_ended(start, tmp_path, number):
    job = start("open('pid', 'w').write(str(os.getpid())); time.sleep(60)")
    pid = tmp_path / "pid"
    assert wait_for(lambda: pid.exists() and pid.read_text())
    job.send_signal(number)
    job.wait(60)
    assert wait_for(lambda: not Path(f"/proc/{pid.read_text()}").exists())
    job.stdout.close()


def test_a_job_ends_when_its_workflow_is_gone(start):
    workflow = subprocess.Popen(["sleep", "60"])
    job = start("time.sleep(60)", **{WORKFLOW: str(workflow.pid)})
    assert job.stdout.readline() == "printed\n"
    workflow.kill()
    workflow.wait()
    seen, _ = job.communicate(timeout=30)
    assert (job.returncode, seen) == (1, "the workflow that started this is gone\n")


def test_a_log_that_cannot_be_written_does_not_hold_a_job_up(start, tmp_path):
    (tmp_path / "logs/some").mkdir(parents=True)
    (tmp_path / "logs/some/job.log").symlink_to("/dev/full")
    job = start("print('0123456789' * 100000)")
    seen, _ = job.communicate(timeout=60)
    assert (job.returncode, len(seen)) == (0, len("printed\n") + 10 * 100000 + 1)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_imports_in_its_job_so_that_an_import_that_fails_is_in_its_log(path):
    before, _, inside = path.read_text().partition("with job(snakemake):\n")
    assert re.findall(r"^ *(?:from|import) .*", before, re.MULTILINE) == ["from replication.scripts import job"]
    assert "import" in inside


def named(block: str, part: str) -> set[str]:
    """The names that a rule gives to its input, output or params."""
    (text,) = re.findall(rf"^    {part}:\n((?:        .*\n)+)", block, re.MULTILINE) or [""]
    return set(re.findall(r"^        (\w+)=", text, re.MULTILINE))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_asks_its_rules_for_what_they_have(path):
    blocks = [block for block in re.split(r"^(?=rule )", RULES, flags=re.MULTILINE) if f"/scripts/{path.name}" in block]
    assert blocks
    code = path.read_text()
    code = re.sub(r"^    params = snakemake\.params$", "", code, flags=re.MULTILINE)
    for part in ("input", "output", "params"):
        asked = set(re.findall(rf"snakemake\.{part}\.(\w+)", code))
        if part == "params":
            asked |= set(re.findall(r"(?<![\w.])params\.(\w+)", code))
        for block in blocks:
            assert asked <= named(block, part), block
