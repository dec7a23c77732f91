"""The ladder: methods an ingredient apart, tuned alike and run with the same seeds."""

import math

from replication.data.mnist import Sample
from replication.parameters import Parameters
from replication.search import Search, choose, tune
from replication.studies.seeds import SeedRun, train_seeds

COLUMN = "train_loss"  # settings are chosen by it


def study(
    parameters: Parameters, search: Search, rows: list[int], tuning: Sample | None, samples: dict[int, Sample | None]
) -> list[dict]:
    """Tune one method on one seed and train it with every other: an entry a seed.

    An entry has "experiment", "method", "seed" and "status", "train_loss" by iteration of `rows`, "unseen_loss" and
    "unseen_psnr" at the end (null for a run that diverged), and the chosen "settings".

    parameters: of a run of the seed that the search has. tuning: that seed's images; samples: the others', by seed.
    """
    report = tune(parameters, search, {parameters.seed: tuning})
    settings = choose(report, COLUMN)
    runs = train_seeds(parameters.but(settings=settings), samples, every=math.gcd(*rows), with_ssim=False)
    return [_entry(parameters, settings, rows, run) for run in runs]


def _entry(parameters: Parameters, settings: dict, rows: list[int], run: SeedRun) -> dict:
    losses = dict(zip(run.iteration, run.train_loss, strict=True))
    final = run.final or {}
    return {
        "experiment": parameters.experiment,
        "method": parameters.optimizer,
        "seed": run.seed,
        "status": run.status,
        "train_loss": {str(row): losses.get(row) for row in rows},
        "unseen_loss": final.get("unseen_loss"),
        "unseen_psnr": final.get("unseen_psnr"),
        "settings": settings,
    }
