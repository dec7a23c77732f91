"""LiftedTargets against a naive NumPy iteration, its monotone guard, and what it promises as an optimizer."""

import copy
import math
from itertools import pairwise

import numpy as np
import pytest
import targets_reference
import torch
from torch import nn

from nonsmooth import LiftedTargets

MODULES = {
    "relu": nn.ReLU(),
    "ramp": nn.Hardtanh(0.0, 1.0),
    "softshrink": nn.Softshrink(0.5),
    "identity": nn.Identity(),
    "tanh": nn.Tanh(),
}


def made(name="relu", last=None, sizes=(30, 40, 5), samples=256, dtype=torch.float64, bias=True, seed=0):
    """A student of a ReLU teacher: network, inputs, targets."""
    draw = torch.Generator().manual_seed(seed)
    inputs = torch.randn(samples, sizes[0], generator=draw, dtype=torch.float64)
    wide = torch.randn(sizes[0], 12, generator=draw, dtype=torch.float64)
    targets = torch.relu(inputs @ wide) @ torch.randn(12, sizes[-1], generator=draw, dtype=torch.float64)
    targets = targets / targets.std()
    if last:
        targets = 0.9 * MODULES[last](targets)
    torch.manual_seed(seed)
    modules = []
    for pair in pairwise(sizes):
        modules += [nn.Linear(*pair, bias=bias), MODULES[name]]
    network = nn.Sequential(*modules[:-1], *([MODULES[last]] if last else []))
    return network.to(dtype), inputs.to(dtype), targets.to(dtype)


def run(optimizer, iterations):
    for _ in range(iterations):
        optimizer.step()
    return optimizer


def mse(network, inputs, targets):
    with torch.no_grad():
        return (network(inputs) - targets).square().mean().item()


def objective(network, inputs, targets, last, ridge=0.0):
    """The loss that the guard watches, by torch's own modules."""
    linears = [module for module in network if isinstance(module, nn.Linear)]
    weights = sum(ridge / 2 * linear.weight.double().square().sum().item() for linear in linears)
    with torch.no_grad():
        A = network[:-1](inputs) if last else network(inputs)
        if last:
            X, Y = MODULES[last](A).double().numpy(), targets.double().numpy()
            some = [targets_reference.envelope(last, value, A.double().numpy()) for value in (Y, X)]
            return (some[0] - some[1]).sum() + weights
        return (A - targets).double().square().sum().item() / 2 + weights


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("sizes", [(30, 40, 5), (30, 9, 8, 7, 5), (30, 5)])
@pytest.mark.parametrize("name", MODULES)
def test_iterates_are_those_of_a_naive_implementation(name, sizes, last):
    last = name if last else None
    network, inputs, targets = made(name, last, sizes)
    settings = {"tau": 0.8, "damping": 0.03, "momentum": 0.7, "ridge": 0.2}
    linears = [module for module in network if isinstance(module, nn.Linear)]
    V = [torch.cat([linear.weight, linear.bias[:, None]], 1).detach().numpy() for linear in linears]
    activations = [name] * (len(V) - 1) + [last]
    state = targets_reference.State(V, activations, inputs.numpy(), targets.numpy(), eta=0.9)
    optimizer = LiftedTargets(network, inputs, targets, eta=0.9, **settings)
    for _ in range(12):
        optimizer.step()
        targets_reference.iterate(state, **settings)
        for linear, expected in zip(linears, state.V, strict=True):
            value = torch.cat([linear.weight, linear.bias[:, None]], 1).detach().numpy()
            np.testing.assert_allclose(value, expected, rtol=1e-7, atol=1e-8)
        assert optimizer.diagnostics()["eta"] == pytest.approx(state.eta)


@pytest.mark.parametrize("samples", [256, 1000])
def test_a_student_learns_its_teacher(samples):
    network, *data = made(samples=samples)
    before = mse(network, *data)
    run(LiftedTargets(network, *data), 300)
    assert mse(network, *data) < 1e-4 * before
