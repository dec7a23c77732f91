import json
import math
from pathlib import Path

import pytest
import yaml

from nonsmooth import config, timing, tuning

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
def test_the_trial_with_the_smallest_score_is_chosen_and_divergence_never(statistic, parameters):
    report = tuning.tune(parameters, RATES, 8, statistic, {1000: None, 1001: None})
    scores = [trial["scores"]["validation_loss"] for trial in report["trials"] if trial["status"] == "finished"]
    assert 0 < len(scores) < 8  # the highest rates diverge, and their trials have no score
    assert all(("scores" in trial) == (trial["status"] == "finished") for trial in report["trials"])
    best = next(trial for trial in report["trials"] if trial.get("scores", {}).get("validation_loss") == min(scores))
    assert tuning.choose(report, "validation_loss") == best["settings"]


def test_a_score_is_the_mean_over_seeds_of_the_runs_own_last_loss(parameters):
    together = tuning.tune(parameters, RATES, 4, "last", {1000: None, 1001: None})["trials"]
    apart = [tuning.tune(parameters, RATES, 4, "last", {seed: None})["trials"] for seed in (1000, 1001)]
    for number, trial in enumerate(together):
        if trial["status"] == "finished":
            alone = [trials[number]["scores"]["train_loss"] for trials in apart]
            assert trial["scores"]["train_loss"] == pytest.approx(sum(alone) / 2)


def test_mean_log_is_the_area_under_the_log_loss():
    assert tuning.STATISTICS["mean_log"]([1.0, 0.1, 0.01]) == pytest.approx(-1.0)
    assert math.isfinite(tuning.STATISTICS["mean_log"]([1.0, 0.0]))


def report(optimizer, *scores, reference=False):
    """A report of trials with these scores by (training, validation), None for one that diverged."""
    trials = [
        {"settings": {"a": n}}
        | ({} if pair is None else {"scores": dict(zip(("train_loss", "validation_loss"), pair, strict=True))})
        for n, pair in enumerate(scores)
    ]
    return {"experiment": "e", "optimizer": optimizer, "trials": trials, "reference": reference}


def test_collected_settings_have_the_form_of_the_configuration(tmp_path):
    reports = [report("sgd", None, (1.0, 3.0), (2.0, 1.0)), report("adamw", (1.0, 1.0), reference=True)]
    for number, found in enumerate(reports):
        (tmp_path / f"{number}.json").write_text(json.dumps(found))
    paths = [tmp_path / "0.json", tmp_path / "1.json"]
    tuning.collect(paths, {"e": "validation_loss"}, tmp_path / "tuned.yaml")
    by_training, by_validation = {"sgd": {"a": 1}, "adamw": {"a": 0}}, {"sgd": {"a": 2}, "adamw": {"a": 0}}
    tuned_on = {"train_loss": by_training, "validation_loss": by_validation}
    expected = {"experiments": {"e": {"optimizers": {"sgd": {"a": 2}}, "tuned_on": tuned_on}}}
    assert yaml.safe_load((tmp_path / "tuned.yaml").read_text()) == expected
    assert (tmp_path / "tuned.yaml").read_text().startswith(tuning.HEAD)


def test_an_optimizer_whose_every_trial_diverged_is_named():
    with pytest.raises(ValueError, match="every trial of e/o diverged"):
        tuning.choose(report("o", None, None), "train_loss")


def test_tuned_settings_are_trials_of_the_search():
    """config/tuned.yaml holds one of the search's trials for every optimizer that has ranges, and nothing else."""
    tuned = yaml.safe_load((ROOT / "config" / "tuned.yaml").read_text())["experiments"]
    full = config.project(ROOT)["experiments"]
    assert tuned.keys() == {name for name, section in full.items() if section["tuning"]["ranges"]}
    for name, section in tuned.items():
        search = full[name]["tuning"]
        for column in tuning.SELECTIONS:
            assert section["tuned_on"][column].keys() == search["ranges"].keys()
            for optimizer, ranges in search["ranges"].items():
                assert section["tuned_on"][column][optimizer] in tuning.trials(ranges, search["trials"])
        chosen = section["tuned_on"][search["select_by"]]
        assert section["optimizers"] == {key: chosen[key] for key in full[name]["optimizers"] if key in chosen}
        for optimizer, settings in section["optimizers"].items():
            assert settings.items() <= full[name]["optimizers"][optimizer].items()  # nothing is written over


def test_timing_takes_turns_and_tells_ratios(smoke_config, tmp_path, monkeypatch):
    """On a clock of its own: each step takes as long as the optimizer's name says."""
    now, order, length = [0.0], [], {"sgd": 1 / 256, "adam": 1 / 64, "badmm": 3 / 128}

    class Step:
        def __init__(self, name):
            self.name = name

        def step(self):
            now[0] += length[self.name]
            order.append(self.name)

    monkeypatch.setattr(timing, "clock", lambda device: now[0])
    monkeypatch.setattr(timing.optimizers, "build", lambda name, *args, **settings: Step(name))
    runs = [config.parameters(smoke_config, "perceptron-teacher", name, 0) for name in length]
    timing.time_iterations(runs, None, 3, tmp_path / "report.json")
    found = json.loads((tmp_path / "report.json").read_text())["optimizers"]
    assert {name: entry["seconds"] for name, entry in found.items()} == length
    assert found["badmm"]["ratio_to_adam"] == [1.5, 1.5, 1.5]
    assert order == ["sgd", "adam", "badmm"] + (["sgd"] * 5 + ["adam"] * 4 + ["badmm"] * 3) * 3
