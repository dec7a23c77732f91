"""The other targets on the smoke configuration, each in a folder of its own: tune, benchmark and full_mnist."""

import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from snakemake_calls import ROOT, SNAKEMAKE, jobs, output, snakemake

from replication import config
from replication.files import read_json
from replication.methods import POSTER, of_role
from replication.plan import Plan
from replication.report import rows, speed
from replication.report.ladder import ladder_block
from replication.report.optimizers import optimizers_block
from replication.report.registry import FIGURE, of_target
from replication.results import Results
from replication.run import load
from replication.verdicts import limits

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def plan(smoke_config) -> Plan:
    return Plan(smoke_config, str(ROOT))


def assert_drawn(directory: Path, target: str) -> None:
    for name in of_target(FIGURE, target):
        for ending in ("pdf", "png"):
            assert (directory / f"figures/{name}.{ending}").stat().st_size > 5000, name


def test_verdicts_are_computed_from_the_published_records_alone(tmp_path):
    """With the project's own configuration, without MNIST and without a training."""
    command = [SNAKEMAKE, "results/limits.json", "--cores", "1"]
    command += ["--snakefile", ROOT / "Snakefile", "--directory", tmp_path]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert (done.returncode, jobs(done)) == (0, {"collect": 1}), output(done)
    settings = limits.read(tmp_path / "results/limits.json")
    assert len(settings) == len(config.project(ROOT)["limits"]["settings"])


def test_settings_are_chosen_from_the_published_records(tmp_path):
    """With the project's own configuration."""
    command = [SNAKEMAKE, "results/tuned.yaml", "--cores", "1"]
    command += ["--snakefile", ROOT / "Snakefile", "--directory", tmp_path]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert (done.returncode, jobs(done)) == (0, {"collect_tuned": 1}), output(done)
    assert (tmp_path / "results/tuned.yaml").read_text() == (ROOT / "config/tuned.yaml").read_text()


def test_an_optimizer_is_searched_and_every_other_would_be(tmp_path, plan, smoke_config):
    name = "tuning/perceptron-teacher/sgd"
    done = snakemake(tmp_path, f"results/records/{name}.jsonl", "--cores", "2")
    assert done.returncode == 0, output(done)
    file, digest = plan.studies.records(name)[name]
    tuned = Results({name: [str(tmp_path / file), digest]}).tuned(name)
    tuning = smoke_config["experiments"]["perceptron-teacher"]["tuning"]
    assert (len(tuned.trials), tuned.seeds) == (tuning["trials"], tuning["seeds"])
    assert [run.seed for run in tuned.choice("train_loss").runs] == smoke_config["claims"]["seeds"]
    every = {path for name, path in plan.studies.files.items() if name.startswith("tuning/")}
    assert jobs(snakemake(tmp_path, "results/tuned.yaml", "--dry-run", "--cores", "2"))["answer"] == len(every) - 1


def test_speed_is_measured(tmp_path, plan):
    """But for the time of the whole pipeline, which the pipeline's own tests take already."""
    parts = [f"results/benchmark/{name}.json" for name in ("iterations", "processes")]
    names = ("iterations", "memory", "processes", "machine")
    targets = [*parts, *(f"results/tables/{name}.csv" for name in names), *plan.figure("benchmark")]
    done = snakemake(tmp_path, *targets, "--cores", "2")
    assert done.returncode == 0, output(done)
    processes = read_json(tmp_path / parts[1])
    assert {row["name"] for row in processes["iterations"]} == set(of_role(POSTER))
    assert all(row[kind] > 0 for row in processes["iterations"] for kind in ("one", "beside", "strong", "weak"))
    sizes = [row["bytes"] for row in processes["messages"]]
    assert all(a < b for a, b in pairwise(sizes))
    tables = rows.read(tmp_path / "results/tables")
    for block in (speed.iterations_block, speed.floor_block, speed.memory_block, speed.processes_block):
        assert block(tables).count("\n") > 2
    assert_drawn(tmp_path, "benchmark")


def test_all_of_mnist(tmp_path):
    done = snakemake(tmp_path, "full_mnist", "--cores", "2")
    assert done.returncode == 0, output(done)
    assert jobs(done)["run_notebook"] == 5
    run = load(tmp_path / "results/runs/autoencoder-full/adam/seed-0")
    assert len(run.history["train_loss"]) == 7
    assert "validation_loss" not in run.history
    assert_drawn(tmp_path, "full_mnist")


LADDER = """
ladder:
  experiments:
    - name: autoencoder
      experiment: autoencoder
      over: {}
      methods: [sgd, lifted, badmm]
      beside: {sgd-every-setting: {label: all of SGD, experiment: autoencoder-every-setting, method: sgd}}
    - {name: autoencoder-linear, experiment: autoencoder, over: {network: {activation: identity}}, methods: [badmm]}
"""


def test_the_ladder(tmp_path):
    done = snakemake(tmp_path, "ladder", "--cores", "2", over=LADDER)
    assert done.returncode == 0, output(done)
    assert jobs(done)["answer"] == 5
    assert len(read_json(tmp_path / "results/ladder.json")) == 5 * 2
    tables = rows.read(tmp_path / "results/tables")
    assert "\n| SGD | " in (page := ladder_block(tables, "autoencoder"))
    assert page.partition("\n| SGD | ")[2].splitlines()[1].startswith("| all of SGD | ")
    assert page.count("\n") == 5
    assert_drawn(tmp_path, "ladder")


FEWER = """
experiments:
  autoencoder:
    optimizers: {%s}
  autoencoder-levers:
    optimizers: {muon: null, lifted: null, lifted-exact: null}
  student-levers:
    optimizers: {muon: null, lifted: null, lifted-exact: null}
"""


def test_todays_optimizers(tmp_path, smoke_config):
    """With one of them that no target trains."""
    needless = set(smoke_config["experiments"]["autoencoder"]["optimizers"]) - {
        "sgd",
        "adam",
        "badmm",
        "badmm-ls",
        "foof",
    }
    over = FEWER % ", ".join(f"{name}: null" for name in sorted(needless))
    done = snakemake(tmp_path, "optimizers", "--cores", "2", over=over)
    assert done.returncode == 0, output(done)
    assert jobs(done)["answer"] == 5 + 4 + 4 + 3
    tables = rows.read(tmp_path / "results/tables")
    assert tables["optimizers"]["autoencoder/foof"]["train_loss"] > 0
    assert optimizers_block(tables, "autoencoder").count("\n") == 6
    assert_drawn(tmp_path, "optimizers")
