import json
import math
from pathlib import Path

import pytest
import yaml

from replication import config, search as tuning
from replication.speed import clock as timing

ROOT = Path(__file__).parents[1]


@pytest.fixture
def parameters(smoke_config):
    chosen = config.parameters(smoke_config, "perceptron-teacher", "sgd", 1000)
    return chosen | {"settings": {}}


RATES = {"learning_rate": {"log": [1e-6, 1e9]}}


def test_trials_are_spread_over_the_whole_range_and_always_the_same():
    found = tuning.trials({"a": {"log": [1e-3, 1e3]}, "b": {"linear": [0.0, 2.0]}}, 32)
    assert found == tuning.trials({"a": {"log": [1e-3, 1e3]}, "b": {"linear": [0.0, 2.0]}}, 32)
    decades = [math.floor(math.log10(settings["a"] * (1 - 1e-9))) for settings in found]
    assert {decade: decades.count(decade) for decade in range(-3, 3)}.keys() == set(decades)
    assert max(decades.count(decade) for decade in set(decades)) <= 7  # 32 over 6 decades
    halves = [settings["b"] < 1 for settings in found]
    assert sum(halves) == 16


def test_every_optimizer_of_an_experiment_has_as_many_trials(tmp_path):
    full = config.project(ROOT)["experiments"]
    for section in full.values():
        for ranges in section["tuning"]["ranges"].values():
            assert len(tuning.trials(ranges, section["tuning"]["trials"])) == section["tuning"]["trials"]


@pytest.mark.parametrize("statistic", ["last", "mean_log"])
def test_the_finalist_with_the_smallest_score_is_chosen_and_divergence_never(statistic, parameters):
    report = tuning.tune(parameters, RATES, 8, 2, statistic, {1000: None, 1001: None})
    finished = [trial for trial in report["trials"] if trial["status"] == "finished"]
    assert 0 < len(finished) < 8  # the highest rates diverge, and their trials have no score
    assert all(bool(trial["scores"]) == (trial["status"] == "finished") for trial in report["trials"])
    counts = [len(trial["scores"]["validation_loss"]) for trial in finished]
    assert 1 <= counts.count(2) <= 4  # two by either loss, less those that diverged there
    scores = {sum(t["scores"]["validation_loss"]) / 2: t for t in finished if len(t["scores"]["validation_loss"]) == 2}
    assert tuning.choose(report, "validation_loss") == scores[min(scores)]["settings"]


def test_finalists_are_the_best_with_the_first_seed_and_go_on_to_the_others(parameters):
    together = tuning.tune(parameters, RATES, 4, 1, "last", {1000: None, 1001: None})["trials"]
    apart = [tuning.tune(parameters, RATES, 4, 1, "last", {seed: None})["trials"] for seed in (1000, 1001)]
    finalists = set()
    for column in tuning.SELECTIONS:
        first = [trial["scores"].get(column, [math.inf])[0] for trial in apart[0]]
        finalists.add(first.index(min(first)))
    assert len(finalists) < sum(trial["status"] == "finished" for trial in apart[0])
    for number, trial in enumerate(together):
        alone = [trials[number]["scores"] for trials in apart[: 2 if number in finalists else 1]]
        expected = {name: [scores[name][0] for scores in alone] for name in tuning.SELECTIONS} if all(alone) else {}
        assert trial["scores"] == expected


def test_the_search_is_not_given_unseen_data(parameters, monkeypatch):
    given = []
    train = tuning.train
    monkeypatch.setattr(tuning, "train", lambda *a, **k: given.append(a[2]) or train(*a, **k))
    tuning.tune(parameters, RATES, 2, 1, "last", {1000: None})
    assert given
    assert all(problem.unseen is None and problem.test is None for problem in given)


def test_neighbours_are_smaller_and_larger_and_stay_in_their_ranges():
    steps = {"a": {"linear": [0.0, 2.0]}, "b": {"linear": [0.0, 3.0]}}
    found = tuning.neighbours({"a": 1.9, "b": 1.5, "c": 5}, steps, 1 / 6)
    assert found == [{"a": 1.57, "b": 1.0, "c": 5}, {"a": 2.0, "b": 2.0, "c": 5}]


def test_learning_rates_move_first_and_momentum_after_them():
    ranges = {"rate": {"log": [1e-3, 1e3]}, "momentum": {"linear": [0.0, 1.0]}}
    found = tuning.neighbours({"rate": 1.0, "momentum": 0.9}, ranges, 1 / 6)
    assert found[:2] == [{"rate": 0.1, "momentum": 0.9}, {"rate": 10.0, "momentum": 0.9}]
    assert found[2:] == [{"rate": 1.0, "momentum": 0.733}, {"rate": 1.0, "momentum": 1.0}]


def test_mean_log_is_the_area_under_the_log_loss():
    assert tuning.STATISTICS["mean_log"]([1.0, 0.1, 0.01]) == pytest.approx(-1.0)
    assert math.isfinite(tuning.STATISTICS["mean_log"]([1.0, 0.0]))


def report(optimizer, *scores):
    """A report of trials with these scores by (training, validation), None for one that diverged."""
    trials = [
        {"settings": {"a": n}, "scores": {"train_loss": [pair[0]], "validation_loss": [pair[1]]} if pair else {}}
        for n, pair in enumerate(scores)
    ]
    return {"experiment": "e", "optimizer": optimizer, "seeds": [1000], "trials": trials}


def test_collected_settings_have_the_form_of_the_configuration(tmp_path):
    reports = [report("sgd", None, (1.0, 3.0), (2.0, 1.0)), report("adam", (1.0, 1.0))]
    for number, found in enumerate(reports):
        (tmp_path / f"{number}.json").write_text(json.dumps(found))
    paths = [tmp_path / "0.json", tmp_path / "1.json"]
    tuning.collect(paths, {"e": "validation_loss"}, tmp_path / "tuned.yaml")
    by_training, by_validation = {"sgd": {"a": 1}, "adam": {"a": 0}}, {"sgd": {"a": 2}, "adam": {"a": 0}}
    tuned_on = {"train_loss": by_training, "validation_loss": by_validation}
    expected = {"experiments": {"e": {"optimizers": by_validation, "tuned_on": tuned_on}}}
    assert yaml.safe_load((tmp_path / "tuned.yaml").read_text()) == expected
    assert (tmp_path / "tuned.yaml").read_text().startswith(tuning.HEAD)


def test_an_optimizer_whose_every_trial_diverged_is_named():
    with pytest.raises(ValueError, match="every finalist of e/o diverged"):
        tuning.choose(report("o", None, None), "train_loss")


def test_tuned_settings_are_the_ones_that_the_search_chose(tmp_path):
    """config/tuned.yaml against the trials of the search behind it, which are kept in tests/expected/tuning."""
    paths = sorted((ROOT / "tests" / "expected" / "tuning").glob("*/*.json"))
    full = config.project(ROOT)["experiments"]
    asked = {(name, optimizer) for name, section in full.items() for optimizer in section["tuning"]["ranges"]}
    assert {(path.parent.name, path.stem) for path in paths} == asked
    select_by = {name: section["tuning"]["select_by"] for name, section in full.items()}
    tuning.collect(paths, select_by, tmp_path / "tuned.yaml")
    chosen, taken_over = (
        yaml.safe_load(path.read_text()) for path in (tmp_path / "tuned.yaml", ROOT / "config/tuned.yaml")
    )
    assert chosen == taken_over
    for name, section in taken_over["experiments"].items():
        for optimizer, settings in section["optimizers"].items():
            assert settings.items() <= full[name]["optimizers"][optimizer].items()  # nothing is written over


def test_the_search_behind_the_tuned_settings_is_the_configurations():
    settings = config.project(ROOT)
    for name, section in settings["experiments"].items():
        for optimizer, ranges in section["tuning"]["ranges"].items():
            told = json.loads((ROOT / f"tests/expected/tuning/{name}/{optimizer}.json").read_text())
            assert (told["ranges"], told["seeds"]) == (ranges, section["tuning"]["seeds"])
            assert [trial["settings"] for trial in told["trials"]] == tuning.trials(ranges, section["tuning"]["trials"])


def test_timing_takes_turns_and_tells_ratios(smoke_config, tmp_path, monkeypatch):
    """On a clock of its own: each step takes as long as the optimizer's name says."""
    now, order, length = [0.0], [], {"sgd": 1 / 256, "adam": 1 / 64, "badmm": 3 / 128}

    class Step:
        def __init__(self, name):
            self.name = name
            now[0] += 10 * length[name]

        def step(self):
            now[0] += length[self.name]
            order.append(self.name)

    monkeypatch.setattr(timing, "clock", lambda device: now[0])
    monkeypatch.setattr(timing.optimizers, "build", lambda name, *args, **settings: Step(name))
    runs = [config.parameters(smoke_config, "perceptron-teacher", name, 0) for name in length]
    found = timing.time_iterations(runs, None, 3)["optimizers"]
    assert {name: entry["seconds"] for name, entry in found.items()} == length
    assert found["badmm"]["ratio_to_adam"] == [1.5, 1.5, 1.5]
    assert {name: entry["setup"] for name, entry in found.items()} == {name: 10 * took for name, took in length.items()}
    assert order == ["sgd", "adam", "badmm"] + (["sgd"] * 5 + ["adam"] * 4 + ["badmm"] * 3) * 3
