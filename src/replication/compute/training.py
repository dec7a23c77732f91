"""The record of a method in one experiment: its search, what each criterion chose, and runs of other seeds with it."""

import json
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path

from replication import records
from replication.compute.seeds import SeedRun, train_seeds
from replication.parameters import CRITERIA, Parameters
from replication.run import draw
from replication.search import Trial, bracketed, choose, search_of, tune

# By what a run is known, beside its settings and seed.
BASE = ("method", "version", "iterations", "dtype", "problem", "images", "network")


@dataclass(frozen=True)
class Chosen:
    """The settings that were chosen by one criterion, of those searched, and the runs with them.

    bracketed: whether all their neighbours were tried; None where the search asks for none.
    """

    settings: dict
    bracketed: bool | None = None
    runs: list[SeedRun] = field(default_factory=list)


@dataclass(frozen=True)
class Tuned:
    """The result of a record. fixed: the settings that are not searched. seeds: of the search."""

    optimizer: str
    fixed: dict
    seeds: list[int]
    statistic: str
    ranges: dict[str, dict]
    trials: list[Trial]
    chosen: dict[str, Chosen]

    @classmethod
    def read(cls, values: dict) -> "Tuned":
        trials = [Trial(**trial) for trial in values["trials"]]
        chosen = {
            criterion: Chosen(**choice | {"runs": [SeedRun(**run) for run in choice["runs"]]})
            for criterion, choice in values["chosen"].items()
        }
        return cls(**values | {"trials": trials, "chosen": chosen})

    def choice(self, criterion: str) -> Chosen:
        """What a criterion chose. Raises ValueError, naming the method, where every finalist diverged."""
        if criterion not in self.chosen:
            raise ValueError(f"every finalist of {self.optimizer} diverged: move its ranges")
        return self.chosen[criterion]

    def settings(self, criterion: str) -> dict:
        """All settings of the runs that a criterion chose."""
        return self.fixed | self.choice(criterion).settings

    def score(self, criterion: str) -> float:
        """The mean score over seeds of the choice of a criterion."""
        settings = self.choice(criterion).settings
        return min(statistics.fmean(t.scores[criterion]) for t in self.trials if t.settings == settings and t.scores)


def answer(
    run: dict, search: dict, seeds: list[int], runs: dict[str, dict], *, root: str | Path, published: list[str]
) -> dict:
    """Search with some seeds, and train with others: the fields of Tuned.

    run: parameters without the settings that are searched. search: the fields of search.Spread or search.Walk. runs:
    by criterion what is trained with its choice: "seeds", "rows" (the iterations whose training losses are kept) or
    "every" (iterations between two such), and "with_ssim". root: where MNIST's files are. Trials and runs that a file
    of `published` records has are taken over from there.
    """
    parameters, how = Parameters(**run), search_of(search)
    known = Known(parameters, published)
    samples = {seed: draw(root, seed, parameters) for seed in seeds}
    trials = tune(parameters, how, samples, known.score(how.statistic)) if how.ranges else []
    chosen: dict[str, Chosen] = {}
    for criterion in CRITERIA:
        best = choose(trials, criterion, how, len(seeds)) if how.ranges else Trial({})
        if best is not None:
            asked = runs.get(criterion)
            done = known.train(parameters.but(settings=best.settings), asked, root) if asked else []
            chosen[criterion] = Chosen(best.settings, bracketed(best, trials, how), done)
    return asdict(Tuned(parameters.optimizer, run["settings"], seeds, how.statistic, how.ranges, trials, chosen))


class Known:
    """The trials and runs that records have of one method on one problem, by settings and seed."""

    def __init__(self, parameters: Parameters, published: list[str]):
        base = records.key(records.described(parameters) | {"settings": {}})
        self._scores: dict[str, dict[str, float]] = {}
        self._runs: dict[str, SeedRun] = {}
        for path in published:
            for head, place in records.heads(path):
                same = {name: value for name, value in head["key"].items() if name.split(".")[0] in BASE}
                if same == base and "trials" in head["result"]:
                    record = records.read(path, place)
                    self._add(Tuned.read(record["result"]), record["key"])

    def _add(self, tuned: Tuned, key: dict) -> None:
        for trial in tuned.trials:
            for number, seed in enumerate(tuned.seeds):
                scores = {c: values[number] for c, values in trial.scores.items() if number < len(values)}
                if scores:
                    self._scores.setdefault(_text(tuned.fixed | trial.settings, seed, tuned.statistic), scores)
        for criterion, choice in tuned.chosen.items():
            asked = {name: key.get(f"runs.{criterion}.{name}") for name in ("every", "rows", "with_ssim")}
            for run in choice.runs:
                self._runs.setdefault(_text(tuned.fixed | choice.settings, run.seed, asked), run)

    def score(self, statistic: str):
        """The scores of settings with a seed (search.Scores)."""
        return lambda settings, seed: self._scores.get(_text(settings, seed, statistic))

    def train(self, parameters: Parameters, asked: dict, root: str | Path) -> list[SeedRun]:
        """The runs that are asked for (`answer`), of which those that are not known are trained."""
        how = {name: asked.get(name) for name in ("every", "rows", "with_ssim")}
        runs = []
        for seed in asked["seeds"]:
            name = _text(parameters.settings, seed, how)
            if name not in self._runs:
                sample = {seed: draw(root, seed, parameters)}
                (self._runs[name],) = train_seeds(parameters, sample, **how)
            runs.append(self._runs[name])
        return runs


def _text(settings: dict, seed: int, how: object) -> str:
    given = {name: value for name, value in settings.items() if value is not None}
    return json.dumps([given, seed, how], sort_keys=True)
