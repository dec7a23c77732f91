"""LPOM against scipy's minimiser of its objective, and its weight step against what it must minimise."""

from collections import deque

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import nn

from replication.constructors import build
from replication.peers.affine import forward


def start(output_activation=None, scale=0.6, **settings):
    """LPOM on a network 6-5-4-3 and twelve samples, in float64."""
    draw = torch.Generator().manual_seed(3)
    last = [nn.ReLU()] if output_activation else []
    network = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3), *last).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=draw, dtype=torch.float64))
    x, y = (torch.randn(12, size, generator=draw, dtype=torch.float64) for size in (6, 3))
    return network, build("lpom", network, x, y.abs() if output_activation else y, seed=0, **settings)


@torch.no_grad()
def hidden_start(lpom):
    """X_0, ..., X_{L-1} of the forward pass, and Y."""
    return [*forward(lpom.pairs, lpom.inputs)[0][:-1], lpom.targets]


def distance(X, A):
    """D(X, relu(A)) of X >= 0, as the paper has it: sums."""
    return (X.square() / 2 - X * A + A.clamp(min=0).square() / 2).sum()


def objective(lpom, X):
    """E of all layers, from the list X_0, ..., X_{L-1}, Y."""
    (first, _), (second, _), (last, output) = lpom.pairs
    mu = [lpom.mu / lpom.ratio, lpom.mu]
    E = mu[0] * distance(X[1], first(X[0])) + mu[1] * distance(X[2], second(X[1]))
    A = last(X[2])
    return E + (distance(X[3], A) if output else (X[3] - A).square().sum() / 2)


@pytest.mark.parametrize("output_activation", [None, "relu"])
@pytest.mark.parametrize(("mu", "ratio"), [(4.0, 0.3), (20.0, 0.2)])
def test_the_fixed_point_is_the_minimiser_that_scipy_finds(mu, ratio, output_activation):
    _, lpom = start(output_activation, mu=mu, ratio=ratio)
    X = hidden_start(lpom)
    began = [x.clone() for x in X]
    for _ in range(300):
        lpom.sweep(X)

    def value(flat):
        free = torch.tensor(flat, requires_grad=True)
        E = objective(lpom, [X[0], free[:60].view(12, 5), free[60:].view(12, 4), X[3]])
        return E.item(), torch.autograd.grad(E, free)[0].numpy()

    guess = np.concatenate([x.flatten().numpy() for x in began[1:3]])
    found = minimize(
        value,
        guess,
        jac=True,
        bounds=[(0, None)] * 108,
        method="L-BFGS-B",
        options={"ftol": 0, "gtol": 1e-10, "maxiter": 5000, "maxfun": 50000},
    )
    ours = np.concatenate([x.flatten().numpy() for x in X[1:3]])
    np.testing.assert_allclose(ours, found.x, atol=1e-6)
    assert np.abs(ours - guess).max() > 1e-3  # the forward pass is no fixed point


@torch.no_grad()
def test_the_weight_step_minimises_the_distance_of_each_layer():
    network, lpom = start(weight_steps=200)
    X = hidden_start(lpom)
    lpom.sweep(X)
    for number in range(3):
        Xb = torch.cat([X[number], torch.ones(12, 1, dtype=torch.float64)], 1)
        before = (lpom.residual(number, X).T @ Xb).norm()
        lpom.weights(number, X)
        assert (lpom.residual(number, X).T @ Xb).norm() < 1e-3 * before
    assert all(parameter.isfinite().all() for parameter in network.parameters())


@torch.no_grad()
def test_one_weight_step_solves_the_last_layer_by_least_squares():
    _, lpom = start(weight_steps=1)
    X = hidden_start(lpom)
    lpom.weights(2, X)
    Xb = np.hstack([X[2].numpy(), np.ones((12, 1))])
    best = Xb @ np.linalg.lstsq(Xb, X[3].numpy(), rcond=None)[0]
    np.testing.assert_allclose((X[3] - lpom.residual(2, X)).numpy(), best, atol=1e-9)


def test_sweeps_that_do_not_contract_say_what_to_change():
    _, lpom = start(scale=5.0, mu=0.01, sweeps=50)
    with pytest.raises(torch.linalg.LinAlgError, match=r"raise mu = 0.01, then lower ratio = 1"):
        deque((lpom.step() for _ in range(20)), maxlen=0)


@pytest.mark.parametrize("settings", [{"mu": 0.0}, {"ratio": -1.0}, {"sweeps": 0}, {"weight_steps": 0}])
def test_settings_outside_their_range_are_refused_by_name(settings):
    ((name, value),) = settings.items()
    with pytest.raises(ValueError, match=f"{name} = {value} is outside its range"):
        start(**settings)
