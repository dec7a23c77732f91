"""Effects: one number of a method against a baseline, paired by seed, with its interval, and what follows from it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from replication.speed.clock import Clock
from replication.studies.seeds import SeedRun

OUTCOMES = HOLDS, NO_DIFFERENCE, OPEN, REVERSED, NO_VERDICT = "holds", "no difference", "open", "reversed", "no verdict"
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
LEARNED = 0.95  # of the training loss of the targets' mean: a run that does not end below has learned nothing
MOST_LOST = 2  # pairs that an outcome can do without
UNTIMED = Clock(0.0, 1.0), Clock(0.0, 1.0)


@dataclass(frozen=True)
class Effect:
    """Of pairs by seed: `value` with its `interval`, a ratio of TRAINING quantities, a difference of IMAGES ones.

    seeds: of the pairs. lost: the seeds with which the method's run diverged or learned nothing, and the baseline's.
    """

    value: float
    interval: tuple[float, float]
    seeds: list[int]
    lost: tuple[list[int], list[int]]


def unit(quantity: str) -> str:
    """What an effect is measured in: "ratio", "psnr" (dB) or "ssim"."""
    return quantity.rpartition("_")[2] if quantity in IMAGES else "ratio"


def learned(run: SeedRun, mean_loss: float | None) -> bool:
    """Whether a run ends below LEARNED times `mean_loss`, the training loss of the targets' mean.

    A run that diverged has learned nothing. Where `mean_loss` is None, every other run has learned something.
    """
    return not run.diverged and (mean_loss is None or run.train_loss[-1] < LEARNED * mean_loss)


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
    """The quantity of a run and of the other, neither of them diverged; `clocks`: of each.

    Wall time is that of the iterations; the setup time is no part of it.
    """
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
    return tuple(count * clock.step for count, clock in zip(reached, clocks, strict=True))


def compare(
    quantity: str,
    runs: list[SeedRun],
    baseline: list[SeedRun],
    clocks: tuple[Clock, Clock] = UNTIMED,
    level: float = 0.95,
) -> Effect:
    """`quantity` of runs against those of a baseline, paired by seed, over the seeds with which both have `learned`.

    Ratios are geometric means, differences means. The interval at `level` is Student's of the mean (of logarithms, for
    ratios), and infinite with fewer than two pairs. `clocks`: of the runs and of the baseline; one measurement, so that
    the interval is over seeds alone. Raises ValueError for runs whose seeds are not the same.
    """
    from scipy import stats  # imported late: it takes a second

    if [run.seed for run in runs] != [run.seed for run in baseline]:
        raise ValueError("runs to compare must be of the same seeds, in the same order")
    lost = tuple([run.seed for run in either if not learned(run, run.mean_loss)] for either in (runs, baseline))
    pairs = [(a, b) for a, b in zip(runs, baseline, strict=True) if a.seed not in lost[0] + lost[1]]
    seeds = [a.seed for a, _ in pairs]
    if len(pairs) < 2:
        return Effect(math.nan, (-math.inf, math.inf), seeds, lost)
    values = np.array([pair(quantity, a, b, clocks) for a, b in pairs])
    scaled = values if quantity in IMAGES else np.log(values)
    differences = scaled[:, 0] - scaled[:, 1]
    middle = differences.mean()
    half = stats.t.ppf((1 + level) / 2, len(pairs) - 1) * stats.sem(differences)
    ends = np.array([middle, middle - half, middle + half])
    with np.errstate(over="ignore"):  # an upper end that no float holds is infinite
        value, low, high = (ends if quantity in IMAGES else np.exp(ends)).tolist()
    return Effect(value, (low, high), seeds, lost)


def side(effect: Effect, quantity: str, threshold: float | None = None) -> str:
    """Where the whole interval lies: HOLDS, on the better side of the threshold, REVERSED, on the other, else OPEN.

    Better are differences of images above the threshold, by default 0, and ratios below it, by default 1.
    """
    higher = quantity in IMAGES
    if threshold is None:
        threshold = 0.0 if higher else 1.0
    low, high = effect.interval
    below, above = high < threshold, low > threshold
    better, worse = (above, below) if higher else (below, above)
    return HOLDS if better else REVERSED if worse else OPEN


def within(effect: Effect, quantity: str, margins: dict[str, float]) -> bool:
    """Whether the whole interval is too close to no effect to count: margins by `unit`, a factor for ratios, an amount
    for differences.
    """
    margin = margins[unit(quantity)]
    lowest, highest = (-margin, margin) if quantity in IMAGES else (1 / margin, margin)
    low, high = effect.interval
    return lowest <= low and high <= highest


def outcome(effect: Effect, quantity: str, margins: dict[str, float], threshold: float | None = None) -> str:
    """One of OUTCOMES.

    "no verdict" where more than MOST_LOST pairs are lost, "no difference" where the interval lies `within` the margin,
    else the `side`.
    """
    if len({*effect.lost[0], *effect.lost[1]}) > MOST_LOST:
        return NO_VERDICT
    return NO_DIFFERENCE if within(effect, quantity, margins) else side(effect, quantity, threshold)


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
