"""The ladder: its study, its table, its figure, and what the configuration may ask of it."""

import copy
from pathlib import Path
from types import SimpleNamespace

import matplotlib
import pytest

from replication import config
from replication.errors import ConfigError
from replication.files import write_json
from replication.parameters import Parameters
from replication.plan import Plan
from replication.report import figures, tables
from replication.results import Results
from replication.search import Search
from replication.studies.ladder import study

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def plan(smoke_config) -> Plan:
    return Plan(smoke_config, str(ROOT))


def test_a_rung_is_tuned_on_its_seed_and_run_with_the_others(plan, sample):
    wildcards = SimpleNamespace(ladder="autoencoder-linear", optimizer="lifted")
    parameters = Parameters(**plan.run_to_climb(wildcards))
    assert (parameters.seed, parameters.network["activation"]) == (1000, "identity")
    search = Search(**plan.search_to_climb(wildcards))
    entries = study(parameters, search, [4, 12], sample, {0: sample, 1: sample})
    assert [entry["seed"] for entry in entries] == [0, 1]
    for entry in entries:
        assert (entry["experiment"], entry["method"]) == ("autoencoder-linear", "lifted")
        assert entry["train_loss"]["4"] > entry["train_loss"]["12"] > 0
        assert entry["settings"].keys() == {"tau_x", "tau_w"}
        assert entry["unseen_psnr"] > 0


@pytest.mark.parametrize(("method", "many"), [("adam", False), ("lifted", False), ("badmm", True), ("penalty", True)])
def test_more_settings_to_search_are_given_more_trials(method, many, plan):
    search = plan.search_to_climb(SimpleNamespace(ladder="autoencoder", optimizer=method))
    assert search["trials"] == plan.config["ladder"]["trials_beyond_two" if many else "trials"]


def entry(experiment: str, method: str, seed: int, last: float, status: str = "finished") -> dict:
    finished = status == "finished"
    return {
        "experiment": experiment,
        "method": method,
        "seed": seed,
        "status": status,
        "train_loss": {"10": 0.5, "50": 0.3, "500": last if finished else None},
        "unseen_loss": 0.1 if finished else None,
        "unseen_psnr": 10.0 + seed if finished else None,
        "settings": {"tau_w": 1.5},
    }


@pytest.fixture
def results(tmp_path) -> Results:
    """Of the lifted loss twice BADMM's last losses; one run of SGD diverged; a linear network with BADMM alone."""
    made = Results(str(tmp_path), {}, {})
    runs = [entry("autoencoder", "badmm", seed, 0.1 + 0.1 * seed) for seed in (0, 1, 2)]
    runs += [entry("autoencoder", "lifted", seed, 0.2 + 0.2 * seed) for seed in (0, 1, 2)]
    runs += [entry("autoencoder", "sgd", seed, 0.4, "diverged" if seed == 1 else "finished") for seed in (0, 1, 2)]
    runs += [entry("autoencoder-linear", "badmm", seed, 0.05) for seed in (0, 1, 2)]
    runs += [entry("student", "foof", seed, 0.05) | {"unseen_psnr": None} for seed in (0, 1, 2)]  # not drawn
    write_json(made.files.ladder, runs)
    return made


def test_the_table_pairs_by_seed(results):
    table = {row["id"]: row for row in tables.ladder(results)}
    lifted, sgd = table["autoencoder/lifted"], table["autoencoder/sgd"]
    assert (lifted["loss_500"], lifted["loss_500_low"], lifted["loss_500_high"]) == pytest.approx((0.4, 0.2, 0.6))
    assert [lifted[f"to_badmm{end}"] for end in ("", "_low", "_high")] == pytest.approx([2, 2, 2])
    assert (sgd["seeds"], sgd["diverged"]) == (3, 1)
    assert sgd["to_badmm"] == pytest.approx((0.4 / 0.1 * 0.4 / 0.3) ** 0.5)
    assert sgd["to_badmm_low"] < sgd["to_badmm"] < sgd["to_badmm_high"]
    assert sgd["unseen_psnr"] == 11
    assert "to_badmm" not in table["autoencoder-linear/badmm"]
    assert "to_lifted" not in table["autoencoder-linear/badmm"]
    assert table["autoencoder/badmm"]["settings"] == "tau_w=1.5"


def test_the_figure_has_a_row_for_each_method_and_a_mark_for_each_experiment(results):
    matplotlib.use("Agg")
    figure = figures.draw("ladder", results)
    loss, *_, psnr = figure.axes
    assert [tick.get_text() for tick in loss.get_yticklabels()] == ["BADMM (gradient)", "lifted loss (gradient)", "SGD"]
    assert [axes.get_title() for axes in figure.axes] == [
        *(f"loss, {row} iterations" for row in (10, 50, 500)),
        "unseen PSNR, dB",
    ]
    marks = [line.get_xdata()[0] for line in psnr.lines if line.get_marker() in ("o", "s")]
    assert sorted(marks) == [11, 11, 11, 11]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ladder: ladder["experiments"][0]["methods"].append("newton"), "newton is no method"),
        (lambda ladder: ladder["experiments"][0]["methods"].append("adamw"), "ladder.ranges: adamw is missing"),
        (lambda ladder: ladder["rows"].append(501), "ladder.rows: 501 is more than the 500 iterations"),
        (lambda ladder: ladder.update(seeds=[1000]), "ladder.seeds: 1000 is a seed of a search"),
        (lambda ladder: ladder["ranges"]["lifted"].update(tau={"log": [1, 2]}), "ladder.ranges.lifted.tau: no setting"),
        (
            lambda ladder: ladder["experiments"][0]["over"].update(data={"training_images": 10}),
            "ladder.experiments.0.over.data: moves nothing there",
        ),
        (lambda ladder: ladder["experiments"][0].update(experiment="autoencodr"), "autoencodr is no experiment"),
        (
            lambda ladder: ladder["experiments"][1]["over"].update(network={"activation": "sine"}),
            "ladder.experiments.1.over.network.activation",
        ),
    ],
)
def test_what_the_ladder_cannot_do_is_refused_by_its_key(change, message):
    settings = copy.deepcopy(config.project(ROOT))
    change(settings["ladder"])
    with pytest.raises(ConfigError, match=message):
        config.check(settings, ROOT / "config" / "schema.yaml")
