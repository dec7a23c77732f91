import json
from pathlib import Path

import nbformat
import pytest

from replication import config, notebooks, run as runs
from replication.errors import NotebookError

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TRAININGS = [ROOT / "notebooks" / f"{name}.ipynb" for name in ("autoencoder", "perceptron")]
REPORTS = [path for path in NOTEBOOKS if path not in TRAININGS]
EXECUTED = sorted((ROOT / "notebooks" / "executed").glob("*/*.ipynb"))
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
every_training = pytest.mark.parametrize("path", TRAININGS, ids=lambda path: path.stem)


def write_notebook(path: Path, *cells: str) -> Path:
    notebook = nbformat.v4.new_notebook()
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata["language_info"] = {"name": "python"}
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    notebook.cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(notebook, path)
    return path


def outputs(path: Path) -> str:
    cells = nbformat.read(path, 4).cells
    return "".join(out.get("text", "") for cell in cells for out in cell.get("outputs", []))


@every_training
def test_declares_what_the_workflow_passes_with_the_configurations_values(path):
    """Each notebook's defaults are one run of the configuration, so that by hand and by the pipeline are the same."""
    declared = notebooks.declared_parameters(path)
    full = config.project(ROOT)
    passed = config.parameters(full, declared["experiment"], declared["optimizer"], declared["seed"])
    assert declared == passed | {"sample_file": None, "run_folder": None}
    assert full["experiments"][declared["experiment"]]["notebook"] == path.stem


@every_notebook
def test_is_committed_without_outputs(path):
    for cell in nbformat.read(path, 4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@every_training
def test_depends_on_the_modules_that_it_imports_and_on_theirs(path):
    found = {module.relative_to(notebooks.PACKAGE).as_posix() for module in notebooks.dependencies(path)}
    assert {"training.py", "optimizers/badmm.py", "bregman.py", "proximal.py", "problems/denoising.py"} <= found
    assert not {"figures/__init__.py", "tuning.py", "timing.py", "notebooks.py", "kernels.py"} & found


def test_dependencies_of_the_data_are_not_those_of_the_training():
    found = {path.name for path in notebooks.dependencies(notebooks.PACKAGE / "mnist.py")}
    assert found == {"seeds.py", "files.py", "errors.py", "config.py"}


def test_a_shortcut_of_the_package_is_followed_to_its_home(tmp_path):
    path = write_notebook(tmp_path / "n.ipynb", "seed = 0", "from nonsmooth import Badmm")
    assert notebooks.PACKAGE / "optimizers" / "badmm.py" in notebooks.dependencies(path)


@pytest.mark.parametrize(
    ("cells", "message"), [(["a = f()"], "must assign literals"), (["if a:\n    b = 1"], "must assign literals")]
)
def test_parameters_are_literals(cells, message, tmp_path):
    with pytest.raises(NotebookError, match=message):
        notebooks.declared_parameters(write_notebook(tmp_path / "n.ipynb", *cells))


def run(notebook: Path, parameters: dict, folder: Path) -> Path:
    notebooks.execute(notebook, folder / "out" / "n.ipynb", parameters, folder / "logs" / "n.ipynb")
    return folder / "out" / "n.ipynb"


def test_execution_passes_parameters_and_shows_progress(tmp_path, capfd):
    notebook = write_notebook(tmp_path / "n.ipynb", "a = 0", "print('[half way]')\nprint(f'kept: {a}')")
    assert "kept: 41" in outputs(run(notebook, {"a": 41}, tmp_path))
    assert "[half way]" in (shown := capfd.readouterr().err)
    assert "kept" not in shown
    assert not (tmp_path / "logs" / "n.ipynb").exists()


def test_a_parameter_that_is_not_declared_is_an_error(tmp_path):
    notebook = write_notebook(tmp_path / "n.ipynb", "a = 0")
    with pytest.raises(NotebookError, match="declares no parameter typo"):
        run(notebook, {"typo": 1}, tmp_path)


def test_a_failed_notebook_stays_as_far_as_it_came_and_shows_the_traceback(tmp_path):
    notebook = write_notebook(tmp_path / "n.ipynb", "a = 0", "print('so far')", "def f():\n    return 1 / a\nf()")
    with pytest.raises(NotebookError) as failure:
        run(notebook, {"a": 0}, tmp_path)
    message = str(failure.value)
    assert "ZeroDivisionError" in message
    assert "return 1 / a" in message
    assert "\x1b" not in message
    assert str(tmp_path / "logs" / "n.ipynb") in message
    assert "so far" in outputs(tmp_path / "logs" / "n.ipynb")
    assert not (tmp_path / "out" / "n.ipynb").exists()


@pytest.mark.slow
def test_runs_top_to_bottom_by_hand(tmp_path, monkeypatch, smoke_config):
    """As in JupyterLab: started in notebooks/, with no file of images and no folder for the run."""
    monkeypatch.chdir(ROOT / "notebooks")
    section = smoke_config["experiments"]["perceptron-teacher"]
    quick = {"experiment": "perceptron-teacher", "problem": section["problem"], "iterations": 3, "dtype": "float64"}
    assert "feasibility" in outputs(run(ROOT / "notebooks" / "perceptron.ipynb", quick, tmp_path))


def test_executed_notebooks_are_those_of_seed_zero_and_hold_no_path_of_a_machine():
    full = config.project(ROOT)
    expected = {
        f"{name}/{optimizer}"
        for name, section in full["experiments"].items()
        for optimizer in section["optimizers"]
        if "target" not in section
    }
    folder = ROOT / "notebooks" / "executed"
    assert {path.relative_to(folder).with_suffix("").as_posix() for path in EXECUTED} == expected
    for path in EXECUTED:
        executed = json.loads(path.read_text())
        experiment, optimizer = path.relative_to(folder).with_suffix("").parts
        given = executed["metadata"]["papermill"]["parameters"]
        expected_here = config.parameters(full, experiment, optimizer, 0)
        assert {name: given[name] for name in expected_here} == expected_here
        notebook = json.loads((ROOT / f"notebooks/{full['experiments'][experiment]['notebook']}.ipynb").read_text())
        injected = [c for c in executed["cells"] if "injected-parameters" not in c["metadata"].get("tags", [])]
        assert [c["source"] for c in injected] == [c["source"] for c in notebook["cells"]]
        files = [given["sample_file"] or "", given["run_folder"], executed["metadata"]["papermill"]["input_path"]]
        assert not any(Path(file).is_absolute() for file in files)
        for cell in executed["cells"]:
            assert cell["cell_type"] != "code" or cell["execution_count"], f"{path} was not run to its end"


@pytest.mark.parametrize("path", REPORTS, ids=lambda path: path.stem)
def test_executed_reports_are_of_the_notebooks_as_they_are(path):
    executed = json.loads((ROOT / "notebooks" / "executed" / path.name).read_text())
    cells = [c for c in executed["cells"] if "injected-parameters" not in c["metadata"].get("tags", [])]
    assert [c["source"] for c in cells] == [c["source"] for c in json.loads(path.read_text())["cells"]]
    assert all(cell["cell_type"] != "code" or cell["execution_count"] for cell in executed["cells"])


def test_files_of_a_run_are_those_that_the_workflow_expects():
    rules = (ROOT / "rules" / "runs.smk").read_text()
    assert all(f"seed-{{seed}}/{name}" in rules for name in runs.FILES)
