"""Every run of the ladder: results/ladder.json."""

from replication.compute.seeds import SeedRun
from replication.results import Results
from replication.studies.ladder import CRITERION, Rung, rungs


def collect(results: Results, config: dict) -> list[dict]:
    """An entry for each row of the ladder and seed.

    An entry has "experiment", "method", "optimizer", "label", "seed" and "status", "train_loss" by the iterations that
    the ladder tells of, "unseen_loss", "unseen_psnr" and "active" at the end (quality.quality; null where they are not
    known, or the run diverged), and the chosen "settings".
    """
    ladder = config["ladder"]
    collected = []
    for rung in rungs(config):
        chosen = results.tuned(rung.job).choice(CRITERION)
        runs = {run.seed: run for run in chosen.runs}
        collected += [_entry(rung, chosen.settings, ladder["rows"], runs[seed]) for seed in ladder["seeds"]]
    return collected


def _entry(rung: Rung, settings: dict, rows: list[int], run: SeedRun) -> dict:
    losses = dict(zip(run.iteration, run.train_loss, strict=True))
    final = run.final or {}
    return {
        **{"experiment": rung.experiment, "method": rung.method, "optimizer": rung.optimizer, "label": rung.label},
        **{"seed": run.seed, "status": run.status, "train_loss": {str(row): losses.get(row) for row in rows}},
        **{name: final.get(name) for name in ("unseen_loss", "unseen_psnr", "active")},
        "settings": settings,
    }
