"""Where the claims stop holding: one setting moved at a time, every optimizer tuned anew there."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from replication.data import mnist
from replication.parameters import Parameters
from replication.ranges import step_lengths
from replication.run import train_blind
from replication.search import EVERY, neighbours
from replication.speed.clock import time_iterations
from replication.studies import maps
from replication.studies.seeds import SeedRun, train_seeds


@dataclass(frozen=True)
class Search:
    """How one optimizer is tuned at one setting, and run.

    starts: by column of SELECTIONS, the settings that the search begins with. ranges: as in search.Search. trials: at
    most so many. shift: of a range, for a neighbour. tuning_seed, seeds: of the search and of the runs. every:
    iterations between evaluations of the runs.
    """

    starts: dict[str, dict]
    ranges: dict[str, dict]
    trials: int
    shift: float
    tuning_seed: int
    seeds: list[int]
    every: int


@dataclass(frozen=True)
class Chosen:
    """The settings chosen by one column, whether all their neighbours were tried, and their runs."""

    optimizer: str
    settings: dict
    bracketed: bool
    runs: list[SeedRun]

    @classmethod
    def read(cls, values: dict) -> "Chosen":
        return cls(**values | {"runs": [SeedRun(**run) for run in values["runs"]]})


def _draw(root: str | Path, seed: int, parameters: Parameters) -> mnist.Sample:
    return mnist.draw(root, seed, **parameters.images, sources=[], log=lambda line: None)


def study(parameters: Parameters, search: Search, root: str | Path) -> dict:
    """Tune one optimizer at one setting and train it with every seed: its "trials", and by column what was "chosen".

    The settings with the smallest loss at the end are chosen, by either column. A trial has its settings and its losses
    at the end, none where it diverged. parameters: of a run there, without the settings that are searched. root: where
    MNIST's files are.
    """
    sample = _draw(root, search.tuning_seed, parameters)

    def ends(settings: dict) -> dict[str, float]:
        run = parameters.but(seed=search.tuning_seed, settings=settings)
        _, training = train_blind(run, sample, every=EVERY["last"])
        finished = training.status == "finished"
        return {column: training.history[column][-1] if finished else math.inf for column in search.starts}

    tried = walk(ends, list(search.starts.values()), search)
    samples = {seed: _draw(root, seed, parameters) for seed in search.seeds}
    chosen: dict[str, Chosen] = {}
    for column in search.starts:
        best, losses = min(tried, key=lambda trial: trial[1][column])
        run = parameters.but(settings=best)
        same = next((choice.runs for choice in chosen.values() if choice.settings == run.settings), None)
        runs = same or train_seeds(run, samples, every=search.every)
        around = neighbours(best, search.ranges, search.shift)
        bracketed = losses[column] < math.inf and all(s in [trial for trial, _ in tried] for s in around)
        chosen[column] = Chosen(parameters.optimizer, run.settings, bracketed, runs)
    trials = [
        {"settings": settings} | {column: loss for column, loss in losses.items() if loss < math.inf}
        for settings, losses in tried
    ]
    return {"trials": trials, "chosen": {column: asdict(choice) for column, choice in chosen.items()}}


def walk(
    ends: Callable[[dict], dict[str, float]], starts: list[dict], search: Search
) -> list[tuple[dict, dict[str, float]]]:
    """Settings with their `ends`: the `starts`, then neighbours of the best so far by either column in turn.

    As many as the search's trials, or fewer where every neighbour of the best has been tried. As long as every trial
    has diverged, those of the one with the smallest steps.
    """
    tried: list[tuple[dict, dict[str, float]]] = []

    def untried(options: list[dict]) -> list[dict]:
        return [settings for settings in options if all(settings != trial for trial, _ in tried)]

    def lengths(settings: dict) -> list[float]:
        return [settings[name] for name in step_lengths(search.ranges)]

    for settings in starts:
        for new in untried([settings]):
            tried.append((new, ends(new)))
    columns = list(tried[0][1])[::-1]
    while len(tried) < search.trials:
        before = len(tried)
        for column in columns:
            best, _ = min(tried, key=lambda trial: (trial[1][column], lengths(trial[0])))
            options = untried(neighbours(best, search.ranges, search.shift))
            if options and len(tried) < search.trials:
                tried.append((options[0], ends(options[0])))
        if len(tried) == before:
            break
    return tried


def measure_maps(parameters: Parameters, seeds: list[int], root: str | Path) -> dict:
    """The reference maps at one setting (maps.measure). parameters: of a run of any optimizer there."""
    return maps.measure(parameters, {seed: _draw(root, seed, parameters) for seed in seeds})


def time_methods(runs: list[Parameters], rounds: int, root: str | Path) -> dict:
    """Time methods side by side at one setting (clock.time_iterations)."""
    return time_iterations(runs, _draw(root, runs[0].seed, runs[0]), rounds)
