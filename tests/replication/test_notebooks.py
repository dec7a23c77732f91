import json
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import matplotlib
import nbformat
import pytest

from replication import config, notebooks, run
from replication.dependencies import code_of, dependencies, library
from replication.errors import DataError, NotebookError
from replication.paths import RUN_FILES, SOURCE
from replication.plan import Plan

ROOT = Path(__file__).parents[2]
PLAN = Plan(config.project(ROOT), str(ROOT))
RUNS = [SimpleNamespace(experiment=e, optimizer=o, seed=str(seed)) for e, o, seed in PLAN.runs_of(*PLAN.experiments)]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TRAININGS = [path for path in NOTEBOOKS if path.stem in {PLAN.experiments[e]["notebook"] for e in PLAN.experiments}]
REPORTS = [path for path in NOTEBOOKS if path not in TRAININGS]
EXECUTED = ROOT / "notebooks" / "executed"
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
every_training = pytest.mark.parametrize("path", TRAININGS, ids=lambda path: path.stem)
every_report = pytest.mark.parametrize("path", REPORTS, ids=lambda path: path.stem)


def write_notebook(path: Path, *cells: str) -> Path:
    """A notebook with code cells, the first of them with its parameters."""
    notebook = nbformat.v4.new_notebook()
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata["language_info"] = {"name": "python"}
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    notebook.cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(notebook, path)
    return path


def outputs(path: Path) -> str:
    """What an executed notebook has printed."""
    cells = nbformat.read(path, 4).cells
    return "".join(out.get("text", "") for cell in cells for out in cell.get("outputs", []))


def execute(notebook: Path, parameters: dict, folder: Path) -> Path:
    """The notebook executed in a kernel."""
    notebooks.execute(notebook, folder / "out" / "n.ipynb", parameters, folder / "logs" / "n.ipynb")
    return folder / "out" / "n.ipynb"


# Parameters


@pytest.mark.parametrize("experiment", PLAN.experiments)
def test_the_plan_passes_exactly_what_the_notebook_declares(experiment):
    for wildcards in (wildcards for wildcards in RUNS if wildcards.experiment == experiment):
        declared = notebooks.declared_parameters(PLAN.notebook_of_run(wildcards))
        assert declared.keys() == PLAN.notebook_parameters(wildcards).keys()


@every_training
def test_the_defaults_are_one_run_of_the_configuration(path):
    """So that a run by hand and one by the pipeline are the same."""
    declared = notebooks.declared_parameters(path)
    names = declared["experiment"], declared["optimizer"], declared["seed"]
    assert declared == asdict(PLAN.parameters(*names)) | {"sample_file": None, "run_folder": None}
    assert PLAN.experiments[declared["experiment"]]["notebook"] == path.stem


@every_report
def test_a_report_reads_the_folder_of_the_results(path):
    assert notebooks.declared_parameters(path) == {"folder": PLAN.results.folder}


@pytest.mark.parametrize("cell", ["a = f()", "if a:\n    b = 1", "a.b = 1"])
def test_parameters_are_literals(cell, tmp_path):
    with pytest.raises(NotebookError, match="must assign literals"):
        notebooks.declared_parameters(write_notebook(tmp_path / "n.ipynb", cell))


@pytest.mark.parametrize("count", [0, 2])
def test_parameters_stand_in_one_cell(count, tmp_path):
    path = write_notebook(tmp_path / "n.ipynb", "a = 0", "b = 0")
    notebook = nbformat.read(path, 4)
    for number, cell in enumerate(notebook.cells):
        cell.metadata["tags"] = ["parameters"] * (number < count)
    nbformat.write(notebook, path)
    with pytest.raises(NotebookError, match=f"exactly one cell tagged 'parameters', not {count}"):
        notebooks.declared_parameters(path)


# Dependencies


def names(paths: list[Path]) -> set[str]:
    return {path.relative_to(SOURCE).as_posix() for path in paths}


@every_training
def test_a_training_depends_on_the_modules_that_it_imports_and_on_theirs(path):
    modules = names(dependencies(path))
    algorithm = {f"nonsmooth/{name}.py" for name in ("training", "badmm", "_badmm_fast", "bregman", "proximal")}
    assert algorithm | {"replication/run.py", "replication/methods.py", "replication/data/denoising.py"} <= modules
    assert not {name for name in modules if name.startswith(("replication/report/figures", "replication/verdicts"))}
    assert not {f"replication/{name}.py" for name in ("search", "plan", "config", "notebooks", "forkserver")} & modules


def test_the_data_depend_on_nothing_of_the_training():
    own = {"data/download", "errors", "files", "paths", "seeds"}
    assert names(dependencies(SOURCE / "replication" / "data" / "mnist.py")) == {
        *(f"replication/{name}.py" for name in own),
        *(f"nonsmooth/{name}.py" for name in ("problem", "processes")),
    }


@pytest.mark.parametrize(
    "code", ["from nonsmooth import Badmm", "import nonsmooth.badmm", "constructor = 'nonsmooth.badmm:Badmm'"]
)
def test_a_class_of_the_library_is_followed_to_its_module(code, tmp_path):
    path = write_notebook(tmp_path / "n.ipynb", "seed = 0", code)
    assert {"nonsmooth/badmm.py", "nonsmooth/proximal.py"} <= names(dependencies(path))


def test_a_named_module_is_among_its_own_dependencies():
    assert names(library("seeds.py", "data/networks.py")) == {"replication/seeds.py", "replication/data/networks.py"}


# Execution


def test_execution_passes_parameters_and_shows_progress(tmp_path, capfd):
    notebook = write_notebook(tmp_path / "n.ipynb", "a = 0", "print('[half way]')\nprint(f'kept: {a}')")
    assert "kept: 41" in outputs(execute(notebook, {"a": 41}, tmp_path))
    assert "[half way]" in (shown := capfd.readouterr().err)
    assert "kept" not in shown
    assert not (tmp_path / "logs" / "n.ipynb").exists()


def test_a_parameter_that_is_not_declared_is_an_error(tmp_path):
    notebook = write_notebook(tmp_path / "n.ipynb", "a = 0")
    with pytest.raises(NotebookError, match="declares no parameter typo"):
        execute(notebook, {"typo": 1}, tmp_path)


def test_a_failed_notebook_stays_as_far_as_it_came_and_shows_the_traceback(tmp_path):
    notebook = write_notebook(tmp_path / "n.ipynb", "a = 0", "print('so far')", "def f():\n    return 1 / a\nf()")
    with pytest.raises(NotebookError) as failure:
        execute(notebook, {"a": 0}, tmp_path)
    message = str(failure.value)
    assert "ZeroDivisionError" in message
    assert "return 1 / a" in message
    assert "\x1b" not in message
    assert str(tmp_path / "logs" / "n.ipynb") in message
    assert "so far" in outputs(tmp_path / "logs" / "n.ipynb")
    assert not (tmp_path / "out" / "n.ipynb").exists()


@every_training
def test_a_training_saves_the_run_of_its_parameters(path, sample, smoke_config, tmp_path, monkeypatch, capsys):
    """The cells run in this process, which needs no kernel."""
    monkeypatch.setattr("IPython.display.display", lambda figure: None)
    sample.save(tmp_path / "sample.safetensors")
    plan = Plan(smoke_config, str(ROOT))
    parameters = plan.parameters(path.stem, "badmm", 3).but(iterations=2)
    files = {"sample_file": str(tmp_path / "sample.safetensors"), "run_folder": str(tmp_path / "run")}
    variables: dict = {}
    with matplotlib.rc_context({"backend": "Agg"}):
        for code in code_of(path):
            exec(compile(code, path.name, "exec"), variables)
            if code in code_of(path, "parameters"):
                variables |= asdict(parameters) | files
    loaded = run.load(tmp_path / "run")
    assert loaded.parameters == parameters
    assert list(loaded.history["iteration"]) == [0, 1, 2]
    assert loaded.final.keys() >= {"test_loss"}
    assert sorted(file.name for file in (tmp_path / "run").iterdir()) == sorted(RUN_FILES)
    assert f"[{path.stem}/badmm/seed-3] finished after 2 iterations" in capsys.readouterr().out


@every_report
def test_a_report_names_the_command_that_makes_what_it_misses(path, tmp_path, monkeypatch):
    """Before it reads any of its results, which are empty files here."""
    files = PLAN.results
    inputs = {"claims": [files.claims, files.table("references")], "limits": [files.limits]}[path.stem]
    monkeypatch.chdir(tmp_path)
    for input_file in map(Path, inputs):
        input_file.parent.mkdir(parents=True, exist_ok=True)
        input_file.touch()
    for missing in map(Path, inputs):
        missing.unlink()
        variables: dict = {}
        with pytest.raises(DataError, match=rf"{missing} is not there.* snakemake --cores 2 {path.stem}$"):  # noqa: PT012
            for code in code_of(path):
                exec(compile(code, path.name, "exec"), variables)
        missing.touch()


def test_an_error_that_the_user_can_mend_is_one_line_in_a_notebook(tmp_path):
    notebook = write_notebook(
        tmp_path / "n.ipynb", "a = 0", "from replication.files import check_made\ncheck_made('x', 'y')"
    )
    with pytest.raises(NotebookError):
        execute(notebook, {}, tmp_path)
    *_, cell = nbformat.read(tmp_path / "logs" / "n.ipynb", 4).cells
    (shown,) = (out for out in cell.outputs if out["output_type"] == "error")
    assert shown["traceback"] == [
        "DataError: y is not there. In the project's folder, this makes it: snakemake --cores 2 x"
    ]


@pytest.mark.slow
def test_runs_top_to_bottom_by_hand(tmp_path, monkeypatch, smoke_config):
    """As in JupyterLab: started in notebooks/, with no file of images and no folder for the run."""
    monkeypatch.chdir(ROOT / "notebooks")
    parameters = asdict(Plan(smoke_config, str(ROOT)).parameters("perceptron-teacher", "badmm", 0).but(iterations=3))
    assert "feasibility" in outputs(execute(ROOT / "notebooks" / "perceptron.ipynb", parameters, tmp_path))


# What is committed


@every_notebook
def test_is_committed_without_outputs(path):
    for cell in nbformat.read(path, 4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def assert_executed(path: Path, notebook: Path) -> dict:
    """That the executed notebook at `path` is `notebook` as it is, run to its end; its metadata."""
    executed = json.loads(path.read_text())
    cells = [cell for cell in executed["cells"] if "injected-parameters" not in cell["metadata"].get("tags", [])]
    assert [cell["source"] for cell in cells] == [cell["source"] for cell in json.loads(notebook.read_text())["cells"]]
    assert all(cell["cell_type"] != "code" or cell["execution_count"] for cell in executed["cells"])
    return executed["metadata"]["papermill"]


DEFAULT_RUNS = [w for w in RUNS if w.experiment in PLAN.of_target(None) and w.seed == "0"]


@pytest.mark.parametrize(
    "wildcards", DEFAULT_RUNS, ids=lambda wildcards: f"{wildcards.experiment}/{wildcards.optimizer}"
)
def test_executed_trainings_are_those_of_seed_zero_and_hold_no_path_of_a_machine(wildcards):
    path = EXECUTED / wildcards.experiment / f"{wildcards.optimizer}.ipynb"
    record = assert_executed(path, Path(PLAN.notebook_of_run(wildcards)))
    assert record["parameters"] == PLAN.notebook_parameters(wildcards)
    assert not any(Path(record[name]).is_absolute() for name in ("input_path", "output_path"))


def test_every_default_run_is_among_the_executed_notebooks_and_no_other():
    expected = {f"{wildcards.experiment}/{wildcards.optimizer}" for wildcards in DEFAULT_RUNS}
    paths = EXECUTED.glob("*/*.ipynb")
    assert {path.relative_to(EXECUTED).with_suffix("").as_posix() for path in paths} == expected


@every_report
def test_executed_reports_are_of_the_notebooks_as_they_are(path):
    assert_executed(EXECUTED / path.name, path)
