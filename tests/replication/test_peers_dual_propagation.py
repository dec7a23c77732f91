"""Dual propagation: backpropagation's gradient on linear networks, and on others as the nudge goes to zero."""

import pytest
import torch
from torch import nn

from replication.constructors import build


def start(activation, **settings):
    """The method on a network 6-5-5-4-3 and twenty samples, in float64."""
    draw = torch.Generator().manual_seed(11)
    hidden = [module for size in ((6, 5), (5, 5), (5, 4)) for module in (nn.Linear(*size), activation())]
    network = nn.Sequential(*hidden, nn.Linear(4, 3)).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.8 * torch.randn(parameter.shape, generator=draw, dtype=torch.float64))
    x, y = (torch.randn(20, size, generator=draw, dtype=torch.float64) for size in (6, 3))
    return network, build("dual-propagation", network, x, y, seed=0, **settings)


def error(activation, nudge):
    """The largest relative distance of a layer's signal from the gradient of 1/2 |Y - f(X)|^2 / N."""
    network, method = start(activation, nudge=nudge)
    loss = (network(method.inputs) - method.targets).square().sum() / 2 / len(method.inputs)
    expected = torch.autograd.grad(loss, list(network.parameters()))
    pairs = zip(method.gradients(), expected[::2], expected[1::2], strict=True)
    return max(((G - torch.cat([W, b[:, None]], 1)).norm() / W.norm()).item() for G, W, b in pairs)


@pytest.mark.parametrize("nudge", [0.01, 1.0, 30.0])
def test_on_a_linear_network_it_is_the_gradient_of_backpropagation(nudge):
    assert error(nn.Identity, nudge) < 1e-12


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Hardtanh])
def test_on_other_networks_it_is_that_gradient_as_the_nudge_goes_to_zero(activation):
    assert error(activation, 1e-6) < 1e-6
    assert error(activation, 0.5) > 1e-3  # the kinks are met


@pytest.mark.parametrize("settings", [{"learning_rate": 0.0}, {"nudge": 0.0}, {"beta1": 1.0}])
def test_settings_outside_their_range_are_refused_by_name(settings):
    ((name, value),) = settings.items()
    with pytest.raises(ValueError, match=f"{name} = {value} is outside its range"):
        start(nn.ReLU, **settings)
