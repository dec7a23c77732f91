"""The loop that trains and records, the same for every optimizer.

Evaluation belongs to the loop and never to the optimizer; its time is never on the optimizer's clock.
"""

import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from nonsmooth import bregman, proximal
from nonsmooth.checks import check_count, check_range
from nonsmooth.contract import usual_surroundings
from nonsmooth.lifting import modules
from nonsmooth.problem import Problem, Split
from nonsmooth.processes import Group, is_first, summed

ROWS = 1024  # samples evaluated at a time
DRIFTED = 1.2  # training warns when the loss is this many times its lowest value and the lifted loss still falls
STATUSES = ("finished", "stopped", "diverged")
ROUNDING = 1e-9
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
    initial network. "train_loss" (mean squared error of the network's own forward pass) and "train_d" (mean Bregman
    distance D, where the network ends in a proximal activation) are in every row. "validation_loss" and "unseen_loss"
    (where there is such data) and the optimizer's diagnostics are nan in rows between (`train`).
    status: "finished", "stopped" (by the callback) or "diverged"; a diverged history ends with the row at which it was
    found.
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
    """Mean over samples and outputs; in place and some rows at a time, since it is computed after every iteration.

    Raises ValueError for targets of another shape than the outputs, which torch would stretch to each other.
    """
    total = torch.zeros((), dtype=torch.float64, device=split.targets.device)
    for inputs, targets in zip(split.inputs.split(ROWS), split.targets.split(ROWS), strict=True):
        outputs = network(inputs)
        if outputs.shape != targets.shape:
            shapes = f"{tuple(outputs.shape[1:])}, not {tuple(targets.shape[1:])}"
            raise ValueError(f"targets must have rows of the shape of the network's outputs, {shapes}")
        total += torch.sub(outputs, targets).square_().sum(dtype=torch.float64)
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
    *before, activation = modules(network).values()
    z = split.inputs
    for module in before:
        z = module(z)
    return mean(bregman.distance(proximal.of(activation), split.targets, z), group)


def _training_losses(network: nn.Sequential, problem: Problem, group: Group) -> dict[str, float]:
    losses = {"train_loss": mean_squared_error(network, problem.training, group)}
    if not isinstance([*modules(network).values()][-1], nn.Linear):
        losses["train_d"] = _mean_bregman_distance(network, problem.training, group)
    return losses


def _held_out(network: nn.Sequential, problem: Problem, optimizer: Optimizer, group: Group) -> dict[str, float]:
    parts = {"validation_loss": problem.validation, "unseen_loss": problem.unseen}
    losses = {name: mean_squared_error(network, split, group) for name, split in parts.items() if split is not None}
    return losses | optimizer.diagnostics()


def _warn_of_drift(rows: list[dict[str, float]]) -> bool:
    """Warn where the network's loss has risen by DRIFTED from its lowest value and the lifted loss is at its lowest.

    A loss below ROUNDING of the first one is as good as zero.
    """
    own = "train_d" if "train_d" in rows[0] else "train_loss"
    lowest, now = min(row[own] for row in rows), rows[-1][own]
    lifted = [row["lifted_loss"] for row in rows if not math.isnan(row.get("lifted_loss", math.nan))]
    risen = now > max(DRIFTED * lowest, ROUNDING * rows[0][own])
    drift = bool(lifted) and lifted[-1] == min(lifted) and risen
    if drift:
        warnings.warn(
            f"iteration {rows[-1]['iteration']}: the lifted loss falls, and the network's own loss has risen from "
            f"{lowest:.3g} to {now:.3g}. X_l = sigma(Z_l) is only penalised, and large weights magnify the gap. "
            "Gradient weight steps or a ridge keep the weights small",
            stacklevel=3,
        )
    return drift


@usual_surroundings()
def train(
    network: nn.Sequential,
    optimizer: Optimizer,
    problem: Problem,
    iterations: int,
    report: Callable[[str], None] | None = None,
    report_every: float = 5.0,
    group: Group = None,
    every: int = 1,
    first: int = 0,
    validate_every: int = 5,
    keep_best: bool = False,
    callback: Callable[[dict[str, float]], object] | None = None,
) -> Training:
    """`iterations` steps of an optimizer made for `network`, stopped early only by divergence or the callback.

    It is evaluated after each of the first `first` iterations, then after each `every` iterations, and after the last
    one: a row of the history. Data held out and the optimizer's diagnostics are evaluated in the first row, in the last
    one, and between in rows that are at least `validate_every` iterations apart. With `keep_best` the weights of the
    best of these on validation data are kept as well. `callback` is given each row after the first, and training stops
    where its answer is true. A UserWarning says when the network's loss has risen while the lifted loss fell. `report`
    is told the progress and the time left, at most every `report_every` seconds, and once the end. Of a `group` of
    processes each has its own rows of the problem; the history is that of all together, and the first process reports.
    The callback is called in every process.

    Raises ValueError for `keep_best` without validation data, for an optimizer of another network, and for a number
    outside its range; TypeError for what is no number.
    """
    for name, count, least in (("iterations", iterations, 0), ("every", every, 1), ("first", first, 0)):
        check_count(name, count, least)
    check_count("validate_every", validate_every)
    check_range("report_every", report_every, "0 <= {} < inf")
    own = getattr(optimizer, "_parameters", None)
    others = own is not None and [*map(id, own)] != [*map(id, network.parameters())]
    if others or getattr(optimizer, "network", network) is not network:
        raise ValueError("optimizer trains another network: make it for the one that is given")
    if keep_best and problem.validation is None:
        raise ValueError("keep_best = True needs validation data: Problem(training, validation)")
    if not is_first(group):
        report = None
    rows = [
        {"iteration": 0} | _training_losses(network, problem, group) | _held_out(network, problem, optimizer, group)
    ]
    validated, drifted = 0, False
    limit = DIVERGED * max(rows[0]["train_loss"], torch.finfo(problem.training.inputs.dtype).eps)
    device = problem.training.inputs.device
    status, reason, seconds, begun = "finished", None, 0.0, clock(device)
    reported = end = begun
    lowest, best = rows[0].get("validation_loss", math.inf), None
    lowest = math.inf if math.isnan(lowest) else lowest  # nan decides nothing
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
        if not broken and iteration > first and iteration % every and iteration < iterations:
            continue
        row = dict.fromkeys(rows[0], math.nan) | {"iteration": iteration} | _training_losses(network, problem, group)
        rows.append(row)
        if broken or not (math.isfinite(row["train_loss"]) and row["train_loss"] <= limit):
            advice = getattr(optimizer, "advice", "lower the step size")
            status, reason = "diverged", broken or f"the training loss is not finite or over {limit:.4g}; {advice}"
        if status == "diverged" or iteration - validated >= validate_every or iteration == iterations:
            row |= _held_out(network, problem, optimizer, group)
            validated = iteration
            drifted = drifted or (status == "finished" and _warn_of_drift(rows))
        if status == "diverged":
            break
        if keep_best and row["validation_loss"] < lowest:
            lowest = row["validation_loss"]
            best = {name: value.clone() for name, value in network.state_dict().items()}
        if callback and callback(row):
            status = "stopped" if iteration < iterations else status
            break
        if report and end - reported >= report_every and iteration < iterations:
            left = (end - begun) / iteration * (iterations - iteration)
            report(f"iteration {iteration}/{iterations}, training loss {row['train_loss']:.4g}, {left:.0f} s left")
            reported = end
    if report:
        end_of_line = f": {reason}" if reason else ""
        last = rows[-1]
        report(f"{status} after {last['iteration']} iterations, training loss {last['train_loss']:.4g}{end_of_line}")
    history = {name: [row[name] for row in rows] for name in rows[0]}
    return Training(history, status, seconds, clock(device) - begun, best, reason)
