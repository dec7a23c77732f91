"""Where the claims stop holding: one setting moved at a time, every optimizer tuned anew there."""

import json
import statistics
from pathlib import Path

from nonsmooth import mnist, tuning
from nonsmooth.claims import IMAGES, compare, finished, pair
from nonsmooth.config import BASELINES, READINGS
from nonsmooth.evidence import LINEAR_MAP, bounds, train_seeds
from nonsmooth.files import replacing

QUANTITIES = ("area", "final", "train_psnr", "unseen_psnr")
# What each reading is held against, and in what.
TESTS = [(name, quantity) for name in BASELINES for quantity in QUANTITIES] + [(LINEAR_MAP, "unseen_psnr")]


def study(
    runs: dict[str, dict], ranges: dict[str, dict], search: dict, images: dict[str, int], root: str, output: str | Path
) -> None:
    """Tune the optimizers at one setting, train with every seed, and write the runs to `output` (JSON).

    runs: parameters of a run (config.parameters) of each optimizer, with the settings chosen at the default by either
    column: {"train_loss": {optimizer: ...}, "validation_loss": ...}. ranges: of the search, by optimizer. search: the
    configuration's section "limits". images: counts, drawn from the files in `root`.
    """

    def draw(seed: int) -> mnist.Sample:
        return mnist.draw(root, seed, **images, sources=[], log=lambda line: None)

    tuned_on, samples = draw(search["tuning_seed"]), {seed: draw(seed) for seed in search["seeds"]}
    told: dict = {"setting": search["setting"], "runs": {}}
    for name, ranged in ranges.items():
        asked = {column: by_optimizer[name] for column, by_optimizer in runs.items()}
        candidates = []
        for parameters in asked.values():
            if parameters["settings"] not in candidates:
                candidates.append(parameters["settings"])
        candidates += [candidates[0] | trial for trial in tuning.trials(ranged, search["trials"])]
        histories = []
        for settings in candidates:
            trial = next(iter(asked.values())) | {"seed": search["tuning_seed"], "settings": settings}
            _, _, training = tuning.run(trial, tuned_on, every=tuning.EVERY)
            histories.append(training.history if training.status == "finished" else None)
        trained: dict[int, dict] = {}  # by number of the candidate, which both columns may choose
        for column, parameters in asked.items():
            scores = [history[column][-1] if history else float("inf") for history in histories]
            best = scores.index(min(scores))
            if best not in trained:
                chosen = parameters | {"settings": candidates[best]}
                trained[best] = train_seeds(chosen, samples, every=search["every"], ssim=False)
            told["runs"].setdefault(column, {})[name] = trained[best]
    parameters = next(iter(next(iter(runs.values())).values()))
    told["bounds"] = bounds(parameters, samples, ssim=False)
    with replacing(output) as path:
        path.write_text(json.dumps(told) + "\n")


def verdicts(report: dict) -> list[dict]:
    """For each reading, baseline and quantity: the effect over seeds, and with how many of them mine is the better one.

    With few seeds there is no interval worth the name: a claim holds where mine is better with every seed, fails where
    it is worse with every seed, and is open between.
    """
    table = []
    for reading in READINGS:
        for against, quantity in TESTS:
            column = "validation_loss" if quantity in IMAGES else "train_loss"
            mine = report["runs"][column][reading]["runs"]
            if against == LINEAR_MAP:
                others = [finished(numbers) for numbers in report["bounds"]["references"][LINEAR_MAP]]
            else:
                others = report["runs"][column][against]["runs"]
            effect = compare(quantity, mine, others, resamples=99)
            better = 0
            for a, b in zip(mine, others, strict=True):
                if a["status"] == "diverged":
                    continue
                if b["status"] == "diverged":
                    better += 1
                    continue
                here, there = pair(quantity, a, b)
                better += here > there if quantity in IMAGES else here < there
            entry = {"reading": reading, "against": against, "quantity": quantity, "effect": effect.value}
            verdict = "holds" if better == len(mine) else "fails" if better == 0 else "open"
            table.append(entry | {"better": int(better), "seeds": len(mine), "verdict": verdict})
    return table


def activity(report: dict) -> dict[str, float]:
    """Of each optimizer, its settings chosen on validation images: the median share of active units, first layer."""
    shares = {}
    for name, found in report["runs"]["validation_loss"].items():
        values = [run["final"]["active"] for run in found["runs"] if run["status"] == "finished"]
        if values:
            shares[name] = statistics.median(values)
    return shares


def collect(paths: list[str | Path], output: str | Path) -> None:
    """The verdicts of every setting, in the order of `paths`, as one JSON list."""
    reports = [json.loads(Path(path).read_text()) for path in paths]
    whole = [{**report["setting"], "verdicts": verdicts(report), "active": activity(report)} for report in reports]
    with replacing(output) as path:
        path.write_text(json.dumps(whole, indent=1).replace("NaN", "null") + "\n")
