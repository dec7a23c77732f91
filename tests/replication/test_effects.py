"""Effects of runs made for the purpose: pairs, intervals and what follows from them."""

import math
from dataclasses import replace
from statistics import mean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_runs import SEEDS, dead, diverged, ending_at, made_run, made_runs, without

from replication.speed.clock import Clock
from replication.verdicts.effects import (
    DOES_NOT_HOLD,
    HOLDS,
    IMAGES,
    LEARNED,
    NEAR,
    NO_DIFFERENCE,
    NO_VERDICT,
    QUANTITIES,
    UNDECIDED,
    Effect,
    compare,
    effect_text,
    holm,
    iterations_to,
    learned,
    outcome,
    pair,
    shared_loss,
)

LOSSES = st.lists(st.floats(0.01, 10), min_size=2, max_size=6)
PAIRS = st.lists(st.tuples(st.floats(0.01, 10), st.floats(0.01, 10)), min_size=2, max_size=6)
MARGINS = {"ratio": 1.02, "psnr": 0.1, "ssim": 0.005}
NO_MARGINS = {"ratio": 1.0, "psnr": 0.0, "ssim": 0.0}
T_OF_THREE = 4.302653  # the 97.5% quantile of Student's t with two degrees of freedom


def test_effects_are_geometric_means_of_ratios_and_means_of_differences():
    effect = compare("final", made_runs(0.5), made_runs())
    assert effect.value == pytest.approx(0.5)
    assert effect.interval == pytest.approx((0.5, 0.5))
    assert compare("area", made_runs(0.5), made_runs()).value == pytest.approx(0.5)
    assert compare("train_psnr", made_runs(psnr=21.0), made_runs(psnr=20.0)).value == pytest.approx(1.0)


def test_the_interval_is_students_of_the_logarithms():
    effect = compare("final", ending_at(0.4, 0.5, 0.7), ending_at(1.0, 1.0, 1.0))
    logs = [math.log(ratio) for ratio in (0.4, 0.5, 0.7)]
    half = T_OF_THREE * stdev(logs) / math.sqrt(3)
    assert math.log(effect.value) == pytest.approx(mean(logs))
    assert [math.log(bound) for bound in effect.interval] == pytest.approx([mean(logs) - half, mean(logs) + half])


def test_the_interval_of_a_difference_is_students_of_the_differences():
    runs = [made_run(seed, [1.0, 0.1], psnr) for seed, psnr in enumerate((21.0, 22.0, 23.0))]
    effect = compare("unseen_psnr", runs, ending_at(0.1, 0.1, 0.1, psnr=20.0))
    half = T_OF_THREE / math.sqrt(3)  # the differences are 1, 2 and 3
    assert (effect.value, *effect.interval) == pytest.approx((2.0, 2.0 - half, 2.0 + half))


@given(PAIRS)
def test_swapping_the_sides_inverts_a_ratio_and_its_interval(losses):
    runs, baseline = (ending_at(*ends) for ends in zip(*losses, strict=True))
    one, other = compare("final", runs, baseline), compare("final", baseline, runs)
    assert one.value * other.value == pytest.approx(1.0)
    assert math.log(one.interval[0]) == pytest.approx(-math.log(other.interval[1]))
    assert one.p == pytest.approx(other.p)
    words = {outcome(effect, "final", NO_MARGINS) for effect in (one, other)}
    assert words in ({HOLDS, DOES_NOT_HOLD}, {UNDECIDED}, {NO_DIFFERENCE})


@given(PAIRS, st.floats(0.01, 100))
def test_a_factor_of_both_sides_changes_nothing(losses, factor):
    runs, baseline = zip(*losses, strict=True)
    scaled = [ending_at(*(factor * loss for loss in either)) for either in (runs, baseline)]
    before, after = compare("final", ending_at(*runs), ending_at(*baseline)), compare("final", *scaled)
    assert after.value == pytest.approx(before.value)
    assert [math.log(b) for b in after.interval] == pytest.approx([math.log(b) for b in before.interval], abs=1e-9)


@pytest.mark.filterwarnings("error")
def test_an_end_that_no_float_holds_is_infinite():
    effect = compare("final", ending_at(1e-300, 1.0), ending_at(1.0, 1.0))
    assert (effect.interval, outcome(effect, "final", MARGINS)) == ((0.0, math.inf), UNDECIDED)


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


def test_without_slack_the_loss_that_both_reach_is_the_larger_one_itself():
    run, other = made_run(0, [1.0, 0.5, 0.104, 0.102, 0.1]), made_run(0, [1.0, 0.4, 0.11, 0.09, 0.05])
    assert shared_loss(run, other, near=1.0) == 0.1
    assert (pair("iterations", run, other), pair("iterations", run, other, near=1.0)) == ((2, 3), (4, 3))


@pytest.mark.parametrize(
    ("runs", "p"),  # t = 2 * sqrt(3) with two degrees of freedom: p = 1 - t / sqrt(t^2 + 2)
    [((math.exp(1.0), math.exp(2.0), math.exp(3.0)), 1 - math.sqrt(12 / 14)), ((1.0, 1.0, 1.0), 1.0)],
)
def test_the_p_value_is_of_a_paired_t_test_on_logarithms(runs, p):
    assert compare("final", ending_at(*runs), ending_at(1.0, 1.0, 1.0)).p == pytest.approx(p)


def test_the_p_value_of_images_is_of_the_differences():
    runs = [made_run(seed, [1.0, 0.1], psnr) for seed, psnr in enumerate((21.0, 22.0, 23.0))]
    baseline = ending_at(0.1, 0.1, 0.1, psnr=20.0)
    assert compare("unseen_psnr", runs, baseline).p == pytest.approx(1 - math.sqrt(12 / 14))
    alike = ending_at(0.1, 0.1, 0.1, psnr=20.5)
    assert compare("unseen_psnr", alike, baseline).p == 0.0


@pytest.mark.parametrize(
    ("p", "rejected"),
    [
        # By hand at 5%: 0.005 < 1/80, 0.0165 < 1/60, 0.03 > 1/40, and 0.04 < 1/20, too late.
        ([0.03, 0.005, 0.04, 0.0165], [False, True, False, True]),
        ([0.013, 0.013, 0.013, 0.013], [False] * 4),  # each is above 1/80
        ([0.012, 0.016, 0.024, 0.049], [True] * 4),
        ([0.05], [True]),
        ([], []),
    ],
)
def test_holms_correction_rejects_as_by_hand(p, rejected):
    assert holm(p, 0.05) == rejected


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_rejects_no_less_than_bonferroni_and_no_more_than_no_correction(p):
    rejected = holm(p, 0.05)
    assert all(kept <= (value <= 0.05) for value, kept in zip(p, rejected, strict=True))
    assert all(kept >= (value <= 0.05 / len(p)) for value, kept in zip(p, rejected, strict=True))


def test_a_converged_run_reaches_its_last_loss_before_the_last_digit_moves():
    run = made_run(0, [1.0, 0.5, 0.1005, 0.1001, 0.1])
    other = made_run(0, [1.0, 0.1004, 0.0999, 0.0999, 0.0999])
    assert pair("iterations", run, other) == (2, 1)


def test_a_loss_that_is_not_kept_does_not_count():
    rising, falling = made_run(0, [1.0, 0.06, 0.3, 0.6]), made_run(0, [1.0, 0.7, 0.5, 0.07])
    assert pair("iterations", rising, falling) == (1, 2)  # to 0.6, where the first one ends
    assert pair("iterations", made_run(0, [1.0, 0.5, 0.1]), made_run(0, [1.0, 0.3, 0.2])) == (2, 2)


def test_wall_time_is_iterations_times_the_time_of_one_with_setup_or_without():
    runs = [made_run(seed, [1.0, 0.5, 0.1]) for seed in (0, 1)]
    baseline = [made_run(seed, [1.0, 0.8, 0.5]) for seed in (0, 1)]
    assert compare("iterations", runs, baseline).value == pytest.approx(1 / 2)
    clocks = Clock(8.0, 6.0), Clock(2.0, 1.0)
    assert compare("seconds", runs, baseline, clocks).value == pytest.approx(6 / 2)
    assert compare("seconds_with_setup", runs, baseline, clocks).value == pytest.approx((8 + 6) / (2 + 2))


def test_a_run_has_learned_where_it_ends_well_below_the_loss_of_the_mean():
    run = made_run(0, [1.0, 0.5])
    assert learned(run, 0.51 / LEARNED)
    assert not learned(run, 0.5 / LEARNED)
    assert learned(run, None)
    assert not learned(diverged(0), None)


@pytest.mark.parametrize("made", [dead, diverged])
def test_a_lost_run_of_either_side_takes_its_pair_out_and_is_named(made):
    """Seed 3 is lost by the method, seed 1 by the baseline: the others decide."""
    effect = compare("final", without(made_runs(0.5), 3, made=made), without(made_runs(), 1, made=made))
    assert (effect.seeds, effect.lost) == ([0, 2, 4, 5], ([3], [1]))
    assert effect.value == pytest.approx(0.5)
    assert outcome(effect, "final", MARGINS) == HOLDS


@pytest.mark.parametrize(
    ("own", "baseline", "expected"),
    [((0, 1), (), HOLDS), ((0, 1), (0, 1), HOLDS), ((0, 1), (2,), NO_VERDICT), ((), (0, 1, 2), NO_VERDICT)],
)
def test_more_than_two_lost_pairs_leave_no_verdict(own, baseline, expected):
    effect = compare("final", without(made_runs(0.5), *own), without(made_runs(), *baseline))
    assert outcome(effect, "final", MARGINS) == expected


def test_where_every_pair_is_lost_there_is_no_effect():
    effect = compare("final", made_runs(0.5), [diverged(seed) for seed in range(SEEDS)])
    assert math.isnan(effect.value)
    assert effect.interval == (-math.inf, math.inf)
    assert math.isnan(effect.p)


def test_a_loss_of_exactly_zero_is_a_very_small_one():
    assert 0 < compare("final", ending_at(0.0, 0.0), ending_at(0.1, 0.2)).value < 1e-100
    assert 0 < compare("area", ending_at(0.0, 0.0), ending_at(0.1, 0.2)).value < 1e-100


@pytest.mark.parametrize("baseline", [made_runs()[1:], made_runs()[::-1], [replace(r, seed=9) for r in made_runs()]])
def test_runs_of_other_seeds_are_not_compared(baseline):
    with pytest.raises(ValueError, match="same seeds"):
        compare("final", made_runs(), baseline)


def effect_of(low: float, high: float) -> Effect:
    return Effect((low + high) / 2, (low, high), [0, 1, 2], ([], []))


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_less_is_better_but_for_images(quantity):
    better, worse = (effect_of(0.4, 0.6), effect_of(1.9, 2.1))
    if quantity in IMAGES:
        better, worse = effect_of(1.9, 2.1), effect_of(-0.3, -0.1)
    words = [outcome(effect, quantity, MARGINS) for effect in (better, worse, effect_of(-9.0, 9.0))]
    assert words == [HOLDS, DOES_NOT_HOLD, UNDECIDED]


@pytest.mark.parametrize(
    ("quantity", "low", "high", "expected"),
    [
        ("final", 1 / 1.02, 1.02, NO_DIFFERENCE),
        ("final", 0.985, 0.995, NO_DIFFERENCE),  # it excludes 1, by less than matters
        ("final", 0.97, 0.99, HOLDS),
        ("final", 1.01, 1.03, DOES_NOT_HOLD),
        ("final", 0.97, 1.03, UNDECIDED),
        ("unseen_psnr", -0.1, 0.1, NO_DIFFERENCE),
        ("unseen_psnr", 0.05, 0.11, HOLDS),
        ("unseen_ssim", 0.001, 0.005, NO_DIFFERENCE),
        ("unseen_ssim", -0.006, -0.001, DOES_NOT_HOLD),
    ],
)
def test_an_interval_within_the_margin_is_no_difference(quantity, low, high, expected):
    assert outcome(effect_of(low, high), quantity, MARGINS) == expected


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
