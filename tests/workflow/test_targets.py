"""The other targets on the smoke configuration, each in a folder of its own: tune, benchmark and full_mnist."""

import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from snakemake_calls import ROOT, SNAKEMAKE, jobs, output, snakemake

from replication import config
from replication.files import read_json
from replication.methods import METHODS, POSTER, of_role
from replication.paths import figures
from replication.plan import FIGURES, Plan
from replication.report import pages, rows
from replication.results import Results
from replication.search import Report
from replication.verdicts import limits

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def plan(smoke_config) -> Plan:
    return Plan(smoke_config, str(ROOT))


def assert_drawn(directory: Path, target: str) -> None:
    for name in FIGURES[target]:
        for path in figures(name):
            assert (directory / path).stat().st_size > 5000, path


def test_verdicts_are_computed_from_the_published_records_alone(tmp_path):
    """With the project's own configuration, without MNIST and without a training."""
    command = [SNAKEMAKE, "results/limits.json", "--cores", "1"]
    command += ["--snakefile", ROOT / "Snakefile", "--directory", tmp_path]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert (done.returncode, jobs(done)) == (0, {"collect_limits": 1}), output(done)
    settings = limits.read(tmp_path / "results/limits.json")
    assert len(settings) == len(config.project(ROOT)["limits"]["settings"])


def test_settings_are_chosen_from_the_reports_of_the_search(tmp_path):
    """From the published records, with the project's own configuration."""
    shutil.copytree(ROOT / "data/published/tuning", tmp_path / "results/tuning")
    command = [SNAKEMAKE, "results/tuned.yaml", "--cores", "1", "--allowed-rules", "collect_tuned"]
    command += ["--snakefile", ROOT / "Snakefile", "--directory", tmp_path]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, output(done)
    assert (tmp_path / "results/tuned.yaml").read_text() == (ROOT / "config/tuned.yaml").read_text()


def test_an_optimizer_is_searched_and_every_other_would_be(tmp_path, plan):
    done = snakemake(tmp_path, plan.results.search("perceptron-teacher", "sgd"), "--cores", "2")
    assert done.returncode == 0, output(done)
    report = Report.read(tmp_path / plan.results.search("perceptron-teacher", "sgd"))
    tuning = plan.experiments["perceptron-teacher"]["tuning"]
    assert (len(report.trials), report.seeds) == (tuning["trials"], tuning["seeds"])
    assert jobs(snakemake(tmp_path, "tune", "--dry-run", "--cores", "2"))["tune_optimizer"] == len(plan.searched) - 1


def test_speed_is_measured(tmp_path, plan):
    """But for the time of the whole pipeline, which the pipeline's own tests take already."""
    parts = [plan.results.benchmark(name) for name in ("iterations", "processes")]
    names = ("iterations", "memory", "processes", "machine")
    done = snakemake(tmp_path, *parts, *map(plan.results.table, names), *figures("benchmark"), "--cores", "2")
    assert done.returncode == 0, output(done)
    processes = read_json(tmp_path / parts[1])
    assert {row["name"] for row in processes["iterations"]} == set(of_role(POSTER))
    assert all(row[kind] > 0 for row in processes["iterations"] for kind in ("one", "beside", "strong", "weak"))
    sizes = [row["bytes"] for row in processes["messages"]]
    assert all(a < b for a, b in pairwise(sizes))
    tables = rows.read(tmp_path / "results/tables")
    for block in (pages.iterations, pages.floor, pages.memory, pages.processes):
        assert block(tables).count("\n") > 2
    assert_drawn(tmp_path, "benchmark")


def test_all_of_mnist(tmp_path):
    done = snakemake(tmp_path, "full_mnist", "--cores", "2")
    assert done.returncode == 0, output(done)
    assert jobs(done)["run_notebook"] == 5
    results = Results(str(tmp_path / "results"), {"autoencoder-full": [0]}, {"autoencoder-full": list(METHODS)})
    (run,) = results.runs("autoencoder-full", "adam")
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
    assert (jobs(done)["climb_ladder"], jobs(done)["train_seeds"]) == (4, 1)
    assert len(read_json(tmp_path / "results/ladder.json")) == 5 * 2
    tables = rows.read(tmp_path / "results/tables")
    assert "\n| SGD | " in (page := pages.ladder(tables, "autoencoder"))
    assert page.partition("\n| SGD | ")[2].splitlines()[1].startswith("| all of SGD | ")
    assert page.count("\n") == 5
    assert tables["time_ladder"]["ladder"]["jobs"] == 4
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


def test_todays_optimizers(tmp_path, plan):
    """With one of them that no target trains."""
    needless = set(plan.optimizers["autoencoder"]) - {"sgd", "adam", "badmm", "badmm-ls", "foof"}
    over = FEWER % ", ".join(f"{name}: null" for name in sorted(needless))
    done = snakemake(tmp_path, "optimizers", "--cores", "2", over=over)
    assert done.returncode == 0, output(done)
    assert (jobs(done)["train_seeds"], jobs(done)["tune_optimizer"]) == (2 * (5 + 4 + 4), 4)
    tables = rows.read(tmp_path / "results/tables")
    assert tables["optimizers"]["autoencoder/foof"]["train_loss"] > 0
    assert pages.optimizers(tables, "autoencoder").count("\n") == 6
    assert tables["time_optimizers"]["optimizers"]["records"] == 2 * (5 + 4 + 4)
    assert_drawn(tmp_path, "optimizers")
