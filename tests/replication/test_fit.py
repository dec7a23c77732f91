"""The commands for people's own arrays and images: methods, fit and denoise, and crate for an archive."""

import json
import re
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import io

from replication import __main__ as commands
from replication import constructors, fit, methods, run
from replication.data.arrays import read_problem
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
    assert psnr(denoised.flatten(1) / 255, pixels).mean() > psnr(noisy, pixels).mean() + 1
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


@pytest.mark.parametrize("command", ["fit", "denoise", "train", "crate", "fetch", "pages", "publish", "notebook"])
def test_no_option_of_any_command_is_given_twice(command, capsys):
    (options,) = [action for action in commands.parser()._actions if action.choices]
    for action in options.choices[command]._actions[1:]:
        value = [] if action.nargs == "*" else ["1"]
        with pytest.raises(SystemExit) as refusal:
            commands.main([command, action.option_strings[0], *value, action.option_strings[0], *value])
        assert refusal.value.code == 2
        assert f"{action.option_strings[0]} is given twice" in capsys.readouterr().err


SETTINGS = {  # values that no setting of a kind has, by the default's type
    float: ["true", "'1'", ".inf", ".nan", "null", "[1.0]", "2020-10-10", "no"],
    bool: ["1", "no", "'true'"],
    str: ["1", "null", "true", "[a]"],
    int: ["2.5", "true", "'3'"],
}


@pytest.mark.parametrize("method", methods.METHODS)
def test_no_setting_of_any_method_has_a_value_of_another_type(method):
    for setting, parameter in constructors._own(method).items():
        for value in SETTINGS.get(parameter.annotation, ["2.5", "true"]):
            given = fit._parsed([f"{setting}={value}"])
            assert setting in (constructors.refusal(method, given) or ""), (setting, value)
    for other in ("seed", "network", "group", "generator", "maximize", "", *methods.METHODS[method].fixed):
        assert f"{method} has no setting '{other}'" == constructors.refusal(method, {other: 1})
    assert "initial_scale" in constructors.refusal(method, {"initial_scale": True})


@pytest.mark.parametrize("wrong", [{"betas": [0.9]}, {"foreach": 3}, {"eps": "1"}, {"weight_decay": True}])
def test_settings_of_torchs_algorithms_have_its_types(wrong):
    (name,) = wrong
    assert name in constructors.refusal("adam", {"learning_rate": 0.1} | wrong)
    assert constructors.refusal("adam", {"learning_rate": 0.1, "betas": [0.9, 0.99], "foreach": None}) is None


def test_a_setting_is_given_once(clean, tmp_path):
    with pytest.raises(ValueError, match="tau_w is given twice"):
        call("fit", data=clean, settings="tau_w=1.0 ridge=1 tau_w=0.2", run_folder=tmp_path / "run")


@pytest.mark.parametrize(
    ("array", "line"),
    [
        (np.eye(4, dtype=np.uint8), "4 rows, 4 columns, uint8, from 0 to 1, not scaled"),
        (np.array([[0, 255]] * 4, np.uint8), "uint8, from 0 to 255, pixels: divided by 255"),
        (np.array([[0, 65535]] * 4, np.uint16), "uint16, from 0 to 65535, pixels: divided by 65535"),
        (np.array([[0, 255]] * 4, np.int64), "int64, from 0 to 255, not scaled"),
        (np.array([[-1.5, 2]] * 4), "float64, from -1.5 to 2, not scaled"),
    ],
)
def test_what_is_read_is_told_with_its_scaling(array, line, tmp_path):
    np.save(tmp_path / "rows.npy", array)
    np.savez(tmp_path / "pairs.npz", inputs=array, targets=array, labels=array)
    told = []
    alone = read_problem(str(tmp_path / "rows.npy"), 0.0, 0.5, 0, told.append)
    pairs = read_problem(str(tmp_path / "pairs.npz"), 0.0, 0.5, 0, told.append)
    assert [line in entry for entry in told] == [True, False, True, True]
    assert "not used: labels" in told[1]
    for problem in (alone, pairs):
        assert problem.training.targets.max() == (1 if "divided" in line else array.max())


def test_numbers_that_may_be_pixels_or_not_are_refused(tmp_path):
    np.save(tmp_path / "rows.npy", np.arange(12, dtype=np.uint8).reshape(4, 3))
    with pytest.raises(DataError, match=r"uint8 and values up to 11, .* save it as float32"):
        call("fit", data=tmp_path / "rows.npy", run_folder=tmp_path / "run")


def test_no_array_of_a_file_is_left_out(tmp_path):
    with open(tmp_path / "rows.npy", "wb") as file:
        for rows in (30, 70):
            np.save(file, np.ones((rows, 3)))
    np.savez(tmp_path / "one.npz", inputs=np.ones((4, 2)))
    with zipfile.ZipFile(tmp_path / "two.npz", "w") as archive, warnings.catch_warnings(action="ignore"):
        for name in ("inputs", "targets", "targets"):
            archive.write(tmp_path / "rows.npy", f"{name}.npy")
    with zipfile.ZipFile(tmp_path / "inside.npz", "w") as archive:
        for name in ("inputs", "targets"):
            archive.write(tmp_path / "rows.npy", f"{name}.npy")
    for name, reason in {
        "rows.npy": r"more follows behind the array of shape \(30, 3\)",
        "one.npz": "0 arrays are called targets: must be one",
        "two.npz": "2 arrays are called targets: must be one",
        "inside.npz": "more follows behind",
    }.items():
        with pytest.raises(DataError, match=f"{name} cannot be read: .*{reason}"):
            call("fit", data=tmp_path / name, run_folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_layers_that_no_memory_holds_are_refused_by_name(clean, tmp_path, capsys):
    for size in (10**8, 10**14):
        with pytest.raises(ValueError, match=rf"hidden = \[{size}\]: weights and units are at least .* GiB"):
            call("fit", data=clean, hidden=size, run_folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.fixture
def denoiser(tmp_path) -> Path:
    """A run whose network takes 8 x 8 pixels."""
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).random((20, 64)))
    call("fit", data=tmp_path / "rows.npy", hidden=4, iterations=2, run_folder=tmp_path / "run")
    return tmp_path / "run"


def test_images_of_every_form_are_denoised_alike(denoiser, tmp_path, capsys):
    grey = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8)).astype(np.uint8))
    (tmp_path / "noisy").mkdir()
    for form in ("L", "LA", "RGB", "RGBA"):
        grey.convert(form).save(tmp_path / f"noisy/{form}.png")
    grey.convert("RGB").save(tmp_path / "noisy/bmp.png", format="BMP")  # another ending than its own
    Image.fromarray(np.full((8, 8), 255, np.uint8)).save(tmp_path / "noisy/white.png")
    for form, clear in (("LA", (0, 0)), ("RGBA", (0, 0, 0, 0))):
        Image.new(form, (8, 8), clear).save(tmp_path / f"noisy/white-{form}.png")
    for name in ("._L.png", ".DS_Store", "Thumbs.db"):
        (tmp_path / "noisy" / name).write_bytes(b"no image")
    call("denoise", run_folder=denoiser, images=tmp_path / "noisy", output=tmp_path / "out")
    assert "8 images denoised, 1 other files left out" in capsys.readouterr().out
    for first, others in {"L": ["LA", "RGB", "RGBA", "bmp"], "white": ["white-LA", "white-RGBA"]}.items():
        for other in others:
            pixels = [io.imread(tmp_path / f"out/{name}.png").astype(int) for name in (first, other)]
            assert np.abs(pixels[0] - pixels[1]).max() <= 1, other


def test_images_that_are_none_are_refused_by_name(denoiser, tmp_path):
    (tmp_path / "noisy/folder.png").mkdir(parents=True)
    with pytest.raises(DataError, match=r"folder\.png cannot be read: "):
        call("denoise", run_folder=denoiser, images=tmp_path / "noisy", output=tmp_path / "out")
    (tmp_path / "noisy/folder.png").rmdir()
    frames = [Image.new("L", (8, 8), value) for value in (0, 255)]
    frames[0].save(tmp_path / "noisy/a.png", save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match=r"a\.png cannot be read: .*it has 2 frames: must be one image"):
        call("denoise", run_folder=denoiser, images=tmp_path / "noisy", output=tmp_path / "out")
    (tmp_path / "noisy/a.png").write_bytes(b"text")
    with pytest.raises(DataError, match=r"a\.png cannot be read: "):
        call("denoise", run_folder=denoiser, images=tmp_path / "noisy", output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("file", "digests"), [("weights.safetensors", True), ("history.parquet", True), ("weights.safetensors", False)]
)
def test_files_of_two_runs_are_refused_by_name(file, digests, denoiser, tmp_path):
    call("fit", data=tmp_path / "rows.npy", hidden="4 3", iterations=2, run_folder=tmp_path / "other")
    (denoiser / file).write_bytes((tmp_path / "other" / file).read_bytes())
    if not digests:  # as in runs of former versions, whose shapes are what is known
        record = json.loads((denoiser / "run.json").read_text())
        (denoiser / "run.json").write_text(json.dumps({key: record[key] for key in record if key != "sha256"}))
    (tmp_path / "noisy").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "noisy/a.png")
    with pytest.raises(DataError, match=rf"{file} cannot be read: .* run\.json beside it"):
        call("denoise", run_folder=denoiser, images=tmp_path / "noisy", output=tmp_path / "out")
    assert not (tmp_path / "out").exists()
