"""The contract that every method keeps. A method that is added to METHODS is held to it without a change here.

The constructor's own settings are used, save for those below.
"""

import copy
import math
from itertools import chain

import numpy as np
import pytest
import torch
from torch import nn

from nonsmooth import GradientD, Lbfgs, TorchOptimizer, WarmupCosine
from replication.constructors import accepted, build
from replication.methods import METHODS

SETTINGS = {
    "sgd": {"learning_rate": 0.3},
    "adam": {"learning_rate": 0.03},
    "adamw": {"learning_rate": 0.03},
    "adam-minibatch": {"learning_rate": 0.01, "batch_size": 30},
    "sgd-cosine": {"learning_rate": 0.3, "decay_over": 30},
    "adam-cosine": {"learning_rate": 0.03, "decay_over": 30},
    "muon": {"learning_rate": 0.03},
    "nesterov": {"learning_rate": 0.1, "momentum": 0.9},
    "adam-solved": {"learning_rate": 0.03},
    "adam-units-on": {"learning_rate": 0.03},
    "badmm-momentum": {"momentum": 0.5},
    "lifted-momentum": {"momentum": 0.5},
    "signal-steps": {"signal": "restarted", "weight_step": "gram", "learning_rate": 0.1},
}
# of methods that train no network that ends in an activation, and of one that is about hidden units
NETWORKS = {
    name: {"hidden": [4]}
    for name in ("variable-projection", "lbfgs-solved", "adam-solved", "adam-units-on", "dladmm", "signal-steps")
}
MINI_BATCHES = {name: SETTINGS.get(name, {}) | {"batch_size": 30} for name in METHODS if "batch_size" in accepted(name)}
PLAIN = {name: SETTINGS.get(name, {}) | {"fast": False} for name in METHODS if "fast" in accepted(name)}
# name of the method, settings
CASES = {
    **{name: (name, SETTINGS.get(name, {})) for name in METHODS},
    **{f"{name}, mini-batches": (name, settings) for name, settings in MINI_BATCHES.items()},
    **{f"{name}, plain": (name, settings) for name, settings in PLAIN.items()},
}
every_method = pytest.mark.parametrize("case", CASES)


@pytest.fixture
def start(make_network, teacher):
    """(network, optimizer) for 80 samples: a perceptron, or the method's own of NETWORKS."""

    def make(case, seed=0):
        name, settings = CASES[case]
        network = make_network(teacher.sizes, **NETWORKS.get(name, {"output_activation": "relu"}))
        return network, build(name, network, *teacher.training, seed=seed, **settings)

    return make


def iterates(network, optimizer, count=6):
    """All parameters after each of `count` iterations, as rows."""
    rows = []
    for _ in range(count):
        optimizer.step()
        rows.append(nn.utils.parameters_to_vector(network.parameters()).detach().clone())
    return torch.stack(rows)


def loss(network, split):
    with torch.no_grad():
        return nn.functional.mse_loss(network(split.inputs), split.targets).item()


@every_method
def test_training_lowers_the_loss_and_keeps_the_parameters_tensors(case, start, teacher):
    network, optimizer = start(case)
    parameters = list(network.parameters())
    before = loss(network, teacher.training)
    iterates(network, optimizer, 30)
    assert all(old is new for old, new in zip(parameters, network.parameters(), strict=True))
    assert loss(network, teacher.training) < before


@every_method
def test_the_same_seed_gives_the_same_bits_whatever_the_global_generator_holds(case, start):
    torch.manual_seed(1)
    first = iterates(*start(case))
    torch.manual_seed(2)
    assert (iterates(*start(case)) == first).all()


@every_method
def test_the_global_generator_and_the_data_stay_as_they_are(case, start, teacher):
    data = copy.deepcopy(teacher.training)
    state = torch.get_rng_state()
    iterates(*start(case))
    assert (torch.get_rng_state() == state).all()
    assert (data.inputs == teacher.training.inputs).all()
    assert (data.targets == teacher.training.targets).all()


@every_method
def test_diagnostics_are_finite_numbers_and_change_nothing(case, start):
    network, optimizer = start(case)
    rows = []
    for _ in range(6):
        assert all(isinstance(value, float) and math.isfinite(value) for value in optimizer.diagnostics().values())
        rows.append(iterates(network, optimizer, 1))
    assert (torch.cat(rows) == iterates(*start(case))).all()


@pytest.mark.parametrize("name", MINI_BATCHES)
def test_another_seed_gives_other_mini_batches(name, start):
    case = f"{name}, mini-batches"
    assert (iterates(*start(case, seed=0))[0] != iterates(*start(case, seed=1))[0]).any()


class TestTorchOptimizer:
    def test_full_batch_steps_are_those_of_torch(self, make_network, teacher):
        adapted = make_network(teacher.sizes, output_activation="relu")
        network = copy.deepcopy(adapted)
        optimizer = TorchOptimizer(adapted, *teacher.training, algorithm="sgd", learning_rate=0.1, momentum=0.9)
        torchs = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
        for _ in range(5):
            optimizer.step()
            torchs.zero_grad()
            nn.functional.mse_loss(network(teacher.training.inputs), teacher.training.targets).backward()
            torchs.step()
        assert (adapted[0].weight == network[0].weight).all()

    def test_nesterov_takes_the_gradient_where_the_momentum_leads(self, make_network, teacher):
        """v <- 0.9 v - 0.1 grad(y + 0.9 v), y <- y + v, trained weights y + 0.9 v (Sutskever and others, ICML 2013)."""
        network = make_network(teacher.sizes, bias=False)
        inputs, targets = teacher.training
        y, v = network[0].weight.detach().clone(), 0.0
        optimizer = build("nesterov", network, inputs, targets, seed=0, learning_rate=0.1, momentum=0.9)
        for _ in range(5):
            optimizer.step()
            v = 0.9 * v - 0.1 * 2 / targets.numel() * (inputs @ (y + 0.9 * v).T - targets).T @ inputs
            y = y + v
        torch.testing.assert_close(network[0].weight.detach(), y + 0.9 * v)

    def test_muon_moves_matrices_by_the_polar_factor_of_the_gradient_and_biases_as_adam(self, make_network, teacher):
        """Newton-Schulz leaves singular values between 0.7 and 1.2; the exact polar factor is an SVD's U V^T."""
        network = make_network(teacher.sizes, hidden=[4])
        expected, before = copy.deepcopy(network), copy.deepcopy(network)
        TorchOptimizer(network, *teacher.training, algorithm="muon", learning_rate=0.1, momentum=0.0).step()
        nn.functional.mse_loss(expected(teacher.training.inputs), teacher.training.targets).backward()
        torch.optim.Adam([expected[0].bias, expected[2].bias], lr=0.1).step()
        for layer in (0, 2):
            torch.testing.assert_close(network[layer].bias, expected[layer].bias)
            left, values, right = torch.linalg.svd(expected[layer].weight.grad, full_matrices=False)
            large = values > 0.05 * values[0]
            length = 0.1 * 0.2 * max(network[layer].weight.shape) ** 0.5
            moved = (before[layer].weight - network[layer].weight).detach() / length
            polar = left[:, large].T @ moved @ right[large].T
            torch.testing.assert_close(polar, torch.eye(len(polar), dtype=polar.dtype), rtol=0, atol=0.35)

    @pytest.mark.parametrize("momentum", [-0.1, 1.0])
    def test_a_momentum_of_muon_that_cannot_be_used_is_refused(self, momentum, make_network, teacher):
        with pytest.raises(ValueError, match="0 <= momentum < 1"):
            build("muon", make_network(teacher.sizes), *teacher.training, seed=0, learning_rate=0.1, momentum=momentum)

    @pytest.fixture
    def recorded(self, make_network, teacher):
        """(optimizer, batches): the numbers of the samples that each step uses are added to `batches`."""

        def make(**settings):
            network = make_network(teacher.sizes, output_activation="relu")
            optimizer = build("sgd", network, *teacher.training, seed=3, learning_rate=0.1, batch_size=30, **settings)
            numbers = {tuple(row.tolist()): number for number, row in enumerate(teacher.training.inputs)}
            batches = []
            network.register_forward_pre_hook(
                lambda _, arguments: batches.append([numbers[tuple(row.tolist())] for row in arguments[0]])
            )
            return optimizer, batches

        return make

    def test_an_epoch_uses_every_sample_once_and_the_next_in_another_order(self, recorded):
        optimizer, batches = recorded(epochs=True)
        optimizer.step()
        optimizer.step()
        first, second = batches[:3], batches[3:]
        assert [len(batch) for batch in first] == [30, 30, 20]
        assert sorted(chain(*first)) == sorted(chain(*second)) == list(range(80))
        assert first != second

    def test_a_step_without_epochs_is_one_batch_of_the_same_stream(self, recorded):
        optimizer, batches = recorded()
        by_epoch, batches_of_epoch = recorded(epochs=True)
        for _ in range(3):
            optimizer.step()
        by_epoch.step()
        assert batches == batches_of_epoch

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"learning_rate": 0.0}, "learning_rate = 0.0 is outside its range"),
            ({"learning_rate": 1.0, "batch_size": 0}, "batch_size = 0 is outside its range"),
            ({"learning_rate": 1.0, "batch_size": 81}, "batch_size = 81 is outside its range"),
            ({"learning_rate": 1.0, "batch_size": 79}, "generator = None"),
        ],
    )
    def test_settings_that_cannot_be_used_are_refused(self, settings, message, make_network, teacher):
        with pytest.raises(ValueError, match=message):
            TorchOptimizer(make_network(teacher.sizes), *teacher.training, algorithm="adam", **settings)


class TestWarmupCosine:
    @pytest.mark.parametrize("decay_over", [1, 9, 10, 40])
    def test_steps_are_the_gradient_times_the_rate_of_the_schedule(self, decay_over, make_network, teacher):
        network = make_network(teacher.sizes, output_activation="relu")
        settings = {"algorithm": "sgd", "learning_rate": 0.3, "decay_over": decay_over}
        optimizer = WarmupCosine(network, *teacher.training, **settings)
        rise = decay_over // 10
        falling = 0.5 + 0.5 * np.cos(np.pi * np.arange(decay_over - rise) / (decay_over - rise))
        for share in [*np.arange(1, rise + 1) / max(rise, 1), *falling, 0, 0]:
            before = network[0].weight.detach().clone()
            error = nn.functional.mse_loss(network(teacher.training.inputs), teacher.training.targets)
            (gradient,) = torch.autograd.grad(error, network[0].weight)
            optimizer.step()
            torch.testing.assert_close(network[0].weight.detach(), before - 0.3 * share * gradient)

    def test_a_schedule_of_no_iterations_is_refused(self, make_network, teacher):
        settings = {"algorithm": "sgd", "learning_rate": 0.1, "decay_over": 0}
        with pytest.raises(ValueError, match="decay_over = 0 is outside its range"):
            WarmupCosine(make_network(teacher.sizes), *teacher.training, **settings)


class TestLbfgs:
    def test_a_linear_network_reaches_the_least_squares_solution(self, make_network, teacher):
        network = make_network(teacher.sizes)
        iterates(network, Lbfgs(network, *teacher.training), 40)
        inputs, targets = (part.numpy() for part in teacher.training)
        solution, *_ = np.linalg.lstsq(np.hstack([inputs, np.ones((len(inputs), 1))]), targets, rcond=None)
        parameters = nn.utils.parameters_to_vector(network.parameters()).detach().numpy()
        np.testing.assert_allclose(parameters, solution[:, 0], rtol=1e-6, atol=1e-6)

    def test_every_iteration_lowers_the_loss_of_a_relu_network(self, make_network, teacher):
        network = make_network(teacher.sizes, hidden=[8])
        optimizer = Lbfgs(network, *teacher.training)
        losses = [loss(network, teacher.training)]
        for _ in range(60):
            optimizer.step()
            losses.append(loss(network, teacher.training))
        assert (np.diff(losses) < 0).all()
        assert 60 < optimizer.diagnostics()["gradient_evaluations"] <= 60 * 26

    def test_a_memory_of_no_pairs_is_refused(self, make_network, teacher):
        with pytest.raises(ValueError, match="history_size = 0 is outside its range"):
            Lbfgs(make_network(teacher.sizes), *teacher.training, history_size=0)


class TestGradientD:
    @pytest.mark.parametrize("settings", [{"hidden": [3], "output_activation": "relu"}, {"output_activation": None}])
    def test_networks_that_are_no_perceptron_are_refused(self, settings, make_network, teacher):
        with pytest.raises(TypeError, match="GradientD trains one"):
            GradientD(make_network(teacher.sizes, **settings), *teacher.training)

    def test_a_step_beyond_the_bound_is_refused(self, make_network, teacher):
        with pytest.raises(ValueError, match="0 < tau_w < 2"):
            GradientD(make_network(teacher.sizes, output_activation="relu"), *teacher.training, tau_w=2.0)

    def test_inputs_of_zero_without_bias_leave_the_weights(self, make_network, teacher):
        network = make_network(teacher.sizes, output_activation="relu", bias=False)
        before = network[0].weight.detach().clone()
        inputs, targets = teacher.training
        GradientD(network, torch.zeros_like(inputs), targets).step()
        assert (network[0].weight == before).all()
