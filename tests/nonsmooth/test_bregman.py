import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn

from nonsmooth import bregman, proximal

ACTIVATIONS = [nn.ReLU(), nn.Hardtanh(0.0, 1.0), nn.Softshrink(0.7), nn.Identity()]
every_activation = pytest.mark.parametrize("module", ACTIVATIONS, ids=str)
vectors = arrays(np.float64, 7, elements=st.floats(-10, 10, width=64))


def inside(activation, y):
    return torch.from_numpy(y).clamp(*activation.domain)


@every_activation
@given(y=vectors, z=vectors)
def test_d_is_at_least_the_squared_loss(module, y, z):
    activation, z = proximal.of(module), torch.from_numpy(z)
    y = inside(activation, y)
    squared = 0.5 * (y - activation.prox(z)) ** 2
    assert (bregman.distance(activation, y, z) >= squared - 1e-12).all()


@every_activation
@given(z=vectors)
def test_d_is_zero_where_the_activation_gives_the_target(module, z):
    activation, z = proximal.of(module), torch.from_numpy(z)
    assert bregman.distance(activation, activation.prox(z), z).abs().max() == 0


@every_activation
@given(y=vectors, z=vectors)
def test_d_is_the_difference_of_the_potential(module, y, z):
    """E_z(y) - E_z(sigma(z)), straight from the definition."""
    activation, z = proximal.of(module), torch.from_numpy(z)
    y = inside(activation, y)
    potential = 0.5 * (y - z) ** 2 + activation.psi(y)
    torch.testing.assert_close(bregman.distance(activation, y, z), potential - proximal.envelope(activation, z))


@given(y=vectors, z=vectors)
def test_closed_form_for_relu(y, z):
    y, z = torch.from_numpy(y).abs(), torch.from_numpy(z)
    closed = 0.5 * y**2 - y * z + 0.5 * z.clamp(min=0) ** 2
    torch.testing.assert_close(bregman.distance(proximal.of(nn.ReLU()), y, z), closed)


@every_activation
@given(y=vectors, z=vectors)
def test_gradient_by_finite_differences(module, y, z):
    activation, z, h = proximal.of(module), torch.from_numpy(z), 1e-6
    y = inside(activation, y)
    slope = (bregman.distance(activation, y, z + h) - bregman.distance(activation, y, z - h)) / (2 * h)
    torch.testing.assert_close(slope, bregman.gradient(activation, y, z), atol=1e-5, rtol=1e-6)


@every_activation
@given(y=vectors, u=vectors, v=vectors)
def test_gradient_is_monotone_and_lipschitz_with_constant_one(module, y, u, v):
    activation, u, v = proximal.of(module), torch.from_numpy(u), torch.from_numpy(v)
    y = inside(activation, y)
    gap = bregman.gradient(activation, y, u) - bregman.gradient(activation, y, v)
    assert (gap.abs() <= (u - v).abs() + 1e-12).all()
    assert (gap * (u - v) >= -1e-12).all()


def test_outside_the_domain_d_is_infinite_and_its_gradient_refused():
    activation, y, z = proximal.of(nn.ReLU()), torch.tensor([-1.0]), torch.tensor([2.0])
    assert bregman.distance(activation, y, z).item() == float("inf")
    with pytest.raises(ValueError, match="y must lie in"):
        bregman.gradient(activation, y, z)
