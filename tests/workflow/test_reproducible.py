"""The same bits whoever runs it, and wherever: runs, weights and figures."""

import subprocess
from pathlib import Path

import pytest
from snakemake_calls import call, copy_project, output, snakemake

from replication import records

pytestmark = pytest.mark.slow
TARGETS = ["results/notebooks/autoencoder/adam.ipynb", "figures/conditioning.pdf"]
OVER = "conditioning: {condition_numbers: [1], trials: 1, seeds: [0]}"
ODD = '-größe $HOME o\'brien [a*b] "q" (1)&x'


def bits(directory: Path) -> dict[str, bytes]:
    paths = [path for path in directory.rglob("*") if path.suffix in (".parquet", ".safetensors", ".pdf", ".png")]
    return {str(path.relative_to(directory)): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def usual(tmp_path_factory) -> dict[str, bytes]:
    directory = tmp_path_factory.mktemp("usual")
    done = snakemake(directory, *TARGETS, "--cores", "2", over=OVER)
    assert done.returncode == 0, output(done)
    found = bits(directory)
    assert {"figures/conditioning.pdf", "results/runs/autoencoder/adam/seed-0/history.parquet"} <= found.keys()
    return found


def test_another_path_umask_locale_time_zone_hash_seed_and_number_of_cores(usual, tmp_path, monkeypatch):
    project = copy_project(tmp_path / ODD)
    elsewhere = {"PYTHONPATH": f"{project}/src", "PYTHONHASHSEED": "7", "LC_ALL": "C", "TZ": "Asia/Tokyo"}
    for name, value in elsewhere.items():
        monkeypatch.setenv(name, value)
    directory = tmp_path / f"results {ODD}"
    options = call(directory, *TARGETS, "--cores", "4", project=project, over=OVER)
    done = subprocess.run(**options, umask=0o077, capture_output=True, text=True)
    assert done.returncode == 0, output(done)
    assert bits(directory) == usual
    files = [path for path in (directory / "results").rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


def test_personal_settings_and_a_home_that_cannot_be_written(usual, tmp_path, monkeypatch):
    directory = tmp_path / "work"
    profile = tmp_path / "ipython" / "profile_default"
    for folder in (directory, profile / "startup", tmp_path / "matplotlib"):
        folder.mkdir(parents=True)
    for file in (profile / "startup" / "own.py", tmp_path / "startup.py"):
        file.write_text("import torch\ntorch.set_default_dtype(torch.float64)\n")
    for file in (directory / "matplotlibrc", tmp_path / "matplotlib" / "matplotlibrc"):
        file.write_text("axes.titleweight: bold\nlines.scale_dashes: False\ntext.antialiased: False\n")
    (directory / "pandas.py").write_text("raise ImportError('a module of the working directory')")
    personal = {
        "HOME": "/dev/null",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "PYTHONSTARTUP": str(tmp_path / "startup.py"),
        "MPLCONFIGDIR": str(tmp_path / "matplotlib"),
        "MPLBACKEND": "svg",
        "PYTHONSAFEPATH": "1",
        "OMP_NUM_THREADS": "2",
        "MKL_CBWR": "COMPATIBLE",
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_DEFAULT_FPMATH_MODE": "BF16",
    }
    options = call(directory, *TARGETS, "--cores", "2", over=OVER)
    done = subprocess.run(**options | {"env": options["env"] | personal}, capture_output=True, text=True)
    assert done.returncode == 0, output(done)
    assert bits(directory) == usual


SEEDS = 200


def test_as_many_as_two_hundred_seeds_in_one_call(tmp_path):
    over = f"claims: {{seeds: {list(range(SEEDS))}}}"
    targets = [f"results/records/tuning/perceptron-teacher/{name}.jsonl" for name in ("adam", "badmm")]
    done = snakemake(tmp_path, *targets, "--cores", "4", over=over)
    assert done.returncode == 0, output(done)
    for target in targets:
        runs = records.read(tmp_path / target)["result"]["chosen"]["train_loss"]["runs"]
        assert [run["seed"] for run in runs] == list(range(SEEDS))
