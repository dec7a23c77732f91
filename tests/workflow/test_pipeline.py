"""A finished workflow, and what a second call makes of it. One file, so that one worker computes it."""

import json
import shutil
from pathlib import Path

import pytest
from workflow import jobs, output, snakemake

from replication.report import rows as tables

FIGURES = ["comparison", "poster", "perceptron_loss", "autoencoder_convergence", "autoencoder_samples", "inside"]
pytestmark = pytest.mark.slow


def results(directory: Path) -> dict[str, bytes]:
    paths = [*directory.rglob("history.parquet"), *directory.rglob("weights.safetensors")]
    return {str(path.relative_to(directory)): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """The whole pipeline, for one seed."""
    directory = tmp_path_factory.mktemp("pipeline")
    done = snakemake(directory, "--cores", "2", "--config", "seeds=[0]")
    assert done.returncode == 0, output(done)
    return directory


def test_everything_has_its_name(finished):
    for figure in FIGURES:
        assert (finished / "figures" / f"{figure}.pdf").stat().st_size > 5000
        assert (finished / "figures" / f"{figure}.png").stat().st_size > 5000
    written = tables.read(finished / "results" / "tables")
    assert written["lead"]["autoencoder/badmm/adam"]["seeds"] == 1
    perceptron = ["sgd", "adam", "badmm", "badmm-ls", "gradient-d"]
    autoencoder = [*perceptron[:4], "adamw", "adam-minibatch", "lbfgs"]
    runs = {"perceptron": perceptron, "perceptron-teacher": perceptron, "autoencoder": autoencoder}
    assert written["runs"].keys() == {f"{experiment}/{name}" for experiment, names in runs.items() for name in names}
    for experiment, optimizers in runs.items():
        for optimizer in optimizers:
            assert (finished / f"results/notebooks/{experiment}/{optimizer}/seed-0.ipynb").exists()
            record = json.loads((finished / f"results/runs/{experiment}/{optimizer}/seed-0/run.json").read_text())
            assert (record["experiment"], record["optimizer"], record["seed"]) == (experiment, optimizer, 0)
    assert len(results(finished)) == 2 * 17


def test_every_optimizer_starts_from_the_same_network_and_data(finished):
    from replication import run as runs

    for experiment in ("perceptron", "perceptron-teacher", "autoencoder"):
        folders = (finished / "results/runs" / experiment).glob("*/seed-0")
        first_rows = {
            tuple(runs.load(folder).history[c][0] for c in ("train_loss", "unseen_loss")) for folder in folders
        }
        assert len(first_rows) == 1


def test_a_second_call_has_nothing_to_do(finished):
    done = snakemake(finished, "--cores", "2", "--config", "seeds=[0]")
    assert done.returncode == 0, output(done)
    assert "Nothing to be done" in output(done)


def test_a_missing_notebook_is_no_finished_workflow(finished, tmp_path):
    notebook = finished / "results/notebooks/autoencoder/badmm/seed-0.ipynb"
    kept = shutil.move(notebook, tmp_path)
    try:
        assert jobs(snakemake(finished, "--dry-run", "--cores", "2", "--config", "seeds=[0]"))["run_notebook"] == 1
    finally:
        shutil.move(kept, notebook)


def test_another_seed_runs_its_own_notebooks_and_nothing_old(finished):
    done = snakemake(finished, "--dry-run", "--cores", "2", "--config", "seeds=[0,1]")
    assert jobs(done) == {
        "all": 1,
        "bound_picture": 1,
        "draw_figure": 6,
        "draw_images": 1,
        "run_notebook": 17,
        "write_table": 2,
    }


def test_a_changed_setting_reruns_that_optimizer_alone(finished):
    changed = "experiments: {autoencoder: {optimizers: {adam: {learning_rate: 0.1234}}}}"
    done = snakemake(finished, "--dry-run", "--cores", "2", "--config", "seeds=[0]", over=changed)
    assert jobs(done) == {
        "all": 1,
        "draw_figure": 5,
        "run_notebook": 1,
        "time_iterations": 1,
        "write_table": 2,
    }


def test_results_are_the_same_bits_for_any_number_of_cores(finished, tmp_path):
    targets = [f"results/notebooks/autoencoder/{name}/seed-0.ipynb" for name in ("adam", "badmm", "badmm-ls")]
    targets += ["results/notebooks/perceptron/sgd/seed-0.ipynb"]
    for cores in ("1", "4"):
        done = snakemake(tmp_path / cores, *targets, "--cores", cores, "--config", "seeds=[0]")
        assert done.returncode == 0, output(done)
        again = results(tmp_path / cores)
        assert len(again) == 2 * len(targets)
        assert again.items() <= results(finished).items()
