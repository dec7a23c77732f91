"""Verdicts on runs made for the purpose: what holds, what fails, and what no number can tell."""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from replication import config
from replication.verdicts import claims

ROOT = Path(__file__).parents[1]


def run(seed, losses, psnr=20.0, status="finished"):
    final = dict.fromkeys(claims.IMAGES, psnr + 0.01 * seed)
    told = {"seed": seed, "status": status, "iteration": list(range(len(losses))), "train_loss": losses}
    return told | {"final": final, "stopped": final, "stopped_at": 1}


def runs(factor=1.0, psnr=20.0, seeds=10):
    """Losses 2^-k times a factor and some noise of the seed's."""
    noise = np.random.default_rng(0).lognormal(0, 0.05, seeds)
    return [run(seed, [factor * noise[seed] * 2.0**-k for k in range(10)], psnr) for seed in range(seeds)]


def test_effects_are_geometric_means_of_ratios_and_means_of_differences():
    effect = claims.compare("final", runs(0.5), runs())
    assert effect.value == pytest.approx(0.5)
    assert effect.interval == pytest.approx((0.5, 0.5))
    assert claims.compare("area", runs(0.5), runs()).value == pytest.approx(0.5)
    assert claims.compare("train_psnr", runs(psnr=21.0), runs(psnr=20.0)).value == pytest.approx(1.0)


def test_the_interval_is_a_bootstrap_of_the_pairs_and_wilcoxon_theirs():
    from scipy import stats

    draw = np.random.default_rng(1)
    mine = [run(seed, [1.0, loss]) for seed, loss in enumerate(draw.lognormal(-0.2, 0.3, 10))]
    others = [run(seed, [1.0, loss]) for seed, loss in enumerate(draw.lognormal(0, 0.3, 10))]
    differences = np.log([m["train_loss"][-1] / o["train_loss"][-1] for m, o in zip(mine, others, strict=True)])
    effect = claims.compare("final", mine, others)
    low, high = stats.bootstrap((differences,), np.mean, rng=7).confidence_interval
    assert effect.interval == pytest.approx((math.exp(low), math.exp(high)), rel=0.03)
    assert effect.interval[0] < effect.value < effect.interval[1]
    assert effect.p == stats.wilcoxon(differences).pvalue


@given(st.lists(st.floats(0.01, 10), min_size=2, max_size=6), st.lists(st.floats(0.01, 10), min_size=2, max_size=6))
def test_both_reach_the_loss_that_iterations_are_counted_to(mine, others):
    pair = claims.pair("iterations", run(0, mine), run(0, others))
    target = claims.NEAR * max(mine[-1], others[-1])
    for count, losses in zip(pair, (mine, others), strict=True):
        assert 1 <= count < len(losses)
        assert count == 1 or min(losses[:count]) > target


def test_iterations_are_those_that_were_recorded():
    mine = run(0, [1.0, 0.5, 0.1]) | {"iteration": [0, 5, 7]}
    others = run(0, [1.0, 0.8, 0.4, 0.1]) | {"iteration": [0, 5, 10, 12]}
    assert claims.pair("iterations", mine, others) == (7, 12)


def test_with_few_seeds_the_interval_can_be_students():
    from scipy import stats

    mine = [run(seed, [1.0, loss]) for seed, loss in enumerate((0.4, 0.5, 0.7))]
    effect = claims.compare("final", mine, [run(seed, [1.0, 1.0]) for seed in range(3)], resamples=None)
    logs = np.log([0.4, 0.5, 0.7])
    found = stats.ttest_1samp(logs, 0.0).confidence_interval(0.95)
    assert effect.interval == pytest.approx((math.exp(found.low), math.exp(found.high)))


def test_seconds_are_iterations_times_the_time_of_one():
    mine, others = [run(s, [1.0, 0.5, 0.1]) for s in (0, 1)], [run(s, [1.0, 0.8, 0.5]) for s in (0, 1)]
    assert claims.compare("iterations", mine, others).value == pytest.approx(1 / 2)
    assert claims.compare("seconds", mine, others, ((0.0, 6.0), (0.0, 1.0))).value == pytest.approx(3.0)
    assert claims.compare("seconds", mine, others, ((8.0, 6.0), (2.0, 1.0))).value == pytest.approx(14 / 4)


def test_one_that_has_converged_has_reached_its_last_loss_before_the_last_digit_moves():
    mine = run(0, [1.0, 0.5, 0.1005, 0.1001, 0.1])
    others = run(0, [1.0, 0.1004, 0.0999, 0.0999, 0.0999])
    assert claims.pair("iterations", mine, others) == (2, 1)


def test_a_seed_with_which_the_baseline_diverged_is_no_win_and_one_of_mine_is_a_loss():
    mine, others = runs(0.5), runs()
    others[3] = run(3, [1.0, 1e9], status="diverged")
    effect = claims.compare("final", mine, others)
    assert (effect.seeds, effect.diverged) == ([0, 1, 2, 4, 5, 6, 7, 8, 9], (0, 1))
    assert claims.outcome(effect, "lower", 1.0) == "holds"
    assert claims.outcome(claims.compare("final", others, runs(2.0)), "lower", 1.0) == "open"
    everywhere = claims.compare("final", mine, [run(seed, [1.0], status="diverged") for seed in range(10)])
    assert math.isnan(everywhere.value)
    assert claims.outcome(everywhere, "lower", 1.0) == "open"


def test_a_loss_of_exactly_zero_is_a_very_small_one(judged, tmp_path):
    perfect = [run(seed, [1.0, 0.0]) for seed in range(10)]
    entry = judged(perfect, runs())["faster/sgd/final/badmm"]
    assert entry["verdict"] == "replicated"
    assert 0 < entry["effect"] < 1e-100


def test_the_answer_tells_of_divergence_and_whose(judged):
    mine = runs(0.5, 21.0)
    mine[2] = run(2, [1.0, 1e9], status="diverged")
    entry = judged(mine, mine)["faster/sgd/final/badmm"]
    assert entry["verdict"] == "not replicated"
    assert "not replicated: 0.5 (0.5 to 0.5); 1 of its own runs diverged" in claims.answer([entry])


def test_a_loss_that_is_not_kept_does_not_count():
    blown, steady = run(0, [1.0, 0.06, 0.3, 0.6]), run(0, [1.0, 0.7, 0.5, 0.07])
    assert claims.pair("iterations", blown, steady) == (1, 2)  # to 0.6, where the first one ends
    assert claims.pair("iterations", run(0, [1.0, 0.5, 0.1]), run(0, [1.0, 0.3, 0.2])) == (2, 2)


def test_runs_of_other_seeds_are_not_compared():
    with pytest.raises(ValueError, match="same seeds"):
        claims.compare("final", runs(), runs()[1:])


SETTINGS = {
    "seeds": list(range(10)),
    "level": 0.95,
    "resamples": 999,
    "every": {"train_loss": 1, "validation_loss": 1},
    "statements": [
        {"id": "gradient", "claim": "It is 1-Lipschitz", "source": "s", "threshold": 1.0},
        {"id": "faster", "claim": "Faster", "source": "s", "experiment": "autoencoder", "elsewhere": ["other"]}
        | {"selected_by": "train_loss", "against": ["sgd"], "quantities": ["final", "seconds"]},
        {"id": "images", "claim": "Better", "source": "s", "experiment": "autoencoder"}
        | {"selected_by": "validation_loss", "against": ["adam"], "quantities": ["unseen_psnr"]},
    ],
}


@pytest.fixture
def judged(tmp_path):
    """A function of the runs of both readings here and elsewhere that gives the verdicts by id."""

    def judge(mine, elsewhere):
        for experiment, found in (("autoencoder", mine), ("other", elsewhere)):
            for column in ("train_loss", "validation_loss"):
                folder = tmp_path / "claims" / experiment / column
                folder.mkdir(parents=True, exist_ok=True)
                for name in ("sgd", "adam", "badmm", "badmm-ls"):
                    chosen = found if name in config.READINGS else runs()
                    (folder / f"{name}.json").write_text(json.dumps({"runs": chosen}))
            clocks = {name: {"setup": 0.0, "seconds": 1.0} for name in ("sgd", "adam", *config.READINGS)}
            timing = {"optimizers": clocks}
            (tmp_path / "timing").mkdir(exist_ok=True)
            (tmp_path / "timing" / f"{experiment}.json").write_text(json.dumps(timing))
        claims.write(tmp_path, SETTINGS, tmp_path / "claims.json")
        return {entry["id"]: entry for entry in json.loads((tmp_path / "claims.json").read_text())}

    return judge


def test_every_test_takes_the_runs_and_the_times_that_it_names(tmp_path):
    """Each file has a loss and a PSNR of its own, and each optimizer a time of its own."""
    optimizers = ("sgd", "adam", *config.READINGS)
    loss, decibels = {}, {}
    for number, (experiment, column, name) in enumerate(
        itertools.product(("autoencoder", "other"), config.SELECTIONS, optimizers)
    ):
        key = experiment, column, name
        loss[key], decibels[key] = 0.9 / (2 + number), 20.0 + number
        path = tmp_path / "claims" / experiment / column / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"runs": [run(seed, [1.0, loss[key]], decibels[key]) for seed in range(10)]}))
    clocks = {name: {"setup": 10.0 * number, "seconds": 1.0 + number} for number, name in enumerate(optimizers)}
    for experiment in ("autoencoder", "other"):
        (tmp_path / "timing").mkdir(exist_ok=True)
        (tmp_path / "timing" / f"{experiment}.json").write_text(json.dumps({"optimizers": clocks}))
    entries = claims.judge(claims.Evidence(tmp_path), SETTINGS)[1:]
    assert len(entries) == 6
    for entry in entries:
        for experiment, told in (("autoencoder", entry), *entry["elsewhere"].items()):
            column = "validation_loss" if entry["id"].startswith("images") else "train_loss"
            mine, other = ((experiment, column, entry[role]) for role in ("reading", "against"))
            expected = {"final": loss[mine] / loss[other], "unseen_psnr": decibels[mine] - decibels[other]}
            time = [clocks[entry[role]]["setup"] + clocks[entry[role]]["seconds"] for role in ("reading", "against")]
            expected["seconds"] = time[0] / time[1]
            assert told["effect"] == pytest.approx(expected[entry["quantity"]])


def test_a_claim_that_holds_is_replicated(judged):
    found = judged(runs(0.5, 21.0), runs())
    assert {entry["verdict"] for entry in found.values()} == {"replicated"}
    assert found["faster/sgd/final/badmm"].keys() >= {"id", "claim", "verdict", "effect", "interval", "seeds"}
    assert "replicated: 0.5 (0.5 to 0.5)" in claims.answer([found["faster/sgd/final/badmm"]])


def test_a_claim_comes_out_negative_on_runs_made_to_be_bad(judged):
    found = judged(runs(2.0, 19.0), runs(2.0, 19.0))
    assert {name for name, entry in found.items() if entry["verdict"] == "not replicated"} == found.keys() - {
        "gradient"
    }
    assert all(entry["outcome"] == "reversed" for name, entry in found.items() if name != "gradient")
    assert "not replicated, reversed here: 2 (2 to 2)" in claims.answer([found["faster/sgd/final/badmm"]])


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ((0.98, 0.9, 1.0), "0.98 (0.9 to 1)"),
        ((1.0022, 1.0014, 1.0031), "1.002 (1.001 to 1.003)"),
        ((2e-9, 1e-10, 3e-7), "below 1e-06"),
        ((2e-9, 1e-10, 2e-6), "2e-09 (1e-10 to 2e-06)"),
    ],
)
def test_a_ratio_is_told_with_the_digits_that_it_has(values, told):
    assert claims.effect_text("final", values[0], values[1:]) == told


def test_a_draw_is_no_replication(judged):
    entry = judged(runs(), runs())["faster/sgd/final/badmm"]
    assert (entry["verdict"], entry["outcome"]) == ("not replicated", "open")


def test_a_claim_that_holds_elsewhere_alone_is_conditional_and_says_where(judged):
    entry = judged(runs(2.0, 19.0), runs(0.5))["faster/sgd/final/badmm-ls"]
    assert (entry["verdict"], entry["elsewhere"]["other"]["outcome"]) == ("conditional", "holds")
    assert "conditional, reversed here: 2 (2 to 2); holds on other: 0.5 (0.5 to 0.5)" in claims.answer([entry])


def test_a_claim_that_holds_and_fails_elsewhere_says_so(judged):
    entry = judged(runs(0.5, 21.0), runs(2.0))["faster/sgd/final/badmm"]
    assert (entry["verdict"], entry["elsewhere"]["other"]["outcome"]) == ("replicated", "reversed")
    assert "replicated: 0.5 (0.5 to 0.5); reversed on other: 2 (2 to 2)" in claims.answer([entry])


def test_the_gradient_of_the_loss_is_measured_and_a_wrong_one_is_found(monkeypatch):
    effect = claims.gradient([0, 1])
    assert 0.99 < effect.value <= 1 + 1e-12
    assert effect.interval[0] <= effect.interval[1] == effect.value
    monkeypatch.setattr(claims.bregman, "distance", lambda activation, y, z: (activation.prox(z) - y).square())
    with pytest.raises(ArithmeticError, match="not the derivative"):
        claims.gradient([0])


def test_every_claim_names_the_poster_and_a_section_of_its():
    statements = yaml.safe_load((ROOT / "config" / "claims.yaml").read_text())["claims"]["statements"]
    assert {statement["id"] for statement in statements} == {"gradient", "perceptron", "autoencoder", "images"}
    assert all(statement["source"].startswith("poster, ") for statement in statements)
    assert len({statement["id"] for statement in statements}) == len(statements)
