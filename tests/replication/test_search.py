"""The search that chooses settings: its trials, its choice, and the settings that it has chosen."""

import math
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from made_results import Made

from replication import config, run, search
from replication.guide import propose
from replication.parameters import CRITERIA, of_run
from replication.ranges import at, place
from replication.results import Results
from replication.search import STATISTICS, Spread, Trial, best_so_far, choose, neighbours, trials, tune
from replication.studies import tuning
from replication.studies.study import Studies
from replication.verdicts.tuned import HEAD, write

ROOT = Path(__file__).parents[2]
RATES = {"learning_rate": {"log": [1e-6, 1e9]}}


@pytest.fixture(scope="module")
def project() -> dict:
    return config.project(ROOT)


@pytest.fixture(scope="module")
def records(project) -> Results:
    """The published records of the searches."""
    return Results(Studies(tuning.jobs(project), str(ROOT / project["published"]), "none").records("tuning/*"))


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


def test_every_optimizer_of_an_experiment_has_as_many_trials(project):
    for job in tuning.jobs(project):
        asked, section = job.arguments["search"], project["experiments"][job.name.split("/")[1]]["tuning"]
        many = len(asked["ranges"]) > 2
        if asked["ranges"]:
            assert asked["trials"] == section.get("trials_beyond_two" if many else "trials", section["trials"])
            assert len(trials(asked["ranges"], asked["trials"], asked["first"])) == asked["trials"]


@pytest.mark.parametrize("statistic", ["last", "mean_log"])
def test_the_finalist_with_the_smallest_score_is_chosen_and_divergence_never(statistic, parameters):
    how = Spread(RATES, 8, 2, statistic)
    made = tune(parameters, how, {1000: None, 1001: None})
    finished = [trial for trial in made if trial.status == "finished"]
    assert 0 < len(finished) < 8  # the highest rates diverge, and their trials have no score
    assert all(bool(trial.scores) == (trial.status == "finished") for trial in made)
    counts = [len(trial.scores["validation_loss"]) for trial in finished]
    assert 1 <= counts.count(2) <= 4  # two by either loss, less those that diverged there
    scores = {sum(t.scores["validation_loss"]) / 2: t for t in finished if len(t.scores["validation_loss"]) == 2}
    assert choose(made, "validation_loss", how, 2) == scores[min(scores)]


def test_finalists_are_the_best_with_the_first_seed_and_go_on_to_the_others(parameters):
    def scores(*seeds):
        return [trial.scores for trial in tune(parameters, Spread(RATES, 4, 1, "last"), dict.fromkeys(seeds))]

    together, apart = scores(1000, 1001), [scores(1000), scores(1001)]
    finalists = set()
    for column in CRITERIA:
        first = [trial.get(column, [math.inf])[0] for trial in apart[0]]
        finalists.add(first.index(min(first)))
    assert len(finalists) < sum(bool(trial) for trial in apart[0])
    for number, trial in enumerate(together):
        alone = [of_seed[number] for of_seed in apart[: 2 if number in finalists else 1]]
        expected = {column: [trial[column][0] for trial in alone] for column in CRITERIA} if all(alone) else {}
        assert trial == expected


def test_settings_that_are_not_searched_stay(parameters):
    """Momentum is not searched: a trial differs by it."""
    narrow = Spread({"learning_rate": {"log": [0.01, 0.1]}}, 1, 1, "last")
    still, moving = (
        tune(parameters.but(settings={"momentum": momentum}), narrow, {1000: None}) for momentum in (0.0, 0.9)
    )
    assert still[0].settings == moving[0].settings
    assert still[0].scores != moving[0].scores


def test_the_first_trials_can_be_given():
    """The others are those that the sequence begins with."""
    given = [{"a": 0.5, "b": 1.0}]
    ranges = {"a": {"log": [0.1, 10.0]}, "b": {"linear": [0.0, 2.0]}}
    assert trials(ranges, 4, given) == given + trials(ranges, 4)[:3]
    assert trials(ranges, 1, given * 2) == given * 2


def test_the_last_trials_are_guided_by_the_columns_in_turn(parameters):
    """Each is what the model proposes from the trials before it, and the scores of its column."""
    made = tune(parameters, Spread(RATES, 8, 1, "last", guided={"train_loss": 2, "validation_loss": 2}), {1000: None})
    assert [trial.settings for trial in made[:4]] == trials(RATES, 4)
    assert len(made) == 8
    for number, column in ((4, "train_loss"), (5, "validation_loss"), (6, "train_loss"), (7, "validation_loss")):
        before = made[:number]
        scores = [math.log10(trial.scores[column][0]) if trial.scores else None for trial in before]
        assert made[number].settings == propose(RATES, [trial.settings for trial in before], scores)


def test_a_column_without_a_finished_trial_guides_nothing(parameters):
    """The search ends with the trials that it has, every one diverged."""
    high = {"learning_rate": {"log": [1e8, 1e9]}}
    made = tune(parameters, Spread(high, 4, 1, "last", guided={"train_loss": 2}), {1000: None})
    assert [trial.status for trial in made] == ["diverged"] * 2


def test_trials_are_screened_with_as_many_seeds_as_asked_and_finalists_go_on(parameters):
    seeds = dict.fromkeys((1000, 1001, 1002))
    how = Spread(RATES, 4, 1, "last", screened=2)
    made = tune(parameters, how, seeds)
    counts = [len(trial.scores["train_loss"]) for trial in made if trial.status == "finished"]
    assert set(counts) == {2, 3}
    assert counts.count(3) <= 2  # the best by either loss
    assert all(len(trial.seconds) == len(trial.scores["train_loss"]) for trial in made if trial.scores)
    assert len(choose(made, "train_loss", how, 3).scores["train_loss"]) == 3


def test_the_search_is_not_given_unseen_data(parameters, monkeypatch):
    problems = []
    train = run.train

    def watched(network, optimizer, problem, *arguments, **loop):
        problems.append(problem)
        return train(network, optimizer, problem, *arguments, **loop)

    monkeypatch.setattr(run, "train", watched)
    tune(parameters, Spread(RATES, 2, 1, "last"), {1000: None})
    assert problems
    assert all(problem.unseen is None and problem.test is None for problem in problems)


def test_the_best_loss_so_far_has_a_point_where_a_trial_is_better_than_all_before_it():
    losses = [None, 0.3, 0.4, 0.1]
    trials = [
        Trial({"tau_z": i}, "finished" if loss else "diverged", {"train_loss": [loss, 9.0]} if loss else {})
        for i, loss in enumerate(losses)
    ]
    assert best_so_far(trials, "train_loss", "last") == [(2, 0.3, {"tau_z": 1}), (4, 0.1, {"tau_z": 3})]
    assert best_so_far(trials, "validation_loss", "last") == []
    assert best_so_far([Trial({}, scores={"train_loss": [-2.0]})], "train_loss", "mean_log") == [(1, 0.01, {})]


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


ONE = Spread(RATES, 4, 1, "last")


def made_trials(*scores) -> list[Trial]:
    """Trials with these scores by (training, validation), None for one that diverged."""
    return [
        Trial({"a": number}, scores={"train_loss": [pair[0]], "validation_loss": [pair[1]]})
        if pair
        else Trial({"a": number}, "diverged")
        for number, pair in enumerate(scores)
    ]


def test_where_every_trial_diverged_none_is_chosen():
    assert choose(made_trials(None, None), "train_loss", ONE, 1) is None


def test_a_trial_that_a_seed_is_missing_of_is_not_chosen():
    """It diverged with a later seed, or was no finalist: its mean is of easier seeds."""
    both = Trial({"a": 1}, scores={column: [2.0, 2.0] for column in CRITERIA})
    assert choose([made_trials((1.0, 1.0))[0], both], "train_loss", ONE, 2) == both


def test_chosen_settings_are_written_in_the_form_of_the_configuration(tmp_path):
    """A line for each optimizer; one that is not searched has none."""
    made = Made(tmp_path)
    for name in ("e/sgd", "e/adam", "f/sgd"):
        made.tuned(f"tuning/{name}", {column: [] for column in CRITERIA}, settings={"rate": 0.5, "momentum": 0.25})
    made.tuned("tuning/e/lbfgs", {column: [] for column in CRITERIA})
    write(made.results, tmp_path / "tuned.yaml")
    text = (tmp_path / "tuned.yaml").read_text()
    both = {column: {"rate": 0.5, "momentum": 0.25} for column in CRITERIA}
    assert yaml.safe_load(text) == {"tuned": {"e": {"sgd": both, "adam": both}, "f": {"sgd": both}}}
    assert text.startswith(HEAD)
    assert text.count("\n") == text.count("#") + 1 + 2 + 3


def test_tuned_settings_are_the_ones_that_the_search_chose(records, project, tmp_path):
    """config/tuned.yaml against the published records; nothing else in the configuration writes over one."""
    write(records, tmp_path / "tuned.yaml")
    assert (tmp_path / "tuned.yaml").read_text() == (ROOT / "config" / "tuned.yaml").read_text()
    for experiment, methods in project["tuned"].items():
        section = project["experiments"][experiment]
        for method, columns in methods.items():
            chosen = columns[section["tuning"]["criterion"]]
            assert chosen.items() <= section["optimizers"][method].items()


def test_the_choice_of_a_record_is_the_best_of_its_trials(records, project):
    for job in tuning.jobs(project):
        tuned, asked = records.tuned(job.name), job.arguments["search"]
        assert (tuned.ranges, tuned.seeds) == (asked["ranges"], job.arguments["seeds"])
        assert len(tuned.trials) == asked["trials"]
        spread = asked["trials"] - sum(asked.get("guided", {}).values())
        expected = trials(asked["ranges"], spread, asked["first"]) if asked["ranges"] else []
        assert [trial.settings for trial in tuned.trials[:spread]] == expected
        for column, chosen in tuned.chosen.items():
            if tuned.trials:
                best = choose(tuned.trials, column, Spread(**asked), len(tuned.seeds))
                assert chosen.settings == best.settings
            assert [run.seed for run in chosen.runs] == job.arguments["runs"].get(column, {"seeds": []})["seeds"]


def test_searched_rates_and_betas_are_not_at_the_end_of_their_range_where_every_setting_is_searched(project):
    """Where they are, the range was too narrow for the baseline. Of the columns that the search is guided by.

    A beta cannot be below 0: a range that begins there has no such end.
    """
    at_the_end = set()
    for name, section in project["experiments"].items():
        guided = section["tuning"].get("guided", {})
        for column in guided:
            for optimizer in ("sgd", "adam", "sgd-cosine", "adam-cosine"):
                ranges = section["tuning"]["ranges"].get(optimizer, {})
                for setting in ranges.keys() & {"learning_rate", "beta1", "beta2"}:
                    ((_, ends),) = ranges[setting].items()
                    where, lowest = (
                        place(ranges[setting], project["tuned"][name][optimizer][column][setting]),
                        0.1 if ends[0] else 0.0,
                    )
                    if not lowest <= where <= 0.9:
                        at_the_end.add(f"{name}/{column}/{optimizer}/{setting}")
    assert at_the_end == set()
