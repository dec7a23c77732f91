"""What every job of a rule has in common."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from snakemake_calls import ROOT

RULES = "\n".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))
SCRIPTS = sorted((ROOT / "src/replication/scripts").glob("[a-z]*.py"))

JOB = """
import multiprocessing, subprocess, sys
from types import SimpleNamespace
from replication.errors import DataError
from replication.scripts import job

if __name__ == "__main__":
    with job(SimpleNamespace(log=["logs/some/job.log"])):
        print("printed")
        {}
"""


def run(folder: Path, line: str) -> tuple[int, str, str]:
    """Exit status, what is seen, and the log of a job."""
    (folder / "job.py").write_text(JOB.format(line))
    command = [sys.executable, "job.py"]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    return done.returncode, done.stdout, (folder / "logs/some/job.log").read_text()


@pytest.mark.parametrize("line", ["print('warned', file=sys.stderr)", "subprocess.run(['echo', 'warned'])"])
def test_what_is_printed_is_seen_and_kept(tmp_path, line):
    assert run(tmp_path, line) == (0, "printed\nwarned\n", "printed\nwarned\n")


def test_much_output_is_kept_whole(tmp_path):
    code, seen, log = run(tmp_path, "print('0123456789' * 100000)")
    assert (code, seen) == (0, log)
    assert len(log) == len("printed\n") + 10 * 100000 + 1


def test_an_error_that_can_be_mended_is_its_message(tmp_path):
    assert run(tmp_path, "raise DataError('put it there')") == (1, *["printed\nDataError: put it there\n"] * 2)


def test_another_error_is_a_traceback(tmp_path):
    code, _, log = run(tmp_path, "raise KeyError('lost')")
    assert code == 1
    assert "Traceback" in log
    assert log.endswith("KeyError: 'lost'\n")


def test_processes_that_multiprocessing_leaves_behind_do_not_hold_a_job_up(tmp_path):
    line = "p = multiprocessing.get_context('spawn').Process(target=print, args=('child',)); p.start(); p.join()"
    assert run(tmp_path, line) == (0, "printed\nchild\n", "printed\nchild\n")


def named(block: str, part: str) -> set[str]:
    """The names that a rule gives to its input, output or params."""
    (text,) = re.findall(rf"^    {part}:\n((?:        .*\n)+)", block, re.MULTILINE) or [""]
    return set(re.findall(r"^        (\w+)=", text, re.MULTILINE))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_asks_its_rules_for_what_they_have(path):
    blocks = [block for block in re.split(r"^(?=rule )", RULES, flags=re.MULTILINE) if f"/{path.name}" in block]
    assert blocks
    code = path.read_text()
    code = re.sub(r"^    params = snakemake\.params$", "", code, flags=re.MULTILINE)
    for part in ("input", "output", "params"):
        asked = set(re.findall(rf"snakemake\.{part}\.(\w+)", code))
        if part == "params":
            asked |= set(re.findall(r"(?<![\w.])params\.(\w+)", code))
        for block in blocks:
            assert asked <= named(block, part), block
