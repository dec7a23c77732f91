"""Where the claims stop holding: one setting moved at a time, every optimizer tuned anew there."""

import json
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from nonsmooth import evidence, mnist, timing, tuning
from nonsmooth.claims import HOLDS, IMAGES, OPEN, REVERSED, UNTIMED, compare, finished, outcome
from nonsmooth.config import BASELINES, READINGS
from nonsmooth.evidence import LINEAR_MAP, MEAN_IMAGE, train_seeds
from nonsmooth.files import replacing
from nonsmooth.runs import clock as clock_of
from nonsmooth.runs import provenance

QUANTITIES = ("iterations", "seconds", "area", "final", "train_psnr", "train_ssim", "unseen_psnr", "unseen_ssim")
# What each reading is held against, and in what.
TESTS = [(name, quantity) for name in BASELINES for quantity in QUANTITIES] + [
    (reference, quantity) for reference in (LINEAR_MAP, MEAN_IMAGE) for quantity in ("unseen_psnr", "unseen_ssim")
]
LEARNED = 0.95  # of the mean image's training loss: who does not come below has learned nothing
FAILS = "fails"
VERDICTS = HOLDS, OPEN, FAILS


def _draw(root: str | Path, seed: int, images: dict[str, int]) -> mnist.Sample:
    return mnist.draw(root, seed, **images, sources=[], log=lambda line: None)


def record(part: Callable[..., dict], asked: dict, root: str | Path, output: str | Path) -> None:
    """Compute one part of a setting and write to `output` (JSON) what was "asked" and what was "told".

    part: `study`, `bound` or `clock`. asked: its arguments but `root`. The record has the "seconds" of processor time,
    versions, commit and processor as well, so that it can be published: who asks the same need not compute it again.
    """
    start = time.process_time()
    told = part(**asked, root=root)
    whole = {"asked": asked, "told": told, "seconds": time.process_time() - start, **provenance()}
    with replacing(output) as path:
        path.write_text(json.dumps(whole) + "\n")


def study(runs: dict[str, dict], ranges: dict, search: dict, images: dict[str, int], root: str | Path) -> dict:
    """Tune one optimizer at one setting and train it with every seed: its "trials", and by column what was "chosen".

    runs: parameters of a run (config.parameters) by the column of SELECTIONS that its settings were chosen by at the
    default, where the trials begin (`_trials`). That with the smallest loss at the end is chosen, by either column,
    and is "bracketed" where all its neighbours were tried. A trial has its settings and its losses at the end, none
    where it diverged.
    ranges: of the search. search: the configuration's section "limits". images: counts, drawn from the files in `root`.
    """
    first = next(iter(runs.values()))
    sample = _draw(root, search["tuning_seed"], images)

    def ends(settings: dict) -> dict[str, float]:
        trial = first | {"seed": search["tuning_seed"], "settings": settings}
        _, _, training = tuning.run(trial, sample, every=tuning.EVERY["last"])
        finished = training.status == "finished"
        return {column: training.history[column][-1] if finished else math.inf for column in runs}

    trials = _trials(ends, [parameters["settings"] for parameters in runs.values()], ranges, search)
    samples = {seed: _draw(root, seed, images) for seed in search["seeds"]}
    told: dict[str, dict] = {}
    for column in runs:
        best, _ = min(trials, key=lambda trial: trial[1][column])
        same = next((found for found in told.values() if found["settings"] == best), None)  # by the other column
        told[column] = same or train_seeds(first | {"settings": best}, samples, every=search["every"])
        around = tuning.neighbours(best, ranges, search["shift"])
        told[column] |= {"bracketed": all(settings in [tried for tried, _ in trials] for settings in around)}
    tried = [
        {"settings": settings} | {c: end for c, end in found.items() if end < math.inf} for settings, found in trials
    ]
    return {"trials": tried, "chosen": told}


def _trials(ends: Callable[[dict], dict[str, float]], starts: list[dict], ranges: dict, search: dict) -> list[tuple]:
    """Settings with their `ends`: the `starts`, then neighbours of the best so far by either column in turn.

    As many as search["trials"], or fewer where every neighbour of the best has been tried.
    """
    trials: list[tuple[dict, dict[str, float]]] = []

    def untried(options: list[dict]) -> list[dict]:
        return [settings for settings in options if all(settings != tried for tried, _ in trials)]

    for settings in starts:
        for new in untried([settings]):
            trials.append((new, ends(new)))
    columns = list(trials[0][1])[::-1]
    while len(trials) < search["trials"]:
        before = len(trials)
        for column in columns:
            best, _ = min(trials, key=lambda trial: trial[1][column])
            options = untried(tuning.neighbours(best, ranges, search["shift"]))
            if options and len(trials) < search["trials"]:
                trials.append((options[0], ends(options[0])))
        if len(trials) == before:
            break
    return trials


def bound(parameters: dict, seeds: list[int], images: dict[str, int], root: str | Path) -> dict:
    """What bounds the picture at one setting (evidence.bounds).

    parameters: those of a run of any optimizer there. images: counts, drawn from the files in `root`.
    """
    return evidence.bounds(parameters, {seed: _draw(root, seed, images) for seed in seeds})


def clock(runs: list[dict], images: dict[str, int], rounds: int, root: str | Path) -> dict:
    """Time the optimizers side by side at one setting (timing.time_iterations).

    runs: parameters of a run of each (config.parameters). images: counts, drawn from the files in `root`.
    """
    return timing.time_iterations(runs, _draw(root, runs[0]["seed"], images), rounds)


def verdicts(report: dict) -> list[dict]:
    """For each reading, baseline and quantity: the effect over seeds, its interval, and what follows from it.

    report: "runs" by optimizer and column (what `study` has chosen), "bounds" (`bound`) and "timing" (`clock`). The
    interval is Student's of the mean of paired differences (of logarithms, for ratios), at 95%, since a bootstrap of
    three seeds is none. A claim holds where the whole interval is on its side, fails where it is on the other, or one
    of the claim's own runs diverged, or, for one of training, most of them end no better than the mean image (LEARNED)
    while the baseline's do, and is open between. "learned" is False where most runs of a baseline end so, so that being
    better than they says little; "bracketed" where the settings of both had all their neighbours tried.
    """
    table = []
    images = report["bounds"]["references"][MEAN_IMAGE]
    for reading in READINGS:
        for against, quantity in TESTS:
            column = "validation_loss" if quantity in IMAGES else "train_loss"
            mine = report["runs"][reading][column]["runs"]
            if against in report["bounds"]["references"]:
                others = [finished(numbers) for numbers in report["bounds"]["references"][against]]
            else:
                others = report["runs"][against][column]["runs"]
            clocks = UNTIMED
            if quantity == "seconds":
                clocks = tuple(clock_of(report["timing"], name) for name in (reading, against))
            effect = compare(quantity, mine, others, clocks, resamples=None)
            side = ("higher", 0.0) if quantity in IMAGES else ("lower", 1.0)
            found = outcome(effect, *side)
            bad = found == REVERSED or effect.diverged[0]
            if quantity not in IMAGES:
                bad = bad or (not _learned(mine, images) and _learned(others, images))
            verdict = FAILS if bad else found
            numbers = {"effect": effect.value, "interval": effect.interval, "diverged": effect.diverged}
            numbers = {name: _finite(value) for name, value in numbers.items()}
            entry = {"reading": reading, "against": against, "quantity": quantity, "verdict": verdict}
            entry["learned"] = against not in BASELINES or _learned(others, images)
            entry["bracketed"] = all(
                report["runs"][name][column]["bracketed"] for name in (reading, against) if name in report["runs"]
            )
            table.append(entry | numbers | {"seeds": len(mine)})
    return table


def _learned(runs: list[dict], images: list[dict]) -> bool:
    """Whether most of the runs end below LEARNED times the mean image's training loss."""
    pairs = zip(runs, images, strict=True)
    below = [run["status"] == "finished" and run["train_loss"][-1] < LEARNED * i["train_loss"] for run, i in pairs]
    return sum(below) > len(below) / 2


def _finite(value: object) -> object:
    """`value` with None for numbers that JSON does not have."""
    if isinstance(value, tuple):
        return [_finite(part) for part in value]
    return value if math.isfinite(value) else None


def activity(report: dict) -> dict[str, float]:
    """Of each optimizer, its settings chosen on validation images: the median share of active units, first layer."""
    shares = {}
    for name, found in report["runs"].items():
        values = [run["final"]["active"] for run in found["validation_loss"]["runs"] if run["status"] == "finished"]
        if values:
            shares[name] = statistics.median(values)
    return shares


def _told(path: str | Path) -> dict:
    return json.loads(Path(path).read_text())["told"]


def collect(places: list[dict], output: str | Path) -> None:
    """The verdicts of every setting, in the order of `places`, as one JSON list.

    A place has the setting's "group" and "name", and files of `record`: of `study` by optimizer ("runs"), of `bound`
    ("bounds") and of `clock` ("timing"). These are named in the setting's "records".
    """
    whole = []
    for place in places:
        report = {"runs": {name: _told(path)["chosen"] for name, path in place["runs"].items()}}
        report |= {name: _told(place[name]) for name in ("bounds", "timing")}
        setting = {name: place[name] for name in ("group", "name")}
        records = [*place["runs"].values(), place["bounds"], place["timing"]]
        whole.append(setting | {"verdicts": verdicts(report), "active": activity(report), "records": records})
    with replacing(output) as path:
        path.write_text(json.dumps(whole, indent=1, allow_nan=False) + "\n")


def publish(limits: str | Path, folder: str | Path) -> None:
    """Make `folder` hold the records that stand behind the file of `collect`, and no others."""
    folder = Path(folder)
    records = {Path(path) for setting in json.loads(Path(limits).read_text()) for path in setting["records"]}
    kept = {folder / path.parent.name / path.name: path for path in records}
    for target, path in kept.items():
        with replacing(target) as temporary:
            temporary.write_bytes(path.read_bytes())
    for path in folder.rglob("*.json"):
        if path not in kept:
            path.unlink()
