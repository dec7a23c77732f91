"""Calls of the workflow on the smoke configuration: real images from the excerpt, no network."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SNAKEMAKE = Path(sys.executable).parent / "snakemake"


def copy_project(copy: Path) -> Path:
    """A copy of the project's sources, at `copy`. Its library runs with PYTHONPATH at its src."""
    for name in ("config", "rules", "notebooks", "profiles", "data/excerpt", "data/records", "src"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(ROOT / "Snakefile", copy)
    return copy


def insert(path: Path, before: str, text: str, after: str = "") -> None:
    """Put `text` between `before` and `after` in a file that has these in a row once."""
    old = path.read_text()
    assert old.count(before + after) == 1, (path, before)
    path.write_text(old.replace(before + after, before + text + after))


def call(directory: Path, *arguments: str, project: Path = ROOT, over: str = "") -> dict:
    """What subprocess takes for a call in `directory`, with `over` (YAML) on top of the smoke configuration."""
    directory.mkdir(exist_ok=True)
    (directory / "over.yaml").write_text(over or "{}")
    command = [SNAKEMAKE, *arguments, "--snakefile", project / "Snakefile", "--directory", directory]
    command += ["--show-failed-logs", "--configfile", project / "config" / "smoke.yaml", directory / "over.yaml"]
    no_network = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    environment = os.environ | no_network
    environment.pop("MPLBACKEND", None)
    return {"args": list(map(str, command)), "env": environment}


def snakemake(directory: Path, *arguments: str, **options) -> subprocess.CompletedProcess:
    """A call that has ended; the arguments are those of `call`."""
    return subprocess.run(**call(directory, *arguments, **options), capture_output=True, text=True)


def output(done: subprocess.CompletedProcess) -> str:
    return done.stdout + done.stderr


def jobs(done: subprocess.CompletedProcess) -> dict[str, int]:
    """How many jobs of each rule a dry run or run announces."""
    table = re.search(r"^job +count\n[- ]+\n(.*?)^total", output(done), re.MULTILINE | re.DOTALL)
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)", table.group(1), re.M)} if table else {}
