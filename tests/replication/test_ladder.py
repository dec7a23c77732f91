"""The ladder: its jobs, its rows, its table, its figure, and what the configuration may ask of it."""

import copy
from pathlib import Path

import matplotlib
import pytest
from made_results import Made

from replication import config
from replication.compute.seeds import SeedRun
from replication.errors import ConfigError
from replication.methods import label
from replication.report import rows, writing
from replication.report.ladder import ladder_block, ladder_table
from replication.report.registry import FIGURE, shown
from replication.results import Results
from replication.studies import ladder
from replication.verdicts.ladder import collect

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def project() -> dict:
    return config.project(ROOT)


def test_a_rung_is_tuned_on_its_seed_and_run_with_the_others(smoke_config):
    jobs = {job.name: job for job in ladder.jobs(smoke_config)}
    asked = jobs["ladder/autoencoder-linear/lifted"].arguments
    assert (asked["run"]["network"]["activation"], asked["seeds"]) == ("identity", [1000])
    assert asked["runs"] == {"train_loss": {"seeds": [0, 1], "rows": [4, 12], "with_ssim": False}}
    assert asked["search"]["ranges"].keys() == {"tau_x", "tau_w"}


@pytest.mark.parametrize(("method", "many"), [("adam", False), ("lifted", False), ("badmm", True), ("penalty", True)])
def test_more_settings_to_search_are_given_more_trials(method, many, smoke_config):
    jobs = {job.name: job for job in ladder.jobs(smoke_config)}
    section = smoke_config["ladder"]
    trials = jobs[f"ladder/autoencoder/{method}"].arguments["search"]["trials"]
    assert trials == section["trials_beyond_two" if many else "trials"]


def test_a_row_beside_a_rung_stands_below_it_and_has_the_runs_of_the_claims(project):
    rungs = ladder.rungs(project)
    names = [(rung.experiment, rung.method) for rung in rungs]
    place = names.index(("autoencoder", "adam-every-setting"))
    assert names[place - 1] == ("autoencoder", "adam")
    row = rungs[place]
    assert (row.label, row.optimizer) == ("Adam, every setting searched", "adam")
    assert row.job == "tuning/autoencoder-every-setting/adam"
    assert {rung.job for rung in rungs} == {*ladder.records(project)} > {job.name for job in ladder.jobs(project)}
    settings = project | {"claims": project["claims"] | {"seeds": [20, 21, 22]}}
    assert [rung.job for rung in ladder.rungs(settings)] == [job.name for job in ladder.jobs(project)]


def test_an_entry_has_the_losses_of_its_rows_and_what_its_seed_came_to(tmp_path):
    settings = {"ladder": {"experiments": [], "seeds": [1, 0], "rows": [10, 50]}, "claims": {"seeds": []}}
    settings["ladder"]["experiments"] = [{"name": "deep", "methods": ["badmm"]}]
    made = Made(tmp_path)
    final = {"unseen_loss": 0.1, "unseen_psnr": 12.0, "active": 0.5}
    runs = [SeedRun(0, "finished", [10, 50], [0.5, 0.3], final), SeedRun(1, "diverged", [10], [0.5])]
    made.tuned("ladder/deep/badmm", {"train_loss": runs}, settings={"tau_w": 1.5})
    lost, finished = collect(made.results, settings)
    assert (lost["seed"], lost["status"], lost["train_loss"]) == (1, "diverged", {"10": 0.5, "50": None})
    assert (lost["unseen_psnr"], lost["active"]) == (None, None)
    assert finished["train_loss"] == {"10": 0.5, "50": 0.3}
    assert (finished["unseen_psnr"], finished["active"], finished["settings"]) == (12.0, 0.5, {"tau_w": 1.5})
    names = {(e["experiment"], e["method"], e["optimizer"], e["label"]) for e in (lost, finished)}
    assert names == {("deep", "badmm", "badmm", label("badmm"))}


# The table and the figure


def entry(experiment: str, method: str, seed: int, last: float, status: str = "finished") -> dict:
    finished = status == "finished"
    return {
        "experiment": experiment,
        "method": method,
        "optimizer": method,
        "label": label(method),
        "seed": seed,
        "status": status,
        "train_loss": {"10": 0.5, "50": 0.3, "500": last if finished else None},
        "unseen_loss": 0.1 if finished else None,
        "unseen_psnr": 10.0 + seed if finished else None,
        "active": None,
        "settings": {"tau_w": 1.5},
    }


@pytest.fixture
def results(tmp_path) -> Results:
    """Of the lifted loss twice BADMM's last losses; one run of SGD diverged; a linear network with BADMM alone."""
    made = Made(tmp_path)
    runs = [entry("autoencoder", "badmm", seed, 0.1 + 0.1 * seed) for seed in (0, 1, 2)]
    runs += [entry("autoencoder", "lifted", seed, 0.2 + 0.2 * seed) for seed in (0, 1, 2)]
    runs += [entry("autoencoder", "sgd", seed, 0.4, "diverged" if seed == 1 else "finished") for seed in (0, 1, 2)]
    runs += [entry("autoencoder-linear", "badmm", seed, 0.05) for seed in (0, 1, 2)]
    runs += [entry("student", "foof", seed, 0.05) | {"unseen_psnr": None} for seed in (0, 1, 2)]  # not drawn
    for run in runs[:3]:
        run["active"] = 0.5 + 0.1 * run["seed"]
    made.json("ladder", runs)
    return made.results


def test_the_table_pairs_by_seed(results):
    table = {row["id"]: row for row in ladder_table(results)}
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
    assert [table["autoencoder/badmm"][f"active{end}"] for end in ("", "_low", "_high")] == pytest.approx(
        [0.6, 0.5, 0.7]
    )


def test_the_page_has_the_share_of_units_that_are_on_where_it_is_known(results, tmp_path):
    writing.table("ladder", results, tmp_path / "tables" / "ladder.csv")
    made = rows.read(tmp_path / "tables")
    lines = ladder_block(made, "autoencoder", "active").splitlines()
    assert lines[0].endswith("| last loss / gradient BADMM's | unseen, dB | units on |")
    assert lines[0].count("|") == 7
    assert lines[2].split(" | ")[-2:] == ["11.0", "60% |"]
    assert lines[3].split(" | ")[0] == "| lifted loss (gradient)"
    assert lines[3].split(" | ")[-1] == "- |"
    assert ladder_block(made, "autoencoder").splitlines()[0].endswith("| last loss / gradient BADMM's | unseen, dB |")


def test_the_figure_has_a_row_for_each_method_and_a_mark_for_each_experiment(results):
    matplotlib.use("Agg")
    figure = shown(FIGURE)["ladder"].make(results)
    loss, *_, psnr = figure.axes
    assert [tick.get_text() for tick in loss.get_yticklabels()] == ["BADMM (gradient)", "lifted loss (gradient)", "SGD"]
    assert [axes.get_title() for axes in figure.axes] == [
        *(f"loss, {row} iterations" for row in (10, 50, 500)),
        "unseen PSNR, dB",
    ]
    marks = [line.get_xdata()[0] for line in psnr.lines if line.get_marker() in ("o", "s")]
    assert sorted(marks) == [11, 11, 11, 11]


def beside(ladder: dict, name: str | None = "row", **changes: str) -> dict:
    """The ladder with one row of the claims' runs, or with none."""
    row = {"label": "Adam", "experiment": "autoencoder", "method": "adam"} | changes
    ladder["experiments"][0]["beside"] = {name: row} if name else {}
    return ladder


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ladder: ladder["experiments"][0]["methods"].append("newton"), "newton is no method"),
        (lambda ladder: ladder["experiments"][0]["methods"].append("adamw"), "ladder.ranges: adamw is missing"),
        (lambda ladder: beside(ladder, None)["rows"].append(501), "ladder.rows: 501 is more than the 500 iterations"),
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
        (lambda ladder: beside(ladder, experiment="autoencodr"), "beside.row: adam must be a method of autoencodr and"),
        (lambda ladder: beside(ladder, method="muon"), "beside.row: muon must be a method of autoencoder and"),
        (lambda ladder: beside(ladder, name="sgd"), "beside.sgd: is the name of a method"),
        (lambda ladder: beside(ladder).update(rows=[5, 10, 500]), "ladder.rows: autoencoder has no losses after 5$"),
    ],
)
def test_what_the_ladder_cannot_do_is_refused_by_its_key(change, message):
    settings = copy.deepcopy(config.project(ROOT))
    change(settings["ladder"])
    with pytest.raises(ConfigError, match=message):
        config.check(settings, ROOT / "config" / "schema.yaml")
