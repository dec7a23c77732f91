"""The commands of the replication: what they are given is checked before any work, and nothing is overwritten."""

import subprocess
import sys
from pathlib import Path

import pytest

from replication import __main__ as commands
from replication import config, notebooks
from replication.errors import ConfigError, DataError

ROOT = Path(__file__).parents[2]
SMALL = ROOT / "config" / "smoke.yaml"


def call(*arguments: object) -> None:
    options = commands.parser().parse_args(list(map(str, arguments)))
    options.run(options)


def train(folder: Path, **over: object) -> None:
    options = {"experiment": "perceptron-teacher", "optimizer": "sgd", "seed": 0, "configfile": SMALL} | over
    given = [part for name, value in options.items() for part in (f"--{name}", value)]
    call("train", *given, "--run-folder", folder)


@pytest.fixture(autouse=True)
def inside(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture
def no_training(monkeypatch):
    monkeypatch.setattr("replication.launch._train", lambda *_: pytest.fail("it trained"))


def test_a_run_is_trained_once_and_never_overwritten(tmp_path):
    train(tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    with pytest.raises(FileExistsError, match=r"history\.parquet is there already"):
        train(tmp_path / "run", optimizer="adam")
    assert {path: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


@pytest.mark.usefixtures("no_training")
def test_a_folder_that_cannot_be_written_to_is_named_before_the_training(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        train(tmp_path / "file" / "run")


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("experiment", "perceptron-teecher", "experiment = .*; the nearest name is 'perceptron-teacher'"),
        ("optimizer", "adamm", "optimizer = adamm: must be one of .*; the nearest name is 'adam'"),
        ("seed", -1, "seed = -1: must be from 0 to"),
        ("seed", config.LARGEST + 1, "seed = .*: must be from 0 to"),
        ("configfile", "nowhere.yaml", r"nowhere\.yaml is no file of the configuration"),
    ],
)
def test_an_argument_of_a_training_is_refused_by_name(tmp_path, option, value, message):
    with pytest.raises(ConfigError, match=message):
        train(tmp_path / "run", **{option: value})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("text", ["[1]", "{", "3"])
def test_parameters_of_a_notebook_that_are_no_dictionary_are_refused(tmp_path, text):
    options = {"notebook": "notebooks/perceptron.ipynb", "output": tmp_path / "o", "working-copy": tmp_path / "w"}
    given = [part for name, value in options.items() for part in (f"--{name}", value)]
    with pytest.raises(ValueError, match="--parameters must be a dictionary in JSON"):
        call("notebook", *given, "--parameters", text)


def test_an_executed_notebook_is_not_overwritten(tmp_path):
    (tmp_path / "kept.ipynb").touch()
    options = {"notebook": "notebooks/perceptron.ipynb", "working-copy": tmp_path / "w", "parameters": "{}"}
    given = [part for name, value in options.items() for part in (f"--{name}", value)]
    with pytest.raises(FileExistsError, match=r"kept\.ipynb is there already"):
        call("notebook", *given, "--output", tmp_path / "kept.ipynb")


def test_a_notebook_that_cannot_be_kept_is_not_run(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        notebooks.execute(ROOT / "notebooks/perceptron.ipynb", tmp_path / "file/o.ipynb", {}, tmp_path / "w.ipynb")
    assert not (tmp_path / "w.ipynb").exists()


@pytest.mark.parametrize(("results", "root"), [("nowhere", "."), ("results", "nowhere")])
def test_pages_are_filled_from_tables_that_are_there(tmp_path, results, root):
    (tmp_path / "results/tables").mkdir(parents=True)
    (tmp_path / "results/tables/a.csv").write_text("id\n")
    with pytest.raises(DataError, match="has no "):
        call("pages", "--results", tmp_path / results, "--root", tmp_path / root)


def test_what_the_user_can_mend_is_one_message(tmp_path):
    command = [sys.executable, "-m", "replication", "fetch", "--root", tmp_path / "nowhere"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "SHA256SUMS cannot be read" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("value", ["2", "", "two"])
def test_a_number_of_processes_that_torchrun_did_not_start_is_refused(value, tmp_path, monkeypatch):
    for name, set_to in {"WORLD_SIZE": value, "RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29517"}.items():
        monkeypatch.setenv(name, set_to)
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    with pytest.raises(ConfigError, match=f"WORLD_SIZE = {value} is set, and torchrun did not start this process"):
        train(tmp_path / "run")
    assert not (tmp_path / "run").exists()
