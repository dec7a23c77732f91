import json
from dataclasses import asdict
from pathlib import Path

import matplotlib
import nbformat
import pytest

from replication import config, notebooks, run
from replication.dependencies import code_of, dependencies, library, of_notebook
from replication.errors import NotebookError
from replication.paths import RUN_FILES, SOURCE
from replication.plan import Plan
from replication.poster import Poster

ROOT = Path(__file__).parents[2]
PROJECT = config.project(ROOT)
POSTER = Poster(PROJECT)
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


@pytest.mark.parametrize("experiment", PROJECT["experiments"])
def test_the_pipeline_passes_exactly_what_the_notebook_declares(experiment):
    declared = notebooks.declared_parameters(notebook_of(experiment))
    for name in POSTER.optimizers(experiment):
        assert declared.keys() == POSTER.notebook_parameters(experiment, name).keys()


@every_notebook
def test_the_defaults_are_runs_of_the_configuration(path):
    """So that runs by hand and by the pipeline are the same."""
    declared = notebooks.declared_parameters(path)
    asked = POSTER.notebook_parameters(declared["experiment"], declared["optimizer"])
    assert declared == asked | {"sample_file": None, "run_folder": None}
    assert notebook_of(declared["experiment"]) == path


def test_there_is_a_notebook_for_each_kind_of_experiment_and_no_other():
    assert sorted({notebook_of(experiment) for experiment in PROJECT["experiments"]}) == NOTEBOOKS


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


@every_notebook
def test_a_training_depends_on_the_modules_that_it_imports_and_on_theirs(path):
    modules = names(dependencies(path))
    assert {f"nonsmooth/{name}.py" for name in ("training", "bregman", "proximal")} <= modules
    assert {f"replication/{name}.py" for name in ("run", "constructors", "data/denoising")} <= modules
    assert not {name for name in modules if name.startswith(("replication/studies", "replication/verdicts"))}
    assert not {f"replication/{name}.py" for name in ("search", "plan", "config", "notebooks", "records")} & modules


@every_notebook
def test_how_anything_is_drawn_and_the_table_of_methods_are_no_input_of_a_training(path):
    modules = names(of_notebook(path))
    assert "replication/run.py" in modules
    assert not {name for name in modules if name.startswith(("replication/report", "replication/methods"))}
    assert not {name for name in modules if name.startswith("nonsmooth") and "badmm" in name}  # a method's own


def test_a_job_depends_on_its_own_methods_alone():
    plan = Plan(PROJECT, str(ROOT))
    adam, badmm = (
        names(map(Path.resolve, map(Path, plan.modules_of_job(f"limits/default-default/{name}"))))
        for name in ("adam", "badmm")
    )
    assert {"nonsmooth/badmm.py", "nonsmooth/_badmm_fast.py"} <= badmm - adam
    assert "nonsmooth/baselines.py" in adam - badmm
    assert not {"replication/methods.py", "replication/report/looks.py"} & (adam | badmm)


def test_the_data_depend_on_nothing_of_the_training():
    own = {"data/download", "errors", "files", "paths", "seeds"}
    assert names(dependencies(SOURCE / "replication" / "data" / "mnist.py")) == {
        *(f"replication/{name}.py" for name in own),
        *(f"nonsmooth/{name}.py" for name in ("problem", "processes")),
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
def test_a_training_saves_the_runs_of_its_seeds(path, sample, smoke_config, tmp_path, monkeypatch, capsys):
    """The cells run in this process, which needs no kernel."""
    monkeypatch.setattr("IPython.display.display", lambda shown: None)
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
        assert (
            asdict(loaded.parameters).items()
            >= ({"seed": seed} | {n: asked[n] for n in ("settings", "network")}).items()
        )
        assert list(loaded.history["iteration"]) == [0, 1, 2]
        assert loaded.final.keys() >= {"test_loss"}
        assert sorted(file.name for file in folder.iterdir()) == sorted(RUN_FILES)
        assert f"[{path.stem}/badmm/seed-{seed}] finished after 2 iterations" in printed


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
    """As in JupyterLab: started in notebooks/, with no files of images and no folders for the runs."""
    monkeypatch.chdir(ROOT / "notebooks")
    asked = Poster(smoke_config).notebook_parameters("perceptron-teacher", "badmm") | {"run_folder": None}
    executed = execute(ROOT / "notebooks" / "perceptron.ipynb", asked, tmp_path)
    assert "| feasibility |" in executed.read_text()


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


DEFAULT = [(e, name) for e in POSTER.of_target(None) for name in POSTER.optimizers(e)]


@pytest.mark.parametrize(("experiment", "optimizer"), DEFAULT, ids="/".join)
def test_executed_trainings_are_the_default_runs_and_hold_no_path_of_a_machine(experiment, optimizer):
    record = assert_executed(EXECUTED / experiment / f"{optimizer}.ipynb", notebook_of(experiment))
    assert record["parameters"] == POSTER.notebook_parameters(experiment, optimizer)
    assert not any(Path(record[name]).is_absolute() for name in ("input_path", "output_path"))


def test_every_default_run_is_among_the_executed_notebooks_and_no_other():
    paths = EXECUTED.glob("**/*.ipynb")
    assert {path.relative_to(EXECUTED).with_suffix("").as_posix() for path in paths} == set(map("/".join, DEFAULT))
