"""The search that chooses settings: its trials, its choice, and the settings that it has chosen."""

import math
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from replication import config, run, search
from replication.files import write_json
from replication.guide import propose
from replication.parameters import SELECTIONS, of_run
from replication.plan import Plan
from replication.ranges import at, place
from replication.search import (
    HEAD,
    STATISTICS,
    Report,
    Search,
    Trial,
    best_so_far,
    choose,
    collect,
    neighbours,
    score,
    trials,
    tune,
)

ROOT = Path(__file__).parents[2]
RATES = {"learning_rate": {"log": [1e-6, 1e9]}}


@pytest.fixture(scope="module")
def project() -> dict:
    return config.project(ROOT)


@pytest.fixture(scope="module")
def plan(project) -> Plan:
    return Plan(project, str(ROOT))


@pytest.fixture(scope="module")
def parameters(smoke_config):
    return of_run(smoke_config, "perceptron-teacher", "sgd", 1000)


def test_trials_are_spread_over_the_whole_range_and_always_the_same():
    ranges = {"a": {"log": [1e-3, 1e3]}, "b": {"linear": [0.0, 2.0]}}
    spread = trials(ranges, 32)
    assert spread == trials(ranges, 32) == trials(dict(reversed(ranges.items())), 32)
    decades = [math.floor(math.log10(settings["a"] * (1 - 1e-9))) for settings in spread]
    assert set(decades) == set(range(-3, 3))
    assert max(decades.count(decade) for decade in set(decades)) <= 7  # 32 over 6 decades
    halves = [settings["b"] < 1 for settings in spread]
    assert sum(halves) == 16


def test_whole_numbers_are_spread_by_their_logarithm_and_moved_by_ratios():
    ranges = {"history": {"integer": [1, 256]}}
    spread = [settings["history"] for settings in trials(ranges, 64)]
    assert all(isinstance(value, int) and 1 <= value <= 256 for value in spread)
    assert 24 <= sum(value <= 16 for value in spread) <= 40
    assert neighbours({"history": 16}, ranges, 1 / 4) == [{"history": 4}, {"history": 64}]


@given(
    st.sampled_from([{"log": [1e-3, 10.0]}, {"linear": [0.1, 1.95]}, {"log_to_one": [0.5, 0.9995]}]), st.floats(0, 1)
)
def test_a_place_in_a_range_is_that_of_its_value(scale, share):
    ((_, (low, high)),) = scale.items()
    assert low * (1 - 1e-9) <= at(scale, share) <= high * (1 + 1e-9)
    assert place(scale, at(scale, share)) == pytest.approx(share, abs=5e-3)  # values have three digits


def test_the_distance_to_one_is_spread_by_its_logarithm_and_choices_alike():
    spread = trials({"beta": {"log_to_one": [0.0, 0.999]}, "nesterov": {"choice": [False, True]}}, 64)
    decades = [math.floor(-math.log10(1 - settings["beta"])) for settings in spread]
    assert [decades.count(decade) for decade in (0, 1, 2)] == pytest.approx([64 / 3] * 3, abs=2)
    assert sum(settings["nesterov"] for settings in spread) == 32
    assert place({"choice": [False, True]}, True) == 0.75


def test_every_optimizer_of_an_experiment_has_as_many_trials(plan):
    for experiment, optimizer in plan.searched:
        planned = plan.search(SimpleNamespace(experiment=experiment, optimizer=optimizer))
        tuning = plan.experiments[experiment]["tuning"]
        many = len(planned["ranges"]) > 2
        assert planned["trials"] == tuning.get("trials_beyond_two" if many else "trials", tuning["trials"])
        assert len(trials(planned["ranges"], planned["trials"], planned["first"])) == planned["trials"]


@pytest.mark.parametrize("statistic", ["last", "mean_log"])
def test_the_finalist_with_the_smallest_score_is_chosen_and_divergence_never(statistic, parameters):
    report = tune(parameters, Search(RATES, 8, 2, statistic), {1000: None, 1001: None})
    finished = [trial for trial in report.trials if trial.status == "finished"]
    assert 0 < len(finished) < 8  # the highest rates diverge, and their trials have no score
    assert all(bool(trial.scores) == (trial.status == "finished") for trial in report.trials)
    counts = [len(trial.scores["validation_loss"]) for trial in finished]
    assert 1 <= counts.count(2) <= 4  # two by either loss, less those that diverged there
    scores = {sum(t.scores["validation_loss"]) / 2: t for t in finished if len(t.scores["validation_loss"]) == 2}
    assert choose(report, "validation_loss") == scores[min(scores)].settings


def test_finalists_are_the_best_with_the_first_seed_and_go_on_to_the_others(parameters):
    def scores(*seeds):
        report = tune(parameters, Search(RATES, 4, 1, "last"), dict.fromkeys(seeds))
        return [trial.scores for trial in report.trials]

    together, apart = scores(1000, 1001), [scores(1000), scores(1001)]
    finalists = set()
    for column in SELECTIONS:
        first = [trial.get(column, [math.inf])[0] for trial in apart[0]]
        finalists.add(first.index(min(first)))
    assert len(finalists) < sum(bool(trial) for trial in apart[0])
    for number, trial in enumerate(together):
        alone = [of_seed[number] for of_seed in apart[: 2 if number in finalists else 1]]
        expected = {column: [trial[column][0] for trial in alone] for column in SELECTIONS} if all(alone) else {}
        assert trial == expected


def test_settings_that_are_not_searched_stay_and_the_report_says_what_was_searched(parameters, tmp_path):
    """Momentum is not searched: a trial differs by it."""
    narrow = Search({"learning_rate": {"log": [0.01, 0.1]}}, 1, 1, "last")
    still, moving = (
        tune(parameters.but(settings={"momentum": momentum}), narrow, {1000: None}) for momentum in (0.0, 0.9)
    )
    assert still.trials[0].settings == moving.trials[0].settings
    assert still.trials[0].scores != moving.trials[0].scores
    assert (still.experiment, still.optimizer, still.seeds) == ("perceptron-teacher", "sgd", [1000])
    write_json(tmp_path / "report.json", {"keys": [], "result": asdict(still)})
    assert Report.read(tmp_path / "report.json") == still


def test_the_first_trials_can_be_given():
    """The others are those that the sequence begins with."""
    given = [{"a": 0.5, "b": 1.0}]
    ranges = {"a": {"log": [0.1, 10.0]}, "b": {"linear": [0.0, 2.0]}}
    assert trials(ranges, 4, given) == given + trials(ranges, 4)[:3]
    assert trials(ranges, 1, given * 2) == given * 2


def test_the_last_trials_are_guided_by_the_columns_in_turn(parameters):
    """Each is what the model proposes from the trials before it, and the scores of its column."""
    made = tune(parameters, Search(RATES, 8, 1, "last", guided={"train_loss": 2, "validation_loss": 2}), {1000: None})
    assert [trial.settings for trial in made.trials[:4]] == trials(RATES, 4)
    assert len(made.trials) == 8
    for number, column in ((4, "train_loss"), (5, "validation_loss"), (6, "train_loss"), (7, "validation_loss")):
        before = made.trials[:number]
        scores = [math.log10(trial.scores[column][0]) if trial.scores else None for trial in before]
        assert made.trials[number].settings == propose(RATES, [trial.settings for trial in before], scores)


def test_a_column_without_a_finished_trial_guides_nothing(parameters):
    """The search ends with the trials that it has, every one diverged."""
    high = {"learning_rate": {"log": [1e8, 1e9]}}
    made = tune(parameters, Search(high, 4, 1, "last", guided={"train_loss": 2}), {1000: None}).trials
    assert [trial.status for trial in made] == ["diverged"] * 2


def test_trials_are_screened_with_as_many_seeds_as_asked_and_finalists_go_on(parameters):
    seeds = dict.fromkeys((1000, 1001, 1002))
    made = tune(parameters, Search(RATES, 4, 1, "last", screened=2), seeds)
    counts = [len(trial.scores["train_loss"]) for trial in made.trials if trial.status == "finished"]
    assert set(counts) == {2, 3}
    assert counts.count(3) <= 2  # the best by either loss
    assert all(len(trial.seconds) == len(trial.scores["train_loss"]) for trial in made.trials if trial.scores)
    best = choose(made, "train_loss")
    (trial,) = (trial for trial in made.trials if trial.settings == best)
    assert score(made, "train_loss") == sum(trial.scores["train_loss"]) / 3


def test_the_search_is_not_given_unseen_data(parameters, monkeypatch):
    problems = []
    train = run.train

    def watched(network, optimizer, problem, *arguments, **loop):
        problems.append(problem)
        return train(network, optimizer, problem, *arguments, **loop)

    monkeypatch.setattr(run, "train", watched)
    tune(parameters, Search(RATES, 2, 1, "last"), {1000: None})
    assert problems
    assert all(problem.unseen is None and problem.test is None for problem in problems)


def test_the_best_loss_so_far_has_a_point_where_a_trial_is_better_than_all_before_it():
    losses = [None, 0.3, 0.4, 0.1]
    trials = [
        Trial({"tau_z": i}, "finished" if loss else "diverged", {"train_loss": [loss, 9.0]} if loss else {})
        for i, loss in enumerate(losses)
    ]
    report = Report("autoencoder", "badmm", [0, 1], "last", trials, {})
    assert best_so_far(report, "train_loss") == [(2, 0.3, {"tau_z": 1}), (4, 0.1, {"tau_z": 3})]
    assert best_so_far(report, "validation_loss") == []
    geometric = Report("perceptron", "badmm", [0], "mean_log", [Trial({}, scores={"train_loss": [-2.0]})], {})
    assert best_so_far(geometric, "train_loss") == [(1, 0.01, {})]


def test_neighbours_are_smaller_and_larger_and_stay_in_their_ranges():
    steps = {"a": {"linear": [0.0, 2.0]}, "b": {"linear": [0.0, 3.0]}}
    around = neighbours({"a": 1.9, "b": 1.5, "c": 5}, steps, 1 / 6)
    assert around == [{"a": 1.57, "b": 1.0, "c": 5}, {"a": 2.0, "b": 2.0, "c": 5}]


def test_learning_rates_move_first_and_momentum_after_them():
    ranges = {"rate": {"log": [1e-3, 1e3]}, "momentum": {"linear": [0.0, 1.0]}}
    around = neighbours({"rate": 1.0, "momentum": 0.9}, ranges, 1 / 6)
    assert around[:2] == [{"rate": 0.1, "momentum": 0.9}, {"rate": 10.0, "momentum": 0.9}]
    assert around[2:] == [{"rate": 1.0, "momentum": 0.733}, {"rate": 1.0, "momentum": 1.0}]


def test_mean_log_is_the_area_under_the_log_loss():
    assert STATISTICS["mean_log"]([1.0, 0.1, 0.01]) == pytest.approx(-1.0)
    assert math.isfinite(STATISTICS["mean_log"]([1.0, 0.0]))
    assert search.EVERY.keys() == STATISTICS.keys()


def report(optimizer, *scores):
    """A report of trials with these scores by (training, validation), None for one that diverged."""
    made = [
        Trial({"a": number}, scores={"train_loss": [pair[0]], "validation_loss": [pair[1]]})
        if pair
        else Trial({"a": number}, "diverged")
        for number, pair in enumerate(scores)
    ]
    return Report("e", optimizer, [1000], "last", made, {})


def test_collected_settings_have_the_form_of_the_configuration(tmp_path):
    reports = [report("sgd", None, (1.0, 3.0), (2.0, 1.0)), report("adam", (1.0, 1.0))]
    collect(reports, {"e": "validation_loss"}, tmp_path / "tuned.yaml")
    by_training, by_validation = {"sgd": {"a": 1}, "adam": {"a": 0}}, {"sgd": {"a": 2}, "adam": {"a": 0}}
    tuned_on = {"train_loss": by_training, "validation_loss": by_validation}
    expected = {"experiments": {"e": {"optimizers": by_validation, "tuned_on": tuned_on}}}
    text = (tmp_path / "tuned.yaml").read_text()
    assert yaml.safe_load(text) == expected
    assert text.startswith(HEAD)


def test_an_optimizer_whose_every_trial_diverged_is_named():
    with pytest.raises(ValueError, match="every finalist of e/o diverged"):
        choose(report("o", None, None), "train_loss")


def test_a_trial_that_a_seed_is_missing_of_is_not_chosen():
    """It diverged with a later seed, or was no finalist: its mean is of easier seeds."""
    some = report("o", (1.0, 1.0), (2.0, 2.0))
    scores = {column: [2.0, 2.0] for column in SELECTIONS}
    both = Report("e", "o", [1000, 1001], "last", [some.trials[0], Trial({"a": 1}, scores=scores)], {})
    assert choose(both, "train_loss") == {"a": 1}


def reports_in_the_repository() -> dict[tuple[str, str], Report]:
    paths = sorted((ROOT / "data" / "published" / "tuning").glob("*/*.json"))
    return {(path.parent.name, path.stem): Report.read(path) for path in paths}


def test_tuned_settings_are_the_ones_that_the_search_chose(plan, tmp_path):
    """config/tuned.yaml against the trials of the search behind it, which are published."""
    reports = reports_in_the_repository()
    assert reports.keys() == set(plan.searched)
    collect(list(reports.values()), plan.select_by, tmp_path / "tuned.yaml")
    chosen, tuned = (yaml.safe_load(path.read_text()) for path in (tmp_path / "tuned.yaml", ROOT / "config/tuned.yaml"))
    assert chosen == tuned
    for name, section in tuned["experiments"].items():
        for optimizer, settings in section["optimizers"].items():
            # config.yaml writes over none of them
            assert settings.items() <= plan.experiments[name]["optimizers"][optimizer].items()


def test_the_search_behind_the_tuned_settings_is_the_configurations(plan):
    for (experiment, optimizer), made in reports_in_the_repository().items():
        planned = plan.search(SimpleNamespace(experiment=experiment, optimizer=optimizer))
        assert (made.experiment, made.optimizer) == (experiment, optimizer)
        assert (made.ranges, made.statistic) == (planned["ranges"], planned["statistic"])
        assert made.seeds == plan.search_seeds(experiment)
        spread = planned["trials"] - sum(planned.get("guided", {}).values())
        expected = trials(planned["ranges"], spread, planned["first"])
        assert [trial.settings for trial in made.trials[:spread]] == expected
        assert len(made.trials) == planned["trials"]


# A range that was too narrow: the next search of it begins with a wider one.
NARROW = {"autoencoder-levers-every-setting/train_loss/adam/beta2"}


def test_searched_rates_and_betas_are_not_at_the_end_of_their_range_where_every_setting_is_searched(project):
    """Where they are, the range was too narrow for the baseline. Of the columns that the search is guided by.

    A beta cannot be below 0: a range that begins there has no such end.
    """
    at_the_end = set()
    for name, section in project["experiments"].items():
        guided = section["tuning"].get("guided", {})
        for column, choices in ((column, section["tuned_on"][column]) for column in guided):
            for optimizer in ("sgd", "adam", "sgd-cosine", "adam-cosine"):
                ranges = section["tuning"]["ranges"].get(optimizer, {})
                for setting in ranges.keys() & {"learning_rate", "beta1", "beta2"}:
                    ((_, ends),) = ranges[setting].items()
                    where, lowest = place(ranges[setting], choices[optimizer][setting]), 0.1 if ends[0] else 0.0
                    if not lowest <= where <= 0.9:
                        at_the_end.add(f"{name}/{column}/{optimizer}/{setting}")
    assert at_the_end == NARROW
