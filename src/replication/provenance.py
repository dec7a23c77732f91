"""What a number was computed with: versions, commit, processor, threads."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

import torch

from replication.paths import SOURCE

ROOT = SOURCE.parent  # of the project, where the package is not installed elsewhere
COMPUTES = ("Snakefile", "config", "notebooks/*.ipynb", "rules", "src")  # what results depend on, for git

# Whatever a person's settings of git hide.
EVERY_CHANGE = ("-c", "core.fsmonitor=false", "-c", f"core.excludesFile={os.devnull}", "--no-optional-locks", "status")
EVERY_CHANGE += ("--porcelain", "--untracked-files=normal", "--ignore-submodules=none")


def provenance() -> dict:
    """Versions, git commit, processor and threads: what may explain a difference between two machines."""
    return {
        "versions": versions(),
        "git_commit": commit(),
        "processor": processor(),
        "threads": torch.get_num_threads(),
    }


def versions() -> dict[str, str]:
    """Of Python and of the libraries that results depend on, by name."""
    names = ("nonsmooth", "torch", "numpy", "pyarrow")
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in names}


def commit(root: Path = ROOT) -> str | None:
    """The commit of the project at `root`, with "-dirty" where files that results depend on differ from it.

    None where `root` is no repository of its own: a repository around it, or one in $GIT_DIR, is another project's.
    """
    root = root.resolve()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}

    def git(*arguments: str) -> str:
        command = ["git", "-c", f"safe.directory={root}", *arguments]  # also where another user owns the files
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.rstrip("\n")

    try:
        if not os.path.samefile(git("rev-parse", "--show-toplevel"), root):
            return None
        changes = git(*EVERY_CHANGE, "--", *COMPUTES)
        return git("rev-parse", "HEAD") + ("-dirty" if changes else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def processor() -> str:
    """The processor's own name where the system tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
