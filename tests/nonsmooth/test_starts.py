"""Adam from two other starts: the last layer solved first, and no hidden unit off. Oracles are NumPy and torch."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from nonsmooth import SolvedAdam, UnitsOnAdam

RATE = 0.01


@pytest.fixture
def start(make_network):
    """A network of affine maps and ReLUs with data that it does not fit, in float64."""

    def make(hidden, **settings):
        draw = torch.Generator().manual_seed(5)
        inputs, targets = (torch.randn(40, size, generator=draw, dtype=torch.float64) for size in (9, 6))
        return make_network((9, 6), hidden=hidden, seed=1, **settings), inputs, targets

    return make


def adam(network, inputs, targets, iterations):
    """torch's own Adam."""
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    for _ in range(iterations):
        optimizer.zero_grad()
        nn.functional.mse_loss(network(inputs), targets).backward()
        optimizer.step()
    return network


@pytest.mark.parametrize("hidden", [[7], [7, 4]], ids=["two layers", "three layers"])
def test_adam_goes_on_from_the_least_squares_solution(hidden, start):
    network, inputs, targets = start(hidden)
    expected = copy.deepcopy(network)
    with torch.no_grad():
        X = np.hstack([expected[:-1](inputs).numpy(), np.ones((40, 1))])
        solution = torch.from_numpy(np.linalg.lstsq(X, targets.numpy(), rcond=1e-10)[0].T)
        expected[-1].weight.copy_(solution[:, :-1])
        expected[-1].bias.copy_(solution[:, -1])
    optimizer = SolvedAdam(network, inputs, targets, learning_rate=RATE)
    for _ in range(5):
        optimizer.step()
    adam(expected, inputs, targets, 5)
    torch.testing.assert_close(list(network.parameters()), list(expected.parameters()), rtol=1e-5, atol=1e-7)


def hidden_outputs(network, inputs):
    """Of every hidden layer, N x units."""
    with torch.no_grad():
        return [network[: end + 1](inputs) for end, module in enumerate(network) if isinstance(module, nn.ReLU)]


def without_relus(network):
    return nn.Sequential(*(module for module in copy.deepcopy(network) if isinstance(module, nn.Linear)))


@pytest.mark.parametrize("hidden", [[7], [7, 4], [30]], ids=["two layers", "three layers", "wide"])
def test_no_unit_is_off_and_the_outputs_are_those_of_the_linear_network(hidden, start):
    network, inputs, targets = start(hidden)
    linear = without_relus(network)
    assert any((outputs == 0).any() for outputs in hidden_outputs(network, inputs))
    weights = [module.weight.detach().clone() for module in linear]
    UnitsOnAdam(network, inputs, targets, learning_rate=RATE)
    assert all((outputs > 0).all() for outputs in hidden_outputs(network, inputs))
    torch.testing.assert_close(network(inputs), linear(inputs))
    assert all(torch.equal(network[2 * number].weight, weight) for number, weight in enumerate(weights))


def test_a_unit_that_is_on_keeps_its_bias_and_one_that_is_always_off_is_raised(start):
    network, inputs, targets = start([3])
    with torch.no_grad():
        network[0].bias.copy_(torch.tensor([100.0, -100.0, 0.0]))
        network[0].weight[2] = 0  # of no pre-activation but zero
    UnitsOnAdam(network, inputs, targets, learning_rate=RATE)
    assert network[0].bias[0] == 100
    assert all((outputs > 0).all() for outputs in hidden_outputs(network, inputs))


def test_from_there_the_steps_are_adams(start):
    network, inputs, targets = start([7])
    optimizer = UnitsOnAdam(network, inputs, targets, learning_rate=RATE)
    expected = adam(copy.deepcopy(network), inputs, targets, 5)
    for _ in range(5):
        optimizer.step()
    assert all(torch.equal(*pair) for pair in zip(network.parameters(), expected.parameters(), strict=True))


def test_a_solve_refuses_a_network_that_ends_in_an_activation(start):
    network, *data = start([7], output_activation="relu")
    with pytest.raises(TypeError, match=r"SolvedAdam .* ends in nn.Linear, not in ReLU\(\)"):
        SolvedAdam(network, *[part.abs() for part in data], learning_rate=RATE)


@pytest.mark.parametrize("settings", [{"activation": "ramp"}, {"activation": "identity"}, {"bias": False}])
def test_biases_of_a_network_without_relus_or_biases_are_not_raised(settings, start):
    network, *data = start([7], **settings)
    with pytest.raises(TypeError, match=r"UnitsOnAdam needs a bias in every nn\.Linear and nn\.ReLU between"):
        UnitsOnAdam(network, *data, learning_rate=RATE)


@pytest.mark.parametrize("method", [SolvedAdam, UnitsOnAdam])
def test_a_rate_out_of_range_leaves_the_network_as_it_was(method, start):
    network, *data = start([7])
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(ValueError, match="0 < learning_rate < inf"):
        method(network, *data, learning_rate=0.0)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
