"""Verdicts at a setting, from runs made for the purpose."""

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
    return {"runs": runs}


OTHERS = [run(0, 0.1, 20.0), run(1, 0.1, 20.0), run(2, 0.1, 20.0)]


@pytest.mark.parametrize(
    ("losses", "psnr", "verdict"),
    [([0.05, 0.02, 0.09], 21.0, "holds"), ([0.05, 0.2, 0.09], None, "open"), ([0.2, 0.3, 0.4], 19.0, "fails")],
)
def test_a_claim_holds_where_every_seed_is_better_and_fails_where_none_is(losses, psnr, verdict):
    mine = [run(seed, loss, psnr or 20.0 + seed - 1) for seed, loss in enumerate(losses)]
    table = limits.verdicts(report(mine, OTHERS))
    assert len(table) == 16
    assert {entry["verdict"] for entry in table if entry["quantity"] in ("final", "area")} == {verdict}
    assert {entry["verdict"] for entry in table if entry["quantity"] == "unseen_psnr"} == {verdict}


def test_a_run_of_mine_that_diverged_is_no_better_one_and_a_baselines_is():
    mine = [run(0, 0.05, 21.0), run(1, 9.0, 0.0, "diverged"), run(2, 0.05, 21.0)]
    final = next(e for e in limits.verdicts(report(mine, OTHERS)) if e["quantity"] == "final")
    assert (final["better"], final["verdict"]) == (2, "open")
    turned = [run(0, 0.1, 20.0), run(1, 9.0, 0.0, "diverged"), run(2, 0.1, 20.0)]
    healthy = [run(seed, 0.05, 21.0) for seed in range(3)]
    final = next(e for e in limits.verdicts(report(healthy, turned)) if e["quantity"] == "final")
    assert (final["better"], final["verdict"]) == (3, "holds")
