"""Seconds an iteration, side by side: the optimizers take turns, so that the machine's drift hits them alike."""

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

from nonsmooth import processes
from nonsmooth.training import clock
from replication.methods import ANCHOR
from replication.parameters import Parameters
from replication.run import build_network, build_optimizer, build_problem, draw

TURN = 0.05  # seconds that a turn lasts at least
MOST = 5  # iterations that a turn has at most
SETUPS = 5  # times that an optimizer is made, after once that is not counted


class Clock(NamedTuple):
    """Seconds of an optimizer's setup and of one of its iterations (or both in units of another's)."""

    setup: float
    step: float

    def after(self, iterations: float) -> float:
        """Wall time: setup time, and `iterations` times that of one."""
        return self.setup + iterations * self.step


def take_turns(
    steps: dict[str, Callable[[], None]], rounds: int, device: torch.device, turn: float = TURN
) -> dict[str, list[float]]:
    """Seconds of one step of each, in each of `rounds` rounds after one that is not counted.

    In a round each makes some steps in turn: as many as last `turn` seconds, at most MOST.
    """
    turns: dict[str, int] = {}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds + 1):
        for name, step in steps.items():
            count = turns.get(name, 1)
            start = clock(device)
            for _ in range(count):
                step()
            passed = (clock(device) - start) / count
            if number:
                seconds[name].append(passed)
            else:
                turns[name] = min(MOST, 1 + int(turn / passed))
    return seconds


def ratio(seconds: list[float], baseline: list[float]) -> list[float]:
    """Median, lower and upper quartile over rounds of the ratio within a round."""
    ratios = [a / b for a, b in zip(seconds, baseline, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return [middle, low, high]


def answer(runs: list[dict], rounds: int, *, root: str | Path, published: list[str]) -> dict:
    """Time the optimizers of one experiment: by name "setup", "seconds" and "ratio_to_adam".

    `runs` are the parameters of one run of each, of one seed. root: where MNIST's files are. Evaluation is not part of
    an iteration. "setup" is the median time that making the optimizer takes, "seconds" the median over rounds of an
    iteration, "ratio_to_adam" the median, lower and upper quartile over rounds of the ratio to Adam's in the same
    round.
    """
    every = [Parameters(**run) for run in runs]
    first = every[0]
    torch.set_num_threads(first.threads)
    device = processes.device(first.device)
    problem = build_problem(first, draw(root, first.seed, first))
    steps: dict[str, Callable[[], None]] = {}
    setups: dict[str, list[float]] = {run.optimizer: [] for run in every}
    for number in range(SETUPS + 1):
        for run in every:
            network = build_network(run, problem)
            start = clock(device)
            optimizer = build_optimizer(run, problem, network)
            if number:  # the first imports what it needs
                setups[run.optimizer].append(clock(device) - start)
            steps[run.optimizer] = optimizer.step
    seconds = take_turns(steps, rounds, device)
    report: dict = {"rounds": rounds, "optimizers": {}}
    for name, times in seconds.items():
        report["optimizers"][name] = {"setup": statistics.median(setups[name]), "seconds": statistics.median(times)}
        line = f"[time {first.experiment}/{name}] {1e3 * statistics.median(times):.2f} ms"
        if ANCHOR in seconds:
            report["optimizers"][name]["ratio_to_adam"] = ratio(times, seconds[ANCHOR])
            line += f", {report['optimizers'][name]['ratio_to_adam'][0]:.2f} x {ANCHOR}"
        print(line, flush=True)
    return report


def of_report(report: dict, optimizer: str) -> Clock:
    """The clock of an optimizer in the result of a record (`answer`)."""
    return Clock(report["optimizers"][optimizer]["setup"], report["optimizers"][optimizer]["seconds"])
