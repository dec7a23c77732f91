import itertools
import warnings

import numpy as np
import pytest
import torch
from reference import State, iterate
from torch import nn

from nonsmooth import Badmm
from replication import methods as optimizers

SETTINGS = {"tau_z": 1.3, "tau_x": 0.9, "tau_w": 1.1, "tau_m": 0.8}
# hidden sizes, activations of every layer
NETWORKS = {
    "perceptron": ([5, 1], ["relu"]),
    "linear": ([5, 3], [None]),
    "autoencoder": ([9, 4, 9], ["relu", None]),
    "wide": ([4, 9, 3], ["relu", None]),
    "deep": ([6, 5, 4, 6], ["ramp", "softshrink", "relu"]),
    "identity": ([5, 4, 3], ["identity", "identity"]),
}
MODULES = {
    "relu": nn.ReLU,
    "identity": nn.Identity,
    "ramp": lambda: nn.Hardtanh(0.0, 1.0),
    "softshrink": lambda: nn.Softshrink(0.5),
}


def random_problem(name, bias, samples=23):
    generator = torch.Generator().manual_seed(len(name) + bias)
    widths, activations = NETWORKS[name]
    modules = []
    for size, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        linear = nn.Linear(inputs, outputs, bias=bias, dtype=torch.float64)
        with torch.no_grad():
            for parameter in linear.parameters():
                parameter.normal_(0, 0.5, generator=generator)
        modules.append(linear)
        if activations[size]:
            modules.append(MODULES[activations[size]]())
    inputs = torch.randn(samples, widths[0], generator=generator, dtype=torch.float64)
    targets = torch.rand(samples, widths[-1], generator=generator, dtype=torch.float64)
    return nn.Sequential(*modules), inputs, targets, activations


def reference_state(network, inputs, targets, activations):
    linears = [module for module in network if isinstance(module, nn.Linear)]
    W = [linear.weight.detach().numpy().copy() for linear in linears]
    b = [None if linear.bias is None else linear.bias.detach().numpy().copy() for linear in linears]
    return State.start(W, b, inputs.numpy(), targets.numpy(), activations)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("weight_step", ["gradient", "least_squares"])
@pytest.mark.parametrize("order", ["zwxm", "zxwm"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("delta", "tau_m", "ridge"), [(1.0, 1.0, 0.0), (1.0, 1.0, 0.3), (1.0, 0.8, 0.0), (0.6, 1.0, 0.3)]
)
def test_every_iteration_is_that_of_the_formulas(name, weight_step, order, bias, delta, tau_m, ridge):
    network, inputs, targets, activations = random_problem(name, bias)
    naive = reference_state(network, inputs, targets, activations)
    settings = SETTINGS | {"weight_step": weight_step, "order": order, "delta": delta, "tau_m": tau_m, "ridge": ridge}
    badmm = Badmm(network, inputs, targets, **settings)
    for _ in range(7):
        badmm.step()
        iterate(naive, **settings)
        for i, layer in enumerate(badmm.layers):
            Z, M, A = layer.state()
            ours = {"Z": Z, "M": M, "X": layer.X_out, "W": layer.W, "A": A}
            theirs = {"Z": naive.Z[i], "M": naive.M[i], "X": naive.X[i + 1], "W": naive.W[i], "A": naive.A(i)}
            if bias:
                ours["b"], theirs["b"] = layer.b, naive.b[i]
            for variable, value in ours.items():
                np.testing.assert_allclose(
                    value.detach().numpy(), theirs[variable], rtol=1e-10, atol=1e-10, err_msg=f"{variable}_{i + 1}"
                )


def test_least_squares_changes_the_weights_as_little_as_it_can():
    """Inputs with a dark pixel, a doubled one and fewer samples than pixels: the Gram matrix is singular."""
    network, inputs, targets, activations = random_problem("autoencoder", True, samples=6)
    inputs[:, 2] = 0
    inputs[:, 3] = inputs[:, 4]
    naive = reference_state(network, inputs, targets, activations)
    before = network[0].weight.detach().clone()
    settings = SETTINGS | {"weight_step": "least_squares", "order": "zwxm", "delta": 1.0, "ridge": 0.0}
    badmm = Badmm(network, inputs, targets, **settings)
    for _ in range(3):
        badmm.step()
        iterate(naive, **settings)
    np.testing.assert_allclose(network[0].weight.detach().numpy(), naive.W[0], rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(network[0].weight.detach()[:, 2], before[:, 2], atol=1e-14, rtol=0)


@pytest.mark.parametrize("order", ["zwxm", "zxwm"])
@pytest.mark.parametrize("weight_step", ["gradient", "least_squares"])
def test_weights_of_zero_are_no_division_by_zero(weight_step, order):
    network, inputs, targets, activations = random_problem("autoencoder", True)
    for parameter in network.parameters():
        nn.init.zeros_(parameter)
    naive = reference_state(network, inputs, targets, activations)
    settings = SETTINGS | {"weight_step": weight_step, "order": order, "delta": 0.5, "ridge": 0.0}
    badmm = Badmm(network, inputs, targets, **settings)
    for _ in range(5):
        badmm.step()
        iterate(naive, **settings)
        for i, layer in enumerate(badmm.layers):
            np.testing.assert_allclose(layer.W.detach().numpy(), naive.W[i], atol=1e-10)


@pytest.mark.parametrize("weight_step", ["gradient", "least_squares"])
def test_inputs_of_zero_without_bias_leave_the_weights(weight_step):
    network, inputs, targets, _ = random_problem("linear", False)
    before = network[0].weight.detach().clone()
    badmm = Badmm(network, torch.zeros_like(inputs), targets, weight_step=weight_step, delta=0.1)
    badmm.step()
    assert (network[0].weight == before).all()


def test_float32_follows_float64():
    network, inputs, targets, _ = random_problem("autoencoder", True)
    single = nn.Sequential(nn.Linear(9, 4), nn.ReLU(), nn.Linear(4, 9))
    single.load_state_dict(network.state_dict())
    double = Badmm(network, inputs, targets)
    half = Badmm(single, inputs.float(), targets.float())
    for _ in range(20):
        double.step()
        half.step()
    assert single[0].weight.dtype == torch.float32
    torch.testing.assert_close(single[0].weight.double(), network[0].weight, atol=1e-4, rtol=1e-4)


def test_autograd_and_the_activations_own_code_are_never_used(monkeypatch):
    """The gradients that BADMM uses need values of sigma, and neither a derivative nor the module's forward."""
    network, inputs, targets, _ = random_problem("autoencoder", True)
    badmm = Badmm(network, inputs, targets)

    def refuse(*args, **kwargs):
        raise AssertionError("called")

    monkeypatch.setattr(torch.Tensor, "backward", refuse)
    monkeypatch.setattr(torch.autograd, "backward", refuse)
    monkeypatch.setattr(torch.autograd, "grad", refuse)
    monkeypatch.setattr(nn.ReLU, "forward", refuse)
    for _ in range(3):
        badmm.step()
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(parameter.requires_grad and parameter.grad_fn is None for parameter in network.parameters())


def test_ten_lines_of_a_user():
    torch.manual_seed(0)
    clean = torch.rand(50, 30)
    noisy = clean + 0.1 * torch.randn(50, 30)
    net = nn.Sequential(nn.Linear(30, 8), nn.ReLU(), nn.Linear(8, 30))
    before = nn.functional.mse_loss(net(noisy), clean).item()
    optimizer = Badmm(net, noisy, clean, weight_step="gradient")
    for _ in range(100):
        optimizer.step()
    assert nn.functional.mse_loss(net(noisy), clean).item() < 0.3 * before


@pytest.mark.parametrize("rows", [5, 100])  # at a time
@pytest.mark.parametrize("delta", [0.7, 1.0])
def test_diagnostics_are_those_of_the_definitions(delta, rows, monkeypatch):
    monkeypatch.setattr(optimizers.badmm, "ROWS", rows)
    network, inputs, targets, _ = random_problem("autoencoder", True)
    badmm = Badmm(network, inputs, targets, delta=delta, ridge=0.2)
    start = badmm.diagnostics()
    assert start["feasibility"] == 0
    squared = 0.5 * (targets - network(inputs)).square().sum().item() / len(inputs)
    assert start["lifted_loss"] == pytest.approx(squared)
    for _ in range(4):
        badmm.step()
    found = badmm.diagnostics()
    hidden, _ = badmm.layers
    states = [[part.detach() for part in layer.state()] for layer in badmm.layers]
    gaps = [Z - A for Z, _, A in states]
    sigma, y, z = hidden.Z.clamp(min=0), hidden.X_out, hidden.Z
    lifted = 0.5 * (targets - states[1][0]).square().sum()
    lifted = lifted + (0.5 * (y - z) ** 2 - 0.5 * (sigma - z) ** 2).sum()
    multipliers = sum((M * gap).sum() for (_, M, _), gap in zip(states, gaps, strict=True))
    penalty = delta / 2 * sum(gap.square().sum() for gap in gaps)
    ridge = 0.1 * sum(layer.W.detach().square().sum() for layer in badmm.layers)
    n = len(inputs)
    assert found["lifted_loss"] == pytest.approx(lifted.item() / n)
    assert found["lagrangian"] == pytest.approx((lifted + multipliers + penalty + ridge).item() / n)
    assert found["feasibility"] == pytest.approx((sum(gap.square().sum() for gap in gaps).item() / n) ** 0.5)


@pytest.mark.parametrize(
    ("setting", "value", "bound"),
    [
        ("tau_z", 2.0, "0 < tau_z < 2"),
        ("tau_z", 0.0, "0 < tau_z < 2"),
        ("tau_x", 2.0, "0 < tau_x < 2"),
        ("tau_w", -1.0, "0 < tau_w < 2"),
        ("tau_w", float("nan"), "0 < tau_w < 2"),
        ("tau_m", 1.01, "0 < tau_m <= 1"),
        ("delta", 0.0, "0 < delta < inf"),
        ("ridge", -0.1, "0 <= ridge < inf"),
        ("order", "xzwm", "zwxm, zxwm"),
        ("weight_step", "exact", "gradient, least_squares"),
    ],
)
def test_settings_outside_their_range_are_refused_with_the_bound(setting, value, bound):
    network, inputs, targets, _ = random_problem("autoencoder", True)
    with pytest.raises(ValueError, match=setting) as refusal:
        Badmm(network, inputs, targets, **{setting: value})
    assert bound in str(refusal.value)
    assert str(value) in str(refusal.value)


@pytest.mark.parametrize(
    ("modules", "named"),
    [
        ([nn.Conv2d(1, 1, 3)], "Conv2d"),
        ([nn.Linear(5, 3), nn.Sigmoid()], "Sigmoid"),
        ([nn.Linear(5, 3), nn.BatchNorm1d(3)], "BatchNorm1d"),
        ([nn.ReLU(), nn.Linear(5, 3)], "module 0"),
        ([nn.Linear(5, 3), nn.ReLU(), nn.ReLU()], "module 2"),
        ([], "at least one nn.Linear"),
    ],
)
def test_networks_of_another_form_are_refused_by_module(modules, named):
    data = torch.ones(4, 5), torch.ones(4, 3)
    with pytest.raises(TypeError, match=named):
        Badmm(nn.Sequential(*modules), *data)
    with pytest.raises(TypeError, match="ReLU"):
        Badmm(nn.ReLU(), *data)


@pytest.mark.parametrize(
    ("inputs", "targets", "message"),
    [
        (torch.ones(4, 6), torch.ones(4, 3), "inputs must have shape"),
        (torch.ones(4, 5), torch.ones(4, 2), "targets must have shape"),
        (torch.ones(4, 5), torch.ones(3, 3), "targets must have shape"),
        (torch.ones(0, 5), torch.ones(0, 3), "inputs must have shape"),
        (torch.ones(4, 5).double(), torch.ones(4, 3), "inputs must have the network's dtype"),
        (torch.ones(4, 5), torch.ones(4, 3) * float("nan"), "targets must be finite"),
        (torch.ones(4, 5), -torch.ones(4, 3), r"targets must lie in \[0, inf\]"),
    ],
)
def test_data_that_does_not_fit_is_refused(inputs, targets, message):
    with pytest.raises(ValueError, match=message):
        Badmm(nn.Sequential(nn.Linear(5, 3), nn.ReLU()), inputs, targets)


def test_layers_that_do_not_fit_each_other_are_refused():
    network = nn.Sequential(nn.Linear(5, 3), nn.ReLU(), nn.Linear(4, 2))
    with pytest.raises(ValueError, match="in_features must be 3"):
        Badmm(network, torch.ones(4, 5), torch.ones(4, 2))


def test_tied_weights_are_refused():
    linear = nn.Linear(5, 5)
    with pytest.raises(TypeError, match=r"module 1 .* twice"):
        Badmm(nn.Sequential(linear, linear), torch.ones(4, 5), torch.ones(4, 5))


def test_half_precision_is_refused():
    network = nn.Sequential(nn.Linear(5, 3, dtype=torch.float16))
    with pytest.raises(TypeError, match="float16"):
        Badmm(network, torch.ones(4, 5).half(), torch.ones(4, 3).half())


def test_one_affine_map_behind_another_has_the_identity_between():
    torch.manual_seed(3)
    inputs, targets = torch.randn(20, 5), torch.randn(20, 2)
    first = nn.Sequential(nn.Linear(5, 3), nn.Linear(3, 2))
    second = nn.Sequential(nn.Linear(5, 3), nn.Identity(), nn.Linear(3, 2))
    second[0].load_state_dict(first[0].state_dict())
    second[2].load_state_dict(first[1].state_dict())
    one, other = Badmm(first, inputs, targets), Badmm(second, inputs, targets)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(5):
            one.step()
            other.step()
    assert (first[1].weight == second[2].weight).all()
