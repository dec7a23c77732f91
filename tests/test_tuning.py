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


def test_every_combination_is_a_trial():
    assert tuning.trials({"a": [1, 2], "b": [3]}) == [{"a": 1, "b": 3}, {"a": 2, "b": 3}]


@pytest.mark.parametrize("statistic", ["last", "mean_log"])
def test_the_trial_with_the_smallest_score_is_chosen_and_divergence_never(statistic, parameters, tmp_path):
    grid = {"learning_rate": [1e-6, 0.3, 1e9]}
    tuning.tune(parameters, grid, "validation_loss", statistic, None, tmp_path / "report.json")
    report = json.loads((tmp_path / "report.json").read_text())
    assert tuning.choose([report]) == {"learning_rate": 0.3}
    slow, chosen, wild = report["trials"]
    assert (slow["status"], chosen["status"]) == ("finished", "finished")
    assert chosen["score"] < slow["score"]
    assert wild["status"] == "diverged" or wild["score"] > chosen["score"]
    if statistic == "last":
        assert chosen["score"] == chosen["validation_loss"]


def test_mean_log_is_the_area_under_the_log_loss():
    assert tuning.STATISTICS["mean_log"]([1.0, 0.1, 0.01]) == pytest.approx(-1.0)
    assert math.isfinite(tuning.STATISTICS["mean_log"]([1.0, 0.0]))


def test_collected_settings_have_the_form_of_the_configuration(parameters, tmp_path):
    tuning.tune(parameters, {"learning_rate": [0.1]}, "train_loss", "last", None, tmp_path / "report.json")
    tuning.collect([tmp_path / "report.json"], tmp_path / "tuned.yaml")
    assert yaml.safe_load((tmp_path / "tuned.yaml").read_text()) == {
        "experiments": {"perceptron-teacher": {"optimizers": {"sgd": {"learning_rate": 0.1}}}}
    }
    assert (tmp_path / "tuned.yaml").read_text().startswith(tuning.HEAD)


def report(*scores):
    """A report of trials with these scores, None for one that diverged."""
    trials = [{"settings": {"a": n}} | ({} if s is None else {"score": s}) for n, s in enumerate(scores)]
    return {"experiment": "e", "optimizer": "o", "trials": trials}


def test_the_smallest_mean_over_seeds_is_chosen_and_one_divergence_is_enough_to_drop_out():
    assert tuning.choose([report(1.0, 3.0), report(4.0, 1.0)]) == {"a": 1}
    assert tuning.choose([report(1.0, 3.0), report(None, 9.0)]) == {"a": 1}
    with pytest.raises(ValueError, match="every trial of e/o diverged"):
        tuning.choose([report(1.0, None), report(None, 1.0)])


def test_tuned_settings_come_from_the_grids_of_the_configuration():
    """config/tuned.yaml holds a value of the grid for each setting that has a grid, and nothing else."""
    tuned = yaml.safe_load((ROOT / "config" / "tuned.yaml").read_text())["experiments"]
    full = config.read(ROOT / "config" / "tuned.yaml", ROOT / "config" / "config.yaml")
    assert tuned.keys() == {name for name, section in full["experiments"].items() if section["tuning"]["grids"]}
    for name in tuned:
        grids = full["experiments"][name]["tuning"]["grids"]
        assert tuned[name]["optimizers"].keys() == grids.keys()
        for optimizer, grid in grids.items():
            chosen = tuned[name]["optimizers"][optimizer]
            assert chosen.keys() == grid.keys()
            assert all(chosen[setting] in values for setting, values in grid.items())


def test_settings_carried_over_to_all_of_mnist_are_those_chosen_for_the_autoencoder():
    full = config.read(ROOT / "config" / "tuned.yaml", ROOT / "config" / "config.yaml")["experiments"]
    for optimizer in ("sgd", "adam", "badmm", "badmm-ls"):
        assert full["autoencoder-full"]["optimizers"][optimizer] == full["autoencoder"]["optimizers"][optimizer]


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
