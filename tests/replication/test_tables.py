import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made_runs import made_runs

from nonsmooth.training import Training
from replication import parameters, run
from replication.files import write_json
from replication.parameters import SELECTIONS
from replication.paths import ResultFiles
from replication.report import rows, tables
from replication.results import Results
from replication.verdicts.claims import Judgement, Outcome, write

CELLS = st.one_of(st.none(), st.integers(-(10**9), 10**9), st.text("abc, \"'|é", min_size=1).filter(str.strip))


@given(st.dictionaries(st.text("ab/-1", min_size=1), st.fixed_dictionaries({"x": CELLS, "y": CELLS}), min_size=1))
def test_what_is_written_is_read(tmp_path_factory, table):
    path = tmp_path_factory.mktemp("tables") / "some.csv"
    rows.write(path, ({"id": name} | row for name, row in table.items()))
    assert rows.read(path.parent)["some"] == {name: {"id": name} | row for name, row in table.items()}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_kept_to_six_digits(tmp_path_factory, number):
    path = tmp_path_factory.mktemp("tables") / "some.csv"
    rows.write(path, [{"id": "a", "x": number}])
    assert rows.read(path.parent)["some"]["a"]["x"] == pytest.approx(number, rel=1e-5)


@pytest.mark.parametrize("table", [[], [{"id": "a"}, {"id": "a"}]])
def test_rows_need_different_ids(tmp_path, table):
    with pytest.raises(ValueError, match="different ids"):
        rows.write(tmp_path / "some.csv", table)
    assert not (tmp_path / "some.csv").exists()


def results_in(folder: Path, **experiments: list[str]) -> Results:
    """Results in a folder, for two seeds."""
    return Results(str(folder), {name: [0, 1] for name in experiments}, experiments)


def by_id(table) -> dict[str, rows.Row]:
    return {row["id"]: row for row in table}


@pytest.fixture
def results(tmp_path, smoke_config) -> Results:
    """Each optimizer finishes with both seeds, BADMM below the baselines; the second run of BADMM diverges at once."""
    optimizers = ["sgd", "adam", "badmm", "badmm-ls"]
    results = results_in(tmp_path, autoencoder=optimizers)
    for optimizer in optimizers:
        for seed in (0, 1):
            diverged = (optimizer, seed) == ("badmm", 1)
            losses = [1.0, 5000.0] if diverged else [1.0 if optimizer in ("sgd", "adam") else 0.5] * 20
            history = {"iteration": list(range(len(losses))), "train_loss": losses, "unseen_loss": losses}
            training = Training(history, "diverged" if diverged else "finished", 1.0, 2.0)
            final = {"train_psnr": None if diverged else 0.0, "unseen_psnr": None if diverged else 10.0}
            folder = results.files.run("autoencoder", optimizer, seed)
            settings = parameters.of_run(smoke_config, "autoencoder", optimizer, seed)
            run.save(folder, settings, torch.nn.Linear(1, 1), training, final)
    return results


def test_a_diverged_run_is_no_part_of_a_median(results):
    row = by_id(tables.runs(results))["autoencoder/badmm"]
    assert (row["seeds"], row["diverged"], row["train_loss_high"], row["unseen_psnr"]) == (2, 1, 0.5, 10.0)


def test_where_every_run_diverged_there_is_a_row_without_numbers(results):
    alone = Results(results.folder, {"autoencoder": [1]}, results.optimizers)
    row = by_id(tables.runs(alone))["autoencoder/badmm"]
    assert (row["seeds"], row["diverged"]) == (1, 1)
    assert "train_loss" not in row


def test_references_tell_the_last_from_the_stopped_and_the_selections_apart(tmp_path):
    def numbers(train, unseen):
        names = ("train_psnr", "unseen_psnr", "train_ssim", "unseen_ssim", "active", "always_active")
        return dict.fromkeys(names, 9.0) | {"train_loss": train, "unseen_loss": unseen}

    run = {"seed": 0, "status": "finished", "final": numbers(0.1, 0.2), "stopped": numbers(0.3, 0.4), "stopped_at": 7}
    diverged = {"seed": 1, "status": "diverged"}
    results = results_in(tmp_path, autoencoder=["sgd"])
    files = results.files
    write_json(files.maps("claims", "autoencoder"), {"maps": {"mean image": [numbers(0.7, 0.8)]}})
    write_json(files.seeds("autoencoder", "validation_loss", "sgd"), {"result": {"runs": [run, diverged]}})
    write_json(
        files.seeds("autoencoder", "train_loss", "sgd"), {"result": {"runs": [run | {"final": numbers(0.5, 0.6)}]}}
    )
    table = list(tables.references(results))
    assert [row["id"] for row in table] == ["autoencoder/mean-image", "autoencoder/sgd"]
    assert [row["train_loss"] for row in table] == [0.7, 0.1]
    assert [row["unseen_loss"] for row in table] == [0.8, 0.2]
    assert [row.get("fitted_train_loss") for row in table] == [None, 0.5]
    assert (table[1]["stopped_unseen_loss"], table[1]["stopped_at"]) == (0.4, 7)


def test_every_optimizer_is_compared_with_those_that_claims_are_judged_for(tmp_path):
    results = results_in(tmp_path, autoencoder=["sgd", "lbfgs", "badmm"])
    for number, name in enumerate(("sgd", "lbfgs", "badmm")):
        for column in SELECTIONS:
            runs = [asdict(made) for made in made_runs(2.0 ** -(number + (column == "train_loss")), psnr=20.0 + number)]
            write_json(results.files.seeds("autoencoder", column, name), {"result": {"runs": runs}})
    entries = [(name, {"setup": 0.5, "seconds": seconds}) for name, seconds in (("sgd", 1), ("lbfgs", 4), ("badmm", 2))]
    timing = {"optimizers": dict([*entries, ("adam", {"setup": 0.5, "seconds": 2.0})])}
    write_json(results.files.timing("autoencoder", "-compared"), timing)
    table = by_id(tables.optimizers(results))
    assert table["autoencoder/lbfgs"]["to_adam"] == 2
    assert table["autoencoder/sgd/final/badmm"]["effect"] == pytest.approx(1 / 4)
    assert table["autoencoder/lbfgs/final/badmm"]["effect"] == pytest.approx(1 / 2)
    assert table["autoencoder/lbfgs/unseen_psnr/badmm"]["effect"] == pytest.approx(1.0)
    assert "autoencoder/badmm/final/badmm" not in table


def test_a_perceptron_trains_where_its_loss_comes_below_half_of_the_initial_one(tmp_path):
    losses = {"badmm": [[1.0, 0.4], [1.0, 0.5]], "sgd": [[1.0, 0.1], [1.0, 0.1]]}
    for name, seeds in losses.items():
        common = {"status": "finished", "iteration": [0, 1]}
        runs = [
            {"seed": seed, "train_loss": values, "final": {"train_loss": values[-1], "unseen_loss": 2.0}} | common
            for seed, values in enumerate(seeds)
        ]
        lost = {"seed": 2, "status": "diverged", "iteration": [0, 1], "train_loss": [1.0, 0.1]}
        path = ResultFiles(str(tmp_path)).seeds("perceptron", "train_loss", name)
        write_json(path, {"result": {"runs": [*runs, lost]}})
    table = list(tables.trained(results_in(tmp_path)))
    assert [(row["train_loss"], row["unseen_loss"]) for row in table] == [(0.1, 2.0), (pytest.approx(0.45), 2.0)]
    counts = {row["id"]: (row["trained"], row["seeds"]) for row in table}
    assert counts == {"perceptron/badmm": (1, 3), "perceptron/sgd": (2, 3)}


@pytest.fixture
def judged(tmp_path) -> Results:
    """Wall time on the autoencoder and elsewhere, and a loss; one run of BADMM and two of Adam are lost elsewhere."""
    exact = Outcome(1.1, [1.05, 1.2], [0, 1, 2, 3], [[], []], "does not hold")
    own = Outcome(0.5, [0.4, 0.6], [0, 1, 2, 3], [[], []], "holds", 0.001, "adam", exact)
    other = Outcome(2.0, [1.5, None], [1], [[0], [2, 3]], "does not hold", 0.04, "adam-cosine", removed=True)
    test = Judgement("faster", "Faster", "s", "seconds", own, "own-every", "badmm", "adam", "every setting", "-every")
    results = results_in(tmp_path)
    elsewhere = {"other-every": other, "third-every": own}
    write([replace(test, elsewhere=elsewhere), replace(test, quantity="final")], results.files.claims)
    timed = {"adam": {"setup": 0.001, "seconds": 0.002}, "badmm": {"setup": 0.03, "seconds": 0.01}}
    timed["adam-cosine"] = timed["adam"]
    for experiment in ("own-every", *elsewhere):
        write_json(results.files.timing(experiment), {"optimizers": timed | {"unused": timed["adam"]}})
    return results


def test_a_row_of_a_claim_has_its_outcome_and_all_that_it_depends_on(judged):
    table = by_id(tables.claims(judged))
    names = [f"{test}-every/adam/seconds/badmm" for test in ("own", "other", "third")]
    assert list(table) == [*names, "own-every/adam/final/badmm"]
    own, other = table["own-every/adam/seconds/badmm"], table["other-every/adam/seconds/badmm"]
    assert (own["statement"], own["kind"], own["experiment"]) == ("faster", "every setting", "own")
    assert (own["outcome"], own["verdict"], own["agree"], own["agree_at"]) == ("holds", "holds", "1 of 2", "third")
    assert (own["exact_effect"], own["exact_low"], own["exact_high"]) == (1.1, 1.05, 1.2)
    assert (own["exact_outcome"], own["p"], own["holm"]) == ("does not hold", 0.001, None)
    assert (own["baseline"], own["lost"], own["baseline_lost"]) == ("adam", None, None)
    assert (other["effect"], other["low"], other["high"], other["seeds"]) == (2.0, 1.5, None, 1)
    assert (other["outcome"], other["holm"], other["p"]) == ("does not hold", "removed", 0.04)
    assert (other["baseline"], other["lost"], other["baseline_lost"]) == ("adam-cosine", "0", "2 3")
    assert not {"verdict", "agree", "exact_outcome"} & other.keys()
    assert "agree" not in table["own-every/adam/final/badmm"]  # there is no other experiment


def test_the_timings_are_of_the_optimizers_whose_wall_time_is_compared(judged):
    table = by_id(tables.timings(judged))
    names = "adam", "adam-cosine", "badmm"
    assert list(table) == [
        *(f"other-every/{name}" for name in names),
        *(f"{experiment}-every/{name}" for experiment in ("own", "third") for name in ("adam", "badmm")),
    ]
    row = table["other-every/badmm"]
    assert (row["milliseconds"], row["setup_milliseconds"], row["setup_iterations"]) == pytest.approx((10.0, 30.0, 3.0))


def limit(group: str, name: str, verdict: str) -> dict:
    """A setting of the limits with one verdict."""
    judged = {"method": "badmm", "against": "linear map", "quantity": "unseen_psnr", "verdict": verdict}
    judged |= {"bracketed": name != "16", "effect": -1.0, "interval": [-2.0, None]}
    judged |= {"lost": [[0, 2] if name == "8" else [2], []], "diverged": [1, 0], "seeds": 3}
    return {"group": group, "name": name, "verdicts": [judged], "active": {"badmm": 0.25}, "records": []}


WORDS = {"8": "undecided", "16": "does not hold", "32": "does not hold", "64": "no difference", "128": "no verdict"}


@pytest.fixture
def limits(tmp_path) -> Results:
    settings = [limit("default", "default", "holds")]
    settings += [limit("units", name, verdict) for name, verdict in WORDS.items()]
    results = results_in(tmp_path)
    write_json(results.files.limits, settings)
    return results


def test_where_each_word_stands_is_told_for_each_group(limits):
    table = by_id(tables.limits_where(limits))
    whole, units = table["badmm/linear-map/unseen-psnr"], table["badmm/linear-map/unseen-psnr/units"]
    assert (table["count"]["settings"], table["count"]["bracketed"]) == (6, 5)
    columns = "holds", "no_difference", "undecided", "does_not_hold", "no_verdict"
    assert [whole[column] for column in columns] == [1, 1, 1, 2, 1]
    assert (whole["holds_at"], whole["does_not_hold_at"]) == ("default", "units 16; units 32")
    assert [units[f"{column}_at"] for column in columns] == ["none", "64", "8", "16 and 32", "128"]
    assert (whole["lost"], whole["lost_at"], units["lost_at"]) == (1, "units 8", "8")  # of most seeds


def test_every_cell_of_the_limits_has_its_row(limits):
    table = by_id(tables.limits(limits))
    assert len(table) == 6
    row = table["units-16/badmm/linear-map/unseen-psnr"]
    assert (row["verdict"], row["effect"], row["low"], row["high"]) == ("does not hold", -1.0, -2.0, None)
    assert (row["seeds"], row["diverged"], row["baseline_diverged"]) == (3, 1, 0)
    assert (row["lost"], row["baseline_lost"]) == ("2", None)
    assert by_id(tables.limits_active(limits))["units-16/badmm"]["active"] == 0.25


def test_gaps_are_medians_and_absent_where_a_run_diverged(tmp_path):
    results = results_in(tmp_path)
    entries = [
        {"condition_number": 1e6, "optimizer": "sgd", "gaps": [[1, 0.1], [1, 0.3], [1, 0.2]], "off": [0.0, 0.2, 0.1]},
        {"condition_number": 1e6, "optimizer": "badmm", "gaps": [[1, 0.1], [1, 0.3], [None]], "off": [0.0, 0.2, None]},
    ]
    write_json(results.files.conditioning("perceptron"), entries)
    table = by_id(tables.conditioning(results))
    kept, lost = (table[f"perceptron/1e+06/{name}"] for name in ("sgd", "badmm"))
    assert (kept["gap"], kept["off"], kept["seeds"], kept["diverged"]) == (0.2, 0.1, 3, 0)
    assert (lost["seeds"], lost["diverged"]) == (3, 1)
    assert "gap" not in lost


def test_what_a_target_took_is_the_sum_of_its_jobs(tmp_path):
    for name, seconds in (("a", 60.0), ("b", 90.0)):
        (tmp_path / name).write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:01:00\t1.0\n")
    (tmp_path / "c.json").write_text(json.dumps({"seconds": 240.0, "processor": "a fast one"}))
    times = [tmp_path / "a", tmp_path / "b"]
    (row,) = tables.time_of("limits", times)
    assert (row["jobs"], row["minutes"], row["longest"], row["records"]) == (2, 2.5, 1.5, 0)
    (row,) = tables.time_of("limits", [*times, tmp_path / "c.json"])
    assert (row["jobs"], row["minutes"], row["longest"]) == (3, 6.5, 4.0)
    assert (row["records"], row["minutes_of_records"], row["untimed"]) == (1, 4.0, 0)
    (tmp_path / "d.json").write_text(json.dumps({"seconds": None}))
    (row,) = tables.time_of("tune", [tmp_path / "c.json", tmp_path / "d.json"])
    assert (row["jobs"], row["minutes"], row["untimed"]) == (2, 4.0, 1)


def test_a_table_is_made_by_its_name(limits, tmp_path):
    tables.make("limits_active", limits, tmp_path / "tables" / "limits_active.csv")
    assert len(rows.read(tmp_path / "tables")["limits_active"]) == 6
