"""The searches that choose settings, the same for every method: spread over ranges, or a walk from a start."""

import json
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import ClassVar

from replication.data.mnist import Sample
from replication.guide import propose
from replication.parameters import CRITERIA, Parameters
from replication.ranges import at, moved, step_lengths
from replication.run import train_blind


def _mean_log(losses: list[float]) -> float:
    return statistics.fmean(math.log10(max(loss, 1e-300)) for loss in losses)


STATISTICS: dict[str, Callable[[list[float]], float]] = {"last": lambda losses: losses[-1], "mean_log": _mean_log}
EVERY = {"last": 50, "mean_log": 5}  # iterations between evaluations; more of them only tell of divergence sooner


@dataclass(frozen=True)
class Spread:
    """As many trials as for every other method, spread over the ranges.

    ranges: by setting (ranges.py). trials: how many. finalists: of the trials, by either criterion, how many are tried
    with the seeds that the others are not. statistic: of STATISTICS. first: the settings of the first trials.
    guided: by criterion, how many of the trials, the last ones, are where a model of the scores so far expects the most
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
    """Settings with their scores by criterion of CRITERIA, one for each seed that they were trained with.

    A trial that diverged has no scores. seconds: of processor time, one for each seed; none in older records.
    """

    settings: dict
    status: str = "finished"
    scores: dict[str, list[float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)

    def end(self, criterion: str) -> float:
        """The score with the first seed; infinite where there is none."""
        return self.scores[criterion][0] if criterion in self.scores else math.inf


@dataclass(frozen=True)
class Walk:
    """From the best settings so far to neighbours, on one seed, until the best lies between worse ones.

    starts: by criterion of CRITERIA, the settings that the search begins with. ranges: by setting (ranges.py).
    trials: at most so many. shift: of a range, for a neighbour.
    """

    starts: dict[str, dict]
    ranges: dict[str, dict]
    trials: int
    shift: float
    statistic: ClassVar[str] = "last"


Search = Spread | Walk
# Scores that are known already, by settings and seed: none has to be trained again.
Scores = Callable[[dict, int], dict[str, float] | None]


def search_of(values: dict) -> Search:
    """A search from its fields."""
    return Walk(**values) if "starts" in values else Spread(**values)


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


def tune(
    parameters: Parameters, search: Search, samples: dict[int, Sample | None], known: Scores = lambda *_: None
) -> list[Trial]:
    """Every trial of a search. `parameters`: of a run of any seed; `samples`: the images by seed, None without."""
    return (_walk if isinstance(search, Walk) else _spread)(parameters, search, samples, known)


def _spread(parameters: Parameters, search: Spread, samples: dict[int, Sample | None], known: Scores) -> list[Trial]:
    """Train once for each trial with each of the first seeds, and once more for the best ones with each other seed.

    The finalists are the trials with the smallest score of either criterion. The last trials are guided by the criteria
    in turn.
    """
    screened, others = list(samples)[: search.screened], list(samples)[search.screened :]
    spread = search.trials - sum(search.guided.values())
    report = [Trial(settings) for settings in trials(search.ranges, spread, search.first)]

    def score(number: int, seeds: Sequence[int]) -> None:
        for seed in seeds:
            if report[number].status == "finished":
                report[number] = _tried(parameters, search, report[number], seed, samples[seed], known)
                _tell(parameters, seed, number, search, report[number])

    for number in range(spread):
        score(number, screened)
    for _, criterion in sorted(
        (number, criterion) for criterion, count in search.guided.items() for number in range(count)
    ):
        if any(criterion in trial.scores for trial in report):
            scores = [_logarithm(trial, criterion, search.statistic) for trial in report]
            report.append(Trial(propose(search.ranges, [trial.settings for trial in report], scores)))
            score(len(report) - 1, screened)
    finalists = {number for criterion in CRITERIA for number in _ranked(report, criterion)[: search.finalists]}
    for number in sorted(finalists):
        score(number, others)
    return report


def _walk(parameters: Parameters, search: Walk, samples: dict[int, Sample | None], known: Scores) -> list[Trial]:
    """The starts, then neighbours of the best so far by either criterion in turn, with one seed.

    As many as the search's trials, or fewer where every neighbour of the best has been tried. As long as every trial
    has diverged, those of the one with the smallest steps.
    """
    ((seed, sample),) = samples.items()
    tried: list[Trial] = []

    def untried(options: list[dict]) -> list[dict]:
        return [settings for settings in options if all(settings != trial.settings for trial in tried)]

    def rank(trial: Trial, criterion: str) -> tuple:
        return trial.end(criterion), [trial.settings[name] for name in step_lengths(search.ranges)]

    def try_out(settings: dict) -> None:
        tried.append(_tried(parameters, search, Trial(settings), seed, sample, known))
        _tell(parameters, seed, len(tried) - 1, search, tried[-1])

    for settings in search.starts.values():
        for new in untried([settings]):
            try_out(new)
    criteria = list(search.starts)[::-1]
    while len(tried) < search.trials:
        before = len(tried)
        for criterion in criteria:
            best = min(tried, key=lambda trial: rank(trial, criterion))
            options = untried(neighbours(best.settings, search.ranges, search.shift))
            if options and len(tried) < search.trials:
                try_out(options[0])
        if len(tried) == before:
            break
    return tried


def _tell(parameters: Parameters, seed: int, number: int, search: Search, trial: Trial) -> None:
    name = f"{parameters.experiment}/{parameters.optimizer}/seed-{seed}"
    print(f"[tune {name}] trial {number + 1} of {search.trials}: {json.dumps(asdict(trial))}", flush=True)


def _logarithm(trial: Trial, criterion: str, statistic: str) -> float | None:
    """The logarithm of a trial's score, mean over its seeds; None where it has none."""
    if criterion not in trial.scores:
        return None
    score = statistics.fmean(trial.scores[criterion])
    return score if statistic == "mean_log" else _mean_log([score])


def _tried(
    parameters: Parameters, search: Search, trial: Trial, seed: int, sample: Sample | None, known: Scores
) -> Trial:
    """The trial with the score of one more seed."""
    start = time.process_time()
    run = parameters.but(seed=seed, settings=trial.settings)
    own = known(run.settings, seed)
    if own is None:
        _, training = train_blind(run, sample, every=EVERY[search.statistic])
        if training.status == "diverged":
            print(f"[tune {run.experiment}/{run.optimizer}/seed-{seed}] {training.reason}", flush=True)
            return replace(trial, status="diverged", scores={}, seconds=_and(trial.seconds, start))
        criteria = (criterion for criterion in CRITERIA if criterion in training.history)
        own = {criterion: STATISTICS[search.statistic](training.history[criterion]) for criterion in criteria}
    scores = {criterion: [*trial.scores.get(criterion, []), score] for criterion, score in own.items()}
    return replace(trial, scores=scores, seconds=_and(trial.seconds, start))


def _and(seconds: list[float], start: float) -> list[float]:
    return [*seconds, round(time.process_time() - start, 3)]


def _ranked(report: list[Trial], criterion: str) -> list[int]:
    """The numbers of the trials that have scores of a criterion, the best first."""
    scored = [number for number, trial in enumerate(report) if criterion in trial.scores]
    return sorted(scored, key=lambda number: statistics.fmean(report[number].scores[criterion]))


def choose(trials: list[Trial], criterion: str, search: Search, seeds: int) -> Trial | None:
    """The trial with the smallest score, mean over all seeds, of those that have every seed's; None where none has.

    A walk always has one, which may have diverged.
    """
    if isinstance(search, Walk):
        return min(trials, key=lambda trial: trial.end(criterion))
    finished = [trial for trial in trials if len(trial.scores.get(criterion, [])) == seeds]
    return min(finished, key=lambda trial: statistics.fmean(trial.scores[criterion]), default=None)


def bracketed(trial: Trial, trials: list[Trial], search: Search) -> bool | None:
    """Whether all neighbours of a trial were tried; None for a search that does not ask for them."""
    if isinstance(search, Spread):
        return None
    tried = [other.settings for other in trials]
    around = neighbours(trial.settings, search.ranges, search.shift)
    return trial.status == "finished" and all(settings in tried for settings in around)


def best_so_far(trials: list[Trial], criterion: str, statistic: str) -> list[tuple[int, float, dict]]:
    """Number, loss with the first seed and settings of each trial that is better than all before it."""
    best: list[tuple[int, float, dict]] = []
    for number, trial in enumerate(trials, 1):
        if scores := trial.scores.get(criterion):
            loss = 10 ** scores[0] if statistic == "mean_log" else scores[0]
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
