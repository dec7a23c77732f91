"""The numbers of the default runs, and what is said when they move."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from replication import config, run as runs
from replication.verdicts import verify as expected
from nonsmooth.training import Training

ROOT = Path(__file__).parents[1]


def results(folder, losses, status="finished"):
    for seed, loss in enumerate(losses):
        history = {"iteration": [0, 1, 2], "train_loss": [1.0, 0.5, loss], "unseen_loss": [1.0, 0.6, 0.3]}
        run = Training(history, status, 1.0, 2.0)
        runs.save(folder / "runs" / "e" / "o" / f"seed-{seed}", torch.nn.Linear(1, 1), run, {})
    return runs.Results(str(folder), {"e": list(range(len(losses)))}, {"e": ["o"]})


def test_numbers_are_medians_over_seeds(tmp_path):
    told = expected.numbers(results(tmp_path, [0.1, 0.2, 0.4]))
    assert told["e/o/train_loss/last"] == 0.2
    assert told["e/o/unseen_loss/0"] == 1.0
    assert "e/o/train_loss/100" not in told


def test_what_is_chance_is_left_out_and_divergence_is_told(tmp_path):
    assert "e/o/unseen_loss/last" not in expected.numbers(results(tmp_path / "a", [1e-12]))
    assert expected.numbers(results(tmp_path / "b", [9.0], "diverged"))["e/o/train_loss/last"] is None


def test_moved_numbers_are_told_with_how_much_and_others_not():
    before = {"a": 1.0, "b": 1.0, "c": 0.0, "d": 1.0, "e": None, "f": 2.0, "g": 1.0}
    now = {"a": 1.004, "b": 1.2, "c": 1e-10, "d": None, "e": None, "f": 2.0, "h": 1.0}
    assert expected.moved(before, before) == []
    assert expected.moved({"a": 1.006}, {"a": 1.0}) == ["a: 1 before, 1.006 now (+0.6%)"]
    assert expected.moved(now, before) == [
        "b: 1 before, 1.2 now (+20.0%)",
        "c: 0 before, 1e-10 now (from zero)",
        "d: 1.0 before, None now (null: diverged)",
        "g: expected, and not there",
        "h: there, and not expected",
    ]


def test_what_is_mostly_rounding_may_move_by_two_orders_of_magnitude_and_not_by_five():
    before = {"a": 1e-14, "b": 1e-14, "c": 1e-10, "d": 0.0}
    assert expected.moved({"a": 5e-13, "b": 1e-15, "c": 2e-12, "d": 1e-40}, before) == []
    assert len(expected.moved({"a": 1e-9, "b": 1e-11, "c": 1e-15, "d": 1e-12}, before)) == 4


@pytest.mark.parametrize(("again", "ends_with"), [(0.1, 0), (0.2, 1)])
def test_the_command_ends_with_an_error_where_a_number_or_a_record_moved(tmp_path, again, ends_with):
    for name, value in (("numbers", 1.0), ("expected", 1.004)):
        (tmp_path / name).write_text(json.dumps({"a": value}))
    for name, loss in (("again", again), ("record", 0.1)):
        chosen = {"train_loss": {"optimizer": "sgd", "runs": [{"status": "finished", "train_loss": [loss]}]}}
        (tmp_path / name).write_text(json.dumps({"told": {"chosen": chosen}}))
    files = {"numbers": "numbers", "expected": "expected", "again": "again", "records": "record"}
    options = [text for option, name in files.items() for text in (f"--{option}", str(tmp_path / name))]
    command = [sys.executable, "-m", "nonsmooth", "verify", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == ends_with
    assert ("limits/sgd/by train_loss/train_loss/last: 0.1 before, 0.2 now (+100.0%)" in done.stderr) == bool(ends_with)


def test_records_of_the_limits_come_to_medians_of_the_last_loss(tmp_path):
    good = [{"status": "finished", "train_loss": [1.0, loss]} for loss in (0.1, 0.4, 0.2)]
    bad = [*good[:2], {"status": "diverged", "train_loss": [1.0]}]
    told = {
        column: {"optimizer": "sgd", "runs": runs} for column, runs in zip(config.SELECTIONS, (good, bad), strict=True)
    }
    (tmp_path / "sgd.json").write_text(json.dumps({"told": {"chosen": told}}))
    assert list(expected.of_records([tmp_path / "sgd.json"]).values()) == [0.2, None]


def test_expected_numbers_are_of_the_configurations_runs():
    told = json.loads((ROOT / "tests" / "expected" / "default.json").read_text())
    sections = config.project(ROOT)["experiments"]
    default = {name: section for name, section in sections.items() if "target" not in section}
    assert {tuple(key.split("/")[:2]) for key in told} == {
        (name, optimizer) for name, section in default.items() for optimizer in section["optimizers"]
    }
