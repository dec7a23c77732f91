"""What each reading takes from the other, and that it does."""

import json

from replication import config
from replication.studies import ablation
from replication.studies.ablation import ALL, Variant
from replication.studies.seeds import train_seeds

SETTINGS = {
    "badmm": {"order": "zwxm", "ridge": 16.0, "tau_w": 1.9, "tau_z": 1.8},
    "badmm-ls": {"order": "zwxm", "ridge": 1.0, "tau_z": 1.2},
}


def test_each_reading_takes_every_setting_that_differs_and_then_all():
    found = ablation.variants(SETTINGS)
    assert [(v.reading, v.taken) for v in found] == [
        (reading, taken) for reading in config.READINGS for taken in (None, "ridge", "tau_z", ALL)
    ]
    assert found[1].settings == {"order": "zwxm", "ridge": 1.0, "tau_w": 1.9, "tau_z": 1.8}
    assert found[-1] == Variant("badmm-ls", ALL, {"order": "zwxm", "ridge": 16.0, "tau_z": 1.8})


def test_readings_with_equal_settings_differ_in_the_weight_step_alone():
    equal = {"badmm": {"tau_z": 1.0, "tau_w": 1.3}, "badmm-ls": {"tau_z": 1.0}}
    assert [(v.reading, v.taken) for v in ablation.variants(equal)] == [(name, None) for name in config.READINGS]


def test_own_settings_are_the_runs_of_the_claims(smoke_config, sample, tmp_path):
    runs = {name: config.parameters(smoke_config, "autoencoder", name, 0) for name in config.READINGS}
    ablation.study(runs, {0: sample, 1: sample}, tmp_path / "report.json")
    told = json.loads((tmp_path / "report.json").read_text())
    for name in config.READINGS:
        (own,) = [variant for variant in told if (variant["reading"], variant["taken"]) == (name, None)]
        expected = train_seeds(runs[name], {0: sample, 1: sample}, ssim=False)["runs"]
        assert [run["final"] for run in own["runs"]] == [run["final"] for run in expected]
        others = [variant for variant in told if variant["reading"] == name and variant["taken"] is not None]
        assert all(variant["runs"][0]["final"] != own["runs"][0]["final"] for variant in others)
