"""The poster's claims, each with its tests, and what the runs say of them: results/claims.json."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from nonsmooth import bregman, proximal
from nonsmooth.config import READINGS
from nonsmooth.drawing import OPTIMIZERS
from nonsmooth.files import replacing
from nonsmooth.runs import Clock, clock
from nonsmooth.seeds import generator

VERDICTS = REPLICATED, CONDITIONAL, FAILED = "replicated", "conditional", "not replicated"
OUTCOMES = HOLDS, OPEN, REVERSED = "holds", "open", "reversed"
TRAINING = {  # iterations and wall time: to the loss that both reach
    "iterations": "iterations",
    "seconds": "wall time",
    "area": "area under the log loss",
    "final": "final training loss",
}
IMAGES = {
    "train_psnr": "training PSNR",
    "train_ssim": "training SSIM",
    "unseen_psnr": "unseen PSNR",
    "unseen_ssim": "unseen SSIM",
}
QUANTITIES = TRAINING | IMAGES
ROUNDING = 1e-6  # ratios below it are of what rounding leaves
NEAR = 1.05  # times a loss is near enough to count as having reached it
UNTIMED = (0.0, 1.0), (0.0, 1.0)


@dataclass(frozen=True)
class Effect:
    """Of pairs by seed: `value` with its `interval`, a ratio of TRAINING quantities, a difference of IMAGES ones.

    p: of Wilcoxon's signed-rank test, two-sided. diverged: how many of mine and of the others'.
    """

    value: float
    interval: tuple[float, float]
    p: float
    seeds: list[int]
    diverged: tuple[int, int]


def finished(numbers: dict) -> dict:
    """A reference (evidence.bounds) of one seed in the form of a run: there is nothing to iterate, so no losses."""
    return {"seed": numbers["seed"], "status": "finished", "iteration": [], "train_loss": [], "final": numbers}


def first_reached(run: dict, target: float) -> int:
    """The first recorded iteration, at least 1, with a training loss of at most `target`."""
    recorded = zip(run["iteration"], run["train_loss"], strict=True)
    return max(1, next(iteration for iteration, loss in recorded if loss <= target))


def pair(quantity: str, mine: dict, other: dict, clocks: tuple[Clock, Clock] = UNTIMED) -> tuple[float, float]:
    """The quantity of my run and of the other's, neither of them diverged; `clocks`: of each.

    The loss that both reach is the larger one of the two in the end, and 5% above it: an optimizer that has converged
    comes near its last loss long before the last digit moves.
    """
    if quantity in IMAGES:
        return mine["final"][quantity], other["final"][quantity]
    losses = mine["train_loss"], other["train_loss"]
    if quantity == "area":
        return tuple(10 ** np.mean(np.log10(np.maximum(values, 1e-300))) for values in losses)
    if quantity == "final":
        return tuple(max(values[-1], np.finfo(float).tiny) for values in losses)
    target = NEAR * max(values[-1] for values in losses)  # not the smallest: who ends far above it has not kept it
    reached = [first_reached(run, target) for run in (mine, other)]
    if quantity == "iterations":
        return tuple(reached)
    return tuple(setup + count * step for count, (setup, step) in zip(reached, clocks, strict=True))


def compare(
    quantity: str,
    mine: list[dict],
    others: list[dict],
    clocks: tuple[Clock, Clock] = UNTIMED,
    level: float = 0.95,
    resamples: int | None = 9999,
) -> Effect:
    """`quantity` of my runs against the others', paired by seed, over the seeds with which neither diverged.

    Ratios are geometric means, differences means; the interval is a bootstrap over seeds (BCa) at `level` with so many
    `resamples`, or with None Student's of the mean (of logarithms, for ratios), which a few seeds allow. `clocks`: mine
    and the others'; one measurement, so that the interval is over seeds alone. Raises ValueError for runs whose seeds
    are not the same.
    """
    from scipy import stats  # imported late: it takes a second

    if [run["seed"] for run in mine] != [run["seed"] for run in others]:
        raise ValueError("runs to compare must be of the same seeds, in the same order")
    diverged = tuple(sum(run["status"] == "diverged" for run in runs) for runs in (mine, others))
    pairs = [(a, b) for a, b in zip(mine, others, strict=True) if "diverged" not in (a["status"], b["status"])]
    seeds = [a["seed"] for a, _ in pairs]
    if len(pairs) < 2:
        return Effect(math.nan, (-math.inf, math.inf), 1.0, seeds, diverged)
    values = np.array([pair(quantity, a, b, clocks) for a, b in pairs])
    scaled = values if quantity in IMAGES else np.log(values)
    differences = scaled[:, 0] - scaled[:, 1]
    back = float if quantity in IMAGES else math.exp
    if np.ptp(differences) == 0:  # a bootstrap of equal values is those values
        low = high = differences[0]
    elif resamples is None:
        low, high = stats.t.interval(level, len(pairs) - 1, differences.mean(), stats.sem(differences))
    else:
        found = stats.bootstrap((differences,), np.mean, confidence_level=level, n_resamples=resamples, rng=0)
        low, high = found.confidence_interval
    p = stats.wilcoxon(differences).pvalue if np.any(differences) else 1.0
    return Effect(back(differences.mean()), (back(low), back(high)), float(p), seeds, diverged)


def outcome(effect: Effect, direction: str, threshold: float) -> str:
    """One of OUTCOMES: "holds" where the whole interval lies beyond the threshold and none of my runs diverged,
    "reversed" where the whole interval lies on the wrong side, else "open". `direction`: "lower" or "higher".
    """
    low, high = effect.interval
    below, above = high < threshold, low > threshold
    beyond, wrong = (below, above) if direction == "lower" else (above, below)
    if beyond and not effect.diverged[0]:
        return HOLDS
    return REVERSED if wrong else OPEN


def gradient(seeds: list[int], count: int = 2000) -> Effect:
    """Of the loss D of ReLU: the largest quotient |grad D(z) - grad D(z')| / |z - z'| over random pairs.

    The gradient is sigma(z) - y, which asks for values of the activation alone. Raises ArithmeticError where it is not
    the derivative of D, by central differences, to 1e-6.
    """
    relu = proximal.of(torch.nn.ReLU())
    largest = []
    for seed in seeds:
        draw = generator(seed, "claims")
        z, other, y = torch.randn(3, count, generator=draw, dtype=torch.float64)
        y, step = y.abs(), 1e-6
        slope = (bregman.distance(relu, y, z + step) - bregman.distance(relu, y, z - step)) / (2 * step)
        wrong = (slope - (relu.prox(z) - y)).abs().max().item()
        if wrong > 1e-6:
            raise ArithmeticError(f"sigma(z) - y is not the derivative of D: they differ by {wrong:.1e}")
        largest.append(((relu.prox(z) - relu.prox(other)) / (z - other)).abs().max().item())
    return Effect(max(largest), (min(largest), max(largest)), 1.0, list(seeds), (0, 0))


class Evidence:
    """The runs in the folder `results`: by experiment, optimizer and the column that its settings were chosen by."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)

    def runs(self, experiment: str, optimizer: str, selected_by: str) -> list[dict]:
        path = self.folder / "claims" / experiment / selected_by / f"{optimizer}.json"
        return json.loads(path.read_text())["runs"]

    def clock(self, experiment: str, optimizer: str) -> Clock:
        return clock(json.loads((self.folder / "timing" / f"{experiment}.json").read_text()), optimizer)


def _test(
    evidence: Evidence, settings: dict, selected_by: str, experiment: str, quantity: str, reading: str, against: str
) -> Effect:
    names = reading, against
    clocks = UNTIMED
    if quantity == "seconds":
        clocks = tuple(evidence.clock(experiment, name) for name in names)
    mine, others = (evidence.runs(experiment, name, selected_by) for name in names)
    return compare(quantity, mine, others, clocks, settings["level"], settings["resamples"])


def judge(evidence: Evidence, settings: dict) -> list[dict]:
    """One entry for each claim, quantity, baseline and reading; `settings`: the configuration's section "claims".

    A test is "replicated" where the interval lies wholly beyond the threshold in the claim's own experiment,
    "conditional" where it does not and does in one of those named as `elsewhere`, else "not replicated".
    """
    entries = []
    for statement in settings["statements"]:
        common = {"claim": statement["claim"], "source": statement["source"]}
        if "experiment" not in statement:
            effect = gradient(settings["seeds"])
            verdict = REPLICATED if effect.value <= statement["threshold"] * (1 + 1e-12) else FAILED
            entries.append(
                {"id": statement["id"], **common, "verdict": verdict, **_told(effect), "quantity": "gradient"}
            )
            continue

        def test(*asked: str, chosen: str = statement["selected_by"]) -> Effect:
            return _test(evidence, settings, chosen, *asked)

        for against in statement["against"]:
            for quantity in statement["quantities"]:
                direction, threshold = ("higher", 0.0) if quantity in IMAGES else ("lower", 1.0)
                threshold = statement.get("threshold", threshold)
                for reading in READINGS:
                    asked = (quantity, reading, against)

                    def told(experiment: str, asked: tuple = asked, side: tuple = (direction, threshold)) -> dict:
                        effect = test(experiment, *asked)
                        return {"outcome": outcome(effect, *side), **_told(effect)}

                    own = told(statement["experiment"])
                    elsewhere = {name: told(name) for name in statement.get("elsewhere", [])}
                    verdict = FAILED
                    if own["outcome"] == HOLDS:
                        verdict = REPLICATED
                    elif HOLDS in [found["outcome"] for found in elsewhere.values()]:
                        verdict = CONDITIONAL
                    entry = {"id": "/".join([statement["id"], against, quantity, reading]), **common}
                    entry |= {"verdict": verdict, **own, "experiment": statement["experiment"]}
                    entry |= {"quantity": quantity, "reading": reading, "against": against}
                    entries.append(entry | {"direction": direction, "threshold": threshold, "elsewhere": elsewhere})
    return entries


def _told(effect: Effect) -> dict:
    number = effect.value if math.isfinite(effect.value) else None
    interval = [bound if math.isfinite(bound) else None for bound in effect.interval]
    told = {"effect": number, "interval": interval, "p": effect.p, "seeds": effect.seeds}
    return told | {"diverged": list(effect.diverged)}


def effect_text(quantity: str, effect: float | None, interval: tuple[float | None, float | None]) -> str:
    """An effect with its interval as a page shows it, a dash where there is none."""
    if None in (effect, *interval):
        return "-"
    values = effect, *interval
    if quantity in IMAGES:
        middle, low, high = (f"{value:+.3g}" for value in values)
    elif max(values) < ROUNDING:
        return f"below {ROUNDING:g}"
    else:
        middle, low, high = (f"{value:.{4 if abs(value - 1) < 0.005 else 3}g}" for value in values)
    return f"{middle} ({low} to {high})"


def _number(entry: dict) -> str:
    owners = zip(entry["diverged"], ("its own", "the baseline's"), strict=True)
    lost = [f"; {count} of {whose} runs diverged" for count, whose in owners if count]
    return "".join([effect_text(entry["quantity"], entry["effect"], entry["interval"]), *lost])


def _cell(entry: dict) -> str:
    parts = [f"{entry['verdict']}{', reversed here' if entry.get('outcome') == REVERSED else ''}: {_number(entry)}"]
    for name, found in entry.get("elsewhere", {}).items():
        parts.append(f"{found['outcome']} on {name}: {_number(entry | found)}")
    return "; ".join(parts)


def answer(entries: list[dict]) -> str:
    """The verdicts of one claim in a sentence for each reading, and what each rests on."""
    lines = []
    for reading in sorted({entry.get("reading", "") for entry in entries}):
        mine = [entry for entry in entries if entry.get("reading", "") == reading]
        counts = [f"{verdict}: {sum(e['verdict'] == verdict for e in mine)}" for verdict in VERDICTS]
        lines.append(f"{OPTIMIZERS[reading].name if reading else mine[0]['claim']} - {', '.join(counts)}")
        for entry in mine:
            what = QUANTITIES.get(entry["quantity"], "largest difference quotient")
            against = f" against {OPTIMIZERS[entry['against']].name}" if reading else ""
            lines.append(f"    {what}{against}: {_cell(entry)}")
    return "\n".join(lines)


def write(folder: str | Path, settings: dict, output: str | Path) -> None:
    """Judge the runs in `folder` and write `output` (JSON, one object for each test)."""
    with replacing(output) as path:
        path.write_text(json.dumps(judge(Evidence(folder), settings), indent=1) + "\n")
