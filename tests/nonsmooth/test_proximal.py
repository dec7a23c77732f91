"""Activations as proximal maps, against torch's modules, pyproximal's operators and scipy's minimiser."""

import math

import numpy as np
import pyproximal
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize_scalar
from torch import nn

from nonsmooth import proximal

vectors = arrays(np.float64, 7, elements=st.floats(-10, 10, width=64))
steps = st.floats(0.01, 5)
# torch's module, pyproximal's operator for Psi
ACTIVATIONS = {
    "relu": (nn.ReLU(), pyproximal.Box(0, np.inf)),
    "ramp": (nn.Hardtanh(0.0, 1.0), pyproximal.Box(0, 1)),
    "hardtanh": (nn.Hardtanh(), pyproximal.Box(-1, 1)),
    "relu6": (nn.ReLU6(), pyproximal.Box(0, 6)),
    "softshrink": (nn.Softshrink(0.7), pyproximal.L1(sigma=0.7)),
    "identity": (nn.Identity(), pyproximal.Box(-np.inf, np.inf)),
}


def for_every_activation(**values):
    """Parametrise a property by the activations. An example is a vector, so that thirty of them are many values."""

    def decorate(test):
        return pytest.mark.parametrize("name", ACTIVATIONS)(settings(max_examples=30)(given(**values)(test)))

    return decorate


@for_every_activation(v=vectors)
def test_the_activation_is_the_proximal_map_at_step_one(name, v):
    module, _ = ACTIVATIONS[name]
    torch.testing.assert_close(proximal.of(module).prox(torch.from_numpy(v)), module(torch.from_numpy(v)))


@for_every_activation(v=vectors, step=steps)
def test_prox_agrees_with_pyproximal(name, v, step):
    module, oracle = ACTIVATIONS[name]
    value = proximal.of(module).prox(torch.from_numpy(v), step).numpy()
    np.testing.assert_allclose(value, oracle.prox(v, step), atol=1e-12)


@for_every_activation(v=vectors, step=steps)
def test_moreau_identity_with_pyproximals_dual(name, v, step):
    """v = prox_{step Psi}(v) + step prox_{Psi* / step}(v / step)."""
    module, oracle = ACTIVATIONS[name]
    value = proximal.of(module).prox(torch.from_numpy(v), step).numpy()
    np.testing.assert_allclose(value + step * oracle.proxdual(v / step, 1 / step), v, atol=1e-9)


@for_every_activation(u=vectors, v=vectors, step=steps)
def test_prox_is_firmly_nonexpansive(name, u, v, step):
    prox = proximal.of(ACTIVATIONS[name][0]).prox
    a, b = torch.from_numpy(u), torch.from_numpy(v)
    gap = prox(a, step) - prox(b, step)
    assert gap.square().sum() <= (gap * (a - b)).sum() + 1e-9


@for_every_activation(v=st.floats(-8, 8), step=steps)
def test_prox_minimises_psi_plus_the_squared_distance(name, v, step):
    """With the library's own Psi, so that the loss and the activation belong together."""
    activation = proximal.of(ACTIVATIONS[name][0])
    lower, upper = (max(activation.domain[0], -20), min(activation.domain[1], 20))

    def objective(x):
        return step * activation.psi(torch.tensor(x, dtype=torch.float64)).item() + 0.5 * (x - v) ** 2

    minimum = minimize_scalar(objective, bounds=(lower, upper), method="bounded", options={"xatol": 1e-10})
    value = activation.prox(torch.tensor(v, dtype=torch.float64), step).item()
    assert objective(value) == pytest.approx(min(minimum.fun, objective(lower), objective(upper)), abs=1e-7)


@for_every_activation(x=vectors)
def test_psi_is_infinite_outside_its_domain_alone(name, x):
    activation, x = proximal.of(ACTIVATIONS[name][0]), torch.from_numpy(x)
    lower, upper = activation.domain
    assert (activation.psi(x).isinf() == ((x < lower) | (x > upper))).all()


def test_prox_takes_a_step_that_is_a_tensor_and_writes_in_place():
    activation = proximal.of(nn.Softshrink(1.0))
    v = torch.tensor([-3.0, 0.5, 2.0])
    assert activation.prox(v, torch.tensor(0.5), out=v) is v
    assert v.tolist() == [-2.5, 0.0, 1.5]


def test_unknown_activations_are_refused_by_name():
    with pytest.raises(TypeError, match="Sigmoid"):
        proximal.of(nn.Sigmoid())


@pytest.mark.parametrize("value", [-0.1, math.nan])
def test_values_outside_the_domain_are_refused_by_name(value):
    with pytest.raises(ValueError, match=r"targets must lie in \[0, inf\]"):
        proximal.check_domain(proximal.of(nn.ReLU()), torch.tensor([1.0, value]), "targets")


@given(v=vectors, z=st.floats(-4, 4))
def test_tanh_is_the_proximal_map_of_its_psi(v, z):
    activation, v = proximal.of(nn.Tanh()), torch.from_numpy(v)
    torch.testing.assert_close(activation.prox(v), torch.tanh(v))

    def objective(x):
        return activation.psi(torch.tensor(x, dtype=torch.float64)).item() + 0.5 * (x - z) ** 2

    minimum = minimize_scalar(objective, bounds=(-1, 1), method="bounded", options={"xatol": 1e-12})
    assert objective(math.tanh(z)) == pytest.approx(minimum.fun, abs=1e-9)


def test_psi_of_tanh_is_that_of_its_formula_and_finite_at_both_ends():
    psi, x = proximal.of(nn.Tanh()).psi, torch.linspace(-0.99, 0.99, 41, dtype=torch.float64)
    torch.testing.assert_close(psi(x), x * torch.atanh(x) + 0.5 * torch.log(1 - x**2) - x**2 / 2)
    ends = psi(torch.tensor([-1.0, 1.0, -1.001, 1.001], dtype=torch.float64))
    torch.testing.assert_close(ends, torch.tensor([math.log(2) - 0.5] * 2 + [math.inf] * 2, dtype=torch.float64))


@pytest.mark.parametrize("step", [0.5, torch.tensor(1.0)])
def test_another_step_of_tanh_is_refused(step):
    with pytest.raises(ValueError, match="must be 1"):
        proximal.of(nn.Tanh()).prox(torch.zeros(2), step)


@pytest.mark.parametrize("kind", [nn.ReLU, nn.Identity, nn.Hardtanh, nn.ReLU6, nn.Softshrink, nn.Tanh])
def test_subclasses_are_refused_since_they_may_compute_something_else(kind):
    with pytest.raises(TypeError, match="Other"):
        proximal.of(type("Other", (kind,), {})())
