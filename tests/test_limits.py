"""Verdicts at a setting, from runs made for the purpose."""

import json

import pytest

from nonsmooth import config, limits


def run(seed, loss, psnr, status="finished"):
    final = {"train_psnr": psnr, "unseen_psnr": psnr}
    return {"seed": seed, "status": status, "train_loss": [1.0, loss], "final": final}


def report(mine, others):
    runs = {}
    for column in ("train_loss", "validation_loss"):
        runs[column] = {name: {"runs": mine} for name in config.READINGS}
        runs[column] |= {name: {"runs": others} for name in limits.BASELINES}
    references = {"linear map": [{"seed": run["seed"], "unseen_psnr": 20.0} for run in others]}
    return {"runs": runs, "bounds": {"references": references}}


OTHERS = [run(0, 0.1, 20.0), run(1, 0.1, 20.0), run(2, 0.1, 20.0)]


@pytest.mark.parametrize(
    ("losses", "psnr", "verdict"),
    [([0.05, 0.02, 0.09], 21.0, "holds"), ([0.05, 0.2, 0.09], None, "open"), ([0.2, 0.3, 0.4], 19.0, "fails")],
)
def test_a_claim_holds_where_every_seed_is_better_and_fails_where_none_is(losses, psnr, verdict):
    mine = [run(seed, loss, psnr or 20.0 + seed - 1) for seed, loss in enumerate(losses)]
    table = limits.verdicts(report(mine, OTHERS))
    assert len(table) == 18
    assert {entry["verdict"] for entry in table if entry["quantity"] in ("final", "area")} == {verdict}
    unseen = {entry["against"]: entry["verdict"] for entry in table if entry["quantity"] == "unseen_psnr"}
    assert unseen == {"sgd": verdict, "adam": verdict, "linear map": verdict}


def test_a_run_of_mine_that_diverged_is_no_better_one_and_a_baselines_is():
    mine = [run(0, 0.05, 21.0), run(1, 9.0, 0.0, "diverged"), run(2, 0.05, 21.0)]
    final = next(e for e in limits.verdicts(report(mine, OTHERS)) if e["quantity"] == "final")
    assert (final["better"], final["verdict"]) == (2, "open")
    turned = [run(0, 0.1, 20.0), run(1, 9.0, 0.0, "diverged"), run(2, 0.1, 20.0)]
    healthy = [run(seed, 0.05, 21.0) for seed in range(3)]
    final = next(e for e in limits.verdicts(report(healthy, turned)) if e["quantity"] == "final")
    assert (final["better"], final["verdict"]) == (3, "holds")


def test_the_share_of_active_units_is_that_of_runs_that_finished():
    mine = [run(0, 0.1, 20.0), run(1, 9.0, 0.0, "diverged"), run(2, 0.1, 20.0)]
    for entry, share in zip(mine, (0.5, 0.0, 0.75), strict=True):
        entry["final"]["active"] = share
    lost = [run(seed, 9.0, 0.0, "diverged") for seed in range(3)]
    assert limits.activity(report(mine, lost)) == {"badmm": 0.625, "badmm-ls": 0.625}


def test_nothing_is_trained_twice(monkeypatch, smoke_config, tmp_path):
    """Where both columns choose the same settings the runs are shared."""
    trained = []
    train_seeds = limits.train_seeds
    monkeypatch.setattr(limits, "train_seeds", lambda *a, **k: trained.append(1) or train_seeds(*a, **k))
    run = config.parameters(smoke_config, "autoencoder", "sgd", 0) | {"iterations": 2}
    search = {"trials": 1, "tuning_seed": 1000, "seeds": [0, 1], "every": 1, "setting": {"group": "g", "name": "n"}}
    images = {"training_images": 40, "validation_images": 20}
    ranges = {"sgd": {"learning_rate": {"log": [1e-9, 1e-8]}}}
    runs = {"train_loss": {"sgd": run}, "validation_loss": {"sgd": run}}
    limits.study(runs, ranges, search, images, "data/excerpt", tmp_path / "report.json")
    told = json.loads((tmp_path / "report.json").read_text())
    assert trained == [1]
    assert told["runs"]["train_loss"] == told["runs"]["validation_loss"]
    assert told["runs"]["train_loss"]["sgd"]["settings"] == run["settings"]  # the trial's rate is too small to learn
    assert [entry["seed"] for entry in told["bounds"]["references"]["linear map"]] == [0, 1]
