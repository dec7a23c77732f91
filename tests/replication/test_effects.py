"""Effects of runs made for the purpose: pairs, intervals and what follows from them."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_runs import SEEDS, diverged, ending_at, made_run, made_runs
from scipy import stats

from replication.speed.clock import Clock
from replication.verdicts.effects import (
    HOLDS,
    IMAGES,
    NEAR,
    OPEN,
    QUANTITIES,
    REVERSED,
    Effect,
    compare,
    effect_text,
    iterations_to,
    outcome,
    pair,
    shared_loss,
    side,
)

LOSSES = st.lists(st.floats(0.01, 10), min_size=2, max_size=6)


def test_effects_are_geometric_means_of_ratios_and_means_of_differences():
    effect = compare("final", made_runs(0.5), made_runs())
    assert effect.value == pytest.approx(0.5)
    assert effect.interval == pytest.approx((0.5, 0.5))
    assert compare("area", made_runs(0.5), made_runs()).value == pytest.approx(0.5)
    assert compare("train_psnr", made_runs(psnr=21.0), made_runs(psnr=20.0)).value == pytest.approx(1.0)


def test_the_interval_is_a_bootstrap_of_the_pairs_and_p_is_wilcoxons():
    draw = np.random.default_rng(1)
    losses, baseline = draw.lognormal(-0.2, 0.3, 10), draw.lognormal(0, 0.3, 10)
    effect = compare("final", ending_at(*losses), ending_at(*baseline))
    differences = np.log(losses / baseline)
    low, high = stats.bootstrap((differences,), np.mean, rng=7).confidence_interval
    assert effect.interval == pytest.approx((math.exp(low), math.exp(high)), rel=0.03)
    assert effect.interval[0] < effect.value < effect.interval[1]
    assert effect.p == pytest.approx(stats.wilcoxon(differences).pvalue)


def test_a_few_seeds_allow_students_interval():
    effect = compare("final", ending_at(0.4, 0.5, 0.7), ending_at(1.0, 1.0, 1.0), resamples=None)
    expected = stats.ttest_1samp(np.log([0.4, 0.5, 0.7]), 0.0).confidence_interval(0.95)
    assert effect.interval == pytest.approx((math.exp(expected.low), math.exp(expected.high)))


def test_a_lower_level_gives_a_narrower_interval():
    runs, baseline = ending_at(0.4, 0.5, 0.7, 0.6), ending_at(1.0, 1.0, 1.0, 1.0)
    low, high = compare("final", runs, baseline, level=0.95).interval
    inner = compare("final", runs, baseline, level=0.5).interval
    assert low < inner[0] < inner[1] < high


@given(LOSSES, LOSSES)
def test_both_runs_reach_the_shared_loss(losses, baseline):
    run, other = made_run(0, losses), made_run(0, baseline)
    target = shared_loss(run, other)
    assert target == NEAR * max(losses[-1], baseline[-1])
    for count, values in zip(pair("iterations", run, other), (losses, baseline), strict=True):
        assert 1 <= count < len(values)
        assert values[count] <= target or count == 1
        assert count == 1 or min(values[:count]) > target


def test_iterations_are_those_that_were_recorded():
    run = made_run(0, [1.0, 0.5, 0.1], iteration=[0, 5, 7])
    other = made_run(0, [1.0, 0.8, 0.4, 0.1], iteration=[0, 5, 10, 12])
    assert pair("iterations", run, other) == (7, 12)


def test_a_loss_that_is_not_reached_has_no_iteration_and_the_start_counts_as_one():
    assert iterations_to(0.05, [0, 5, 7], [1.0, 0.5, 0.1]) is None
    assert iterations_to(0.5, [0, 5, 7], [1.0, 0.5, 0.1]) == 5
    assert iterations_to(2.0, [0, 5, 7], [1.0, 0.5, 0.1]) == 1


def test_a_converged_run_reaches_its_last_loss_before_the_last_digit_moves():
    run = made_run(0, [1.0, 0.5, 0.1005, 0.1001, 0.1])
    other = made_run(0, [1.0, 0.1004, 0.0999, 0.0999, 0.0999])
    assert pair("iterations", run, other) == (2, 1)


def test_a_loss_that_is_not_kept_does_not_count():
    rising, falling = made_run(0, [1.0, 0.06, 0.3, 0.6]), made_run(0, [1.0, 0.7, 0.5, 0.07])
    assert pair("iterations", rising, falling) == (1, 2)  # to 0.6, where the first one ends
    assert pair("iterations", made_run(0, [1.0, 0.5, 0.1]), made_run(0, [1.0, 0.3, 0.2])) == (2, 2)


def test_wall_time_is_setup_and_iterations_times_the_time_of_one():
    runs = [made_run(seed, [1.0, 0.5, 0.1]) for seed in (0, 1)]
    baseline = [made_run(seed, [1.0, 0.8, 0.5]) for seed in (0, 1)]
    assert compare("iterations", runs, baseline).value == pytest.approx(1 / 2)
    assert compare("seconds", runs, baseline, (Clock(0.0, 6.0), Clock(0.0, 1.0))).value == pytest.approx(3.0)
    assert compare("seconds", runs, baseline, (Clock(8.0, 6.0), Clock(2.0, 1.0))).value == pytest.approx(14 / 4)


def test_a_seed_with_which_the_baseline_diverged_is_left_out():
    baseline = made_runs()
    baseline[3] = diverged(3)
    effect = compare("final", made_runs(0.5), baseline)
    assert (effect.seeds, effect.diverged) == ([0, 1, 2, 4, 5], (0, 1))
    assert outcome(effect, *side("final")) == HOLDS


def test_nothing_holds_for_a_method_of_which_a_run_diverged():
    runs = made_runs()
    runs[3] = diverged(3)
    effect = compare("final", runs, made_runs(2.0))
    assert (effect.diverged, effect.interval[1] < 1) == ((1, 0), True)
    assert outcome(effect, *side("final")) == OPEN


def test_a_baseline_that_diverged_with_every_seed_leaves_no_effect():
    effect = compare("final", made_runs(0.5), [diverged(seed) for seed in range(SEEDS)])
    assert math.isnan(effect.value)
    assert effect.interval == (-math.inf, math.inf)
    assert outcome(effect, *side("final")) == OPEN


def test_a_loss_of_exactly_zero_is_a_very_small_one():
    assert 0 < compare("final", ending_at(0.0, 0.0), ending_at(0.1, 0.2)).value < 1e-100
    assert 0 < compare("area", ending_at(0.0, 0.0), ending_at(0.1, 0.2)).value < 1e-100


@pytest.mark.parametrize("baseline", [made_runs()[1:], made_runs()[::-1], [replace(r, seed=9) for r in made_runs()]])
def test_runs_of_other_seeds_are_not_compared(baseline):
    with pytest.raises(ValueError, match="same seeds"):
        compare("final", made_runs(), baseline)


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_less_is_better_but_for_images(quantity):
    direction, threshold = side(quantity)
    assert (direction, threshold) == (("higher", 0.0) if quantity in IMAGES else ("lower", 1.0))
    better, worse = ((0.5, 2.0), (0.2, -0.2))[quantity in IMAGES]
    for value, expected in ((better, HOLDS), (worse, REVERSED)):
        sure = Effect(value, (value - 0.1, value + 0.1), 0.01, [0, 1, 2], (0, 0))
        assert outcome(sure, direction, threshold) == expected
        assert outcome(replace(sure, interval=(-9.0, 9.0)), direction, threshold) == OPEN


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((0.98, 0.9, 1.0), "0.98 (0.9 to 1)"),
        ((1.0022, 1.0014, 1.0031), "1.002 (1.001 to 1.003)"),
        ((2e-9, 1e-10, 3e-7), "below 1e-06"),
        ((2e-9, 1e-10, 2e-6), "2e-09 (1e-10 to 2e-06)"),
        ((None, None, None), "-"),
        ((0.5, 0.1, None), "-"),
    ],
)
def test_a_ratio_is_shown_with_the_digits_that_it_has(values, text):
    assert effect_text("final", values[0], values[1:]) == text


def test_a_difference_is_shown_with_its_sign():
    assert effect_text("unseen_psnr", 0.25, (-0.5, 1.0)) == "+0.25 (-0.5 to +1)"
