"""From the parameters of a run to a run on disk; the only such way.

A run on disk is a folder with history.parquet, weights.safetensors and run.json. The first two hold no clock, date or
host and are the same bit for bit wherever the same versions run.
"""

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nonsmooth import processes
from nonsmooth.problem import Problem
from nonsmooth.training import Optimizer, Training, train
from replication import constructors, data
from replication.data import mnist, networks
from replication.data.mnist import Sample
from replication.dependencies import library
from replication.errors import DataError
from replication.files import reading, replacing, write_json
from replication.methods import METHODS
from replication.parameters import Parameters
from replication.paths import RUN_FILES
from replication.provenance import provenance
from replication.quality import summary

EVALUATED = {"first": 20, "every": 5}  # when default runs are evaluated (nonsmooth.training.train)


@dataclass(frozen=True)
class Assembly:
    """Problem, network and optimizer of a run, before its first iteration."""

    problem: Problem
    network: nn.Sequential
    optimizer: Optimizer


def draw(root: str | Path, seed: int, parameters: Parameters) -> Sample | None:
    """The images of a seed; None for a problem made from none."""
    return parameters.images and mnist.draw(root, seed, **parameters.images, sources=[], log=lambda line: None)


def build_problem(parameters: Parameters, sample: Sample | None, group: processes.Group = None) -> Problem:
    """The data of a run, on its device. `sample`: the images of its seed, None for a problem made from none."""
    problem = data.build(sample, **parameters.problem, seed=parameters.seed, dtype=parameters.dtype)
    return problem.at(processes.device(parameters.device), group)


def build_network(parameters: Parameters, problem: Problem) -> nn.Sequential:
    """The network of a run with its initial weights, on its device."""
    network = networks.build(problem.sizes, **parameters.network, seed=parameters.seed, dtype=parameters.dtype)
    return network.to(processes.device(parameters.device))


def build_optimizer(
    parameters: Parameters, problem: Problem, network: nn.Sequential, group: processes.Group = None
) -> Optimizer:
    """The optimizer of a run; what it takes is setup time."""
    return constructors.build(
        parameters.optimizer, network, *problem.training, seed=parameters.seed, group=group, **parameters.settings
    )


def assemble(
    parameters: Parameters, sample: Sample | None, group: processes.Group = None, problem: Problem | None = None
) -> Assembly:
    """Problem, network and optimizer of a run, which uses as many threads as the parameters say.

    problem: that of `build_problem`, where it has been built already.
    """
    torch.set_num_threads(parameters.threads)
    problem = problem or build_problem(parameters, sample, group)
    network = build_network(parameters, problem)
    return Assembly(problem, network, build_optimizer(parameters, problem, network, group))


def trained(
    parameters: Parameters,
    sample: Sample | None,
    folder: str | Path | None = None,
    report: Callable[[str], None] = print,
) -> "Run":
    """A run of the default kind: read from `folder` where that has the answer to the same question, else trained.

    The question: parameters, the method's version, the modules that the training depends on, and the libraries'
    versions. A run that is trained is saved to `folder`, where there is one. report: is told the progress.
    """
    asked = question(parameters)
    if folder is not None and Path(folder, RUN_FILES[-1]).exists():
        with suppress(DataError):
            known = load(folder)
            if known.record.get("question") == asked:
                report(f"read from {folder}: {known.record['status']}")
                return known
    run = assemble(parameters, sample)
    training = train(run.network, run.optimizer, run.problem, parameters.iterations, report, **EVALUATED)
    final = summary(run.network, run.problem)
    if folder is not None:
        save(folder, parameters, run.network, training, final)
        return load(folder)
    record = _record(parameters, training, final, 1)
    history = {name: np.array(values) for name, values in training.history.items()}
    return Run(parameters, history, run.network.cpu().state_dict(), final, record)


def question(parameters: Parameters) -> str:
    """A digest of all that the weights of a run depend on: the same question has the same answer, bit for bit."""
    method = METHODS[parameters.optimizer]
    line = {"constructor": method.constructor, "fixed": method.fixed, "version": method.version}
    modules = {path.name: path.read_text() for path in library("run.py", method.module)}
    everything = [asdict(parameters), line, modules, provenance()["versions"], EVALUATED]
    return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()


def train_blind(
    parameters: Parameters, sample: Sample | None, problem: Problem | None = None, **loop
) -> tuple[Assembly, Training]:
    """Assemble a run (`assemble`) and train; `loop` goes to `train`.

    The history has no unseen losses: the loop is not given that data, so that it can choose nothing.
    """
    run = assemble(parameters, sample, problem=problem)
    known = replace(run.problem, unseen=None, test=None)
    return run, train(run.network, run.optimizer, known, parameters.iterations, **loop)


def save(
    folder: str | Path,
    parameters: Parameters,
    network: nn.Module,
    training: Training,
    final: dict[str, float | None],
    count: int = 1,
) -> None:
    """Write the run to `folder`. final: quality.summary of the trained network. count: of processes that trained it."""
    folder = Path(folder)
    with replacing(folder / "history.parquet") as path:
        pyarrow.parquet.write_table(pyarrow.table(training.history), path)
    with replacing(folder / "weights.safetensors") as path:
        save_file({name: value.cpu().contiguous() for name, value in network.state_dict().items()}, path)
    write_json(folder / "run.json", _record(parameters, training, final, count), indent=2)


def _record(parameters: Parameters, training: Training, final: dict[str, float | None], count: int) -> dict:
    record = {"status": training.status, "reason": training.reason}
    record |= {"optimizer_seconds": training.seconds, "loop_seconds": training.loop_seconds}
    record |= {"parameters": asdict(parameters), "final": final, "processes": count, **provenance()}
    return record | ({"question": question(parameters)} if parameters.optimizer in METHODS else {})


@dataclass(frozen=True)
class Run:
    """A run on disk. record: run.json."""

    parameters: Parameters
    history: dict[str, np.ndarray]
    weights: dict[str, Tensor]
    final: dict[str, float | None]
    record: dict

    @property
    def diverged(self) -> bool:
        return self.record["status"] == "diverged"

    @property
    def sizes(self) -> tuple[int, int]:
        """How many inputs and outputs the network has."""
        weights = {int(name.split(".")[0]): value for name, value in self.weights.items() if name.endswith("weight")}
        return weights[min(weights)].shape[1], weights[max(weights)].shape[0]

    def network(self) -> nn.Sequential:
        """The trained network, on the CPU."""
        parameters = self.parameters
        network = networks.build(self.sizes, **parameters.network, seed=parameters.seed, dtype=parameters.dtype)
        network.load_state_dict(self.weights)
        return network


def load(folder: str | Path) -> Run:
    """The run in `folder`. Raises DataError, with the file's name, for a file that is missing or damaged."""
    history, weights, record = (Path(folder) / name for name in RUN_FILES)
    with reading(history):
        table = pyarrow.parquet.read_table(history)
        columns = {name: table[name].to_numpy() for name in table.column_names}
    with reading(weights):
        tensors = load_file(weights)
    with reading(record):
        values = json.loads(record.read_text())
        if values["status"] not in ("finished", "diverged"):
            raise ValueError(f"status = {values['status']!r}: must be finished or diverged")
        return Run(Parameters(**values["parameters"]), columns, tensors, values["final"], values)
