"""Seeds in the pipeline: what is there is read, one more trains one, and one that is lost takes no other with it."""

import subprocess
from pathlib import Path

import nbformat
import pytest
from snakemake_calls import insert, jobs, output, snakemake

from replication import run

pytestmark = pytest.mark.slow
NOTEBOOK = "results/notebooks/perceptron-teacher/sgd.ipynb"
RUNS = "results/runs/perceptron-teacher/sgd"


def train(directory: Path, seeds: list[int], **options) -> subprocess.CompletedProcess:
    return snakemake(directory, NOTEBOOK, "--cores", "2", "--config", f"seeds={seeds}", **options)


def lines(done: subprocess.CompletedProcess) -> list[str]:
    """What is told of each seed: "N trained", "N read" or "N diverged"."""
    words = {"finished after": "trained", "before, read": "read", "diverged after": "diverged"}
    told = [line for line in output(done).splitlines() if line.startswith("[perceptron-teacher/sgd/seed-")]
    found = []
    for line in told:
        seed = line.partition("]")[0].rpartition("-")[2]
        found += [f"{seed} {word}" for text, word in words.items() if text in line]
    return list(dict.fromkeys(found))  # a log is shown again where a job fails


def state(directory: Path) -> dict[str, tuple[int, bytes]]:
    """Time and content of each file of the runs."""
    files = [path for path in sorted((directory / RUNS).rglob("*")) if path.is_file()]
    return {str(path.relative_to(directory)): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def seeds_in(notebook: Path) -> list[str]:
    """The first column of the first table of an executed notebook."""
    tables = [
        out.data["text/markdown"]
        for cell in nbformat.read(notebook, 4).cells
        for out in cell.get("outputs", ())
        if "text/markdown" in out.get("data", {})
    ]
    return [line.split("|")[1].strip() for line in tables[0].splitlines()[2:]]


def test_one_more_seed_trains_one_and_one_less_none(tmp_path):
    assert lines(train(tmp_path, [0, 1])) == ["0 trained", "1 trained"]
    before = state(tmp_path)
    more = train(tmp_path, [0, 1, 7])
    assert (more.returncode, jobs(more)) == (0, {"run_notebook": 1})
    assert lines(more) == ["0 read", "1 read", "7 trained"]
    assert before.items() <= state(tmp_path).items()
    assert seeds_in(tmp_path / NOTEBOOK) == ["0", "1", "7", "**median**"]
    assert lines(train(tmp_path, [7])) == ["7 read"]
    assert seeds_in(tmp_path / NOTEBOOK) == ["7", "**median**"]


def test_a_changed_drawing_trains_nothing_and_a_changed_algorithm_its_own_runs(project, tmp_path):
    work = tmp_path / "work"
    train(work, [0], project=project)
    drawing = project / "src/replication/report/drawing.py"
    drawing.write_text(drawing.read_text().replace("#0072B2", "#000000"))
    insert(project / "src/nonsmooth/badmm.py", "", "UNUSED = 1\n", "class Badmm(")
    assert "Nothing to be done" in output(train(work, [0], project=project))
    insert(project / "src/nonsmooth/baselines.py", "", "UNUSED = 1\n\n\n", "class TorchOptimizer(")
    assert lines(train(work, [0], project=project)) == ["0 trained"]
    with (project / "src/nonsmooth/baselines.py").open("a") as file:
        file.write("# A comment.\n")
    assert lines(train(work, [0], project=project)) == ["0 read"]


def test_seeds_that_diverge_are_shown_and_read(tmp_path):
    explosive = "experiments: {perceptron-teacher: {iterations: 200, optimizers: {sgd: {learning_rate: 1e6}}}}"
    first = train(tmp_path, [0], over=explosive)
    assert (first.returncode, lines(first)) == (0, ["0 diverged"]), output(first)
    assert run.load(tmp_path / RUNS / "seed-0").diverged
    assert lines(train(tmp_path, [0, 1], over=explosive)) == ["0 read", "1 diverged"]
    assert seeds_in(tmp_path / NOTEBOOK) == ["0 (diverged)", "1 (diverged)", "**median**"]


def test_a_seed_that_cannot_be_kept_loses_no_other(tmp_path):
    (tmp_path / RUNS).mkdir(parents=True)
    (tmp_path / RUNS / "seed-1").touch()
    failed = train(tmp_path, [0, 1, 2])
    assert (failed.returncode, lines(failed)) == (1, ["0 trained", "1 trained"])
    assert not (tmp_path / NOTEBOOK).exists()
    (tmp_path / RUNS / "seed-1").unlink()
    assert lines(train(tmp_path, [0, 1, 2])) == ["0 read", "1 trained", "2 trained"]
