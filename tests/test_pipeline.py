"""The workflow itself, on the smoke configuration: real images from the excerpt, no network."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SNAKEMAKE = Path(sys.executable).parent / "snakemake"
FIGURES = ["perceptron_loss", "autoencoder_convergence", "autoencoder_samples", "poster"]
pytestmark = pytest.mark.slow


def snakemake(directory: Path, *arguments: str, snakefile: Path = ROOT / "Snakefile") -> subprocess.CompletedProcess:
    command = [SNAKEMAKE, "--snakefile", snakefile, "--directory", directory, "--configfile"]
    command += [snakefile.parent / "config" / "smoke.yaml", "--show-failed-logs", *arguments]
    no_network = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    environment = os.environ | no_network
    environment.pop("MPLBACKEND", None)
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment, check=False)


def output(done: subprocess.CompletedProcess) -> str:
    return done.stdout + done.stderr


def jobs(done: subprocess.CompletedProcess) -> dict[str, int]:
    """How many jobs of each rule a dry run or run announces."""
    table = re.search(r"^job +count\n[- ]+\n(.*?)^total", output(done), re.MULTILINE | re.DOTALL)
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)", table.group(1), re.M)} if table else {}


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
    perceptron = ["sgd", "adam", "badmm", "badmm-ls", "gradient-d"]
    runs = {"perceptron": perceptron, "perceptron-teacher": perceptron, "autoencoder": perceptron[:4]}
    for experiment, optimizers in runs.items():
        for optimizer in optimizers:
            assert (finished / f"results/notebooks/{experiment}/{optimizer}/seed-0.ipynb").exists()
            record = json.loads((finished / f"results/runs/{experiment}/{optimizer}/seed-0/run.json").read_text())
            assert (record["experiment"], record["optimizer"], record["seed"]) == (experiment, optimizer, 0)
    assert len(results(finished)) == 2 * 14


def test_every_optimizer_starts_from_the_same_network_and_data(finished):
    from nonsmooth import runs

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
    copy = shutil.copytree(finished, tmp_path / "copy", copy_function=shutil.copy2)
    (copy / "results/notebooks/autoencoder/badmm/seed-0.ipynb").unlink()
    assert jobs(snakemake(copy, "--dry-run", "--cores", "2", "--config", "seeds=[0]"))["run_notebook"] == 1


def test_another_seed_runs_its_own_notebooks_and_nothing_old(finished):
    done = snakemake(finished, "--dry-run", "--cores", "2", "--config", "seeds=[0,1]")
    assert jobs(done) == {
        "all": 1,
        "draw_figure": 4,
        "draw_images": 1,
        "run_notebook": 14,
    }


def test_a_changed_setting_reruns_that_optimizer_alone(finished, tmp_path):
    changed = tmp_path / "changed.yaml"
    changed.write_text("experiments: {autoencoder: {optimizers: {adam: {learning_rate: 0.1234}}}}")
    done = snakemake(finished, str(changed), "--dry-run", "--cores", "2", "--config", "seeds=[0]")
    assert jobs(done) == {"all": 1, "draw_figure": 3, "run_notebook": 1, "time_iterations": 1}


def test_results_are_the_same_bits_for_any_number_of_cores(finished, tmp_path):
    targets = [f"results/notebooks/autoencoder/{name}/seed-0.ipynb" for name in ("adam", "badmm", "badmm-ls")]
    targets += ["results/notebooks/perceptron/sgd/seed-0.ipynb"]
    for cores in ("1", "4"):
        done = snakemake(tmp_path / cores, *targets, "--cores", cores, "--config", "seeds=[0]")
        assert done.returncode == 0, output(done)
        again = results(tmp_path / cores)
        assert len(again) == 2 * len(targets)
        assert again.items() <= results(finished).items()


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
    done = snakemake(work, target, "--cores", "2", snakefile=project / "Snakefile")
    assert done.returncode != 0
    assert "ArithmeticError: on purpose" in output(done)
    assert "def broken()" in output(done)
    assert "ArithmeticError" in (work / "logs/notebooks/perceptron-teacher/badmm/seed-0.ipynb").read_text()
    assert not (work / target).exists()
    assert not list(work.rglob("run.json"))


def test_a_wrong_configuration_is_refused_with_the_key_before_any_work(tmp_path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("experiments: {autoencoder: {optimizers: {badmm: {tau_z: 2.5}}}}")
    done = snakemake(tmp_path / "work", str(wrong), "--cores", "2")
    assert done.returncode != 0
    assert "experiments.autoencoder.optimizers.badmm.tau_z: 2.5" in output(done)
    assert "Traceback" not in output(done)
    assert not list((tmp_path / "work").glob("results/*"))


def test_a_corrupted_image_file_stops_the_workflow_with_what_to_do(project, tmp_path):
    images = project / "data/excerpt/MNIST/raw/train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:-1])
    done = snakemake(tmp_path / "work", "--cores", "2", snakefile=project / "Snakefile")
    assert done.returncode != 0
    assert "refused" in output(done)
    assert "Put these files there by hand" in output(done)
    assert not list((tmp_path / "work").rglob("*.safetensors"))


def test_the_grid_can_be_run_and_gives_settings_to_take_over(tmp_path):
    done = snakemake(tmp_path, "results/tuning/autoencoder/sgd.json", "--cores", "2")
    assert done.returncode == 0, output(done)
    report = json.loads((tmp_path / "results/tuning/autoencoder/sgd.json").read_text())
    assert len(report["trials"]) == 4
    assert report["chosen"].keys() == {"learning_rate", "momentum"}
    assert report["chosen"] in [trial["settings"] for trial in report["trials"]]
