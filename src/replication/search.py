"""The search that chooses settings, the same for every optimizer: as many trials of the same quasi-random sequence."""

import json
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import yaml

from replication.data.mnist import Sample
from replication.files import read_json, replacing
from replication.guide import propose
from replication.parameters import SELECTIONS, Parameters
from replication.ranges import at, moved, step_lengths
from replication.run import train_blind

HEAD = "# Chosen by `snakemake tune` and copied here by `make tuned`.\n"


def _mean_log(losses: list[float]) -> float:
    return statistics.fmean(math.log10(max(loss, 1e-300)) for loss in losses)


STATISTICS: dict[str, Callable[[list[float]], float]] = {"last": lambda losses: losses[-1], "mean_log": _mean_log}
EVERY = {"last": 50, "mean_log": 5}  # iterations between evaluations; more of them only tell of divergence sooner


@dataclass(frozen=True)
class Search:
    """What is searched, and how.

    ranges: by setting (ranges.py). trials: how many. finalists: of the trials, by either column, how many are tried
    with the seeds that the others are not. statistic: of STATISTICS. first: the settings of the first trials.
    guided: by column, how many of the trials, the last ones, are where a model of the scores so far expects the most
    (guide.py). screened: seeds that each trial has.
    """

    ranges: dict[str, dict]
    trials: int
    finalists: int
    statistic: str
    first: list[dict] = field(default_factory=list)
    guided: dict[str, int] = field(default_factory=dict)
    screened: int = 1


@dataclass(frozen=True)
class Trial:
    """Settings with their scores by column of SELECTIONS, one for each seed that they were trained with.

    A trial that diverged has no scores. seconds: of processor time, one for each seed; none in older records.
    """

    settings: dict
    status: str = "finished"
    scores: dict[str, list[float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Report:
    """A search of one optimizer on one experiment."""

    experiment: str
    optimizer: str
    seeds: list[int]
    statistic: str
    trials: list[Trial]
    ranges: dict[str, dict]

    @classmethod
    def read(cls, path: str | Path) -> "Report":
        """The result of a record."""
        values = read_json(path)["result"]
        return cls(**values | {"trials": [Trial(**trial) for trial in values["trials"]]})


def _points(ranges: dict[str, dict], count: int) -> list[dict[str, float]]:
    """The first `count` points of a scrambled Sobol sequence, which depends on the names of the settings alone."""
    from scipy.stats import qmc  # imported late: it takes a second

    points = qmc.Sobol(len(ranges), rng=0).random(count).tolist()
    return [dict(zip(sorted(ranges), point, strict=True)) for point in points]


def trials(ranges: dict[str, dict], count: int, first: Sequence[dict] = ()) -> list[dict]:
    """`count` settings: `first`, then others that a scrambled Sobol sequence spreads over the ranges.

    The sequence is uniform in the value of a setting where its range is "linear", else in a logarithm (ranges.py).
    """
    spread = _points(ranges, count)[: max(0, count - len(first))]
    return [*first, *({name: at(ranges[name], share) for name, share in point.items()} for point in spread)]


def tune(parameters: Parameters, search: Search, samples: dict[int, Sample | None]) -> Report:
    """Train once for each trial with each of the first seeds, and once more for the best ones with each other seed.

    `parameters` are those of a run of any seed; `samples` the images by seed, None for problems without. The finalists
    are the trials with the smallest score of either column. The last trials are guided by the columns in turn.
    """
    screened, others = list(samples)[: search.screened], list(samples)[search.screened :]
    spread = search.trials - sum(search.guided.values())
    report = [Trial(settings) for settings in trials(search.ranges, spread, search.first)]

    def score(number: int, seeds: Sequence[int]) -> None:
        for seed in seeds:
            if report[number].status == "finished":
                report[number] = _tried(parameters, search, report[number], seed, samples[seed])
                name = f"{parameters.experiment}/{parameters.optimizer}/seed-{seed}"
                line = f"trial {number + 1} of {search.trials}: {json.dumps(asdict(report[number]))}"
                print(f"[tune {name}] {line}", flush=True)

    for number in range(spread):
        score(number, screened)
    for _, column in sorted((number, column) for column, count in search.guided.items() for number in range(count)):
        if any(column in trial.scores for trial in report):
            scores = [_logarithm(trial, column, search.statistic) for trial in report]
            report.append(Trial(propose(search.ranges, [trial.settings for trial in report], scores)))
            score(len(report) - 1, screened)
    finalists = {number for column in SELECTIONS for number in _ranked(report, column)[: search.finalists]}
    for number in sorted(finalists):
        score(number, others)
    names = parameters.experiment, parameters.optimizer
    return Report(*names, list(samples), search.statistic, report, search.ranges)


def _logarithm(trial: Trial, column: str, statistic: str) -> float | None:
    """The logarithm of a trial's score, mean over its seeds; None where it has none."""
    if column not in trial.scores:
        return None
    score = statistics.fmean(trial.scores[column])
    return score if statistic == "mean_log" else _mean_log([score])


def _tried(parameters: Parameters, search: Search, trial: Trial, seed: int, sample: Sample | None) -> Trial:
    """The trial with the score of one more seed."""
    start = time.process_time()
    run = parameters.but(seed=seed, settings=trial.settings)
    _, training = train_blind(run, sample, every=EVERY[search.statistic])
    seconds = [*trial.seconds, round(time.process_time() - start, 3)]
    if training.status == "diverged":
        print(f"[tune {run.experiment}/{run.optimizer}/seed-{seed}] {training.reason}", flush=True)
        return Trial(trial.settings, "diverged", seconds=seconds)
    scores = dict(trial.scores)
    for column in (column for column in SELECTIONS if column in training.history):
        scores[column] = [*scores.get(column, []), STATISTICS[search.statistic](training.history[column])]
    return Trial(trial.settings, "finished", scores, seconds)


def _ranked(report: list[Trial], column: str) -> list[int]:
    """The numbers of the trials that have scores of a column, the best first."""
    scored = [number for number, trial in enumerate(report) if column in trial.scores]
    return sorted(scored, key=lambda number: statistics.fmean(report[number].scores[column]))


def _chosen(report: Report, column: str) -> Trial:
    """The trial with the smallest score, mean over all seeds, of those that were trained with every one.

    Raises ValueError, naming the optimizer, where every such trial diverged.
    """
    finished = [trial for trial in report.trials if len(trial.scores.get(column, [])) == len(report.seeds)]
    if not finished:
        raise ValueError(f"every finalist of {report.experiment}/{report.optimizer} diverged: move its ranges")
    return min(finished, key=lambda trial: statistics.fmean(trial.scores[column]))


def choose(report: Report, column: str) -> dict:
    """The settings with the smallest score, mean over all seeds. Raises ValueError where every finalist diverged."""
    return _chosen(report, column).settings


def score(report: Report, column: str) -> float:
    """The smallest score, mean over all seeds, that `choose` goes by. Raises ValueError as it does."""
    return statistics.fmean(_chosen(report, column).scores[column])


def best_so_far(report: Report, column: str) -> list[tuple[int, float, dict]]:
    """Number, loss with the first seed and settings of each trial that is better than all before it."""
    best: list[tuple[int, float, dict]] = []
    for number, trial in enumerate(report.trials, 1):
        if scores := trial.scores.get(column):
            loss = 10 ** scores[0] if report.statistic == "mean_log" else scores[0]
            if not best or loss < best[-1][1]:
                best.append((number, loss, trial.settings))
    return best


def neighbours(settings: dict, ranges: dict[str, dict], share: float) -> list[dict]:
    """`settings` with the `step_lengths` together made smaller, and made larger, by `share` of their ranges; then each
    of the rest alone (momentum). Values are kept inside their ranges.
    """
    rates = step_lengths(ranges)
    around = []
    for names in (rates, *([name] for name in ranges if name not in rates)):
        for step in (-share, share):
            other = dict(settings)
            for name in names:
                other[name] = moved(ranges[name], settings[name], step)
            around.append(other)
    return around


def collect(reports: list[Report], select_by: dict[str, str], output: str | Path) -> None:
    """Choose settings from the reports and write them in the form of config/tuned.yaml.

    Of each experiment "tuned_on" has the choice by each column, and "optimizers" the one by the column that
    `select_by` names, which the experiment's own runs use.
    """
    experiments: dict = {}
    for report in reports:
        section = experiments.setdefault(report.experiment, {"optimizers": {}, "tuned_on": {}})
        for column in SELECTIONS:
            section["tuned_on"].setdefault(column, {})[report.optimizer] = choose(report, column)
        chosen = section["tuned_on"][select_by[report.experiment]]
        section["optimizers"][report.optimizer] = chosen[report.optimizer]
    with replacing(output) as path:
        path.write_text(HEAD + yaml.dump({"experiments": experiments}, sort_keys=False, Dumper=_Plain))


class _Plain(yaml.SafeDumper):
    """Writes what is the same twice twice, without anchors."""

    def ignore_aliases(self, data: object) -> bool:
        return True
