"""One run on disk: a folder with history.parquet, weights.safetensors and run.json.

The first two hold no clock, date or host and are the same bit for bit wherever the same versions run.
"""

import importlib.metadata
import json
import math
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nonsmooth.files import replacing
from nonsmooth.mnist import Sample
from nonsmooth.placement import Group
from nonsmooth.problems import Problem
from nonsmooth.training import Training, mean, mean_squared_error, psnr

Clock = tuple[float, float]  # seconds of an optimizer's set-up and of an iteration
FILES = ("history.parquet", "weights.safetensors", "run.json")


@dataclass(frozen=True)
class Run:
    history: dict[str, np.ndarray]
    weights: dict[str, Tensor]
    record: dict

    @property
    def diverged(self) -> bool:
        return self.record["status"] == "diverged"


def summary(network: nn.Module, problem: Problem, group: Group = None) -> dict[str, float | None]:
    """The numbers of a trained network that are computed once, at the end, None where they are not finite.

    Mean squared error on the whole test set, and for images (targets of more than one pixel) the mean PSNR in dB on
    training and unseen images.
    """
    numbers = {}
    if problem.test is not None:
        numbers["test_loss"] = mean_squared_error(network, problem.test, group)
    if problem.sizes[1] > 1:
        with torch.no_grad():
            for name, split in (("train", problem.training), ("unseen", problem.unseen)):
                numbers[f"{name}_psnr"] = mean(psnr(network(split.inputs), split.targets), group)
    return {name: value if math.isfinite(value) else None for name, value in numbers.items()}


def save(folder: str | Path, network: nn.Module, training: Training, record: dict) -> None:
    """Write the run. `record` (settings, seed, final numbers) goes to run.json with what is known of the machine."""
    folder = Path(folder)
    with replacing(folder / "history.parquet") as path:
        pyarrow.parquet.write_table(pyarrow.table(training.history), path)
    with replacing(folder / "weights.safetensors") as path:
        save_file({name: value.cpu().contiguous() for name, value in network.state_dict().items()}, path)
    seconds = {"optimizer_seconds": training.seconds, "loop_seconds": training.loop_seconds}
    record = {"status": training.status, **seconds, **record, **provenance()}
    with replacing(folder / "run.json") as path:
        path.write_text(json.dumps(record, indent=2, allow_nan=False) + "\n")


def load(folder: str | Path) -> Run:
    folder = Path(folder)
    table = pyarrow.parquet.read_table(folder / "history.parquet")
    history = {name: table[name].to_numpy() for name in table.column_names}
    weights = load_file(folder / "weights.safetensors")
    return Run(history, weights, json.loads((folder / "run.json").read_text()))


@dataclass(frozen=True)
class Results:
    """What the pipeline has computed, as its figures read it.

    folder: the folder "results". seeds, in the order of the configuration, and optimizers: by experiment.
    """

    folder: str
    seeds: dict[str, list[int]]
    optimizers: dict[str, list[str]]

    def runs(self, experiment: str, optimizer: str) -> list[Run]:
        """One run for each seed."""
        return [self.run(experiment, optimizer, seed) for seed in self.seeds[experiment]]

    def run(self, experiment: str, optimizer: str, seed: int) -> Run:
        return load(Path(self.folder) / "runs" / experiment / optimizer / f"seed-{seed}")

    def clock(self, experiment: str, optimizer: str) -> Clock:
        """Median seconds of the set-up and of one iteration, from the rule that times the optimizers side by side."""
        report = json.loads((Path(self.folder) / "timing" / f"{experiment}.json").read_text())
        return clock(report, optimizer)

    def sample(self, seed: int) -> Sample:
        return Sample.load(Path(self.folder) / "data" / f"seed-{seed}.safetensors")


def clock(report: dict, optimizer: str) -> Clock:
    """Of the report of timing.time_iterations."""
    return report["optimizers"][optimizer]["setup"], report["optimizers"][optimizer]["seconds"]


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
