import math

import numpy as np
import pyproximal
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize_scalar
from torch import nn

from nonsmooth import proximal

vectors = arrays(np.float64, 7, elements=st.floats(-10, 10, width=64))
steps = st.floats(0.01, 5)
# torch's module, our proximal map, pyproximal's operator for Psi
ACTIVATIONS = {
    "relu": (nn.ReLU(), pyproximal.Box(0, np.inf)),
    "ramp": (nn.Hardtanh(0.0, 1.0), pyproximal.Box(0, 1)),
    "hardtanh": (nn.Hardtanh(), pyproximal.Box(-1, 1)),
    "relu6": (nn.ReLU6(), pyproximal.Box(0, 6)),
    "softshrink": (nn.Softshrink(0.7), pyproximal.L1(sigma=0.7)),
    "identity": (nn.Identity(), pyproximal.Box(-np.inf, np.inf)),
}
every_activation = pytest.mark.parametrize("name", ACTIVATIONS)


@every_activation
@given(v=vectors)
def test_the_activation_is_the_proximal_map_at_step_one(name, v):
    module, _ = ACTIVATIONS[name]
    torch.testing.assert_close(proximal.of(module).prox(torch.from_numpy(v)), module(torch.from_numpy(v)))


@every_activation
@given(v=vectors, step=steps)
def test_prox_agrees_with_pyproximal(name, v, step):
    module, oracle = ACTIVATIONS[name]
    ours = proximal.of(module).prox(torch.from_numpy(v), step).numpy()
    np.testing.assert_allclose(ours, oracle.prox(v, step), atol=1e-12)


@every_activation
@given(v=vectors, step=steps)
def test_moreau_identity_with_pyproximals_dual(name, v, step):
    """v = prox_{step Psi}(v) + step prox_{Psi* / step}(v / step)."""
    module, oracle = ACTIVATIONS[name]
    ours = proximal.of(module).prox(torch.from_numpy(v), step).numpy()
    np.testing.assert_allclose(ours + step * oracle.proxdual(v / step, 1 / step), v, atol=1e-9)


@every_activation
@given(u=vectors, v=vectors, step=steps)
def test_prox_is_firmly_nonexpansive(name, u, v, step):
    prox = proximal.of(ACTIVATIONS[name][0]).prox
    a, b = torch.from_numpy(u), torch.from_numpy(v)
    gap = prox(a, step) - prox(b, step)
    assert gap.square().sum() <= (gap * (a - b)).sum() + 1e-9


@every_activation
@given(z=st.floats(-8, 8))
def test_envelope_is_the_minimum_it_says(name, z):
    activation = proximal.of(ACTIVATIONS[name][0])
    low, high = (max(activation.domain[0], -20), min(activation.domain[1], 20))

    def objective(x):
        return activation.psi(torch.tensor(x, dtype=torch.float64)).item() + 0.5 * (x - z) ** 2

    found = minimize_scalar(objective, bounds=(low, high), method="bounded", options={"xatol": 1e-10})
    ours = proximal.envelope(activation, torch.tensor(z, dtype=torch.float64)).item()
    assert ours == pytest.approx(min(found.fun, objective(low), objective(high)), abs=1e-7)


@every_activation
@given(z=vectors)
def test_gradient_of_the_envelope(name, z):
    activation = proximal.of(ACTIVATIONS[name][0])
    z, h = torch.from_numpy(z), 1e-6
    slope = (proximal.envelope(activation, z + h) - proximal.envelope(activation, z - h)) / (2 * h)
    torch.testing.assert_close(slope, z - activation.prox(z), atol=2e-6, rtol=1e-6)


def test_prox_takes_a_tensor_step_and_writes_where_told():
    activation = proximal.of(nn.Softshrink(1.0))
    v = torch.tensor([-3.0, 0.5, 2.0])
    assert activation.prox(v, torch.tensor(0.5), out=v) is v
    assert v.tolist() == [-2.5, 0.0, 1.5]


def test_unknown_activations_are_refused_by_name():
    with pytest.raises(TypeError, match="Sigmoid"):
        proximal.of(nn.Sigmoid())


@pytest.mark.parametrize("value", [-0.1, math.nan])
def test_check_domain_names_what_is_outside(value):
    with pytest.raises(ValueError, match=r"targets must lie in \[0, inf\]"):
        proximal.check_domain(proximal.of(nn.ReLU()), torch.tensor([1.0, value]), "targets")
