"""LiftedTargets against a naive NumPy iteration, its monotone guard, and what it promises as an optimizer."""

import copy
import pickle
from itertools import pairwise

import numpy as np
import pytest
import targets_reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

from nonsmooth import Badmm, LiftedLoss, LiftedTargets

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
@pytest.mark.parametrize("sizes", [(30, 40, 5), (30, 20, 18, 16, 5), (30, 5)])
@pytest.mark.parametrize("name", MODULES)
def test_iterates_are_those_of_a_naive_implementation(name, sizes, last):
    last = name if last else None
    network, inputs, targets = made(name, last, sizes)
    settings = {"tau": 0.8, "damping": 0.03, "momentum": 0.7, "ridge": 0.2}
    linears = [module for module in network if isinstance(module, nn.Linear)]
    V = [torch.cat([linear.weight, linear.bias[:, None]], 1).detach().numpy() for linear in linears]
    activations = [name] * (len(V) - 1) + [last]
    eta = 2.0 if name == "identity" else 0.5  # so that the guard takes steps back where no kink enlarges rounding
    state = targets_reference.State(V, activations, inputs.numpy(), targets.numpy(), eta)
    optimizer = LiftedTargets(network, inputs, targets, eta=eta, **settings)
    for _ in range(12):
        optimizer.step()
        targets_reference.iterate(state, **settings)
        for linear, expected in zip(linears, state.V, strict=True):
            value = torch.cat([linear.weight, linear.bias[:, None]], 1).detach().numpy()
            np.testing.assert_allclose(value, expected, rtol=1e-7, atol=1e-8)
        assert optimizer.diagnostics()["eta"] == pytest.approx(state.eta)
    if name == "identity" and len(sizes) > 3:
        assert state.eta < 2


@pytest.mark.parametrize(("samples", "share"), [(256, 1e-3), (1000, 1e-6)])
def test_a_student_learns_its_teacher(samples, share):
    """The smaller problem has about as many targets as weights, and is the harder one."""
    network, *data = made(samples=samples)
    before = mse(network, *data)
    run(LiftedTargets(network, *data), 300)
    assert mse(network, *data) < share * before


def test_the_guard_takes_back_what_did_not_help_and_halves_eta():
    """With the longest steps some iterations are taken back: the weights stay then, to the bit."""
    network, *data = made("softshrink", sizes=(30, 40, 40, 5))
    optimizer = run(LiftedTargets(network, *data, eta=2.0, tau=1.9, damping=1e-6), 1)
    refused = 0
    for _ in range(60):
        eta, before = optimizer.diagnostics()["eta"], copy.deepcopy(network.state_dict())
        optimizer.step()
        if optimizer.diagnostics()["eta"] == eta / 2:
            refused += 1
            assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
        else:
            assert optimizer.diagnostics()["eta"] == min(1.05 * eta, 2.0)
    assert 2 < refused < 55


@settings(max_examples=150)
@given(
    st.sampled_from(list(MODULES)),
    st.booleans(),
    st.sampled_from([(6, 3), (6, 8, 3), (6, 8, 7, 8, 3)]),
    st.sampled_from([torch.float32, torch.float64]),
    st.sampled_from([0.1, 2.0]),
    st.sampled_from([0.01, 0.3, 1.99]),
    st.sampled_from([0.0, 3.0]),
    st.sampled_from([1e-10, 0.1]),
    st.booleans(),
    st.sampled_from([1e-6, 1.0, 1e4]),
    st.integers(0, 100),
)
def test_the_loss_never_rises(name, ends, sizes, dtype, eta, tau, ridge, damping, bias, scale, seed):
    """To the rounding of its sum, on random data of any scale, with the ridge included."""
    last = name if ends else None
    network, inputs, targets = made(name, last, sizes, samples=25, dtype=dtype, bias=bias, seed=seed)
    draw = torch.Generator().manual_seed(seed)
    inputs = scale * torch.randn(inputs.shape, generator=draw, dtype=torch.float64).to(dtype)
    optimizer = LiftedTargets(network, inputs, targets, eta=eta, tau=tau, ridge=ridge, damping=damping)
    losses = [objective(network, inputs, targets, last, ridge)]
    for _ in range(25):
        optimizer.step()
        losses.append(objective(network, inputs, targets, last, ridge))
        assert losses[-1] == pytest.approx(25 * optimizer.diagnostics()["guarded_loss"], rel=1e-4, abs=1e-6)
    noise = 1e-5 if dtype == torch.float32 else 1e-12
    assert all(after <= before + noise * losses[0] for before, after in pairwise(losses))


def test_float32_trains_as_float64():
    ends = []
    for dtype in (torch.float32, torch.float64):
        network, *data = made(dtype=dtype, sizes=(30, *[20] * 8, 5))
        run(LiftedTargets(network, *data), 20)
        ends.append(mse(network, *data))
    assert ends[0] == pytest.approx(ends[1], rel=0.01)


@pytest.mark.parametrize("method", [Badmm, LiftedLoss])
def test_lifting_refuses_tanh_by_name(method):
    with pytest.raises(TypeError, match=r"nn\.Tanh cannot be lifted here"):
        method(*made("tanh"))


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"tau": 0.0}, "tau = 0.0 is outside its range, 0 < tau < 2"),
        ({"tau": 2.0}, "tau = 2.0 is outside its range, 0 < tau < 2"),
        ({"eta": 0.0}, "eta = 0.0 is outside its range, 0 < eta <= 2"),
        ({"eta": 2.1}, "eta = 2.1 is outside its range, 0 < eta <= 2"),
        ({"damping": 0.0}, "damping = 0.0 is outside its range, 1e-10 <= damping < inf"),
        ({"damping": float("nan")}, "damping = nan is outside its range"),
        ({"momentum": 1.0}, "momentum = 1.0 is outside its range, 0 <= momentum < 1"),
        ({"ridge": -1.0}, "ridge = -1.0 is outside its range, 0 <= ridge < inf"),
        ({"ridge": float("inf")}, "ridge = inf is outside its range"),
    ],
)
def test_settings_outside_their_range_are_refused(chosen, message):
    with pytest.raises(ValueError, match=message):
        LiftedTargets(*made(), **chosen)


def test_targets_outside_the_range_of_tanh_are_refused():
    network, inputs, targets = made("tanh", "tanh")
    LiftedTargets(network, inputs, targets.sign())
    with pytest.raises(ValueError, match=r"targets must lie in \[-1, 1\]"):
        LiftedTargets(network, inputs, 2 * targets)


def states_equal(some, others):
    return some.keys() == others.keys() and all(torch.equal(some[name], others[name]) for name in some)


@settings(max_examples=40)
@given(
    st.sampled_from([(6, 3), (6, 8, 3), (6, 8, 7, 3)]),
    st.sampled_from([None, "relu", "tanh"]),
    st.booleans(),
    st.sampled_from([{}, {"ridge": 0.3, "momentum": 0.0}, {"eta": 2.0, "tau": 1.9}]),
    st.sampled_from([0, 1, 7, 40]),
)
def test_training_goes_on_from_a_state_bit_for_bit(sizes, last, bias, chosen, before):
    network, *data = made("tanh" if last == "tanh" else "relu", last, sizes, 25, torch.float32, bias)
    other = copy.deepcopy(network)
    nn.init.ones_(other[0].weight)
    first = run(LiftedTargets(network, *data, **chosen), before)
    state = first.state_dict()
    second = run(LiftedTargets(other, *data, **chosen), 2)
    second.load_state_dict(state)
    assert states_equal(second.state_dict(), state)
    assert states_equal(run(first, 5).state_dict(), run(second, 5).state_dict())
    assert not states_equal(state, first.state_dict())


def test_a_state_goes_through_a_file(tmp_path):
    network, *data = made(samples=25)
    optimizer = run(LiftedTargets(network, *data), 3)
    save_file(optimizer.state_dict(), tmp_path / "state")
    expected = run(optimizer, 3).state_dict()
    optimizer.load_state_dict(load_file(tmp_path / "state"))
    assert states_equal(run(optimizer, 3).state_dict(), expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("V_1"), "V_1 is missing in the state"),
        (lambda state: state.update(Q=torch.ones(2)), "Q is .* in the state and missing here"),
        (lambda state: state.update(W_1=state["W_1"].T), r"W_1 is .*\(30, 40\) in the state and .*\(40, 30\) here"),
        (lambda state: state.pop("tau"), "the state has no tau: it is not one of LiftedTargets"),
        (lambda state: state.update(eta=torch.tensor(0.7).double()), r"eta is 0\.69.* in the state and 0\.1 here"),
    ],
)
def test_a_state_of_another_form_is_refused_by_name_before_any_change(change, message):
    network, *data = made(samples=25)
    optimizer = run(LiftedTargets(network, *data, eta=0.1), 2)
    before = optimizer.state_dict()
    state = optimizer.state_dict()
    change(state)
    with pytest.raises(ValueError, match=message):
        optimizer.load_state_dict(state)
    assert states_equal(optimizer.state_dict(), before)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_a_copy_trains_its_own_network_to_the_same_bits(copied):
    network, *data = made(samples=25)
    optimizer = run(LiftedTargets(network, *data), 3)
    before = optimizer.state_dict()
    other_network, other = copied((network, optimizer))
    assert other.network is other_network
    run(other, 3)
    assert states_equal(optimizer.state_dict(), before)
    assert states_equal(run(optimizer, 3).state_dict(), other.state_dict())


def test_what_was_changed_between_two_steps_is_refused_by_name():
    network, inputs, targets = made(samples=25)
    optimizer = run(LiftedTargets(network, inputs, targets), 2)
    state = optimizer.state_dict()
    network[2].weight.data.mul_(1.5)
    with pytest.raises(RuntimeError, match="module 2 of the network changed since the last step of LiftedTargets"):
        optimizer.step()
    optimizer.load_state_dict(state)
    optimizer.step()
    targets.mul_(2)
    with pytest.raises(RuntimeError, match="targets changed since"):
        optimizer.step()


def test_a_step_that_was_interrupted_is_refused_until_a_state_is_loaded(monkeypatch):
    network, *data = made(samples=25)
    optimizer = run(LiftedTargets(network, *data), 3)
    state = optimizer.state_dict()
    expected = run(optimizer, 3).state_dict()

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(LiftedTargets, "_solve_last", interrupt)
        with pytest.raises(KeyboardInterrupt):
            optimizer.step()
    with pytest.raises(RuntimeError, match="the last step of LiftedTargets did not end"):
        optimizer.step()
    optimizer.load_state_dict(state)
    assert states_equal(run(optimizer, 3).state_dict(), expected)


def test_a_trial_point_that_overflows_is_taken_back(monkeypatch):
    """A step so long that float32 overflows is one that does not help."""
    network, *data = made(samples=25, dtype=torch.float32, sizes=(30, 8, 8, 5))
    optimizer = run(LiftedTargets(network, *data, eta=1.0), 2)
    before, usual = copy.deepcopy(network.state_dict()), LiftedTargets._direction
    monkeypatch.setattr(LiftedTargets, "_direction", lambda self, number, R, X: 1e30 * usual(self, number, R, X))
    optimizer.step()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert optimizer.diagnostics()["eta"] == pytest.approx(1.05**2 / 2)


def test_weights_of_outputs_that_are_always_zero_become_zero_and_not_subnormal():
    """Processors multiply subnormal numbers many times more slowly."""
    draw = torch.Generator().manual_seed(0)
    inputs = torch.randn(40, 6, generator=draw)
    targets = torch.randn(40, 3, generator=draw)
    targets[:, 1] = 0
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    optimizer = LiftedTargets(network, inputs, targets, damping=1e-3)
    for _ in range(300):
        optimizer.step()
    weights = torch.cat([value.detach().flatten() for value in network.parameters()]).abs()
    assert not ((weights > 0) & (weights < torch.finfo(torch.float32).tiny)).any()
    assert not network[2].weight[1].any()
