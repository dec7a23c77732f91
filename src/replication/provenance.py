"""What a number was computed with: versions, commit, processor, threads."""

import importlib.metadata
import platform
import shutil
import subprocess
from pathlib import Path

import torch


def provenance() -> dict:
    """Versions, git commit, processor and threads: what may explain a difference between two machines."""
    names = ("nonsmooth", "torch", "numpy", "pyarrow")
    commit = None
    if shutil.which("git"):
        git = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
        )
        commit = git.stdout.strip() or None
    return {
        "versions": {"python": platform.python_version()} | {n: importlib.metadata.version(n) for n in names},
        "git_commit": commit,
        "processor": processor(),
        "threads": torch.get_num_threads(),
    }


def processor() -> str:
    """The processor's own name where the system tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
