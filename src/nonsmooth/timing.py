"""Seconds an iteration, side by side: the optimizers take turns, so that the machine's drift hits them alike."""

import statistics
from collections.abc import Callable

import torch

from nonsmooth import networks, optimizers, placement, problems
from nonsmooth.mnist import Sample
from nonsmooth.runs import provenance
from nonsmooth.training import clock

TURN = 0.05  # seconds that a turn lasts at least
MOST = 5  # iterations that a turn has at most
SETUPS = 5  # times that an optimizer is made, after once that is not counted


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


def ratio(mine: list[float], others: list[float]) -> list[float]:
    """Median, lower and upper quartile over rounds of the ratio within a round."""
    ratios = [a / b for a, b in zip(mine, others, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return [middle, low, high]


def time_iterations(runs: list[dict], sample: Sample | None, rounds: int) -> dict:
    """Time the optimizers of one experiment and tell the medians.

    `runs` are the parameters of one run of each (config.parameters), of one seed. Evaluation is not part of an
    iteration. "setup" is the median time that making the optimizer takes, "seconds" the median over rounds of an
    iteration, "ratio_to_adam" the median, lower and upper quartile over rounds of the ratio to Adam's in the same
    round.
    """
    first = runs[0]
    torch.set_num_threads(first["threads"])
    place = placement.device(first["device"])
    common = {"seed": first["seed"], "dtype": first["dtype"]}
    problem = problems.build(sample, **first["problem"], **common).at(place)
    steps: dict[str, Callable[[], None]] = {}
    setups: dict[str, list[float]] = {run["optimizer"]: [] for run in runs}
    for number in range(SETUPS + 1):
        for run in runs:
            network = networks.build(problem.sizes, **run["network"], **common).to(place)
            start = clock(place)
            built = optimizers.build(
                run["optimizer"], network, *problem.training, seed=first["seed"], **run["settings"]
            )
            if number:  # the first imports what it needs
                setups[run["optimizer"]].append(clock(place) - start)
            steps[run["optimizer"]] = built.step
    seconds = take_turns(steps, rounds, place)
    report: dict = {"experiment": first["experiment"], "rounds": rounds, "optimizers": {}, **provenance()}
    for name, times in seconds.items():
        report["optimizers"][name] = {"setup": statistics.median(setups[name]), "seconds": statistics.median(times)}
        told = f"[time {first['experiment']}/{name}] {1e3 * statistics.median(times):.2f} ms"
        if "adam" in seconds:
            report["optimizers"][name]["ratio_to_adam"] = ratio(times, seconds["adam"])
            told += f", {report['optimizers'][name]['ratio_to_adam'][0]:.2f} x adam"
        print(told)
    return report
