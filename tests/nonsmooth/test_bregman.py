"""The Bregman distance D and its gradient, from their definitions."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize_scalar
from torch import nn

from nonsmooth import bregman, proximal

ACTIVATIONS = [nn.ReLU(), nn.Hardtanh(0.0, 1.0), nn.Softshrink(0.7), nn.Identity()]
vectors = arrays(np.float64, 7, elements=st.floats(-10, 10, width=64))


def for_every_activation(**values):
    """Parametrise a property by the activations. An example is a vector, so that thirty of them are many values."""

    def decorate(test):
        return pytest.mark.parametrize("module", ACTIVATIONS, ids=str)(settings(max_examples=30)(given(**values)(test)))

    return decorate


def inside(activation, y):
    return torch.from_numpy(y).clamp(*activation.domain)


@for_every_activation(y=vectors, z=vectors)
def test_d_is_at_least_the_squared_loss(module, y, z):
    activation, z = proximal.of(module), torch.from_numpy(z)
    y = inside(activation, y)
    squared = 0.5 * (y - activation.prox(z)) ** 2
    assert (bregman.distance(activation, y, z) >= squared - 1e-12).all()


@for_every_activation(z=vectors)
def test_d_is_zero_where_the_activation_gives_the_target(module, z):
    activation, z = proximal.of(module), torch.from_numpy(z)
    assert bregman.distance(activation, activation.prox(z), z).abs().max() == 0


@for_every_activation(y=st.floats(-8, 8), z=st.floats(-8, 8))
def test_d_is_the_potential_at_the_target_minus_its_minimum(module, y, z):
    """E_z(y) - min E_z for E_z(x) = 1/2 (x - z)^2 + Psi(x), whose minimum scipy finds."""
    activation = proximal.of(module)
    lower, upper = (max(activation.domain[0], -20), min(activation.domain[1], 20))
    y = min(max(y, lower), upper)

    def potential(x):
        return 0.5 * (x - z) ** 2 + activation.psi(torch.tensor(x, dtype=torch.float64)).item()

    minimum = minimize_scalar(potential, bounds=(lower, upper), method="bounded", options={"xatol": 1e-10})
    envelope = min(minimum.fun, potential(lower), potential(upper))
    distance = bregman.distance(activation, *torch.tensor([y, z], dtype=torch.float64))
    assert distance.item() == pytest.approx(potential(y) - envelope, abs=1e-7)


@given(y=vectors, z=vectors)
def test_relu_has_the_closed_form_of_the_poster(y, z):
    y, z = torch.from_numpy(y).abs(), torch.from_numpy(z)
    closed = 0.5 * y**2 - y * z + 0.5 * z.clamp(min=0) ** 2
    torch.testing.assert_close(bregman.distance(proximal.of(nn.ReLU()), y, z), closed)


@for_every_activation(y=vectors, z=vectors)
def test_the_gradient_is_the_slope_of_d(module, y, z):
    activation, z, h = proximal.of(module), torch.from_numpy(z), 1e-6
    y = inside(activation, y)
    slope = (bregman.distance(activation, y, z + h) - bregman.distance(activation, y, z - h)) / (2 * h)
    torch.testing.assert_close(slope, bregman.gradient(activation, y, z), atol=1e-5, rtol=1e-6)


@for_every_activation(y=vectors, u=vectors, v=vectors)
def test_the_gradient_is_monotone_and_lipschitz_with_constant_one(module, y, u, v):
    activation, u, v = proximal.of(module), torch.from_numpy(u), torch.from_numpy(v)
    y = inside(activation, y)
    gap = bregman.gradient(activation, y, u) - bregman.gradient(activation, y, v)
    assert (gap.abs() <= (u - v).abs() + 1e-12).all()
    assert (gap * (u - v) >= -1e-12).all()


def test_outside_the_domain_d_is_infinite_and_targets_are_refused():
    activation, y, z = proximal.of(nn.ReLU()), torch.tensor([-1.0]), torch.tensor([2.0])
    assert bregman.distance(activation, y, z).item() == float("inf")
    with pytest.raises(ValueError, match="y must lie in"):
        proximal.check_domain(activation, y, "y")
