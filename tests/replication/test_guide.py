"""The model that guides a search: it finds a minimum sooner than spread points do, and leaves nothing to chance."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replication.guide import propose
from replication.ranges import at, place
from replication.search import trials

RANGES = {"rate": {"log": [1e-4, 1e-1]}, "beta": {"log_to_one": [0.0, 0.9995]}, "epsilon": {"log": [1e-8, 1e-3]}}
MINIMUM = {"rate": 0.8, "beta": 0.3, "epsilon": 0.1}  # places in the ranges


def score(tried: dict) -> float:
    """A narrow valley that does not lie along an axis, on a plateau: as the losses of a rate and a momentum are."""
    apart = {name: place(RANGES[name], value) - MINIMUM[name] for name, value in tried.items()}
    steep = 8 * (apart["rate"] + 0.7 * apart["beta"]) ** 2 + apart["beta"] ** 2 + 0.2 * apart["epsilon"] ** 2
    return min(steep, 1.5)


def test_it_comes_nearer_to_a_minimum_than_as_many_points_that_are_spread():
    tried = trials(RANGES, 16)
    for _ in range(16):
        tried.append(propose(RANGES, tried, [score(settings) for settings in tried]))
    spread = min(map(score, trials(RANGES, 256)))
    assert min(map(score, tried)) < spread / 3
    assert len({str(settings) for settings in tried}) == 32


@pytest.fixture(scope="module")
def some() -> list[dict]:
    return trials(RANGES, 8)


def test_the_same_trials_propose_the_same(some):
    scores = list(map(score, some))
    assert propose(RANGES, some, scores) == propose(RANGES, some, scores)
    other = [*scores[1:], scores[0]]
    assert propose(RANGES, some, other) != propose(RANGES, some, scores)


@settings(deadline=None, max_examples=10)
@given(st.lists(st.floats(-300, 300), min_size=8, max_size=8), st.sets(st.integers(0, 7), max_size=7))
def test_whatever_the_scores_and_whatever_diverged_it_stays_in_the_ranges(values, diverged):
    tried = trials(RANGES, 8)
    proposed = propose(RANGES, tried, [None if n in diverged else value for n, value in enumerate(values)])
    assert proposed.keys() == RANGES.keys()
    assert all(-1e-9 <= place(RANGES[name], value) <= 1 + 1e-9 for name, value in proposed.items())
    assert proposed not in tried


def test_where_trials_diverge_it_does_not_go_on():
    """Rates above the middle diverge; it proposes lower ones."""
    ranges = {"rate": {"log": [1e-3, 1e3]}}
    tried = [{"rate": at(ranges["rate"], share)} for share in (0.05, 0.2, 0.35, 0.6, 0.75, 0.95)]
    scores = [-place(ranges["rate"], one["rate"]) if one["rate"] < 1 else None for one in tried]
    assert propose(ranges, tried, scores)["rate"] < 10


def test_of_a_choice_it_takes_the_better_one():
    ranges = {"rate": {"log": [1e-3, 1.0]}, "nesterov": {"choice": [False, True]}}
    tried = trials(ranges, 16)
    scores = [(place(ranges["rate"], one["rate"]) - 0.4) ** 2 + (not one["nesterov"]) for one in tried]
    proposed = propose(ranges, tried, scores)
    assert proposed["nesterov"] is True
    assert math.isclose(place(ranges["rate"], proposed["rate"]), 0.4, abs_tol=0.1)
