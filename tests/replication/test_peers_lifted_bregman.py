"""Lifted Bregman with Adam: each block lowers its objective, and Adam gets the gradient of it."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from replication.constructors import build

BETA = 3.0


def start(**settings):
    """The method on a network 6-5-4-3 with two activations and twenty samples, in float64."""
    draw = torch.Generator().manual_seed(5)
    network = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4), nn.Softshrink(0.1), nn.Linear(4, 3)).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.6 * torch.randn(parameter.shape, generator=draw, dtype=torch.float64))
    x, y = (torch.randn(20, size, generator=draw, dtype=torch.float64) for size in (6, 3))
    return network, build("lifted-bregman", network, x, y, seed=0, beta=BETA, **settings)


def objective(network, method):
    """E / N, written out: 1/2 |X - A|^2 + Psi(X) less its value at the activation, for each hidden layer."""
    X = method.blocks.lifted.X
    E = (X[3] - network[4](X[2])).square().sum() / 2
    for layer, (linear, activation, threshold) in enumerate([(0, 1, 0.0), (2, 3, 0.1)], 1):
        A = network[linear](X[layer - 1])
        values = [(x - A).square() / 2 + threshold * x.abs() for x in (X[layer], network[activation](A))]
        E = E + BETA * (values[0] - values[1]).sum()
    return E / len(X[0])


def test_each_block_lowers_the_objective():
    network, method = start(learning_rate=0.001)
    values = [objective(network, method).item()]
    for _ in range(20):
        method.weight_block()
        values.append(objective(network, method).item())
        method.x_block()
        values.append(objective(network, method).item())
    assert all(after < before for before, after in pairwise(values))
    assert values[-1] == pytest.approx(method.diagnostics()["lifted_loss"])


def test_adam_gets_the_gradient_of_the_objective():
    network, method = start(weight_steps=1)
    method.x_block()
    parameters = list(network.parameters())
    gradients = torch.autograd.grad(objective(network, method), parameters)
    before = [parameter.detach().clone() for parameter in parameters]
    method._adam = torch.optim.SGD(parameters, lr=1.0)
    method.weight_block()
    for old, new, gradient in zip(before, parameters, gradients, strict=True):
        torch.testing.assert_close(old - new.detach(), gradient)


@pytest.mark.parametrize(
    "settings", [{"learning_rate": 0.0}, {"beta1": 1.0}, {"tau_x": 2.0}, {"weight_steps": 0}, {"x_steps": 0}]
)
def test_settings_outside_their_range_are_refused_by_name(settings):
    ((name, value),) = settings.items()
    with pytest.raises(ValueError, match=f"{name} = {value} is outside its range"):
        start(**settings)
