"""The loop that trains and records, the same for every optimizer.

Evaluation belongs to the loop and never to the optimizer; its time is never on the optimizer's clock.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from nonsmooth import bregman, proximal
from nonsmooth.problem import Problem, Split
from nonsmooth.processes import Group, is_first, summed

ROWS = 1024  # samples evaluated at a time
DIVERGED = 1e3  # a training loss of so many times the initial one, or one that is not finite, counts as diverged


class Optimizer(Protocol):
    """Trains a network in place."""

    def step(self) -> None:
        """One iteration."""

    def diagnostics(self) -> dict[str, float]:
        """What only the optimizer knows; it is called between iterations and its time is on no clock."""


@dataclass(frozen=True)
class Training:
    """What came of a training.

    history: columns of equal length; a row is the state after as many iterations as its "iteration" says, row 0 the
    initial network. "train_loss", "validation_loss" (where there is such data), "unseen_loss" (mean squared error of
    the network's own forward pass), "train_d" (mean Bregman distance D, where the network ends in a proximal
    activation), and the optimizer's diagnostics.
    status: "finished" or "diverged"; a diverged history ends with the row at which it was found.
    reason: why it diverged and what to lower, None where it finished.
    seconds: time inside `step()` alone. loop_seconds: time of the whole loop, evaluation included.
    best: the weights (as of `state_dict`) of the row with the smallest "validation_loss", where that was asked for.
    """

    history: dict[str, list[float]]
    status: str
    seconds: float
    loop_seconds: float
    best: dict[str, Tensor] | None = None
    reason: str | None = None


@torch.no_grad()
def mean_squared_error(network: nn.Module, split: Split, group: Group = None) -> float:
    """Mean over samples and outputs; in place and some rows at a time, since it is computed after every iteration."""
    total = torch.zeros((), dtype=torch.float64, device=split.targets.device)
    for inputs, targets in zip(split.inputs.split(ROWS), split.targets.split(ROWS), strict=True):
        total += torch.sub(network(inputs), targets).square_().sum(dtype=torch.float64)
    return _mean(total, split.targets.numel(), group)


def mean(values: Tensor, group: Group = None) -> float:
    """Mean of the entries of `values`, of all processes' together."""
    return _mean(values.sum(dtype=torch.float64), values.numel(), group)


def _mean(total: Tensor, count: int, group: Group) -> float:
    total, entries = summed(torch.stack([total, torch.full_like(total, count)]), group)
    return (total / entries).item()


def clock(device: torch.device) -> float:
    """Seconds, once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


@torch.no_grad()
def _mean_bregman_distance(network: nn.Sequential, split: Split, group: Group) -> float:
    z = network[:-1](split.inputs)
    return mean(bregman.distance(proximal.of(network[-1]), split.targets, z), group)


def _row(
    iteration: int, network: nn.Sequential, problem: Problem, optimizer: Optimizer, group: Group
) -> dict[str, float]:
    parts = {"train_loss": problem.training, "validation_loss": problem.validation, "unseen_loss": problem.unseen}
    row = {name: mean_squared_error(network, split, group) for name, split in parts.items() if split is not None}
    if not isinstance(network[-1], nn.Linear):
        row["train_d"] = _mean_bregman_distance(network, problem.training, group)
    return {"iteration": iteration} | row | optimizer.diagnostics()


def train(
    network: nn.Sequential,
    optimizer: Optimizer,
    problem: Problem,
    iterations: int,
    report: Callable[[str], None] | None = None,
    report_every: float = 5.0,
    group: Group = None,
    every: int = 1,
    keep_best: bool = False,
) -> Training:
    """`iterations` steps of an optimizer made for `network`, stopped early only by divergence.

    It is evaluated after each `every` iterations and after the last one: a row of the history. With `keep_best` the
    weights of the best row on validation data are kept as well. `report` is told the progress, at most every
    `report_every` seconds and once at the end. Of a `group` of processes each has its own rows of the problem; the
    history is that of all together, and the first process reports.
    """
    if not is_first(group):
        report = None
    rows = [_row(0, network, problem, optimizer, group)]
    limit = DIVERGED * max(rows[0]["train_loss"], torch.finfo(problem.training.inputs.dtype).eps)
    device = problem.training.inputs.device
    status, reason, seconds, begun = "finished", None, 0.0, clock(device)
    reported = end = begun
    lowest, best = rows[0].get("validation_loss", math.inf), None
    if keep_best:
        best = {name: value.clone() for name, value in network.state_dict().items()}
    for iteration in range(1, iterations + 1):
        start = clock(device)
        broken = None
        try:
            optimizer.step()
        except torch.linalg.LinAlgError as error:
            broken = str(error)
        end = clock(device)
        seconds += end - start
        if not broken and iteration % every and iteration < iterations:
            continue
        rows.append(_row(iteration, network, problem, optimizer, group))
        loss = rows[-1]["train_loss"]
        if keep_best and rows[-1]["validation_loss"] < lowest:
            lowest = rows[-1]["validation_loss"]
            best = {name: value.clone() for name, value in network.state_dict().items()}
        if broken or not (math.isfinite(loss) and loss <= limit):
            advice = getattr(optimizer, "advice", "lower the step size")
            status, reason = "diverged", broken or f"the training loss is not finite or over {limit:.4g}; {advice}"
            break
        if report and end - reported >= report_every and iteration < iterations:
            report(f"iteration {iteration}/{iterations}, training loss {loss:.4g}")
            reported = end
    if report:
        end_of_line = f": {reason}" if reason else ""
        last = rows[-1]
        report(f"{status} after {last['iteration']} iterations, training loss {last['train_loss']:.4g}{end_of_line}")
    history = {name: [row[name] for row in rows] for name in rows[0]}
    return Training(history, status, seconds, clock(device) - begun, best, reason)
