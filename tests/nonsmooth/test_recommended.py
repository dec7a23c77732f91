"""The recommended start of BADMM."""

import pytest
import torch
from torch import nn

from nonsmooth import Badmm


def made():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3))
    return network, torch.rand(20, 6), torch.rand(20, 3)


def test_it_scales_the_weights_and_sets_delta_and_beta():
    network, inputs, targets = made()
    before = network[0].weight.detach().clone()
    optimizer = Badmm.recommended(network, inputs, targets, tau_x=0.5)
    torch.testing.assert_close(network[0].weight.detach(), 0.1 * before)
    assert (optimizer.delta, optimizer.beta, optimizer.tau_x) == (0.3, 1.0, 0.5)


@pytest.mark.parametrize("factor", [0.1, 3.0])
def test_scaled_or_grown_weights_are_refused_and_kept(factor):
    network, inputs, targets = made()
    with torch.no_grad():
        network[0].weight.mul_(factor), network[2].weight.mul_(factor)
        network[0].bias.mul_(factor), network[2].bias.mul_(factor)
    before = network[0].weight.detach().clone()
    with pytest.raises(ValueError, match="network: its largest weight"):
        Badmm.recommended(network, inputs, targets)
    assert torch.equal(network[0].weight, before)


def test_a_refused_setting_leaves_the_network():
    network, inputs, targets = made()
    before = network[0].weight.detach().clone()
    with pytest.raises(ValueError, match="tau_x"):
        Badmm.recommended(network, inputs, targets, tau_x=3.0)
    assert torch.equal(network[0].weight, before)
