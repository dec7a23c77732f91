"""LocoProp-M: its first inner gradient is backpropagation's, and inner steps come closer to the targets."""

import pytest
import torch
from torch import nn

from replication.constructors import build


def start(gamma=0.7, last=(), **settings):
    """The method on a network 6-5-4-3 and twenty samples, in float64."""
    draw = torch.Generator().manual_seed(7)
    network = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4), nn.Softshrink(0.1), nn.Linear(4, 3), *last)
    with torch.no_grad():
        for parameter in network.double().parameters():
            parameter.copy_(0.6 * torch.randn(parameter.shape, generator=draw, dtype=torch.float64))
    x, y = (torch.randn(20, size, generator=draw, dtype=torch.float64) for size in (6, 3))
    return network, build("locoprop", network, x, y.abs(), seed=0, gamma=gamma, **settings)


@pytest.mark.parametrize("last", [(), (nn.ReLU(),)])
@pytest.mark.parametrize("gamma", [0.3, 10.0])
def test_the_first_inner_gradient_is_that_of_backpropagation(gamma, last):
    network, method = start(gamma, last)
    loss = (network(method.inputs) - method.targets).square().sum() / 2 / len(method.inputs)
    expected = torch.autograd.grad(loss, list(network.parameters()))
    for number, gradient in enumerate(method.matching_gradients(*method.aims())):
        torch.testing.assert_close(gradient[:, :-1], gamma * expected[2 * number])
        torch.testing.assert_close(gradient[:, -1], gamma * expected[2 * number + 1])


def test_with_gamma_one_the_last_target_is_that_of_the_data():
    _, method = start(1.0)
    torch.testing.assert_close(method.aims()[1][-1], method.targets)


def test_an_iteration_takes_every_layer_closer_to_its_own_target():
    _, method = start(0.1, learning_rate=0.001, inner_steps=20)
    X, aims = method.aims()
    before = [gradient.norm() for gradient in method.matching_gradients(X, aims)]
    method.step()
    after = [gradient.norm() for gradient in method.matching_gradients(X, aims)]
    assert all(new < old for old, new in zip(before, after, strict=True))


@pytest.mark.parametrize(
    "settings", [{"learning_rate": 0.0}, {"gamma": -1.0}, {"smoothing": 1.0}, {"momentum": 1.0}, {"inner_steps": 0}]
)
def test_settings_outside_their_range_are_refused_by_name(settings):
    ((name, value),) = settings.items()
    with pytest.raises(ValueError, match=f"{name} = {value} is outside its range"):
        start(**settings)
