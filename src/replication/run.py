"""From the parameters of a run to a run on disk; the only such way.

A run on disk is a folder with history.parquet, weights.safetensors and run.json. The first two hold no clock, date or
host and are the same bit for bit wherever the same versions run.
"""

import ast
import hashlib
import json
import os
import warnings
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nonsmooth import processes
from nonsmooth.problem import Problem
from nonsmooth.training import STATUSES, Optimizer, Training, train
from replication import constructors, data
from replication.data import mnist, networks
from replication.data.mnist import Sample
from replication.dependencies import of_training
from replication.errors import DataError, DivergedError
from replication.files import reading, replacing, write_json
from replication.methods import METHODS
from replication.parameters import Parameters
from replication.paths import RUN_FILES, SOURCE
from replication.provenance import provenance, versions
from replication.quality import summary

# When runs of the pipeline are evaluated: after each of the first iterations, then after every fifth, and at the end.
EVALUATED = {"first": 20, "every": 5}


@dataclass(frozen=True)
class Assembly:
    """Problem, network and optimizer of a run, before its first iteration."""

    problem: Problem
    network: nn.Sequential
    optimizer: Optimizer


def draw(root: str | Path, seed: int, parameters: Parameters) -> Sample | None:
    """The images of a seed; None for a problem made from none. root: where MNIST's files are."""
    return parameters.images and mnist.draw(root, seed, **parameters.images, sources=[], log=lambda line: None)


def build_problem(parameters: Parameters, sample: Sample | None, group: processes.Group = None) -> Problem:
    """The data of a run, on its device. `sample`: the images of its seed, None for a problem made from none."""
    problem = data.build(sample, **parameters.problem, seed=parameters.seed, dtype=parameters.dtype)
    return problem.at(processes.device(parameters.device), group)


def build_network(parameters: Parameters, problem: Problem) -> nn.Sequential:
    """The network of a run with its initial weights, on its device.

    Raises ValueError for hidden layers whose weights and units no memory of this machine holds.
    """
    hidden, (inputs, outputs) = parameters.network["hidden"], problem.sizes
    widths = [inputs, *hidden, outputs]
    numbers = sum(a * b for a, b in pairwise(widths)) + sum(hidden) * len(problem.training.inputs)
    needed, memory = numbers * 4, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory:
        raise ValueError(
            f"hidden = {hidden}: weights and units are at least {needed / 2**30:,.0f} GiB, and this machine has "
            f"{memory / 2**30:,.0f} GiB"
        )
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


def trained(parameters: Parameters, sample: Sample | None, folder: str | Path | None = None) -> "Run":
    """The run with these parameters: read from `folder` where its answer is there, else trained and saved there.

    sample: the images of its seed, None for a problem made from none. Without a folder it is trained and not saved.
    Lines with the run's name in brackets tell the progress.
    """

    def report(line: str) -> None:
        print(f"[{parameters.experiment}/{parameters.optimizer}/seed-{parameters.seed}] {line}", flush=True)

    asked = question(parameters, sample)
    if folder is not None:
        with suppress(DataError):  # no run, or a damaged one
            known = load(folder)
            if known.record.get("question") == asked:
                report(f"{known.record['status']} before, read from {folder}")
                return known
    run = assemble(parameters, sample)
    with warnings.catch_warnings(record=True) as caught:  # else a notebook would show them with a path of this machine
        warnings.simplefilter("always")
        training = train(run.network, run.optimizer, run.problem, parameters.iterations, report, **EVALUATED)
    for warning in caught:
        report(f"warning: {warning.message}")
    final = summary(run.network, run.problem)
    if folder is not None:
        save(folder, parameters, run.network, training, final, asked=asked)
        return load(folder)
    history = {name: np.array(values) for name, values in training.history.items()}
    return Run(parameters, history, _weights(run.network), final, _record(parameters, training, final, 1, asked))


def question(parameters: Parameters, sample: Sample | None) -> str:
    """A digest of all that a run depends on: the same question has the same answer, bit for bit on one processor.

    That is its parameters, its images, what METHODS says of its method but for its name and role, the code that it
    runs, and the versions of Python and of the libraries.
    """
    method = METHODS[parameters.optimizer]
    line = [method.constructor, method.fixed, method.version]
    text = json.dumps([asdict(parameters), line, _code(method.module), versions()], sort_keys=True)
    digest = hashlib.sha256(text.encode())
    for images in vars(sample).values() if sample else ():
        digest.update(images.contiguous().numpy())
    return digest.hexdigest()


@cache
def _code(module: str) -> dict[str, str]:
    """The code that a training with a method of a module runs, without comments, by module."""
    paths = of_training(__file__, module)
    return {str(path.relative_to(SOURCE)): ast.dump(ast.parse(path.read_text())) for path in paths}


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
    asked: str | None = None,
) -> None:
    """Write the run to `folder`. final: quality.summary of the trained network. count: of processes that trained it.

    asked: its `question`, where the run may answer it again. run.json goes first and comes last, so that no moment
    leaves one that tells of other files.
    """
    folder = Path(folder)
    (folder / "run.json").unlink(missing_ok=True)
    with replacing(folder / "history.parquet") as path:
        pyarrow.parquet.write_table(pyarrow.table(training.history), path)
    with replacing(folder / "weights.safetensors") as path:
        save_file(_weights(network), path)
    digests = {name: _digest(folder / name) for name in ("history.parquet", "weights.safetensors")}
    record = _record(parameters, training, final, count, asked) | {"sha256": digests}
    write_json(folder / "run.json", record, indent=2)


def check_finished(training: Training, folder: str | Path) -> None:
    """Raise DivergedError or KeyboardInterrupt for a saved training that came to no proper end."""
    text = f"{training.status} after {training.history['iteration'][-1]} iterations, saved: {folder}"
    if training.status == "diverged":
        raise DivergedError(f"{text}: {training.reason}")
    if training.status == "stopped":
        raise KeyboardInterrupt(text)


def _weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.cpu().contiguous() for name, value in network.state_dict().items()}


def _record(
    parameters: Parameters, training: Training, final: dict[str, float | None], count: int, asked: str | None
) -> dict:
    record = {"status": training.status, "reason": training.reason}
    record |= {"optimizer_seconds": training.seconds, "loop_seconds": training.loop_seconds}
    record |= {"parameters": asdict(parameters), "final": final, "processes": count, "question": asked}
    return record | provenance()


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
        if values["status"] not in STATUSES:
            raise ValueError(f"status = {values['status']!r}: must be one of {', '.join(STATUSES)}")
        loaded = Run(Parameters(**values["parameters"]), columns, tensors, values["final"], values)
        digests, network = dict(values.get("sha256", {})), loaded.parameters.network
        if type(network["bias"]) is not bool or not all(type(units) is int for units in network["hidden"]):
            raise ValueError("its network has no sizes")
    for path in (history, weights):
        with reading(path):
            _check_digest(path, digests.get(path.name))
    with reading(weights):
        _check_shapes(loaded)
    return loaded


def _check_digest(path: Path, digest: str | None) -> None:
    """Raise ValueError for a file that is not the one of run.json. digest: None in a run without digests."""
    if digest is not None and _digest(path) != digest:
        raise ValueError("it is of another run than run.json beside it")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _check_shapes(run: Run) -> None:
    """Raise ValueError for weights that are not those of the network of run.json."""
    network = run.parameters.network
    widths = [run.sizes[0], *network["hidden"], run.sizes[1]]
    expected = {}
    for number, (inputs, outputs) in enumerate(pairwise(widths)):
        expected[f"{2 * number}.weight"] = [outputs, inputs]
        if network["bias"]:
            expected[f"{2 * number}.bias"] = [outputs]
    if (shapes := {name: list(value.shape) for name, value in run.weights.items()}) != expected:
        raise ValueError(f"its shapes are {shapes}, which run.json beside it says must be {expected}")
    for name, value in run.weights.items():
        if str(value.dtype) != f"torch.{run.parameters.dtype}":
            raise ValueError(f"{name} is {value.dtype}, which run.json beside it says must be {run.parameters.dtype}")
        if not run.diverged and not bool(value.isfinite().all()):
            raise ValueError(f"{name} has values that are not finite")
