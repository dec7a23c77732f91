"""Fingerprints of the methods: their first training losses, held against tests/expected/fingerprints.json.

A record in data/limits is used for the version of a method that it was computed with. So the version must be raised
when a change moves the method's iterates by more than rounding. These tests notice such a change: they fail until the
version in src/replication/methods.py is raised and the file is written anew by

    .venv/bin/python tests/replication/test_fingerprints.py

The command leaves the file as it is where losses have moved and the version has not.
"""

import copy
import functools
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from replication.data import mnist
from replication.files import read_json, write_json
from replication.methods import METHODS
from replication.parameters import Parameters
from replication.run import train_blind

ROOT = Path(__file__).parents[2]
FILE = ROOT / "tests" / "expected" / "fingerprints.json"
COMMAND = ".venv/bin/python tests/replication/test_fingerprints.py"
ITERATIONS = 1, 5, 20
RELATIVE = 1e-4  # by how much a loss may move: kernels of another processor round differently
# Each method is trained with its constructor's settings, or with each of these in turn: settings that have no default,
# and those that the limits move.
SETTINGS: dict[str, list[dict]] = {
    "sgd": [
        {"learning_rate": 1.0, "momentum": 0.9},
        {"learning_rate": 1.0, "batch_size": 16, "epochs": True, "weight_decay": 0.001},
    ],
    "adam": [{"learning_rate": 0.001}, {"learning_rate": 0.001, "batch_size": 16, "weight_decay": 0.001}],
    "adamw": [{"learning_rate": 0.001, "weight_decay": 1.0}],
    "adam-minibatch": [{"learning_rate": 0.001, "batch_size": 16}],
    "sgd-cosine": [{"learning_rate": 1.0, "momentum": 0.9, "decay_over": 20}],
    "adam-cosine": [{"learning_rate": 0.001, "decay_over": 20}],
    "muon": [{"learning_rate": 0.01}],
    "nesterov": [{"learning_rate": 1.0, "momentum": 0.9}],
    "adam-solved": [{"learning_rate": 0.001}],
    "adam-units-on": [{"learning_rate": 0.001}],
    "badmm-momentum": [{"momentum": 0.5}],
    "lifted-momentum": [{"momentum": 0.5}],
    "lpom": [{"mu": 200.0}],
    "signal-steps": [
        {"signal": "restarted", "weight_step": "gram", "learning_rate": 0.1, "solved": True, "guarded": True},
        {"signal": "backpropagation", "weight_step": "adam", "learning_rate": 0.003},
        {"signal": "unchained", "weight_step": "muon", "learning_rate": 0.001},
        {"signal": "carried", "weight_step": "spectral", "learning_rate": 0.1},
    ],
    "badmm": [{}, {"order": "zxwm", "ridge": 3.0, "delta": 2.0, "tau_m": 0.9}],
    "badmm-ls": [{}, {"order": "zxwm", "ridge": 3.0, "delta": 2.0, "tau_m": 0.9}],
}
PERCEPTRON_ALONE = {"gradient-d"}  # methods that train no hidden layer
AFFINE_ALONE = {
    "variable-projection",
    "lbfgs-solved",
    "adam-solved",
    "dladmm",
    "signal-steps",
}  # that need an affine map at the end
NETWORK = {"activation": "relu", "bias": True, "initialization": "torch", "scale": 1.0}
IMAGES = {"training_images": 60, "validation_images": 30}
TEACHER = {"name": "teacher", "inputs": 6, "samples": 80, "condition_number": 10.0, "label_noise": 0.1}
DENOISING = {"name": "denoising", "noise": "gaussian", "noise_level": 0.3, "unseen_images": 20}


@functools.cache
def images() -> mnist.Sample:
    return mnist.draw(ROOT / "data" / "excerpt", 0, **IMAGES, sources=[], log=lambda line: None)


def losses(method: str, settings: dict) -> list[float]:
    """The training losses after ITERATIONS, on a small problem in float64."""
    perceptron = method in PERCEPTRON_ALONE
    parameters = Parameters(
        experiment="fingerprint",
        optimizer=method,
        seed=0,
        settings=settings,
        iterations=max(ITERATIONS),
        images=None if perceptron else IMAGES,
        problem=TEACHER if perceptron else DENOISING,
        network=NETWORK | {"hidden": [] if perceptron else [8], "output_activation": "relu" if perceptron else None},
        dtype="float64",
        threads=1,
        device="cpu",
    )
    _, training = train_blind(parameters, None if perceptron else images())
    return [float(f"{training.history['train_loss'][number]:.10g}") for number in ITERATIONS]


def fingerprint(method: str) -> dict:
    """The version of a method, and its losses with each of its settings in turn."""
    runs = [losses(method, settings) for settings in SETTINGS.get(method, [{}])]
    return {"version": METHODS[method].version, "losses": [loss for run in runs for loss in run]}


def moved(made: dict, expected: dict) -> bool:
    """Whether a loss is another one than in the file."""
    losses = made["losses"], expected["losses"]
    return len(losses[0]) != len(losses[1]) or not np.allclose(*losses, rtol=RELATIVE, atol=0)


def fault(method: str, made: dict, expected: dict | None) -> str | None:
    """What is wrong with a method's fingerprint, and what to do; None where nothing is."""
    if expected is None:
        return f"{method} has no fingerprint: run {COMMAND}"
    if made["version"] != expected["version"]:
        return f"{method} has version {made['version']}, and {expected['version']} in {FILE.name}: run {COMMAND}"
    if moved(made, expected):
        numbers = f"{expected['losses']} before, {made['losses']} now"
        return f"the losses of {method} moved ({numbers}): raise its version in methods.py and run {COMMAND}"
    return None


def write(path: Path = FILE) -> None:
    """Write the fingerprint of every method. Raises SystemExit where losses moved and the version did not."""
    made = {method: fingerprint(method) for method in METHODS}
    before = read_json(path) if path.exists() else {}
    same = [method for method in made.keys() & before.keys() if made[method]["version"] == before[method]["version"]]
    if faults := [line for method in sorted(same) if (line := fault(method, made[method], before[method]))]:
        sys.exit("\n".join(faults))
    write_json(path, {method: made[method] if method not in same else before[method] for method in made})


@pytest.fixture(scope="module")
def expected() -> dict:
    return read_json(FILE)


@pytest.mark.parametrize("method", METHODS)
def test_a_method_trains_as_its_version_says(method, expected):
    assert fault(method, fingerprint(method), expected.get(method)) is None


def test_the_file_has_no_other_methods(expected):
    assert expected.keys() == METHODS.keys()


@pytest.mark.parametrize("index", range(len(ITERATIONS)))
@pytest.mark.parametrize("method", ["badmm", "gradient-d"])
def test_a_loss_that_moved_is_noticed_and_rounding_is_not(method, index, expected):
    made = copy.deepcopy(expected[method])
    made["losses"][index] *= 1 + RELATIVE / 2
    assert fault(method, made, expected[method]) is None
    made["losses"][index] *= 1 + RELATIVE
    assert "raise its version in methods.py and run" in fault(method, made, expected[method])
    made["losses"][index] = math.nan
    assert "raise its version" in fault(method, made, expected[method])
    assert "raise its version" in fault(method, made | {"losses": []}, expected[method])


def test_a_change_of_the_algorithm_is_noticed(expected, monkeypatch):
    """A step of the multipliers that is a hundredth shorter."""
    monkeypatch.setitem(SETTINGS, "badmm", [{"tau_m": 0.99}, *SETTINGS["badmm"][1:]])
    assert "the losses of badmm moved" in fault("badmm", fingerprint("badmm"), expected["badmm"])


def test_a_version_that_is_not_in_the_file_is_noticed(expected):
    made = expected["badmm"] | {"version": expected["badmm"]["version"] + 1}
    assert fault("badmm", made, expected["badmm"]).startswith("badmm has version")
    assert "has no fingerprint" in fault("new", made, None)


def test_the_file_is_written_anew_for_a_raised_version_alone(tmp_path, monkeypatch):
    path, two = tmp_path / "fingerprints.json", {name: METHODS[name] for name in ("sgd", "adam")}
    monkeypatch.setitem(globals(), "METHODS", two)
    write(path)
    first = read_json(path)
    assert list(first) == ["sgd", "adam"]
    monkeypatch.setitem(SETTINGS, "adam", [{"learning_rate": 0.002}, *SETTINGS["adam"][1:]])
    with pytest.raises(SystemExit, match="the losses of adam moved"):
        write(path)
    assert read_json(path) == first
    two["adam"] = replace(two["adam"], version=two["adam"].version + 1)
    write(path)
    assert read_json(path)["sgd"] == first["sgd"]
    assert read_json(path)["adam"] == fingerprint("adam")


if __name__ == "__main__":
    write()
