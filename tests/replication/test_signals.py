"""Signals times weight steps, against gradients, closed forms and the library's own methods."""

import copy
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nonsmooth.lifted_loss import LiftedLoss
from nonsmooth.muon import Muon
from replication.peers.signals import SIGNALS, WEIGHT_STEPS, SignalSteps

SPECTRAL = {"signal": "backpropagation", "weight_step": "spectral", "momentum": 0.0, "learning_rate": 0.1}


@pytest.fixture
def data() -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(1)
    return tuple(torch.randn(20, size, generator=draw, dtype=torch.float64) for size in (4, 2))


def network(*hidden: int, seed: int = 0) -> nn.Sequential:
    draw = torch.Generator().manual_seed(seed)
    widths, modules = [4, *hidden, 2], []
    for before, after in pairwise(widths):
        linear = nn.Linear(before, after, dtype=torch.float64)
        for weight in linear.parameters():
            nn.init.normal_(weight, std=0.6, generator=draw)
        modules += [linear, nn.ReLU()]
    return nn.Sequential(*modules[:-1])


def weights(net: nn.Sequential) -> list[torch.Tensor]:
    return [weight.detach().clone() for weight in net.parameters()]


def gradient(net: nn.Sequential, x: torch.Tensor, y: torch.Tensor) -> list[torch.Tensor]:
    return list(torch.autograd.grad((y - net(x)).square().sum() / 2, list(net.parameters())))


def inputs_of(net: nn.Sequential, x: torch.Tensor) -> list[torch.Tensor]:
    """By layer [X_{l-1}, 1]."""
    found = []
    for module in net:
        if isinstance(module, nn.Linear):
            found.append(torch.cat([x, x.new_ones(len(x), 1)], 1).detach())
        x = module(x)
    return found


@pytest.mark.parametrize("hidden", [(5,), (5, 3), (6, 5, 4, 3)])
def test_backpropagation_with_the_spectral_step_is_a_gradient_step_of_each_layers_own_length(hidden, data):
    net = network(*hidden)
    before, slopes, X = weights(net), gradient(net, *data), inputs_of(net, data[0])
    SignalSteps(net, *data, **SPECTRAL).step()
    for number, (new, old, slope) in enumerate(zip(weights(net), before, slopes, strict=True)):
        length = torch.linalg.matrix_norm(X[number // 2], 2) ** 2
        torch.testing.assert_close(new - old, -0.1 * slope / length)


def test_the_gram_step_solves_a_damped_system(data):
    net = network(5, 3)
    before, slopes, X = weights(net), gradient(net, *data), inputs_of(net, data[0])
    SignalSteps(net, *data, **SPECTRAL | {"weight_step": "gram", "damping": 0.3}).step()
    for layer in range(3):
        H = X[layer].T @ X[layer]
        H += 0.3 * torch.linalg.matrix_norm(H, 2) * torch.eye(len(H), dtype=H.dtype)
        S = torch.cat([slopes[2 * layer], slopes[2 * layer + 1][:, None]], 1)
        change = torch.cat([(weights(net)[k] - before[k]).view(len(S), -1) for k in (2 * layer, 2 * layer + 1)], 1)
        torch.testing.assert_close(change, -0.1 * torch.linalg.solve(H, S.T).T)


@pytest.mark.parametrize("kind", ["adam", "muon"])
def test_the_steps_of_torch_are_those_of_torch(kind, data):
    ours, theirs = network(5, 3), network(5, 3)
    method = SignalSteps(ours, *data, signal="backpropagation", weight_step=kind, learning_rate=0.02, momentum=0.8)
    own = list(theirs.parameters())
    optimizer = torch.optim.Adam(own, 0.02, (0.8, 0.999)) if kind == "adam" else Muon(own, lr=0.02, momentum=0.8)
    for _ in range(5):
        method.step()
        optimizer.zero_grad()
        nn.functional.mse_loss(theirs(data[0]), data[1]).backward()
        optimizer.step()
    for weight, other in zip(weights(ours), weights(theirs), strict=True):
        torch.testing.assert_close(weight, other)


def test_the_carried_signal_with_the_spectral_step_is_the_lifted_loss(data):
    ours, theirs = network(5, 3), network(5, 3)
    method = SignalSteps(ours, *data, **SPECTRAL | {"signal": "carried", "tau": 0.7, "learning_rate": 1.2})
    other = LiftedLoss(theirs, *data, tau_x=0.7, tau_w=1.2)
    for _ in range(10):
        method.step()
        other.step()
    for weight, same in zip(weights(ours), weights(theirs), strict=True):
        torch.testing.assert_close(weight, same)


@pytest.mark.parametrize("signal", ["restarted", "unchained"])
def test_a_small_tau_gives_backpropagations_signal(signal, data):
    small, none = network(6, 5, 4, 3), network(6, 5, 4, 3)
    method = SignalSteps(small, *data, **SPECTRAL | {"signal": signal, "tau": 1e-9})
    method.step()
    assert set(method.diagnostics()) == {"rate", *(f"differs_{layer}" for layer in (1, 2, 3, 4))}
    assert method.diagnostics()["differs_1"] < 0.05
    SignalSteps(none, *data, **SPECTRAL).step()
    for weight, other in zip(weights(small), weights(none), strict=True):
        torch.testing.assert_close(weight, other, atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("kind", WEIGHT_STEPS)
def test_a_last_layer_that_is_solved_is_where_no_exact_step_leads_further(signal, kind, data):
    """To rounding, where the damping is small: before the hidden layers move."""
    net = network(5)
    hidden = [weight.clone() for weight in list(net.parameters())[:2]]
    method = SignalSteps(
        net, *data, signal=signal, weight_step=kind, solved=True, learning_rate=1e-12, damping=1e-9, momentum=0.0
    )
    for _ in range(3):
        method.step()
    (X,) = inputs_of(net, data[0])[1:]
    solution = torch.linalg.lstsq(X, data[1]).solution
    if signal != "carried":
        torch.testing.assert_close(
            torch.cat([net[2].weight, net[2].bias[:, None]], 1).T, solution, atol=1e-5, rtol=1e-5
        )
    for weight, old in zip(list(net.parameters())[:2], hidden, strict=True):
        torch.testing.assert_close(weight, old)


@settings(deadline=None, max_examples=30)
@given(
    rate=st.floats(1e-3, 10),
    momentum=st.floats(0, 0.95),
    kind=st.sampled_from(["spectral", "gram", "adam"]),
    signal=st.sampled_from(["backpropagation", "restarted", "unchained"]),
    solved=st.booleans(),
)
def test_with_the_guard_the_loss_never_rises(rate, momentum, kind, signal, solved):
    draw = torch.Generator().manual_seed(1)
    x, y = (torch.randn(20, size, generator=draw, dtype=torch.float64) for size in (4, 2))
    net = network(5, 3)
    method = SignalSteps(
        net, x, y, signal=signal, weight_step=kind, solved=solved, guarded=True, learning_rate=rate, momentum=momentum
    )
    losses = []
    for _ in range(15):
        losses.append((y - net(x)).square().sum().item())
        method.step()
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"signal": "restart"}, "signal"),
        ({"weight_step": "newton"}, "weight_step"),
        ({"tau": 2.0}, "tau = 2.0 is outside its range, 0 < tau < 2"),
        ({"learning_rate": 0.0}, "learning_rate = 0.0"),
        ({"momentum": 1.0}, "momentum = 1.0"),
        ({"signal": "carried", "guarded": True}, "guarded: not with the signal carried"),
        ({"weight_step": "muon", "guarded": True}, "guarded: not with"),
    ],
)
def test_a_setting_out_of_range_is_named_and_changes_nothing(change, words, data):
    net = network(5)
    before = copy.deepcopy(net.state_dict())
    with pytest.raises(ValueError, match=words):
        SignalSteps(net, *data, **SPECTRAL | change)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
