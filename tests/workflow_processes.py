"""Workflows without Snakemake: a process that starts a server, as the Snakefile does."""

import os
import subprocess
import sys
import time
from pathlib import Path

from replication.forkserver import VARIABLE

WORKFLOW = """
import os, sys
from replication import forkserver
forkserver.start("forkserver.log")
print(os.environ[forkserver.VARIABLE], flush=True)
sys.stdin.read()
"""
# As sitecustomize.py it runs when Python starts. Without torch a server is ready in half a second, not in many.
LIGHT_SERVER = "from replication import forkserver; forkserver.WARM = ('ipykernel.kernelapp',)"


def wait_for(condition, seconds: float = 120) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def start_workflow(directory: Path, light: bool = True, **environment: str) -> subprocess.Popen:
    """A workflow in a process of its own and inside no other; it ends with its standard input. `folder`: its own."""
    outside = {name: value for name, value in os.environ.items() if name != VARIABLE}
    if light:
        (directory / "sitecustomize.py").write_text(LIGHT_SERVER)
        environment["PYTHONPATH"] = str(directory)
    command = [sys.executable, "-c", WORKFLOW]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen(command, cwd=directory, env=outside | environment, text=True, **pipes)
    process.folder = Path(process.stdout.readline().strip())
    return process


def end(workflow: subprocess.Popen) -> None:
    workflow.stdin.close()
    assert workflow.wait(120) == 0
    assert wait_for(lambda: not workflow.folder.exists())
