"""The ladder: its study, its records, its table, its figure, and what the configuration may ask of it."""

import copy
from pathlib import Path
from types import SimpleNamespace

import matplotlib
import pytest

from replication import config, records
from replication.errors import ConfigError
from replication.files import read_json, write_json
from replication.methods import label
from replication.parameters import Parameters
from replication.plan import Plan
from replication.report import figures, pages, rows, tables
from replication.results import Results
from replication.search import Search
from replication.studies.ladder import Rung, collect, study

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "data" / "published"


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
        assert 0 < entry["active"] < 1


@pytest.mark.parametrize(("method", "many"), [("adam", False), ("lifted", False), ("badmm", True), ("penalty", True)])
def test_more_settings_to_search_are_given_more_trials(method, many, plan):
    search = plan.search_to_climb(SimpleNamespace(ladder="autoencoder", optimizer=method))
    assert search["trials"] == plan.config["ladder"]["trials_beyond_two" if many else "trials"]


# The records


def test_every_published_record_is_that_of_a_rung(project):
    paths = sorted((PUBLISHED / "ladder").glob("*/*.json"))
    assert len(paths) >= 49
    for path in paths:
        wildcards = SimpleNamespace(ladder=path.parent.name, optimizer=path.stem)
        assert (path.parent.name, path.stem) in project.rungs
        assert [Path(known).resolve() for known in project.published_rung(wildcards)] == [path]
        assert records.keys_of(path) == project.keys_of_rung(wildcards)


@pytest.fixture(scope="module")
def project() -> Plan:
    return Plan(config.project(ROOT), str(ROOT))


def rung(experiment: str, method: str, runs: str, *claims: str) -> Rung:
    paths = [str(PUBLISHED / "claims" / path) for path in claims]
    return Rung(experiment, method, "for readers", method, str(PUBLISHED / runs), paths)


def runs_of(path: str) -> dict[int, dict]:
    return {run["seed"]: run for run in read_json(PUBLISHED / path)["result"]["runs"]}


@pytest.mark.parametrize("method", ["sgd", "adam", "badmm", "badmm-ls"])
def test_runs_without_their_share_of_units_that_are_on_have_that_of_the_same_runs_of_the_claims(method):
    claims = f"autoencoder/train_loss/{method}.json"
    entries = collect([rung("autoencoder", method, f"ladder/autoencoder/{method}.json", claims)], [10, 500], range(10))
    known = runs_of(f"claims/{claims}")
    assert {entry["seed"]: entry["active"] for entry in entries} == {
        seed: run["final"]["active"] for seed, run in known.items()
    }
    for entry in entries:
        assert entry["train_loss"]["500"] == pytest.approx(known[entry["seed"]]["train_loss"][-1], rel=1e-4)


@pytest.mark.parametrize(
    ("runs", "claims"),
    [
        ("ladder/autoencoder-linear/adam.json", "autoencoder/train_loss/adam.json"),  # another network
        ("ladder/autoencoder/adam.json", "autoencoder/train_loss/adamw.json"),  # another method
        ("ladder/student/badmm.json", "student/train_loss/badmm.json"),  # other settings
    ],
)
def test_runs_that_the_claims_have_not_trained_have_no_such_share(runs, claims):
    entries = collect([rung("ladder", Path(runs).stem, runs, claims)], [10, 500], range(10))
    assert [entry["active"] for entry in entries] == [None] * 10


@pytest.mark.parametrize(("delta", "known"), [(1.0, True), (0.5, False)])
def test_a_setting_that_the_ladder_does_not_search_must_be_at_its_default(delta, known, tmp_path):
    record = read_json(PUBLISHED / "claims/autoencoder/train_loss/badmm.json")
    record["keys"][0]["settings.delta"] = delta
    write_json(tmp_path / "badmm.json", record)
    row = rung("autoencoder", "badmm", "ladder/autoencoder/badmm.json", tmp_path / "badmm.json")
    assert {entry["active"] is not None for entry in collect([row], [10, 500], range(10))} == {known}


def test_a_share_in_the_record_itself_is_kept(tmp_path):
    claims = "autoencoder/train_loss/adam.json"
    record = read_json(PUBLISHED / "ladder/autoencoder/adam.json")
    for run in record["result"]["runs"]:
        run["active"] = None if run["seed"] == 3 else 0.25
    write_json(tmp_path / "adam.json", record)
    entries = collect([rung("autoencoder", "adam", tmp_path / "adam.json", claims)], [10, 500], range(10))
    assert [entry["active"] for entry in entries] == [None if entry["seed"] == 3 else 0.25 for entry in entries]


def test_runs_of_the_claims_are_a_row_of_their_own():
    path = "claims/autoencoder-levers/train_loss/adam.json"
    row = Rung("autoencoder", "adam-levers", "Adam, every lever", "adam", str(PUBLISHED / path))
    entries = collect([row], [10, 500], range(10))
    for entry in entries:
        run = runs_of(path)[entry["seed"]]
        assert entry["train_loss"] == {str(row): run["train_loss"][run["iteration"].index(row)] for row in (10, 500)}
        assert (entry["active"], entry["unseen_psnr"]) == (run["final"]["active"], run["final"]["unseen_psnr"])
        assert entry["settings"] == {"initial_scale": 0.243, "learning_rate": 0.000748}
    names = {(entry["experiment"], entry["method"], entry["optimizer"], entry["label"]) for entry in entries}
    assert names == {("autoencoder", "adam-levers", "adam", "Adam, every lever")}
    assert len(entries) == 10


def test_such_a_row_stands_below_the_rung_of_its_method(project):
    names = [(row["experiment"], row["method"]) for row in project.rows_of_ladder]
    assert set(project.rungs) < set(names)
    place = names.index(("autoencoder", "adam-every-setting"))
    assert names[place - 1] == ("autoencoder", "adam")
    row = project.rows_of_ladder[place]
    assert (row["label"], row["optimizer"]) == ("Adam, every setting searched", "adam")
    assert row["runs"] == "results/claims/autoencoder-every-setting/train_loss/adam.json"
    assert {row["runs"], *project.rung_files} <= set(project.files_of_ladder)
    assert row["runs"] not in project.rung_files
    settings = project.config | {"claims": project.config["claims"] | {"seeds": [20, 21, 22]}}
    assert [(row["experiment"], row["method"]) for row in Plan(settings, str(ROOT)).rows_of_ladder] == project.rungs


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
    made = Results(str(tmp_path), {}, {})
    runs = [entry("autoencoder", "badmm", seed, 0.1 + 0.1 * seed) for seed in (0, 1, 2)]
    runs += [entry("autoencoder", "lifted", seed, 0.2 + 0.2 * seed) for seed in (0, 1, 2)]
    runs += [entry("autoencoder", "sgd", seed, 0.4, "diverged" if seed == 1 else "finished") for seed in (0, 1, 2)]
    runs += [entry("autoencoder-linear", "badmm", seed, 0.05) for seed in (0, 1, 2)]
    runs += [entry("student", "foof", seed, 0.05) | {"unseen_psnr": None} for seed in (0, 1, 2)]  # not drawn
    for run in runs[:3]:
        run["active"] = 0.5 + 0.1 * run["seed"]
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
    assert [table["autoencoder/badmm"][f"active{end}"] for end in ("", "_low", "_high")] == pytest.approx(
        [0.6, 0.5, 0.7]
    )


def test_the_page_has_the_share_of_units_that_are_on_where_it_is_known(results, tmp_path):
    tables.make("ladder", results, tmp_path / "tables" / "ladder.csv")
    made = rows.read(tmp_path / "tables")
    lines = pages.ladder(made, "autoencoder", "active").splitlines()
    assert lines[0].endswith("| last loss / gradient BADMM's | unseen, dB | units on |")
    assert lines[0].count("|") == 7
    assert lines[2].split(" | ")[-2:] == ["11.0", "60% |"]
    assert lines[3].split(" | ")[0] == "| lifted loss (gradient)"
    assert lines[3].split(" | ")[-1] == "- |"
    assert pages.ladder(made, "autoencoder").splitlines()[0].endswith("| last loss / gradient BADMM's | unseen, dB |")


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
