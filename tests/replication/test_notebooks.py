import json
from pathlib import Path

import matplotlib
import nbformat
import pytest

from replication import config, notebooks, run
from replication.dependencies import code_of, dependencies, library, of_training
from replication.errors import NotebookError
from replication.methods import METHODS
from replication.parameters import OF_NOTEBOOK
from replication.paths import RUN_FILES, SOURCE
from replication.plan import Plan
from replication.poster import Poster

ROOT = Path(__file__).parents[2]
PROJECT = config.project(ROOT)
POSTER = Poster(PROJECT)
# The trainings of every experiment, and of the default target.
EVERY = [(experiment, name) for experiment in POSTER.experiments for name in POSTER.optimizers(experiment)]
DEFAULT = [(experiment, name) for experiment, name in EVERY if experiment in POSTER.of_target(None)]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EXECUTED = ROOT / "notebooks" / "executed"
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def notebook_of(experiment: str) -> Path:
    return ROOT / "notebooks" / f"{PROJECT['experiments'][experiment]['notebook']}.ipynb"


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


@pytest.mark.parametrize("experiment", POSTER.experiments)
def test_the_pipeline_passes_exactly_what_the_notebook_declares(experiment):
    declared = notebooks.declared_parameters(notebook_of(experiment))
    for name in POSTER.optimizers(experiment):
        assert declared.keys() == POSTER.notebook_parameters(experiment, name).keys() == OF_NOTEBOOK


@every_notebook
def test_the_defaults_are_trainings_of_the_configuration(path):
    """So that runs by hand and by the pipeline are the same."""
    declared = notebooks.declared_parameters(path)
    asked = POSTER.notebook_parameters(declared["experiment"], declared["optimizer"])
    assert declared == asked | {"sample_file": None, "run_folder": None}
    assert notebook_of(declared["experiment"]) == path


def test_there_is_a_notebook_for_each_kind_of_experiment_and_no_other():
    assert {notebook_of(experiment) for experiment, _ in EVERY} == set(NOTEBOOKS)


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


@pytest.mark.parametrize("source", [*NOTEBOOKS, SOURCE / "replication" / "run.py"], ids=lambda path: path.stem)
def test_a_training_depends_on_what_it_imports_and_on_its_own_method_alone(source):
    """Neither on another method, nor on the list of methods, nor on how anything is drawn."""
    adam, badmm = (names(of_training(source, METHODS[name].module)) for name in ("adam", "badmm"))
    assert {"nonsmooth/badmm.py", "nonsmooth/_badmm_fast.py"} <= badmm - adam
    assert "nonsmooth/baselines.py" in adam - badmm
    shared = {f"nonsmooth/{name}.py" for name in ("training", "bregman", "proximal")}
    assert (
        shared
        | {"replication/run.py", "replication/data/denoising.py", "replication/seeds.py"}
        - {source.relative_to(SOURCE).as_posix() if source.suffix == ".py" else ""}
        <= adam & badmm
    )
    foreign = ("replication/methods", "replication/report", "replication/verdicts", "replication/studies")
    assert not {name for name in adam | badmm if name.startswith(foreign)}
    assert not {f"replication/{name}.py" for name in ("search", "plan", "config", "notebooks")} & (adam | badmm)


def test_the_data_depend_on_nothing_of_the_training():
    own = {"data/download", "errors", "files", "paths", "seeds"}
    assert names(dependencies(SOURCE / "replication" / "data" / "mnist.py")) == {
        *(f"replication/{name}.py" for name in own),
        *(f"nonsmooth/{name}.py" for name in ("checks", "problem", "processes")),
    }


@pytest.mark.parametrize("code", ["from nonsmooth import Badmm", "import nonsmooth.badmm"])
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


@every_notebook
def test_a_training_saves_the_run_of_each_seed_and_shows_it(path, sample, smoke_config, tmp_path, monkeypatch, capsys):
    """The cells run in this process, which needs no kernel."""
    shown: list[object] = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    asked = Poster(smoke_config).notebook_parameters(path.stem, "badmm") | {"iterations": 2, "seeds": [3, 4]}
    asked |= {"sample_file": f"{tmp_path}/sample-{{seed}}", "run_folder": f"{tmp_path}/run-{{seed}}"}
    for seed in asked["seeds"]:
        sample.save(tmp_path / f"sample-{seed}")
    variables: dict = {}
    with matplotlib.rc_context({"backend": "Agg"}):
        for code in code_of(path):
            exec(compile(code, path.name, "exec"), variables)
            if code in code_of(path, "parameters"):
                variables |= asked
    printed = capsys.readouterr().out
    for seed in asked["seeds"]:
        folder = tmp_path / f"run-{seed}"
        loaded = run.load(folder)
        assert vars(loaded.parameters).items() >= {"seed": seed, "settings": asked["settings"]}.items()
        assert list(loaded.history["iteration"]) == [0, 1, 2]
        assert loaded.final.keys() >= {"test_loss"}
        assert sorted(file.name for file in folder.iterdir()) == sorted(RUN_FILES)
        assert f"[{path.stem}/badmm/seed-{seed}] finished after 2 iterations" in printed
    losses, inside = (item.data for item in shown if hasattr(item, "data") and isinstance(item.data, str))
    assert [line.split("|")[1].strip() for line in losses.splitlines()] == ["seed", "---", "3", "4", "**median**"]
    assert f"| {loaded.history['train_loss'][-1]:#.4g} |" in losses
    assert f"| {loaded.history['feasibility'][-1]:#.4g} |" in inside


def test_an_error_that_the_user_can_mend_is_one_line_in_a_notebook(tmp_path):
    code = "from replication.files import check_made\ncheck_made('x', 'y')"
    notebook = write_notebook(tmp_path / "n.ipynb", "a = 0", code)
    with pytest.raises(NotebookError):
        execute(notebook, {}, tmp_path)
    *_, cell = nbformat.read(tmp_path / "logs" / "n.ipynb", 4).cells
    (shown,) = (out for out in cell.outputs if out["output_type"] == "error")
    assert shown["traceback"] == [
        "DataError: y is not there. In the project's folder, this makes it: snakemake --cores 2 x"
    ]


@pytest.mark.slow
def test_runs_top_to_bottom_by_hand(tmp_path, monkeypatch, smoke_config):
    """As in JupyterLab: started in notebooks/, with no files of images and no folders for the runs."""
    monkeypatch.chdir(ROOT / "notebooks")
    asked = Poster(smoke_config).notebook_parameters("perceptron-teacher", "badmm")
    asked |= {"iterations": 3, "run_folder": None}
    executed = execute(ROOT / "notebooks" / "perceptron.ipynb", asked, tmp_path)
    assert "[perceptron-teacher/badmm/seed-1] finished after 3 iterations" in outputs(executed)


# What is committed


@every_notebook
def test_is_committed_without_outputs(path):
    for cell in nbformat.read(path, 4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.parametrize(("experiment", "optimizer"), DEFAULT)
def test_executed_notebooks_are_those_that_stand_here_and_hold_no_path_of_a_machine(experiment, optimizer):
    text = (EXECUTED / experiment / f"{optimizer}.ipynb").read_text()
    executed = json.loads(text)
    cells = [cell for cell in executed["cells"] if "injected-parameters" not in cell["metadata"].get("tags", [])]
    own = json.loads(notebook_of(experiment).read_text())["cells"]
    assert [cell["source"] for cell in cells] == [cell["source"] for cell in own]
    assert all(cell["cell_type"] != "code" or cell["execution_count"] for cell in executed["cells"])
    record = executed["metadata"]["papermill"]
    assert record["parameters"] == POSTER.notebook_parameters(experiment, optimizer)
    assert not any(Path(record[name]).is_absolute() for name in ("input_path", "output_path"))
    assert not [line for line in text.splitlines() if "/src/replication/" in line or "/tmp/" in line]


def test_every_default_training_is_among_the_executed_notebooks_and_no_other():
    paths = EXECUTED.rglob("*.ipynb")
    assert {path.relative_to(EXECUTED).with_suffix("").as_posix() for path in paths} == set(map("/".join, DEFAULT))


def test_a_job_of_a_study_depends_on_its_own_methods_alone():
    plan = Plan(PROJECT, str(ROOT))
    jobs = {name: f"limits/default-default/{name}" for name in ("adam", "badmm")}
    adam, badmm = (names([Path(path).resolve() for path in plan.modules_of_job(job)]) for job in jobs.values())
    assert {"nonsmooth/badmm.py", "nonsmooth/_badmm_fast.py"} <= badmm - adam
    assert "nonsmooth/baselines.py" in adam - badmm
    assert not {"replication/methods.py", "replication/report/looks.py"} & (adam | badmm)
