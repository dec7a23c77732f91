"""Effects: one number of a method against a baseline, paired by seed, with its interval, and what follows from it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from replication.compute.seeds import SeedRun
from replication.speed.clock import Clock

OUTCOMES = "holds", "no difference", "undecided", "does not hold", "no verdict"
HOLDS, NO_DIFFERENCE, UNDECIDED, DOES_NOT_HOLD, NO_VERDICT = OUTCOMES
REACHING = {  # to the loss that both reach
    "iterations": "iterations",
    "seconds": "wall time",
    "seconds_with_setup": "wall time with setup",
}
TRAINING = {
    **REACHING,
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
    p: of the paired t test, on logarithms for ratios, whose null hypothesis is no effect.
    """

    value: float
    interval: tuple[float, float]
    seeds: list[int]
    lost: tuple[list[int], list[int]]
    p: float = math.nan


def unit(quantity: str) -> str:
    """What an effect is measured in: "ratio", "psnr" (dB) or "ssim"."""
    return quantity.rpartition("_")[2] if quantity in IMAGES else "ratio"


def finite(number: float) -> float | None:
    """The number, None where JSON has none."""
    return number if math.isfinite(number) else None


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


def shared_loss(run: SeedRun, other: SeedRun, near: float = NEAR) -> float:
    """The loss that both reach: `near` times the larger one of the two in the end.

    Not the smallest: a run that ends far above its smallest loss has not kept it. NEAR is 5% above: an optimizer that
    has converged comes near its last loss long before the last digit moves.
    """
    return near * max(run.train_loss[-1], other.train_loss[-1])


def pair(
    quantity: str, run: SeedRun, other: SeedRun, clocks: tuple[Clock, Clock] = UNTIMED, near: float = NEAR
) -> tuple[float, float]:
    """The quantity of a run and of the other, neither of them diverged; `clocks`: of each; `near`: of `shared_loss`."""
    if quantity in IMAGES:
        return run.final[quantity], other.final[quantity]
    losses = run.train_loss, other.train_loss
    if quantity == "area":
        return tuple(10 ** np.mean(np.log10(np.maximum(values, 1e-300))) for values in losses)
    if quantity == "final":
        return tuple(max(values[-1], np.finfo(float).tiny) for values in losses)
    loss = shared_loss(run, other, near)
    reached = [iterations_to(loss, either.iteration, either.train_loss) for either in (run, other)]
    if quantity == "iterations":
        return tuple(reached)
    setups = [clock.setup if quantity == "seconds_with_setup" else 0.0 for clock in clocks]
    return tuple(start + count * clock.step for start, count, clock in zip(setups, reached, clocks, strict=True))


def compare(
    quantity: str,
    runs: list[SeedRun],
    baseline: list[SeedRun],
    clocks: tuple[Clock, Clock] = UNTIMED,
    level: float = 0.95,
    near: float = NEAR,
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
    values = np.array([pair(quantity, a, b, clocks, near) for a, b in pairs])
    scaled = values if quantity in IMAGES else np.log(values)
    differences = scaled[:, 0] - scaled[:, 1]
    middle, error, freedom = differences.mean(), stats.sem(differences), len(pairs) - 1
    half = stats.t.ppf((1 + level) / 2, freedom) * error
    ends = np.array([middle, middle - half, middle + half])
    with np.errstate(over="ignore"):  # an upper end that no float holds is infinite
        value, low, high = (ends if quantity in IMAGES else np.exp(ends)).tolist()
    p = 2 * stats.t.sf(abs(middle) / error, freedom) if error else float(middle == 0)  # no spread, no doubt
    return Effect(value, (low, high), seeds, lost, float(p))


def outcome(effect: Effect, quantity: str, margins: dict[str, float], threshold: float | None = None) -> str:
    """The word for a test, one of OUTCOMES: the rule of docs/claims.md.

    margins: by `unit`, a factor for ratios, an amount for differences. threshold: what the interval is held against,
    by default no effect. Better are ratios below it and differences of images above it.
    """
    images, margin, (low, high) = quantity in IMAGES, margins[unit(quantity)], effect.interval
    if threshold is None:
        threshold = 0.0 if images else 1.0
    if len({*effect.lost[0], *effect.lost[1]}) > MOST_LOST:
        return NO_VERDICT
    if (-margin if images else 1 / margin) <= low and high <= margin:
        return NO_DIFFERENCE
    if low > threshold:
        return HOLDS if images else DOES_NOT_HOLD
    if high < threshold:
        return DOES_NOT_HOLD if images else HOLDS
    return UNDECIDED


def holm(p: Sequence[float], alpha: float) -> list[bool]:
    """Which of the null hypotheses with these p values Holm's correction rejects, at the familywise level `alpha`.

    The smallest is held against alpha / n, the next one against alpha / (n - 1), and so on until one is too large.
    """
    rejected = [False] * len(p)
    for rank, number in enumerate(sorted(range(len(p)), key=lambda number: p[number])):
        if p[number] > alpha / (len(p) - rank):
            break
        rejected[number] = True
    return rejected


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
