"""What the Snakefile does before its rules."""

import copy
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.exceptions import WorkflowError
from snakemake_calls import ROOT

from replication import config, workflow
from replication.report.site import provenance


@pytest.fixture(scope="module")
def settings() -> dict:
    return config.project(ROOT)


def test_the_configuration_is_checked_and_planned(settings):
    read = copy.deepcopy(settings) | {"seeds": [3, 4]}
    read["experiments"]["autoencoder"]["optimizers"]["lbfgs"] = None
    plan = workflow.make_plan(read, str(ROOT))
    assert "lbfgs" not in read["experiments"]["autoencoder"]["optimizers"]
    assert plan.poster.seeds("autoencoder") == [3, 4]


def given(*entries: str, files: tuple[Path, ...] = (), replace: bool = False) -> SimpleNamespace:
    """What Snakemake keeps of --configfile, --config and --replace-workflow-config."""
    return SimpleNamespace(configfiles=files, config_args=list(entries), replace_workflow_config=replace)


def test_the_command_line_has_the_types_of_a_file(tmp_path):
    (tmp_path / "my.yaml").write_text("threads: 2\nexperiments: {autoencoder: {iterations: 7}}")
    entries = ["data={training_images: 50}", "limits={published: null}", "seeds=[0, 1]"]
    read = workflow.read_config(str(ROOT), given(*entries, files=(tmp_path / "my.yaml",)))
    assert (read["data"]["training_images"], read["limits"]["published"], read["seeds"]) == (50, None, [0, 1])
    assert (read["threads"], read["experiments"]["autoencoder"]["iterations"]) == (2, 7)


def test_files_can_replace_the_projects_own():
    assert workflow.read_config(str(ROOT), given("threads=2", replace=True)) == {"threads": 2}


def test_a_target_behind_the_configuration_files_is_called_one(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WorkflowError, match=r"results/tuned\.yaml is no configuration: put targets first"):
        workflow.read_config(str(ROOT), given(files=(tmp_path / "results/tuned.yaml",)))


@pytest.mark.parametrize(
    ("entry", "message"),
    [("threads=[1", "--config threads=.*: "), ("data={root: a, root: b}", "root is given twice")],
)
def test_a_value_of_the_command_line_that_is_no_yaml_is_one_message(entry, message):
    with pytest.raises(WorkflowError, match=message):
        workflow.read_config(str(ROOT), given(entry))


@pytest.mark.parametrize(("seeds", "folder"), [([0], "results/figures"), (None, "figures")])
def test_other_settings_in_the_projects_folder_leave_its_figures_as_they_are(seeds, folder, settings, monkeypatch):
    monkeypatch.chdir(ROOT)
    plan = workflow.make_plan(copy.deepcopy(settings) | ({"seeds": seeds} if seeds else {}), ".")
    assert {str(Path(path).parent) for path in plan.shown("all") if path.endswith(".png")} == {folder}


def test_a_wrong_configuration_is_one_message(settings):
    wrong = copy.deepcopy(settings)
    wrong["experiments"]["autoencoder"]["optimizers"]["badmm"]["tau_z"] = 2.5
    with pytest.raises(WorkflowError, match=r"experiments\.autoencoder\.optimizers\.badmm\.tau_z: 2\.5"):
        workflow.make_plan(wrong, str(ROOT))


def test_files_that_are_newer_than_the_clock_are_named_and_have_its_time(tmp_path, capsys):
    for name in ("Snakefile", "src/nonsmooth/badmm.py", "data/SHA256SUMS", "elsewhere/own.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    workflow.settle_times(str(tmp_path))
    assert capsys.readouterr().err == ""
    now, later = time.time(), time.time() + 7200
    for name in ("src/nonsmooth/badmm.py", "elsewhere/own.txt"):
        os.utime(tmp_path / name, (later, later))
    workflow.settle_times(str(tmp_path))
    error = capsys.readouterr().err
    assert (
        error
        == f"Files were newer than this machine's clock, and have its time now: {tmp_path}/src/nonsmooth/badmm.py\n"
    )
    assert abs((tmp_path / "src/nonsmooth/badmm.py").stat().st_mtime - now) < 60
    assert (tmp_path / "elsewhere/own.txt").stat().st_mtime == pytest.approx(later)


def test_the_graph_of_the_site_has_one_order(monkeypatch):
    texts = set()
    for seed in ("1", "2", "3"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        texts.add(provenance._output([sys.executable, "-c", "print(list(set('abcdefghij')))"]))
    assert len(texts) == 1


def test_a_path_with_braces_is_refused_before_any_work(settings):
    with pytest.raises(WorkflowError, match=r"\.\./p\{x\}: Snakemake takes braces"):
        workflow.make_plan(settings, "../p{x}")


@pytest.mark.parametrize(
    ("interpreter", "name", "first"),
    [("/my folder/bin/python3", "python3", "/my folder/bin:/usr/bin"), ("/bin/python3", "/bin/python3", "/usr/bin")],
)
def test_an_interpreter_in_a_folder_with_a_space_is_called_by_its_name(interpreter, name, first, monkeypatch):
    monkeypatch.setattr(sys, "executable", interpreter)
    environment = {"PATH": "/usr/bin"}
    workflow.prepare_jobs(environment)
    assert sys.executable == name
    assert environment["PATH"] == first


def test_jobs_have_no_variable_by_which_a_person_would_change_results(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/python3")
    kept = {"PATH": "/usr/bin", "CUDA_VISIBLE_DEVICES": "0", "MPLCONFIGDIR": "cache"}
    changing = "PYTHONSTARTUP PYTHONOPTIMIZE PYTHONHASHSEED PYTHONWARNINGS MPLBACKEND MATPLOTLIBRC"
    changing += " MKL_CBWR ATEN_CPU_CAPABILITY ONEDNN_DEFAULT_FPMATH_MODE TORCH_LOGS NPY_DISABLE_CPU_FEATURES"
    environment = kept | dict.fromkeys(changing.split(), "1")
    workflow.prepare_jobs(environment)
    assert kept.items() <= environment.items()
    assert not set(changing.split()) & environment.keys()


def test_jobs_have_this_library_whatever_python_path_they_are_given(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/python3")
    environment = {"PATH": "/usr/bin", "PYTHONPATH": "src"}
    workflow.prepare_jobs(environment)
    assert environment["PYTHONPATH"].split(os.pathsep) == [str(ROOT / "src"), "src"]


def test_a_lock_is_told_with_the_command_that_removes_it(tmp_path, monkeypatch):
    printed = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(workflow.atexit, "register", lambda *arguments, **_: printed.append(arguments[1]))
    workflow.name_unlock(["--cores", "2"])
    assert not printed
    (tmp_path / ".snakemake" / "locks").mkdir(parents=True)
    (tmp_path / ".snakemake" / "locks" / "0.input.lock").touch()
    workflow.name_unlock(["--cores", "2", "--unlock"])
    assert not printed
    workflow.name_unlock(["--cores", "2", "--config", "seeds=[0, 1]"])
    assert printed[0].endswith("-m snakemake --cores 2 --config 'seeds=[0, 1]' --unlock")
