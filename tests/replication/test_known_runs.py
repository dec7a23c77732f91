"""A run that is there: read where it answers the same question, and trained anew where it does not."""

import re
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from test_run import AUTOENCODER, ITERATIONS, PERCEPTRON

from replication import methods, run
from replication.data import mnist
from replication.errors import DataError
from replication.parameters import Parameters
from replication.paths import RUN_FILES
from replication.results import Results


@pytest.fixture
def trainings(monkeypatch) -> list[Parameters]:
    """The parameters of each training, as they come."""
    begun, usual = [], run.assemble

    def assemble(parameters, sample):
        begun.append(parameters)
        return usual(parameters, sample)

    monkeypatch.setattr(run, "assemble", assemble)
    return begun


def test_a_run_that_is_there_is_read_and_not_trained(trainings, tmp_path, capsys):
    first = run.trained(PERCEPTRON, None, tmp_path)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    again = run.trained(PERCEPTRON, None, tmp_path)
    assert trainings == [PERCEPTRON]
    assert again.record == first.record
    np.testing.assert_array_equal(again.history["train_loss"], first.history["train_loss"])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files
    start, end = capsys.readouterr().out.splitlines()
    assert start.startswith(f"[perceptron-teacher/badmm/seed-3] finished after {ITERATIONS} iterations")
    assert end == f"[perceptron-teacher/badmm/seed-3] finished before, read from {tmp_path}"


def test_a_run_without_a_folder_is_the_same_and_not_saved(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved, alone = run.trained(PERCEPTRON, None, tmp_path / "run"), run.trained(PERCEPTRON, None)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    np.testing.assert_array_equal(alone.history["train_loss"], saved.history["train_loss"])
    assert all(torch.equal(alone.weights[name], value) for name, value in saved.weights.items())
    assert alone.record["question"] == saved.record["question"]


def test_a_run_that_diverged_is_read_too(trainings, tmp_path):
    explosive = replace(PERCEPTRON, optimizer="sgd", settings={"learning_rate": 1e9}, iterations=50)
    assert [run.trained(explosive, None, tmp_path).diverged for _ in range(2)] == [True, True]
    assert len(trainings) == 1


@pytest.mark.parametrize("name", RUN_FILES)
def test_a_run_with_a_damaged_or_missing_file_is_trained_anew(name, trainings, tmp_path):
    first = run.trained(PERCEPTRON, None, tmp_path)
    weights = {key: value.clone() for key, value in first.weights.items()}  # the file is mapped into memory
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:50])
    run.trained(PERCEPTRON, None, tmp_path)
    (tmp_path / name).unlink()
    again = run.trained(PERCEPTRON, None, tmp_path).weights
    assert len(trainings) == 3
    assert all(torch.equal(again[key], value) for key, value in weights.items())


def test_no_record_tells_of_files_that_a_killed_call_has_replaced(tmp_path, monkeypatch):
    run.trained(PERCEPTRON, None, tmp_path)

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "save_file", killed)
    with pytest.raises(KeyboardInterrupt):
        run.trained(PERCEPTRON.but(settings={"tau_w": 0.5}), None, tmp_path)
    assert not (tmp_path / "run.json").exists()


def test_a_question_is_parameters_images_method_code_and_versions(sample, monkeypatch, tmp_path):
    def ask(parameters: Parameters = AUTOENCODER, images: mnist.Sample | None = sample) -> str:
        run._code.cache_clear()
        return run.question(parameters, images)

    badmm, asked = methods.METHODS["badmm"], [ask()]
    assert ask() == asked[0]
    asked += [ask(AUTOENCODER.but(**change)) for change in ({"seed": 4}, {"settings": {"tau_w": 0.5}}, {"threads": 2})]
    asked.append(ask(images=replace(sample, training=sample.training.flip(0))))
    for change in ({"version": 99}, {"fixed": {"weight_step": "least_squares"}}):
        monkeypatch.setitem(methods.METHODS, "badmm", replace(badmm, **change))
        asked.append(ask())
    monkeypatch.setitem(methods.METHODS, "badmm", replace(badmm, label="another", role=methods.PEER))
    assert ask() == asked[0]
    monkeypatch.setitem(methods.METHODS, "another", badmm)
    assert ask() == asked[0]
    changed = tmp_path / "badmm.py"
    own = run.of_training
    monkeypatch.setattr(run, "SOURCE", Path("/"))
    asked.append(ask())  # the same modules by other names
    for text in ("x = 1", "x = 1  # with a comment", "x = 2"):
        changed.write_text(text)
        monkeypatch.setattr(run, "of_training", lambda *names: [*own(*names), changed])
        asked.append(ask())
    assert asked[-3] == asked.pop(-2)
    monkeypatch.setattr(run, "versions", lambda: {"torch": "0"})
    asked.append(ask())
    assert len(set(asked)) == len(asked)


def test_a_warning_of_a_training_is_a_line_of_its_report(monkeypatch, capsys):
    """A notebook would show it with the path of a file on this machine."""
    usual = run.train

    def warned(*arguments, **options):
        warnings.warn("the lifted loss falls", stacklevel=2)
        return usual(*arguments, **options)

    monkeypatch.setattr(run, "train", warned)
    run.trained(PERCEPTRON, None)
    printed = capsys.readouterr()
    assert "[perceptron-teacher/badmm/seed-3] warning: the lifted loss falls\n" in printed.out
    assert printed.err == ""


def test_a_run_that_was_removed_is_named_with_the_command_that_trains_it(tmp_path):
    name = "runs/perceptron-teacher/badmm/seed-3"
    results = Results({name: [str(tmp_path / name), "results/notebooks/perceptron-teacher/badmm.ipynb"]})
    notebook = re.escape("snakemake --cores 2 --forcerun results/notebooks/perceptron-teacher/badmm.ipynb")
    with pytest.raises(DataError, match=rf"runs/perceptron-teacher/badmm/seed-3 is not there.*{notebook}"):
        results.runs("perceptron-teacher", "badmm")
