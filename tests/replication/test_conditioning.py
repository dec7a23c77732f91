"""The optimum that gaps are measured from, and gaps that close."""

import math
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from nonsmooth import bregman, proximal
from nonsmooth.problem import Split
from nonsmooth.training import mean_squared_error
from replication import constructors, data, studies
from replication.compute import conditioning
from replication.compute.conditioning import answer, area, fits, optimum
from replication.data import networks
from replication.parameters import of_run

ROOT = Path(__file__).parents[2]


@pytest.fixture
def few_starts(monkeypatch):
    """The minimum of the squared error from fewer starts, where a test does not depend on its last digits."""
    monkeypatch.setattr(conditioning, "STARTS", 1)


@pytest.mark.parametrize("condition_number", [1.0, 1e3])
def test_the_optimum_is_that_of_the_exact_weight_step(few_starts, condition_number):
    settings = {"inputs": 5, "samples": 60, "condition_number": condition_number, "label_noise": 0.1}
    problem = data.build(None, name="teacher", seed=0, dtype="float64", **settings)
    network = networks.build(
        problem.sizes, hidden=[], activation="relu", output_activation="relu", bias=True, initialization="torch",
        scale=1.0, seed=0, dtype="float64",
    )  # fmt: skip
    optimizer = constructors.build("badmm-ls", network, *problem.training, seed=0)
    for _ in range(1000):
        optimizer.step()
    with torch.no_grad():
        z = network[0](problem.training.inputs)
    distance = bregman.distance(proximal.of(network[1]), problem.training.targets, z).mean().item()
    smallest = optimum(problem.training)
    assert smallest["train_d"] == pytest.approx(distance, rel=1e-8)
    assert smallest["train_loss"] <= mean_squared_error(network, problem.training) * (1 + 1e-12)


def test_no_gradient_descent_from_anywhere_gets_below_the_optimum():
    settings = {"inputs": 8, "samples": 60, "condition_number": 100.0, "label_noise": 0.3}
    X, y = data.build(None, name="teacher", seed=1, dtype="float64", **settings).training
    smallest = optimum(Split(X, y))["train_loss"]
    X = torch.linalg.qr(torch.cat([X, torch.ones_like(y)], 1))[0] * len(X) ** 0.5
    start = torch.randn(9, 100, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    v = start.requires_grad_()  # 100 descents side by side
    optimizer = torch.optim.Adam([v], lr=0.03)
    for _ in range(800):
        optimizer.zero_grad()
        losses = ((X @ v).relu() - y).square().mean(0)
        losses.sum().backward()
        optimizer.step()
    assert losses.min() >= smallest * (1 - 1e-12)
    assert losses.min() <= smallest * (1 + 1e-3)


def test_data_that_a_perceptron_fits_has_an_optimum_of_zero():
    X = torch.randn(40, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = (X @ torch.ones(3, 1, dtype=torch.float64)).clamp(min=0)
    assert fits(X.numpy(), y.numpy()[:, 0])
    assert optimum(Split(X, y)) == {"train_d": 0.0, "train_loss": 0.0}


def test_a_perceptron_cannot_be_off_where_it_must_be_on():
    X = torch.tensor([[1.0], [2.0], [3.0]], dtype=torch.float64).numpy()
    y = torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64).numpy()
    assert not fits(X, y)


@pytest.mark.parametrize("condition_number", [None, 1.0, 1e3])
def test_digits_can_be_fitted_whatever_their_condition(sample, few_starts, condition_number):
    settings = {"name": "digit", "digit": 3, "unseen_images": 20, "condition_number": condition_number}
    training = data.build(sample, **settings, seed=0, dtype="float32").training
    assert optimum(training) == {"train_d": 0.0, "train_loss": 0.0}
    twice = Split(training.inputs.repeat(2, 1), torch.cat([training.targets, training.targets.roll(1)]))
    assert optimum(twice)["train_loss"] > 0.01  # an image of both kinds


def tuned_and_run(runs, ranges, numbers) -> list[dict]:
    """The table of runs on a problem without images."""
    asked = {name: asdict(run) for name, run in runs.items()}
    return answer(asked, ranges, **numbers, root="", published=[])["table"]


def test_gaps_start_at_one_and_close(smoke_config, few_starts):
    runs = {n: of_run(smoke_config, "perceptron-teacher", n, 0).but(iterations=60) for n in ("sgd", "badmm-ls")}
    runs["sgd"] = runs["sgd"].but(settings={"learning_rate": 0.1})  # with a large one a seed may lose its only unit
    ranges = {"sgd": {"learning_rate": {"log": [0.05, 0.2]}}, "badmm-ls": {"tau_z": {"linear": [0.5, 1.9]}}}
    numbers = {"condition_numbers": [1, 100], "trials": 1, "tuning_seeds": [1000], "seeds": [0]}
    table = tuned_and_run(runs, ranges, numbers)
    assert [(entry["condition_number"], entry["optimizer"]) for entry in table] == [
        (number, name) for number in (1, 100) for name in runs
    ]
    for entry in table:
        for gaps in entry["gaps"]:
            assert len(gaps) == 61
            assert gaps[0] == 1.0
            assert 0 < gaps[-1] < 0.5
        assert all(0 <= share < 0.5 for share in entry["off"])
        assert entry["settings"].keys() == runs[entry["optimizer"]].settings.keys()


def test_a_run_that_diverges_has_no_gaps_and_is_not_chosen(smoke_config, few_starts):
    """One trial of two diverges: the other one is chosen. Where all diverge the entry says so."""
    sgd = of_run(smoke_config, "perceptron-teacher", "sgd", 0).but(iterations=20, settings={"learning_rate": 1e9})
    numbers = {"condition_numbers": [1], "trials": 1, "tuning_seeds": [1000], "seeds": [0]}
    (entry,) = tuned_and_run({"sgd": sgd}, {"sgd": {"learning_rate": {"log": [0.05, 0.2]}}}, numbers)
    assert 0.05 <= entry["settings"]["learning_rate"] <= 0.2
    (entry,) = tuned_and_run({"sgd": sgd}, {"sgd": {"learning_rate": {"log": [1e8, 1e10]}}}, numbers)
    assert (entry["gaps"], entry["off"]) == ([[None]], [None])


def test_settings_are_chosen_by_the_area_and_never_one_that_diverges():
    slow, fast = [1.0, 0.1, 1e-16], [1.0, 1e-8, 1e-16]  # they end alike
    assert min([slow, fast, [1.0, None]], key=area) == fast
    assert area([1.0, None]) == math.inf


def test_every_method_of_a_perceptron_is_asked_for(smoke_config):
    jobs = {job.name: job.arguments for job in studies.conditioning.jobs(smoke_config)}
    for experiment in ("perceptron", "perceptron-teacher"):
        asked = jobs[f"conditioning/{experiment}"]
        assert (
            asked["runs"].keys()
            == asked["ranges"].keys()
            == smoke_config["experiments"][experiment]["optimizers"].keys()
        )
        assert (asked["tuning_seeds"], asked["seeds"]) == ([1000], [0, 1])
