"""The optimum that gaps are measured from, and gaps that close."""

import json

import pytest
import torch

from nonsmooth import bregman, proximal
from replication import config, data as problems, methods as optimizers
from replication.data import networks
from replication.studies import conditioning
from replication.data import Split


@pytest.mark.parametrize("condition_number", [1.0, 1e3])
def test_the_optimum_is_that_of_the_exact_weight_step(condition_number):
    settings = {"inputs": 5, "samples": 60, "condition_number": condition_number, "label_noise": 0.1}
    problem = problems.build(None, name="teacher", seed=0, dtype="float64", **settings)
    network = networks.build(
        problem.sizes, hidden=[], activation="relu", output_activation="relu", bias=True, initialization="torch",
        scale=1.0, seed=0, dtype="float64",
    )  # fmt: skip
    optimizer = optimizers.build("badmm-ls", network, *problem.training, seed=0)
    for _ in range(2000):
        optimizer.step()
    with torch.no_grad():
        z = network[0](problem.training.inputs)
    mine = bregman.distance(proximal.of(network[1]), problem.training.targets, z).mean().item()
    found = conditioning.optimum(problem.training)
    assert found["train_d"] == pytest.approx(mine, rel=1e-8)
    with torch.no_grad():
        error = (network(problem.training.inputs) - problem.training.targets).square().mean().item()
    assert found["train_loss"] <= error * (1 + 1e-12)


def test_no_gradient_descent_from_anywhere_gets_below_the_optimum():
    settings = {"inputs": 8, "samples": 60, "condition_number": 100.0, "label_noise": 0.3}
    X, y = problems.build(None, name="teacher", seed=1, dtype="float64", **settings).training
    found = conditioning.optimum(Split(X, y))["train_loss"]
    X = torch.linalg.qr(torch.cat([X, torch.ones_like(y)], 1))[0] * len(X) ** 0.5
    start = torch.randn(9, 200, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    v = start.requires_grad_()  # 200 descents side by side
    optimizer = torch.optim.Adam([v], lr=0.01)
    for _ in range(3000):
        optimizer.zero_grad()
        losses = ((X @ v).relu() - y).square().mean(0)
        losses.sum().backward()
        optimizer.step()
    assert losses.min() >= found * (1 - 1e-12)
    assert losses.min() <= found * (1 + 1e-3)


def test_data_that_a_perceptron_fits_has_an_optimum_of_zero():
    X = torch.randn(40, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = (X @ torch.ones(3, 1, dtype=torch.float64)).clamp(min=0)
    assert conditioning.optimum(Split(X, y)) == pytest.approx({"train_d": 0.0, "train_loss": 0.0}, abs=1e-12)


@pytest.mark.parametrize("condition_number", [None, 1.0, 1e3])
def test_digits_can_be_fitted_whatever_their_condition(sample, condition_number):
    asked = {"name": "digit", "digit": 3, "unseen_images": 20, "condition_number": condition_number}
    training = problems.build(sample, **asked, seed=0, dtype="float32").training
    assert conditioning.optimum(training) == {"train_d": 0.0, "train_loss": 0.0}
    twice = Split(training.inputs.repeat(2, 1), torch.cat([training.targets, training.targets.roll(1)]))
    assert conditioning.optimum(twice)["train_loss"] > 0.01  # an image of both kinds


def test_gaps_start_at_one_and_close(smoke_config, tmp_path):
    runs = {name: config.parameters(smoke_config, "perceptron-teacher", name, 0) for name in ("sgd", "badmm-ls")}
    runs = {name: run | {"iterations": 200} for name, run in runs.items()}
    runs["sgd"]["settings"] = {"learning_rate": 0.1}  # with a large one a seed may lose its only unit
    search = smoke_config["conditioning"]
    ranges = {"sgd": {"learning_rate": {"log": [0.05, 0.2]}}, "badmm-ls": {"tau_z": {"linear": [0.5, 1.9]}}}
    samples = dict.fromkeys([*search["tuning_seeds"], *search["seeds"]])
    conditioning.study(runs, ranges, search, samples, tmp_path / "report.json")
    told = json.loads((tmp_path / "report.json").read_text())
    assert [(e["condition_number"], e["optimizer"]) for e in told] == [
        (number, name) for number in (1, 100) for name in runs
    ]
    for entry in told:
        for gaps in entry["gaps"]:
            assert gaps[0] == 1.0
            assert 0 < gaps[-1] < 0.5
        assert all(0 <= share < 0.5 for share in entry["off"])


def test_what_is_off_is_the_error_that_the_gradient_of_the_squared_error_does_not_see():
    network = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.ReLU())
    with torch.no_grad():
        network[0].weight.fill_(1.0)
        network[0].bias.fill_(0.0)
    split = Split(torch.tensor([[-1.0], [-1.0], [3.0], [0.5]]), torch.tensor([[2.0], [0.0], [1.0], [0.5]]))
    assert conditioning._off(network, split) == 2.0**2 / (2.0**2 + 2.0**2)
    (network(split.inputs) - split.targets)[:2].square().sum().backward()
    assert network[0].weight.grad == 0


def test_settings_are_chosen_by_the_area_and_never_one_that_diverges():
    slow, fast = [1.0, 0.1, 1e-16], [1.0, 1e-8, 1e-16]  # they end alike
    assert min([slow, fast, [1.0, None]], key=conditioning._area) == fast
