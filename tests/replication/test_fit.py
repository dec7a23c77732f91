"""The commands for people's own arrays and images: methods, fit and denoise, and crate for an archive."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import io

from replication import __main__ as commands
from replication import methods, run
from replication.errors import DataError
from replication.paths import RUN_FILES
from replication.quality import psnr


def call(command: str, **options: object) -> None:
    given = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", *str(value).split())]
    arguments = commands.parser().parse_args([command, *given])
    arguments.run(arguments)


@pytest.fixture
def clean(sample, tmp_path) -> Path:
    """A file of images of digits, in bytes."""
    np.save(tmp_path / "clean.npy", sample.training.view(-1, 28, 28).numpy())
    return tmp_path / "clean.npy"


def test_a_folder_of_images_is_denoised_by_a_network_trained_on_a_file(clean, sample, tmp_path, capsys):
    call("fit", data=clean, iterations=60, settings="tau_w=1.2 ridge=5", run_folder=tmp_path / "run")
    printed = capsys.readouterr().out
    assert float(re.search(r"inputs themselves: (.*)", printed)[1]) == pytest.approx(0.3**2, rel=0.02)
    trained = run.load(tmp_path / "run")
    assert trained.parameters.settings == {"tau_w": 1.2, "ridge": 5}
    assert len(trained.history["train_loss"]) == 61
    draw = torch.Generator().manual_seed(0)
    pixels = sample.training[:3].float() / 255
    noisy = (pixels + 0.3 * torch.randn(pixels.shape, generator=draw)).clamp(0, 1)
    (tmp_path / "noisy").mkdir()
    for number, image in enumerate(noisy):
        io.imsave(tmp_path / f"noisy/{number}.png", (255 * image.view(28, 28)).byte().numpy(), check_contrast=False)
    call("denoise", run_folder=tmp_path / "run", images=tmp_path / "noisy", output=tmp_path / "out")
    denoised = torch.stack([torch.from_numpy(io.imread(tmp_path / f"out/{number}.png")) for number in range(3)])
    assert (psnr(denoised.flatten(1) / 255, pixels) > psnr(noisy, pixels) + 1).all()
    with pytest.raises(FileExistsError, match=r"0\.png is there already"):
        call("denoise", run_folder=tmp_path / "run", images=tmp_path / "noisy", output=tmp_path / "out")
    io.imsave(tmp_path / "noisy/9.png", np.zeros((8, 9), np.uint8), check_contrast=False)
    with pytest.raises(ValueError, match=r"9\.png has 8 x 9 pixels: the network of .* takes 784"):
        call("denoise", run_folder=tmp_path / "run", images=tmp_path / "noisy", output=tmp_path / "other")
    assert list((tmp_path / "other").glob("*")) == []


def test_a_network_is_trained_on_pairs_and_denoises_nothing(tmp_path, capsys):
    inputs = np.random.default_rng(0).normal(size=(40, 3))
    np.savez(tmp_path / "pairs.npz", inputs=inputs, targets=np.abs(inputs[:, :2]))
    settings = {"method": "adam", "settings": "learning_rate=0.01", "hidden": "8 4", "iterations": 20, "held_out": 0.25}
    call("fit", data=tmp_path / "pairs.npz", run_folder=tmp_path / "run", **settings)
    assert "themselves" not in capsys.readouterr().out
    assert [len(value) for value in run.load(tmp_path / "run").weights.values()] == [8, 8, 4, 4, 2, 2]
    (tmp_path / "noisy").mkdir()
    with pytest.raises(ValueError, match="has no PNG files"):
        call("denoise", run_folder=tmp_path / "run", images=tmp_path / "noisy", output=tmp_path / "out")
    (tmp_path / "noisy/a.png").touch()
    with pytest.raises(ValueError, match="3 inputs and 2 outputs"):
        call("denoise", run_folder=tmp_path / "run", images=tmp_path / "noisy", output=tmp_path / "out")


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("method", "bdmm", "--method bdmm: must be one of .*; the nearest name is 'badmm'"),
        ("method", "gradient-d", "--method gradient-d: GradientD trains one nn.Linear"),
        ("method", "sgd", "^--settings: .*'learning_rate'"),
        ("settings", "tau_w=3", "--settings tau_w=3: tau_w = 3 is outside its range, 0 < tau_w < 2"),
        ("settings", "tau_v=1", "--settings tau_v=1: .*'tau_v'; the nearest name is 'tau_"),
        ("settings", "tau_w", "--settings tau_w: must be name=value"),
        ("hidden", "8 0", "--hidden 0: must be at least 1"),
        ("iterations", 0, "--iterations 0: must be at least 1"),
        ("noise", -1, "--noise -1.0: must be at least 0"),
        ("held-out", 1, "--held-out 1.0: must be between 0 and 1"),
        ("held-out", 0.001, "has 60 inputs and 60 targets: .*--held-out 0.001"),
        ("seed", -1, "--seed -1: must be from 0 to"),
        ("data", "rows.csv", r"--data rows\.csv: must be an \.npz or \.npy file, or mnist"),
    ],
)
def test_an_argument_is_refused_by_name_before_any_work(option, value, message, clean, tmp_path):
    with pytest.raises(ValueError, match=message) as refusal:
        call("fit", **{"data": clean, option: value}, run_folder=tmp_path / "run")
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones(5), r"shape \(5,\): must be N x columns; classes as one-hot rows"),
        (np.full((4, 2), np.nan), "values that are not finite"),
        (np.array([["a", "b"]]), "must be numbers"),
        (np.array([[{}]]), "allow_pickle=False"),
    ],
)
def test_an_array_that_no_network_could_learn_is_refused(array, message, tmp_path):
    np.save(tmp_path / "rows.npy", array, allow_pickle=True)
    with pytest.raises(DataError, match=rf"rows\.npy cannot be read: .*{message}"):
        call("fit", data=tmp_path / "rows.npy", run_folder=tmp_path / "run")


def test_a_finished_run_is_described_for_an_archive(clean, tmp_path):
    rocrate = pytest.importorskip("rocrate.rocrate", reason="rocrate is in the extra archive")
    call("fit", data=clean, iterations=2, run_folder=tmp_path / "run")
    call("crate", run_folder=tmp_path / "run")
    crate = rocrate.ROCrate(tmp_path / "run")
    assert {Path(part.id).name for part in crate.root_dataset["hasPart"]} == set(RUN_FILES)
    assert crate.dereference("#software")["version"] == run.load(tmp_path / "run").record["versions"]["nonsmooth"]
    assert crate.dereference("#unseen_psnr")["value"] == run.load(tmp_path / "run").final["unseen_psnr"]
    with pytest.raises(FileExistsError, match=r"ro-crate-metadata\.json is there already"):
        call("crate", run_folder=tmp_path / "run")


def test_a_run_is_described_only_with_the_library_for_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rocrate.rocrate", None)
    with pytest.raises(DataError, match=r"rocrate is not installed: pip install -e '\.\[archive\]'"):
        call("crate", run_folder=tmp_path / "run")


def test_every_method_is_listed_with_the_settings_that_it_takes(capsys):
    call("methods")
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines[0:-2:2]] == list(methods.METHODS)
    listed = dict(zip(methods.METHODS, lines[1::2], strict=False))
    assert "tau_w=1.3" in listed["badmm"]
    assert "weight_step" not in listed["badmm"]
    assert listed["sgd-cosine"].split()[:1] == ["learning_rate"]
