import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from replication import run as runs
from replication.report import rows as tables, tables as tabulate
from nonsmooth.training import Training

CELLS = st.one_of(st.none(), st.integers(-(10**9), 10**9), st.text("abc, \"'|é", min_size=1).filter(str.strip))


@given(st.dictionaries(st.text("ab/-1", min_size=1), st.fixed_dictionaries({"x": CELLS, "y": CELLS}), min_size=1))
def test_what_is_written_is_read(tmp_path_factory, made):
    path = tmp_path_factory.mktemp("tables") / "made.csv"
    tables.write(path, ({"id": name} | row for name, row in made.items()))
    assert tables.read(path.parent)["made"] == {name: {"id": name} | row for name, row in made.items()}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_kept_to_six_digits(tmp_path_factory, number):
    path = tmp_path_factory.mktemp("tables") / "made.csv"
    tables.write(path, [{"id": "a", "x": number}])
    assert tables.read(path.parent)["made"]["a"]["x"] == pytest.approx(number, rel=1e-5)


@pytest.mark.parametrize("rows", [[], [{"id": "a"}, {"id": "a"}]])
def test_rows_need_different_ids(tmp_path, rows):
    with pytest.raises(ValueError, match="different ids"):
        tables.write(tmp_path / "made.csv", rows)
    assert not (tmp_path / "made.csv").exists()


@pytest.fixture
def results(tmp_path) -> runs.Results:
    """Each optimizer finishes with both seeds, BADMM below the baselines; the second run of BADMM diverges at once."""
    optimizers = ["sgd", "adam", "badmm", "badmm-ls"]
    for optimizer in optimizers:
        for seed in (0, 1):
            losses = [1.0 if optimizer in ("sgd", "adam") else 0.5] * 20
            diverged = (optimizer, seed) == ("badmm", 1)
            losses = [1.0, 5000.0] if diverged else losses
            history = {"iteration": list(range(len(losses))), "train_loss": losses, "unseen_loss": losses}
            folder = tmp_path / "runs" / "autoencoder" / optimizer / f"seed-{seed}"
            final = {"train_psnr": None if diverged else 0.0, "unseen_psnr": None if diverged else 10.0}
            status = "diverged" if diverged else "finished"
            runs.save(folder, torch.nn.Linear(1, 1), Training(history, status, 1.0, 2.0), {"final": final})
    return runs.Results(str(tmp_path), {"autoencoder": [0, 1]}, {"autoencoder": optimizers})


def test_a_diverged_run_is_no_win_and_no_part_of_a_median(results):
    row = next(row for row in tabulate.lead(results) if row["id"] == "autoencoder/badmm/adam")
    assert (row["below"], row["seeds"], row["train_loss"], row["from"]) == (1, 1, 0.5, 10)
    row = next(row for row in tabulate.runs(results) if row["id"] == "autoencoder/badmm")
    assert (row["seeds"], row["diverged"], row["train_loss_high"], row["unseen_psnr"]) == (2, 1, 0.5, 10.0)
    alone = runs.Results(results.folder, {"autoencoder": [1]}, results.optimizers)
    row = next(row for row in tabulate.lead(alone) if row["id"] == "autoencoder/badmm/adam")
    assert (row["below"], row["seeds"]) == (0, 0)
    assert "train_loss" not in row


def test_references_tell_the_last_from_the_stopped_and_the_selections_apart(tmp_path):
    def entry(train, unseen):
        names = ("train_psnr", "unseen_psnr", "train_ssim", "unseen_ssim", "active", "always_active")
        return dict.fromkeys(names, 9.0) | {"train_loss": train, "unseen_loss": unseen}

    run = {"status": "finished", "final": entry(0.1, 0.2), "stopped": entry(0.3, 0.4), "stopped_at": 7}
    lost = {"status": "diverged"}
    files = {
        "bounds/claims/autoencoder.json": {"references": {"mean image": [entry(0.7, 0.8)]}},
        "claims/autoencoder/validation_loss/sgd.json": {"runs": [run, lost]},
        "claims/autoencoder/train_loss/sgd.json": {"runs": [run | {"final": entry(0.5, 0.6)}]},
    }
    for name, told in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(json.dumps(told))
    rows = list(tabulate.references(runs.Results(str(tmp_path), {}, {"autoencoder": ["sgd"]})))
    assert [row["id"] for row in rows] == ["autoencoder/mean-image", "autoencoder/sgd"]
    assert [row["train_loss"] for row in rows] == [0.7, 0.1]
    assert [row["unseen_loss"] for row in rows] == [0.8, 0.2]
    assert [row.get("fitted_train_loss") for row in rows] == [None, 0.5]
    assert (rows[1]["stopped_unseen_loss"], rows[1]["stopped_at"]) == (0.4, 7)


def test_where_a_reading_is_worse_is_told_for_each_group(tmp_path):
    def setting(group, name, verdict):
        told = {"reading": "badmm", "against": "linear map", "quantity": "unseen_psnr", "verdict": verdict}
        told["bracketed"] = name != "16"
        return {"group": group, "name": name, "verdicts": [told]}

    settings = [setting("default", "default", "holds")]
    settings += [setting("units", name, verdict) for name, verdict in (("8", "open"), ("16", "fails"), ("32", "fails"))]
    (tmp_path / "limits.json").write_text(json.dumps(settings))
    rows = {row["id"]: row for row in tabulate.limits_where(runs.Results(str(tmp_path), {}, {}))}
    whole, units = rows["badmm/linear-map/unseen-psnr"], rows["badmm/linear-map/unseen-psnr/units"]
    assert (whole["better"], whole["open"], whole["worse"]) == (1, 1, 2)
    assert whole["bracketed"] == 3
    assert (whole["better_at"], whole["worse_at"]) == ("default", "units 16; units 32")
    assert (units["better_at"], units["open_at"], units["worse_at"]) == ("none", "8", "16 and 32")


def test_what_a_target_took_is_the_sum_of_its_jobs(tmp_path):
    for name, seconds in (("a", 60.0), ("b", 90.0)):
        (tmp_path / name).write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:01:00\t1.0\n")
    (tmp_path / "c.json").write_text(json.dumps({"seconds": 240.0, "processor": "a fast one"}))
    times = [tmp_path / "a", tmp_path / "b"]
    (row,) = tabulate.time_of("limits", times)
    assert (row["jobs"], row["minutes"], row["longest"], row["records"]) == (2, 2.5, 1.5, 0)
    (row,) = tabulate.time_of("limits", [*times, tmp_path / "c.json"])
    assert (row["jobs"], row["minutes"], row["longest"]) == (3, 6.5, 4.0)
    assert (row["records"], row["minutes_of_records"]) == (1, 4.0)
