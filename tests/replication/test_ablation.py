"""The settings that each weight update takes from the other, and the runs with them."""

from dataclasses import asdict, replace

from replication.compute.ablation import ALL, PAIR, Variant, answer, variants
from replication.compute.seeds import SeedRun, train_seeds
from replication.methods import POSTER, of_role
from replication.parameters import of_run
from replication.run import draw

SETTINGS = {
    "badmm": {"order": "zwxm", "ridge": 16.0, "tau_w": 1.9, "tau_z": 1.8},
    "badmm-ls": {"order": "zwxm", "ridge": 1.0, "tau_z": 1.2},
}


def test_the_pair_are_the_methods_of_the_poster():
    assert of_role(POSTER) == PAIR


def test_each_method_takes_every_setting_that_differs_and_then_all():
    made = variants(SETTINGS)
    assert [(variant.method, variant.taken) for variant in made] == [
        (method, taken) for method in PAIR for taken in (None, "ridge", "tau_z", ALL)
    ]
    assert made[1].settings == {"order": "zwxm", "ridge": 1.0, "tau_w": 1.9, "tau_z": 1.8}
    assert made[-1] == Variant("badmm-ls", ALL, {"order": "zwxm", "ridge": 16.0, "tau_z": 1.8})


def test_methods_with_equal_settings_take_nothing():
    equal = {"badmm": {"tau_z": 1.0, "tau_w": 1.3}, "badmm-ls": {"tau_z": 1.0}}
    assert [(variant.method, variant.taken) for variant in variants(equal)] == [(name, None) for name in PAIR]


def test_own_settings_are_the_runs_of_the_claims(smoke_config, excerpt):
    runs = {name: replace(of_run(smoke_config, "autoencoder", name, 0), iterations=3) for name in PAIR}
    samples = {0: draw(excerpt, 0, runs["badmm"])}
    asked = {name: asdict(run) for name, run in runs.items()}
    table = answer(asked, [0], root=excerpt, published=[])["variants"]
    final = {(entry["method"], entry["taken"]): [SeedRun(**run).final for run in entry["runs"]] for entry in table}
    for name in PAIR:
        expected = train_seeds(runs[name], samples, with_ssim=False)
        assert final[name, None] == [run.final for run in expected]
        taken = [numbers for (method, taken), numbers in final.items() if method == name and taken is not None]
        assert taken
        assert all(numbers != final[name, None] for numbers in taken)
