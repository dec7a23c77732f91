"""A finished workflow, and what a second call makes of it. One file, so that one worker computes it."""

import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest
from snakemake_calls import jobs, output, snakemake

from replication import run
from replication.plan import TARGETS
from replication.report import rows
from replication.report.registry import FIGURE, TABLE, of_target

pytestmark = pytest.mark.slow
PERCEPTRON = ["sgd", "adam", "badmm", "badmm-ls", "gradient-d"]
OPTIMIZERS = {
    "perceptron": PERCEPTRON,
    "perceptron-teacher": PERCEPTRON,
    "autoencoder": PERCEPTRON[:4],
}


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
    for figure in of_target(FIGURE, "all"):
        assert (finished / "figures" / f"{figure}.pdf").stat().st_size > 5000
        assert (finished / "figures" / f"{figure}.png").stat().st_size > 5000
    tables = rows.read(finished / "results" / "tables")
    runs = {f"{experiment}/{name}" for experiment, names in OPTIMIZERS.items() for name in names}
    assert tables["runs"].keys() == runs
    for name in runs:
        assert (finished / f"results/notebooks/{name}.ipynb").exists()
        assert (finished / f"logs/run_notebook/{name}.log").read_text().startswith("[")
    assert len(results(finished)) == 2 * len(runs)


def test_a_run_on_disk_says_all_that_it_depended_on(finished):
    record = json.loads((finished / "results/runs/autoencoder/badmm/seed-0/run.json").read_text())
    parameters = record["parameters"]
    assert (parameters["experiment"], parameters["optimizer"], parameters["seed"]) == ("autoencoder", "badmm", 0)
    assert parameters["images"] == {"training_images": 100, "validation_images": 50}
    record = json.loads((finished / "results/runs/perceptron-teacher/sgd/seed-0/run.json").read_text())
    assert record["parameters"]["images"] is None


def test_every_optimizer_starts_from_the_same_network_and_data(finished):
    for experiment in OPTIMIZERS:
        histories = [run.load(path).history for path in (finished / "results/runs" / experiment).glob("*/seed-0")]
        assert len({tuple(history[c][0] for c in ("train_loss", "unseen_loss")) for history in histories}) == 1


def test_a_second_call_has_nothing_to_do(finished):
    done = snakemake(finished, "--cores", "2", "--config", "seeds=[0]")
    assert done.returncode == 0, output(done)
    assert "Nothing to be done" in output(done)


def test_results_that_were_copied_have_nothing_to_do(finished):
    """With new times, as cp gives them."""
    copied = shutil.copytree(finished, finished.with_name("copied"), copy_function=shutil.copy)
    done = snakemake(copied, "--cores", "2", "--config", "seeds=[0]")
    assert "Nothing to be done" in output(done)


def test_snakemakes_report_has_every_figure_and_table_with_a_caption(finished):
    done = snakemake(finished, "--report", "report.zip", "--config", "seeds=[0]")
    assert done.returncode == 0, output(done)
    with zipfile.ZipFile(finished / "report.zip") as archive:
        page = archive.read("report/report.html").decode()
        files = {Path(name).name for name in archive.namelist()}
    categories, results = (
        json.loads(re.search(rf"^    var {name} = (.*);$", page, re.MULTILINE)[1]) for name in ("categories", "results")
    )
    figures = {f"figures/{name}.png" for name in of_target(FIGURE, "all")}
    tables = {f"results/tables/{name}.csv" for name in of_target(TABLE, "all")}
    assert {name: {part: set(paths) for part, paths in parts.items()} for name, parts in categories.items()} == {
        "Figures": {TARGETS["all"]: figures},
        "Tables": {TARGETS["all"]: tables},
    }
    assert {Path(path).name for path in results} <= files
    assert all(entry["caption"].startswith("<p>") for entry in results.values())


def test_a_missing_notebook_and_a_changed_setting_rerun_what_they_touch(finished, tmp_path):
    notebook = finished / "results/notebooks/perceptron/badmm.ipynb"
    kept = shutil.move(notebook, tmp_path)
    try:
        changed = "experiments: {autoencoder: {optimizers: {adam: {learning_rate: 0.1234}}}}"
        done = snakemake(finished, "--dry-run", "--cores", "2", "--config", "seeds=[0]", over=changed)
        timed_anew = {"answer": 1}  # nothing is published here; a published time has a key without searched settings
        assert jobs(done) == {"all": 1, "draw_figure": 6, "run_notebook": 2, "write_table": 1} | timed_anew
    finally:
        shutil.move(kept, notebook)


def test_results_are_the_same_bits_for_another_number_of_cores(finished, tmp_path):
    targets = [f"results/notebooks/autoencoder/{name}.ipynb" for name in ("adam", "badmm", "badmm-ls")]
    done = snakemake(tmp_path, *targets, "--cores", "4", "--config", "seeds=[0]")
    assert done.returncode == 0, output(done)
    again = results(tmp_path)
    assert len(again) == 2 * len(targets)
    assert again.items() <= results(finished).items()
