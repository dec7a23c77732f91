"""Effects: one number of a method against a baseline, paired by seed, with its interval, and what follows from it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from replication.speed.clock import Clock
from replication.studies.seeds import SeedRun

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
UNTIMED = Clock(0.0, 1.0), Clock(0.0, 1.0)


@dataclass(frozen=True)
class Effect:
    """Of pairs by seed: `value` with its `interval`, a ratio of TRAINING quantities, a difference of IMAGES ones.

    p: of Wilcoxon's signed-rank test, two-sided. seeds: with which neither diverged. diverged: how many runs of the
    method, and how many of the baseline.
    """

    value: float
    interval: tuple[float, float]
    p: float
    seeds: list[int]
    diverged: tuple[int, int]


def iterations_to(loss: float, iteration: Sequence[int], train_loss: Sequence[float]) -> int | None:
    """The first recorded iteration, at least 1, with a training loss of at most `loss`; None where there is none.

    The losses that the project asks for are `shared_loss` (claims) and the last loss of tuned Adam (goals of speed).
    """
    recorded = zip(iteration, train_loss, strict=True)
    reached = next((number for number, value in recorded if value <= loss), None)
    return None if reached is None else max(1, int(reached))


def shared_loss(run: SeedRun, other: SeedRun) -> float:
    """The loss that both reach: the larger one of the two in the end, and 5% above it.

    Not the smallest: a run that ends far above its smallest loss has not kept it. 5%: an optimizer that has converged
    comes near its last loss long before the last digit moves.
    """
    return NEAR * max(run.train_loss[-1], other.train_loss[-1])


def pair(quantity: str, run: SeedRun, other: SeedRun, clocks: tuple[Clock, Clock] = UNTIMED) -> tuple[float, float]:
    """The quantity of a run and of the other, neither of them diverged; `clocks`: of each."""
    if quantity in IMAGES:
        return run.final[quantity], other.final[quantity]
    losses = run.train_loss, other.train_loss
    if quantity == "area":
        return tuple(10 ** np.mean(np.log10(np.maximum(values, 1e-300))) for values in losses)
    if quantity == "final":
        return tuple(max(values[-1], np.finfo(float).tiny) for values in losses)
    loss = shared_loss(run, other)
    reached = [iterations_to(loss, either.iteration, either.train_loss) for either in (run, other)]
    if quantity == "iterations":
        return tuple(reached)
    return tuple(clock.after(count) for count, clock in zip(reached, clocks, strict=True))


def compare(
    quantity: str,
    runs: list[SeedRun],
    baseline: list[SeedRun],
    clocks: tuple[Clock, Clock] = UNTIMED,
    level: float = 0.95,
    resamples: int | None = 9999,
) -> Effect:
    """`quantity` of runs against those of a baseline, paired by seed, over the seeds with which neither diverged.

    Ratios are geometric means, differences means; the interval is a bootstrap over seeds (BCa) at `level` with so many
    `resamples`, or with None Student's of the mean (of logarithms, for ratios), which a few seeds allow. `clocks`: of
    the runs and of the baseline; one measurement, so that the interval is over seeds alone. Raises ValueError for runs
    whose seeds are not the same.
    """
    from scipy import stats  # imported late: it takes a second

    if [run.seed for run in runs] != [run.seed for run in baseline]:
        raise ValueError("runs to compare must be of the same seeds, in the same order")
    diverged = tuple(sum(run.diverged for run in either) for either in (runs, baseline))
    pairs = [(a, b) for a, b in zip(runs, baseline, strict=True) if not (a.diverged or b.diverged)]
    seeds = [a.seed for a, _ in pairs]
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
        resampled = stats.bootstrap((differences,), np.mean, confidence_level=level, n_resamples=resamples, rng=0)
        low, high = resampled.confidence_interval
    p = stats.wilcoxon(differences).pvalue if np.any(differences) else 1.0
    return Effect(back(differences.mean()), (back(low), back(high)), float(p), seeds, diverged)


def side(quantity: str) -> tuple[str, float]:
    """On which side of which threshold a quantity is better: differences of images above 0, ratios below 1."""
    return ("higher", 0.0) if quantity in IMAGES else ("lower", 1.0)


def outcome(effect: Effect, direction: str, threshold: float) -> str:
    """One of OUTCOMES: "holds" where the whole interval lies beyond the threshold and no run of the method diverged,
    "reversed" where the whole interval lies on the wrong side, else "open". `direction`: "lower" or "higher".
    """
    low, high = effect.interval
    below, above = high < threshold, low > threshold
    beyond, wrong = (below, above) if direction == "lower" else (above, below)
    if beyond and not effect.diverged[0]:
        return HOLDS
    return REVERSED if wrong else OPEN


def effect_text(quantity: str, effect: float | None, interval: Sequence[float | None]) -> str:
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
