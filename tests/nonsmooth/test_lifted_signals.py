"""Targets by proximal steps: closed forms without cancellation, Lemmas 1 and 2 of docs/method.md, backpropagation."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn

from nonsmooth import bregman, damped, proximal
from nonsmooth.layerwise import backward
from nonsmooth.linear import with_ones
from nonsmooth.targets import chain, forward, last_residual, signals

MODULES = {
    "relu": nn.ReLU(),
    "ramp": nn.Hardtanh(0.0, 1.0),
    "hardtanh": nn.Hardtanh(),
    "relu6": nn.ReLU6(),
    "softshrink": nn.Softshrink(0.5),
    "identity": nn.Identity(),
    "tanh": nn.Tanh(),
}
every_activation = pytest.mark.parametrize("name", MODULES)
vectors = arrays(np.float64, 9, elements=st.floats(-8, 8, width=64))
seeds = st.integers(0, 10_000)


def property_of(**values):
    return lambda test: every_activation(settings(max_examples=30)(given(**values)(test)))


def pairs_of(name, sizes, seed, last=None, scale=1.0):
    """Affine maps with random weights, each with its activation."""
    draw = torch.Generator().manual_seed(seed)
    pairs = []
    for ins, outs in pairwise(sizes):
        linear = nn.Linear(ins, outs, dtype=torch.float64).requires_grad_(False)
        linear.weight.copy_(scale * torch.randn(outs, ins, generator=draw, dtype=torch.float64) / ins**0.5)
        linear.bias.copy_(0.3 * torch.randn(outs, generator=draw, dtype=torch.float64))
        pairs.append((linear, proximal.of(MODULES[name])))
    pairs[-1] = (pairs[-1][0], proximal.of(MODULES[last]) if last else None)
    return pairs


def data_of(pairs, seed, samples=12):
    draw = torch.Generator().manual_seed(seed + 1)
    inputs = torch.randn(samples, pairs[0][0].in_features, generator=draw, dtype=torch.float64)
    targets = torch.randn(samples, pairs[-1][0].out_features, generator=draw, dtype=torch.float64)
    activation = pairs[-1][1]
    return inputs, targets if activation is None else 0.9 * activation.prox(targets)


@property_of(a=vectors, u=vectors, tau=st.floats(0.001, 100))
def test_the_closed_form_is_the_difference_of_two_activations(name, a, u, tau):
    activation, a, u = proximal.of(MODULES[name]), torch.from_numpy(a), torch.from_numpy(u)
    naive = (activation.prox(a + tau * u) - activation.prox(a)) / tau
    step = torch.tensor(tau, dtype=torch.float64)
    torch.testing.assert_close(activation.signal(a, u, step), naive, rtol=1e-9, atol=1e-14 * max(1, 10 / tau))


@every_activation
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("tau", ["smallest", 1e-12, 3e-6, 1.0, 1e12, 1e30])
def test_the_closed_form_does_not_cancel(name, dtype, tau):
    """Against the derivative for tau -> 0, and against float64 for the tau of float32 where subtraction loses all."""
    activation, draw = proximal.of(MODULES[name]), torch.Generator().manual_seed(0)
    a, u = 2 * torch.randn(2, 4000, generator=draw, dtype=torch.float64).to(dtype)
    step = torch.tensor(proximal.smallest(dtype) if tau == "smallest" else tau, dtype=dtype)
    value = activation.signal(a, u, step)
    assert value.isfinite().all()
    assert value.dtype == dtype
    wide, size = activation.signal(a.double(), u.double(), step.double()), u.double().abs()
    assert ((value.double() - wide).abs() <= 8 * torch.finfo(dtype).eps * size).all()
    if float(step) < 1e-9:
        z = a.double().requires_grad_()
        (slope,) = torch.autograd.grad(MODULES[name](z).sum(), z)
        assert ((value.double() - slope * u).abs() <= 1e-6 * size).all()


@pytest.mark.parametrize(("name", "kink", "right"), [("relu", 0.0, 1), ("ramp", 1.0, 0), ("softshrink", -0.5, 0)])
def test_at_a_kink_it_is_the_derivative_from_the_side_of_the_signal(name, kink, right):
    a, tau = torch.tensor([kink, kink]), torch.tensor(1e-6)
    value = proximal.of(MODULES[name]).signal(a, torch.tensor([2.0, -2.0]), tau)
    assert value.tolist() == [2.0 * right, -2.0 * (1 - right)]


@property_of(a=vectors, u=vectors, x=vectors, tau=st.floats(0.01, 10))
def test_the_target_minimises_the_linearised_loss_with_d_whole(name, a, u, x, tau):
    """-<U, X> + D(X, sigma(A)) / tau, against any X in the domain."""
    activation, a, u = proximal.of(MODULES[name]), torch.from_numpy(a), torch.from_numpy(u)
    step = torch.tensor(tau, dtype=torch.float64)
    target = activation.prox(a) + step * activation.signal(a, u, step)
    lower, upper = activation.domain

    def value(point):
        point = point.clamp(lower, upper)
        return (-u * point + bregman.distance(activation, point, a) / tau).sum()

    assert value(target) <= value(torch.from_numpy(x)) + 1e-8
    assert value(target) <= value(target + 1e-4 * torch.from_numpy(x)) + 1e-8


@property_of(a=vectors, u=vectors, tau=st.floats(1e-9, 1e9))
def test_the_signal_lies_between_zero_and_what_comes_from_above(name, a, u, tau):
    """Firm nonexpansiveness: |T - sigma(A)|^2 <= tau <U, T - sigma(A)>, entry by entry R^2 <= R U."""
    activation, a, u = proximal.of(MODULES[name]), torch.from_numpy(a), torch.from_numpy(u)
    R = activation.signal(a, u, torch.tensor(tau, dtype=torch.float64))
    assert (R * (u - R) >= -1e-12 * u.square()).all()


@property_of(seed=seeds, tau=st.floats(0.01, 1.99), ends=st.booleans(), scale=st.sampled_from([0.3, 1.0, 3.0]))
def test_lemma_1_a_target_lowers_the_loss_above_it(name, seed, tau, ends, scale):
    """f_l(T_l) <= f_l(sigma(A_l)) - (1 / tau_l - K / 2) |T_l - sigma(A_l)|^2 in every layer, K = |W|^2 / tau_{l+1}."""
    pairs = pairs_of(name, (4, 6, 5, 3), seed, name if ends else None, scale)
    inputs, targets = data_of(pairs, seed)
    (X, A), taus = forward(pairs, inputs), chain(pairs, tau)
    R = signals(pairs, A, last_residual(pairs, A[-1], targets), taus)
    aims = [*(x + step * r for x, step, r in zip(X[1:], taus, R, strict=False)), targets]
    for number in range(len(pairs) - 1):
        linear, activation = pairs[number + 1]

        def above(x, linear=linear, activation=activation, number=number):
            a = nn.functional.linear(x, linear.weight, linear.bias)
            if activation is None:
                return (targets - a).square().sum() / 2
            return bregman.distance(activation, aims[number + 1], a).sum() / taus[number + 1]

        start, moved = X[number + 1], (aims[number] - X[number + 1]).square().sum()
        K = torch.linalg.matrix_norm(linear.weight, 2) ** 2 / taus[number + 1]
        descent = (1 / taus[number] - K / 2) * moved
        before = above(start)
        assert descent >= 0
        assert above(aims[number]) <= before - descent + 1e-9 * (1 + before + descent)


def test_lemma_1_is_sharp_for_the_identity():
    pairs = pairs_of("identity", (1, 1, 1), 3)
    inputs, targets = data_of(pairs, 3)
    (X, A), linear = forward(pairs, inputs), pairs[1][0]

    def last_loss(tau):
        taus = chain(pairs, tau)
        R = signals(pairs, A, last_residual(pairs, A[-1], targets), taus)
        moved = nn.functional.linear(X[1] + taus[0] * R[0], linear.weight, linear.bias)
        return (targets - moved).square().sum()

    before = (targets - A[-1]).square().sum()
    assert last_loss(1.99) < before < last_loss(2.01)


@property_of(seed=seeds, eta=st.floats(0.01, 1.99), damping=st.sampled_from([1e-9, 0.01, 10.0]))
def test_lemma_2_a_damped_gram_step_lowers_the_distance_to_a_target(name, seed, eta, damping):
    """By eta (1 - eta / 2) tr(G H^-1 G^T) or more, G = (T - sigma(A))^T [X, 1]."""
    ((linear, activation),) = pairs_of(name, (4, 3), seed, name)
    X, T = data_of([(linear, activation)], seed)

    def distance():
        return bregman.distance(activation, T, nn.functional.linear(X, linear.weight, linear.bias)).sum()

    before = distance()
    R = last_residual([(linear, activation)], nn.functional.linear(X, linear.weight, linear.bias), T)
    step = damped.direction(R, X, linear, damped.inverse(X, linear, damping, 0.0), 0.0)
    descent = eta * (1 - eta / 2) * (step * (R.T @ with_ones(X))).sum()
    assert descent >= 0
    damped.add(linear, eta * step)
    assert distance() <= before - descent + 1e-9 * (1 + before)


@pytest.mark.parametrize("chained", [True, False])
@pytest.mark.parametrize("ends", [True, False])
@every_activation
def test_for_small_tau_the_signal_is_that_of_backpropagation(name, ends, chained):
    """Gradients of all weights of a network with eight hidden layers, to 1e-6."""
    pairs = pairs_of(name, (7, *[12] * 8, 3), 5, name if ends else None, scale=1.5)
    inputs, targets = data_of(pairs, 5, samples=40)
    X, A = forward(pairs, inputs)
    taus = chain(pairs, 1e-9) if chained else [torch.tensor(1e-9, dtype=torch.float64)] * len(pairs)
    last = last_residual(pairs, A[-1], targets)
    R = signals(pairs, A, last, taus)
    # D's gradient in A_L is sigma(A_L) - Y: that of the squared loss without the last activation's derivative
    hidden = [*pairs[:-1], (pairs[-1][0], None)]
    inputs_of, gradients = backward(hidden, inputs, A[-1] + last)
    for number, gradient in enumerate(gradients):
        expected = -gradient.T @ with_ones(inputs_of[number])
        value = R[number].T @ with_ones(X[number])
        assert expected.norm() > 0
        assert (value - expected).norm() <= 1e-6 * expected.norm()


def test_a_layer_of_zeros_sends_no_signal_and_no_nan():
    pairs = pairs_of("relu", (4, 6, 5, 3), 0)
    pairs[1][0].weight.zero_()
    inputs, targets = data_of(pairs, 0)
    (_, A), taus = forward(pairs, inputs), chain(pairs, 0.3)
    R = signals(pairs, A, last_residual(pairs, A[-1], targets), taus)
    assert all(value.isfinite().all() for value in (*R, *taus))
    assert (R[0] == 0).all()
    assert R[1].abs().sum() > 0


def test_the_chain_of_steps_is_that_of_the_spectral_norms():
    pairs = pairs_of("relu", (4, 6, 5, 3), 0)
    norms = [np.linalg.norm(linear.weight.numpy(), 2) ** 2 for linear, _ in pairs]
    expected = [0.5 * 0.5 / norms[2] / norms[1], 0.5 / norms[2], 1.0]
    np.testing.assert_allclose([float(tau) for tau in chain(pairs, 0.5)], expected, rtol=1e-9)
