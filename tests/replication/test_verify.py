"""The numbers of the default runs, and what is said when they move."""

from pathlib import Path

import pytest
from made_results import Made
from made_runs import diverged, ending_at

from nonsmooth.training import Training
from replication import config
from replication.compute.seeds import SeedRun
from replication.errors import DataError
from replication.files import read_json, write_json
from replication.parameters import CRITERIA, of_run
from replication.plan import Plan
from replication.results import Results
from replication.studies import limits
from replication.verdicts import verify as module
from replication.verdicts.verify import moved, numbers, of_limits, verify

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def project() -> dict:
    return config.project(ROOT)


@pytest.fixture
def results(project, tmp_path):
    """A function that writes runs with these last losses and gives their results."""

    def write(losses: list[float], status: str = "finished") -> Results:
        names, made = ("autoencoder", "adam"), Made(tmp_path)
        for seed, loss in enumerate(losses):
            history = {"iteration": [0, 1, 2], "train_loss": [1.0, 0.5, loss], "unseen_loss": [1.0, 0.6, 0.3]}
            training = Training(history, status, 1.0, 2.0)
            made.run(of_run(project, *names, seed), training, {})
        return made.results

    return write


def test_numbers_are_medians_over_seeds(results):
    medians = numbers(results([0.1, 0.2, 0.4]))
    assert medians["autoencoder/adam/train_loss/last"] == 0.2
    assert medians["autoencoder/adam/unseen_loss/0"] == 1.0
    assert "autoencoder/adam/train_loss/100" not in medians
    assert "autoencoder/adam/train_d/0" not in medians


def test_the_unseen_loss_of_runs_that_fit_everything_is_left_out(results):
    medians = numbers(results([1e-12]))
    assert "autoencoder/adam/unseen_loss/last" not in medians
    assert medians["autoencoder/adam/train_loss/last"] == 1e-12


def test_a_run_that_diverged_leaves_no_number(results):
    assert numbers(results([9.0], "diverged"))["autoencoder/adam/train_loss/last"] is None


def test_every_number_that_moved_is_named_with_how_much():
    before = {"a": 1.0, "b": 1.0, "c": 0.0, "d": 1.0, "e": None, "f": 2.0, "g": 1.0}
    now = {"a": 1.004, "b": 1.2, "c": 1e-10, "d": None, "e": None, "f": 2.0, "h": 1.0}
    assert moved(before, before) == []
    assert moved({"a": 1.006}, {"a": 1.0}) == ["a: 1 before, 1.006 now (+0.6%)"]
    assert moved(now, before) == [
        "b: 1 before, 1.2 now (+20.0%)",
        "c: 0 before, 1e-10 now (from zero)",
        "d: 1.0 before, None now (null: diverged)",
        "g: expected, and not there",
        "h: there, and not expected",
    ]


def test_what_is_mostly_rounding_may_move_by_a_factor():
    before = {"a": 1e-12, "b": 1e-13, "c": 1e-12, "d": 0.0}
    assert moved({"a": 5e-13, "b": 1e-15, "c": 2e-12, "d": 1e-40}, before) == []
    assert len(moved({"a": 1e-9, "b": 1e-10, "c": 1e-15, "d": 1e-12}, before)) == 4


def tuned(tmp_path, name: str, *columns: list[SeedRun]) -> Made:
    """The record of a method of the limits whose settings, chosen by either column, have these runs."""
    made = Made(tmp_path)
    made.tuned(name, dict(zip(CRITERIA, columns, strict=False)))
    return made


def test_records_come_to_medians_of_the_last_loss(tmp_path):
    runs = ending_at(0.1, 0.4, 0.2)
    made = tuned(tmp_path, "limits/a/sgd", runs, [*runs[:2], diverged(2)])
    assert of_limits(made.results.tuned("limits/a/sgd")) == {
        "limits/sgd/by train_loss/train_loss/last": 0.2,
        "limits/sgd/by validation_loss/train_loss/last": None,
    }


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A function that gives the arguments of verify for a number and a loss of a job, expected and computed anew."""

    def write(number: float, loss: float) -> dict:
        name = "limits/a/sgd"
        record = tuned(tmp_path / "again", name, ending_at(loss)).results.record(name)
        monkeypatch.setattr(module, "result", lambda job, root, published: record["result"])
        paths = {part: str(tmp_path / f"{part}.json") for part in ("numbers", "expected")}
        write_json(paths["numbers"], {"a": number})
        write_json(paths["expected"], {"a": 1.0})
        published = tuned(tmp_path, name, ending_at(0.1)).files[name]
        return paths | {"jobs": [[{"name": name}, published]], "root": ""}

    return write


def test_numbers_and_records_within_the_bounds_are_as_expected(files, capsys):
    verify(**files(1.004, 0.1))
    assert capsys.readouterr().out == "all 2 numbers are as expected\n"


@pytest.mark.parametrize(
    ("number", "loss", "line"),
    [
        (1.2, 0.1, "a: 1 before, 1.2 now (+20.0%)"),
        (1.0, 0.2, "limits/sgd/by train_loss/train_loss/last: 0.1 before, 0.2 now (+100.0%)"),
    ],
)
def test_a_number_or_a_record_that_moved_is_an_error(files, number, loss, line):
    with pytest.raises(ValueError, match="1 of 2 numbers moved") as refusal:
        verify(**files(number, loss))
    assert line in str(refusal.value)


def test_expected_numbers_are_of_the_default_runs(project):
    expected = read_json(ROOT / "tests" / "expected" / "default.json")
    poster = Plan(project, str(ROOT)).poster
    runs = {(experiment, name) for experiment in poster.of_target(None) for name in poster.optimizers(experiment)}
    assert {tuple(key.split("/")[:2]) for key in expected} == runs


def test_every_method_of_the_limits_is_verified_by_its_quickest_record(project):
    pairs = Plan(project, str(ROOT)).verified()
    assert [job["key"]["method"] for job, _ in pairs] == list(limits.methods(project))
    work = {job["key"]["images.training_images"] * job["key"]["iterations"] for job, _ in pairs}
    every = [job.key for job in limits.jobs(project) if job.kind == "training"]
    assert work == {min(key["images.training_images"] * key["iterations"] for key in every)}


def test_nothing_is_verified_against_what_is_computed_in_the_same_call(project):
    with pytest.raises(DataError, match="nothing to verify against"):
        Plan(project | {"published": None}, str(ROOT)).verified()
