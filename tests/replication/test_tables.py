from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_results import Made
from made_runs import made_runs

from nonsmooth.training import Training
from replication import parameters, records
from replication.compute.seeds import SeedRun
from replication.parameters import CRITERIA
from replication.report import rows, writing
from replication.report.registry import TABLE, shown
from replication.results import Results
from replication.verdicts.claims import Judgement, Outcome

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


@pytest.fixture
def made(tmp_path) -> Made:
    return Made(tmp_path)


def table_of(name: str, results: Results) -> list[rows.Row]:
    return list(shown(TABLE)[name].make(results))


def by_id(table) -> dict[str, rows.Row]:
    return {row["id"]: row for row in table}


@pytest.fixture
def results(made, smoke_config) -> Results:
    """Each optimizer finishes with both seeds, BADMM below the baselines; the second run of BADMM diverges at once."""
    optimizers = ["sgd", "adam", "badmm", "badmm-ls"]
    for optimizer in optimizers:
        for seed in (0, 1):
            diverged = (optimizer, seed) == ("badmm", 1)
            losses = [1.0, 5000.0] if diverged else [1.0 if optimizer in ("sgd", "adam") else 0.5] * 20
            history = {"iteration": list(range(len(losses))), "train_loss": losses, "unseen_loss": losses}
            training = Training(history, "diverged" if diverged else "finished", 1.0, 2.0)
            final = {"train_psnr": None if diverged else 0.0, "unseen_psnr": None if diverged else 10.0}
            settings = parameters.of_run(smoke_config, "autoencoder", optimizer, seed)
            made.run(settings, training, final)
    return made.results


def test_a_diverged_run_is_no_part_of_a_median(results):
    row = by_id(table_of("runs", results))["autoencoder/badmm"]
    assert (row["seeds"], row["diverged"], row["train_loss_high"], row["unseen_psnr"]) == (2, 1, 0.5, 10.0)


def test_where_every_run_diverged_there_is_a_row_without_numbers(results):
    alone = Results({name: files for name, files in results.files.items() if name.endswith("seed-1")})
    row = by_id(table_of("runs", alone))["autoencoder/badmm"]
    assert (row["seeds"], row["diverged"]) == (1, 1)
    assert "train_loss" not in row


def test_references_tell_the_last_from_the_stopped_and_the_selections_apart(made):
    def numbers(train, unseen):
        names = ("train_psnr", "unseen_psnr", "train_ssim", "unseen_ssim", "active", "always_active")
        return dict.fromkeys(names, 9.0) | {"train_loss": train, "unseen_loss": unseen}

    run = SeedRun(0, "finished", final=numbers(0.1, 0.2), stopped_at=7, stopped=numbers(0.3, 0.4))
    made.maps("maps/autoencoder", {"mean image": [{"seed": s, **numbers(0.7 + s, 0.8)} for s in (0, 1000)]})
    runs = {"validation_loss": [run, SeedRun(1, "diverged")], "train_loss": [replace(run, final=numbers(0.5, 0.6))]}
    made.tuned("tuning/autoencoder/sgd", runs)
    made.tuned("tuning/autoencoder/muon", {"validation_loss": [], "train_loss": []})  # searched alone
    table = table_of("references", made.results)
    assert [row["id"] for row in table] == ["autoencoder/mean-image", "autoencoder/sgd"]
    assert [row["train_loss"] for row in table] == [0.7, 0.1]
    assert [row["unseen_loss"] for row in table] == [0.8, 0.2]
    assert [row.get("fitted_train_loss") for row in table] == [None, 0.5]
    assert (table[1]["stopped_unseen_loss"], table[1]["stopped_at"]) == (0.4, 7)


def test_every_optimizer_is_compared_with_those_that_claims_are_judged_for(made):
    for number, name in enumerate(("sgd", "lbfgs", "badmm")):
        columns = {column: 2.0 ** -(number + (column == "train_loss")) for column in CRITERIA}
        runs = {column: made_runs(factor, psnr=20.0 + number) for column, factor in columns.items()}
        made.tuned(f"tuning/autoencoder/{name}", runs)
    seconds = {"sgd": 1.0, "lbfgs": 4.0, "badmm": 2.0, "adam": 2.0}
    made.tuned("tuning/autoencoder/adam", dict.fromkeys(CRITERIA, made_runs()))
    made.timing("optimizers/timing/autoencoder", {name: (0.5, value) for name, value in seconds.items()})
    table = by_id(table_of("optimizers", made.results))
    assert table["autoencoder/lbfgs"]["to_adam"] == 2
    assert table["autoencoder/sgd/final/badmm"]["effect"] == pytest.approx(1 / 4)
    assert table["autoencoder/lbfgs/final/badmm"]["effect"] == pytest.approx(1 / 2)
    assert table["autoencoder/lbfgs/unseen_psnr/badmm"]["effect"] == pytest.approx(1.0)
    assert "autoencoder/badmm/final/badmm" not in table


def test_a_perceptron_trains_where_its_loss_comes_below_half_of_the_initial_one(made):
    losses = {"badmm": [[1.0, 0.4], [1.0, 0.5]], "sgd": [[1.0, 0.1], [1.0, 0.1]]}
    for name, seeds in losses.items():
        runs = [
            SeedRun(seed, "finished", [0, 1], values, {"train_loss": values[-1], "unseen_loss": 2.0})
            for seed, values in enumerate(seeds)
        ]
        lost = SeedRun(2, "diverged", [0, 1], [1.0, 0.1])
        made.tuned(f"tuning/perceptron/{name}", {"train_loss": [*runs, lost]})
    made.tuned("tuning/autoencoder/sgd", {"train_loss": runs})  # no perceptron
    table = table_of("trained", made.results)
    assert [(row["train_loss"], row["unseen_loss"]) for row in table] == [(0.1, 2.0), (pytest.approx(0.45), 2.0)]
    counts = {row["id"]: (row["trained"], row["seeds"]) for row in table}
    assert counts == {"perceptron/badmm": (1, 3), "perceptron/sgd": (2, 3)}


@pytest.fixture
def judged(made) -> Results:
    """Wall time on the autoencoder and elsewhere, and a loss; one run of BADMM and two of Adam are lost elsewhere."""
    exact = Outcome(1.1, [1.05, 1.2], [0, 1, 2, 3], [[], []], "does not hold")
    own = Outcome(0.5, [0.4, 0.6], [0, 1, 2, 3], [[], []], "holds", 0.001, "adam", exact)
    other = Outcome(2.0, [1.5, None], [1], [[0], [2, 3]], "does not hold", 0.04, "adam-cosine", removed=True)
    test = Judgement("faster", "Faster", "s", "seconds", own, "own-every", "badmm", "adam", "every setting", "-every")
    elsewhere = {"other-every": other, "third-every": own}
    made.json("claims", [asdict(j) for j in (replace(test, elsewhere=elsewhere), replace(test, quantity="final"))])
    timed = dict.fromkeys(("adam", "adam-cosine", "unused"), (0.001, 0.002)) | {"badmm": (0.03, 0.01)}
    for experiment in ("own-every", *elsewhere):
        made.timing(f"claims/timing/{experiment}", timed)
    return made.results


def test_a_row_of_a_claim_has_its_outcome_and_all_that_it_depends_on(judged):
    table = by_id(table_of("claims", judged))
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
    table = by_id(table_of("timings", judged))
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
    return {"group": group, "name": name, "verdicts": [judged], "active": {"badmm": 0.25}}


WORDS = {"8": "undecided", "16": "does not hold", "32": "does not hold", "64": "no difference", "128": "no verdict"}


@pytest.fixture
def limits(made) -> Results:
    settings = [limit("default", "default", "holds")]
    settings += [limit("units", name, verdict) for name, verdict in WORDS.items()]
    made.json("limits", settings)
    return made.results


def test_where_each_word_stands_is_told_for_each_group(limits):
    table = by_id(table_of("limits_where", limits))
    whole, units = table["badmm/linear-map/unseen-psnr"], table["badmm/linear-map/unseen-psnr/units"]
    assert (table["count"]["settings"], table["count"]["bracketed"]) == (6, 5)
    columns = "holds", "no_difference", "undecided", "does_not_hold", "no_verdict"
    assert [whole[column] for column in columns] == [1, 1, 1, 2, 1]
    assert (whole["holds_at"], whole["does_not_hold_at"]) == ("default", "units 16; units 32")
    assert [units[f"{column}_at"] for column in columns] == ["none", "64", "8", "16 and 32", "128"]
    assert (whole["lost"], whole["lost_at"], units["lost_at"]) == (1, "units 8", "8")  # of most seeds


def test_every_cell_of_the_limits_has_its_row(limits):
    table = by_id(table_of("limits", limits))
    assert len(table) == 6
    row = table["units-16/badmm/linear-map/unseen-psnr"]
    assert (row["verdict"], row["effect"], row["low"], row["high"]) == ("does not hold", -1.0, -2.0, None)
    assert (row["seeds"], row["diverged"], row["baseline_diverged"]) == (3, 1, 0)
    assert (row["lost"], row["baseline_lost"]) == ("2", None)
    assert by_id(table_of("limits_active", limits))["units-16/badmm"]["active"] == 0.25


def test_gaps_are_medians_and_absent_where_a_run_diverged(made):
    entries = [
        {"condition_number": 1e6, "optimizer": "sgd", "gaps": [[1, 0.1], [1, 0.3], [1, 0.2]], "off": [0.0, 0.2, 0.1]},
        {"condition_number": 1e6, "optimizer": "badmm", "gaps": [[1, 0.1], [1, 0.3], [None]], "off": [0.0, 0.2, None]},
    ]
    made.record("conditioning/perceptron", {"table": entries})
    table = by_id(table_of("conditioning", made.results))
    kept, lost = (table[f"perceptron/1e+06/{name}"] for name in ("sgd", "badmm"))
    assert (kept["gap"], kept["off"], kept["seeds"], kept["diverged"]) == (0.2, 0.1, 3, 0)
    assert (lost["seeds"], lost["diverged"]) == (3, 1)
    assert "gap" not in lost


def test_what_a_study_took_is_the_sum_over_its_records(tmp_path):
    seconds = {"a/1": 60.0, "a/2": 240.0, "a/3": None}
    made = [{"name": name, "key": {"n": name}, "result": {}, "seconds": value} for name, value in seconds.items()]
    records.write(tmp_path / "a.jsonl", made)
    row, total = table_of("times", Results({"published/a": [str(tmp_path / "a.jsonl")]}))
    assert row == {"id": "a", "records": 3, "untimed": 1, "minutes": 5.0, "longest": 4.0}
    assert total == row | {"id": "all"}


def test_a_table_is_made_by_its_name(limits, tmp_path):
    writing.table("limits_active", limits, tmp_path / "tables" / "limits_active.csv")
    assert len(rows.read(tmp_path / "tables")["limits_active"]) == 6
