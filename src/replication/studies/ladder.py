"""The ladder: methods an ingredient apart, tuned alike and run with the same seeds."""

import math
from dataclasses import dataclass, field

from replication.data.mnist import Sample
from replication.files import read_json
from replication.methods import default
from replication.parameters import Parameters
from replication.records import OF_RUN
from replication.search import Search, choose, tune
from replication.studies.seeds import SeedRun, train_seeds

COLUMN = "train_loss"  # settings are chosen by it


@dataclass(frozen=True)
class Rung:
    """A row of the ladder.

    experiment: of the ladder. method: the row's name there, label: for readers, optimizer: a key of METHODS. runs: the
    record of its runs, of `study` or of the claims. claims: the record of the claims' runs of the same method, where
    one is published.
    """

    experiment: str
    method: str
    label: str
    optimizer: str
    runs: str
    claims: list[str] = field(default_factory=list)


def study(
    parameters: Parameters, search: Search, rows: list[int], tuning: Sample | None, samples: dict[int, Sample | None]
) -> list[dict]:
    """Tune one method on one seed and train it with every other: an entry a seed.

    An entry has "experiment", "method", "seed" and "status", "train_loss" by iteration of `rows`, "unseen_loss",
    "unseen_psnr" and "active" at the end (quality.quality; null for a run that diverged), and the chosen "settings".

    parameters: of a run of the seed that the search has. tuning: that seed's images; samples: the others', by seed.
    """
    report = tune(parameters, search, {parameters.seed: tuning})
    settings = choose(report, COLUMN)
    runs = train_seeds(parameters.but(settings=settings), samples, every=math.gcd(*rows), with_ssim=False)
    return [_entry(parameters.experiment, parameters.optimizer, settings, rows, run) for run in runs]


def _entry(experiment: str, method: str, settings: dict, rows: list[int], run: SeedRun) -> dict:
    losses = dict(zip(run.iteration, run.train_loss, strict=True))
    final = run.final or {}
    return {
        "experiment": experiment,
        "method": method,
        "seed": run.seed,
        "status": run.status,
        "train_loss": {str(row): losses.get(row) for row in rows},
        **{name: final.get(name) for name in ("unseen_loss", "unseen_psnr", "active")},
        "settings": settings,
    }


def collect(rungs: list[Rung], rows: list[int], seeds: list[int]) -> list[dict]:
    """Every run of the ladder: the entries of `study`, with "optimizer" and "label" of their row.

    Of the claims' runs those with these seeds. Records of earlier versions have no "active": where the claims have
    trained the same runs it is theirs, else null.
    """
    collected = []
    for rung in rungs:
        known = [entry for path in rung.claims for entry in _entries(rung, path, rows)]
        entries = {entry["seed"]: (entry, key) for entry, key in _entries(rung, rung.runs, rows)}
        for entry, key in (entries[seed] for seed in seeds):
            if "active" not in entry:
                same = (other["active"] for other, its in known if _same(rung, entry, key, other, its))
                entry["active"] = next(same, None)
            collected.append(entry | {"optimizer": rung.optimizer, "label": rung.label})
    return collected


def _entries(rung: Rung, path: str, rows: list[int]) -> list[tuple[dict, dict]]:
    """Entries from a record, each with the record's key."""
    record = read_json(path)
    (key,), runs = record["keys"], record["result"]["runs"]
    if key["kind"] == "seeds":
        settings = {
            name.removeprefix("settings."): value for name, value in key.items() if name.startswith("settings.")
        }
        chosen = {name: value for name, value in settings.items() if value is not None}
        runs = [_entry(rung.experiment, rung.method, chosen, rows, SeedRun(**run)) for run in runs]
    return [(run, key) for run in runs]


def _same(rung: Rung, entry: dict, key: dict, other: dict, its: dict) -> bool:
    """Whether two entries of the rung's optimizer, with the keys of their records, tell of one run.

    A setting that the other one has and this one has not was at its default here.
    """
    names = {name for name in key | its if name.partition(".")[0] in {*OF_RUN} - {"kind", "settings"}}
    alike = all(key.get(name) == its.get(name) for name in names)
    settings = {name: default(rung.optimizer, name) for name in other["settings"]} | entry["settings"]
    return alike and entry["seed"] == other["seed"] and settings == other["settings"]
