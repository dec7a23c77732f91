"""Single runs of the workflow, and its faults."""

import contextlib
import json
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from snakemake_calls import ROOT, call, copy_project, jobs, output, snakemake

from replication import config, parameters, run

pytestmark = pytest.mark.slow


def test_progress_is_seen(tmp_path):
    done = snakemake(tmp_path, "results/notebooks/perceptron-teacher/sgd.ipynb", "--cores", "2")
    assert "[perceptron-teacher/sgd/seed-0] finished after 12 iterations" in output(done)


def test_another_clones_library_is_refused_before_any_work(tmp_path):
    copy = copy_project(tmp_path / "second")
    done = snakemake(tmp_path / "work", "--cores", "2", project=copy)
    assert done.returncode == 1
    assert f"nonsmooth in {ROOT / 'src'} would run, not this project's in {copy / 'src'}" in output(done)
    assert not (tmp_path / "work" / "results").exists()


def test_a_failing_notebook_stays_executed_and_its_traceback_is_seen(project, tmp_path):
    notebook = project / "notebooks" / "perceptron.ipynb"
    broken = json.loads(notebook.read_text())
    broken["cells"][-1]["source"] = ["def broken():\n", "    raise ArithmeticError('on purpose')\n", "broken()"]
    notebook.write_text(json.dumps(broken))
    work = tmp_path / "work"
    target = "results/notebooks/perceptron-teacher/badmm.ipynb"
    done = snakemake(work, target, "--cores", "2", project=project)
    assert done.returncode != 0
    assert "ArithmeticError: on purpose" in output(done)
    assert "def broken()" in output(done)
    assert "ArithmeticError" in (work / "logs/notebooks/perceptron-teacher/badmm.ipynb").read_text()
    assert not (work / target).exists()
    assert len(list(work.rglob("run.json"))) == 2  # the cell comes after the training


def test_a_corrupted_image_file_stops_the_workflow_with_what_to_do(project, tmp_path):
    images = project / "data/excerpt/MNIST/raw/train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:-1])
    done = snakemake(tmp_path / "work", "results/data/seed-0.safetensors", "--cores", "2", project=project)
    assert done.returncode != 0
    assert "refused" in output(done)
    assert "Put these files there by hand" in output(done)
    assert not list((tmp_path / "work" / "results" / "data").glob("*"))


@pytest.mark.parametrize("option", ["--unlock", "--lint", "--dry-run", "--list"])
def test_what_computes_nothing_needs_no_number_of_cores(tmp_path, option):
    done = snakemake(tmp_path, option)
    assert "number of cores" not in output(done)
    assert done.returncode == (1 if option == "--lint" else 0), output(done)


def test_what_is_timed_has_every_core_that_the_call_has(tmp_path):
    targets = [
        "results/records/claims/timing/perceptron-teacher.jsonl",
        *(f"results/benchmark/{n}.json" for n in ("iterations", "processes", "pipeline")),
    ]
    shown = output(snakemake(tmp_path, "--dry-run", *targets, "--cores", "3", "--quiet", "host"))
    rules = re.findall(r"^rule (\w+):(.*?)\n\n?(?=\[|Job)", shown, re.DOTALL | re.MULTILINE)
    timed = {name for name, text in rules if "threads: 3" in text}
    assert timed == {"answer", "measure_iterations", "measure_processes", "measure_pipeline"}


def at_work_in(folder: Path) -> list[str]:
    """The commands of the processes whose working directory is `folder`."""
    commands = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").samefile(folder):
                commands.append((process / "cmdline").read_text())
    return commands


LONG = "experiments: {perceptron-teacher: {iterations: 4000}}"


@pytest.fixture(scope="module")
def usual_histories(smoke_config) -> dict[int, dict[str, list[float]]]:
    """Of the runs of perceptron-teacher/sgd by seed, with LONG, computed in this process."""
    long = config.merge(smoke_config, yaml.safe_load(LONG))
    runs = {seed: parameters.of_run(long, "perceptron-teacher", "sgd", seed) for seed in smoke_config["seeds"]}
    return {seed: run.train_blind(each, None, **run.EVALUATED)[1].history for seed, each in runs.items()}


def assert_usual(directory: Path, usual_histories: dict[int, dict[str, list[float]]]) -> None:
    for seed, usual in usual_histories.items():
        history = run.load(directory / f"results/runs/perceptron-teacher/sgd/seed-{seed}").history
        for name, values in usual.items():
            np.testing.assert_array_equal(history[name], values)


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGHUP], ids=["killed", "terminal lost"])
def test_a_killed_run_goes_on_after_the_command_that_the_next_one_names(stop, usual_histories, tmp_path):
    """While a notebook trains its second seed: Snakemake can tidy nothing up, and the first seed is not lost."""
    arguments = ["results/notebooks/perceptron-teacher/sgd.ipynb", "--cores", "2"]
    unseen = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    first = subprocess.Popen(**call(tmp_path, *arguments, over=LONG), **unseen)
    first_seed = tmp_path / "results/runs/perceptron-teacher/sgd/seed-0/run.json"
    while not first_seed.exists():
        assert first.poll() is None
        time.sleep(0.1)
    first.send_signal(stop)
    assert first.wait() == -stop
    if sys.platform == "linux":  # what it had begun ends with it, and disturbs nobody
        end = time.monotonic() + 120
        while (left := at_work_in(tmp_path)) and time.monotonic() < end:
            time.sleep(0.1)
        assert not left
    before = first_seed.stat().st_mtime_ns
    refused = snakemake(tmp_path, *arguments, over=LONG)
    assert refused.returncode == 1
    assert "cannot be locked" in output(refused)
    named = refused.stderr.rstrip().splitlines()[-1]
    unlocked = subprocess.run(named, shell=True, capture_output=True, text=True)
    assert unlocked.returncode == 0, output(unlocked)
    again = snakemake(tmp_path, *arguments, over=LONG)
    assert again.returncode == 0, output(again)
    assert jobs(again) == {"run_notebook": 1}
    assert "[perceptron-teacher/sgd/seed-0] finished before, read from" in output(again)
    assert "[perceptron-teacher/sgd/seed-1] finished after 4000 iterations" in output(again)
    assert first_seed.stat().st_mtime_ns == before
    assert_usual(tmp_path, usual_histories)


def test_a_call_that_finds_no_room_is_finished_by_the_next_one(usual_histories, tmp_path):
    """A limit on the size of files ends the write of the executed notebook, as a full disk does."""
    arguments = ["results/notebooks/perceptron-teacher/sgd.ipynb", "--cores", "2"]
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))  # noqa: E731
    full = subprocess.run(**call(tmp_path, *arguments, over=LONG), preexec_fn=limit, capture_output=True, text=True)
    assert full.returncode == 1
    assert "File too large" in output(full)
    assert not (tmp_path / arguments[0]).exists()
    again = snakemake(tmp_path, *arguments, over=LONG)
    assert again.returncode == 0, output(again)
    assert_usual(tmp_path, usual_histories)
