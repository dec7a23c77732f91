"""Single runs of the workflow, and its faults."""

import json
import shutil
from pathlib import Path

import pytest
from workflow import ROOT, output, snakemake

pytestmark = pytest.mark.slow


def test_progress_is_seen(tmp_path):
    done = snakemake(tmp_path, "results/notebooks/perceptron-teacher/sgd/seed-0.ipynb", "--cores", "2")
    assert "[perceptron-teacher/sgd/seed-0] finished after 12 iterations" in output(done)


@pytest.fixture
def project(tmp_path) -> Path:
    """A copy of the project's sources to break."""
    copy = tmp_path / "project"
    copy.mkdir()
    for name in ("config", "rules", "notebooks", "profiles", "data/excerpt"):
        shutil.copytree(ROOT / name, copy / name)
    shutil.copy(ROOT / "Snakefile", copy)
    return copy


def test_a_failing_notebook_stays_executed_and_its_traceback_is_seen(project, tmp_path):
    notebook = project / "notebooks" / "perceptron.ipynb"
    broken = json.loads(notebook.read_text())
    broken["cells"][-1]["source"] = ["def broken():\n", "    raise ArithmeticError('on purpose')\n", "broken()"]
    notebook.write_text(json.dumps(broken))
    work = tmp_path / "work"
    target = "results/notebooks/perceptron-teacher/badmm/seed-0.ipynb"
    done = snakemake(work, target, "--cores", "2", project=project)
    assert done.returncode != 0
    assert "ArithmeticError: on purpose" in output(done)
    assert "def broken()" in output(done)
    assert "ArithmeticError" in (work / "logs/notebooks/perceptron-teacher/badmm/seed-0.ipynb").read_text()
    assert not (work / target).exists()
    assert not list(work.rglob("run.json"))


def test_a_wrong_configuration_is_refused_with_the_key_before_any_work(tmp_path):
    wrong = "experiments: {autoencoder: {optimizers: {badmm: {tau_z: 2.5}}}}"
    done = snakemake(tmp_path / "work", "--cores", "2", over=wrong)
    assert done.returncode != 0
    assert "experiments.autoencoder.optimizers.badmm.tau_z: 2.5" in output(done)
    assert "Traceback" not in output(done)
    assert not list((tmp_path / "work").glob("results/*"))


def test_a_corrupted_image_file_stops_the_workflow_with_what_to_do(project, tmp_path):
    images = project / "data/excerpt/MNIST/raw/train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:-1])
    done = snakemake(tmp_path / "work", "--cores", "2", project=project)
    assert done.returncode != 0
    assert "refused" in output(done)
    assert "Put these files there by hand" in output(done)
    assert not list((tmp_path / "work" / "results" / "data").glob("*"))


def test_the_search_can_be_run_and_its_trials_are_results(tmp_path):
    target = "results/tuning/autoencoder/sgd.json"
    done = snakemake(tmp_path, target, "--cores", "2")
    assert done.returncode == 0, output(done)
    report = json.loads((tmp_path / target).read_text())
    assert report["seeds"] == [1000, 1001]
    assert [set(trial["settings"]) for trial in report["trials"]] == [{"learning_rate", "momentum"}] * 3
    tried = [len(trial["scores"]["validation_loss"]) for trial in report["trials"]]
    assert sorted(tried) in ([1, 1, 2], [1, 2, 2])  # on the other seed as well: the best by either loss
