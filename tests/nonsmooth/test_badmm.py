"""BADMM in three ways: the NumPy reference, the plain implementation and the fast one."""

import copy
import itertools
import warnings

import numpy as np
import pytest
import torch
from reference import State, iterate
from torch import nn

from nonsmooth import Badmm, _badmm_fast, badmm
from nonsmooth.badmm import m_step, weight_step, x_step, z_step

SETTINGS = {"tau_z": 1.3, "tau_x": 0.9, "tau_w": 1.1, "tau_m": 0.8, "delta": 1.0, "ridge": 0.0, "order": "zwxm"}
# widths, activations of every layer
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
every_network = pytest.mark.parametrize("name", NETWORKS)
both_implementations = pytest.mark.parametrize("fast", [False, True], ids=["plain", "fast"])
both_weight_steps = pytest.mark.parametrize("kind", ["gradient", "least_squares"])
both_orders = pytest.mark.parametrize("order", ["zwxm", "zxwm"])


def random_problem(name, bias=True, samples=23):
    """Network, inputs and targets in float64."""
    generator = torch.Generator().manual_seed(len(name) + bias)
    widths, activations = NETWORKS[name]
    modules = []
    for (inputs, outputs), activation in zip(itertools.pairwise(widths), activations, strict=True):
        linear = nn.Linear(inputs, outputs, bias=bias, dtype=torch.float64)
        with torch.no_grad():
            for parameter in linear.parameters():
                parameter.normal_(0, 0.5, generator=generator)
        modules.append(linear)
        if activation:
            modules.append(MODULES[activation]())
    inputs = torch.randn(samples, widths[0], generator=generator, dtype=torch.float64)
    targets = torch.rand(samples, widths[-1], generator=generator, dtype=torch.float64)
    return nn.Sequential(*modules), inputs, targets


def run(badmm, iterations):
    for _ in range(iterations):
        badmm.step()


def reference_state(name, network, inputs, targets):
    linears = [module for module in network if isinstance(module, nn.Linear)]
    W = [linear.weight.detach().numpy().copy() for linear in linears]
    b = [None if linear.bias is None else linear.bias.detach().numpy().copy() for linear in linears]
    return State.start(W, b, inputs.numpy(), targets.numpy(), NETWORKS[name][1])


def assert_equals_reference(badmm, state, tolerance):
    """Every lifted variable and every parameter, within `tolerance` of its largest entry (and of 1)."""
    for layer in badmm.lifted.layers:
        linear, i = badmm.lifted.linear[layer], layer - 1
        values = dict(zip("XZMA", badmm.lifted.variables(layer), strict=True)) | {"W": linear.weight}
        expected = {"X": state.X[layer], "Z": state.Z[i], "M": state.M[i], "A": state.A(i), "W": state.W[i]}
        if linear.bias is not None:
            values["b"], expected["b"] = linear.bias, state.b[i]
        for variable, value in values.items():
            error = np.abs(value.detach().numpy() - expected[variable]).max()
            limit = tolerance * max(1, np.abs(expected[variable]).max())
            assert error <= limit, f"{variable}_{layer} of {type(badmm.lifted).__name__}: off by {error:.2g}"


def compare_three_ways(name, network, inputs, targets, settings, iterations, tolerance=1e-10):
    """Run the reference and both implementations, and compare them at the start and after every iteration."""
    state = reference_state(name, network, inputs, targets)
    plain = Badmm(copy.deepcopy(network), inputs, targets, fast=False, **settings)
    fast = Badmm(network, inputs, targets, fast=True, **settings)
    for iteration in range(iterations + 1):
        if iteration:
            iterate(state, **settings)
            plain.step()
            fast.step()
        assert_equals_reference(plain, state, tolerance)
        assert_equals_reference(fast, state, tolerance)


@every_network
@both_weight_steps
@both_orders
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("delta", "tau_m", "ridge"), [(1.0, 1.0, 0.0), (1.0, 1.0, 0.3), (1.0, 0.8, 0.0), (0.6, 1.0, 0.3)]
)
def test_every_iteration_is_that_of_the_formulas(name, kind, order, bias, delta, tau_m, ridge):
    settings = {"weight_step": kind, "order": order, "delta": delta, "tau_m": tau_m, "ridge": ridge}
    compare_three_ways(name, *random_problem(name, bias), SETTINGS | settings, iterations=5)


@every_network
@both_weight_steps
@both_orders
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("delta", [1.0, 0.6])
def test_momentum_adds_some_of_the_last_move_of_the_weights(name, kind, order, bias, delta):
    settings = SETTINGS | {"weight_step": kind, "order": order, "delta": delta, "tau_m": 1.0, "momentum": 0.7}
    compare_three_ways(name, *random_problem(name, bias), settings, iterations=5, tolerance=1e-9)


@every_network
@pytest.mark.parametrize("steps", [badmm.STEPS, _badmm_fast.STEPS], ids=["plain", "fast"])
def test_without_momentum_an_iteration_is_the_four_blocks_bit_for_bit(name, steps):
    network, inputs, targets = random_problem(name)
    optimizer = Badmm(copy.deepcopy(network), inputs, targets, momentum=0.0, fast=steps is _badmm_fast.STEPS)
    other = Badmm(network, inputs, targets, fast=optimizer.fast).lifted
    z, w, x, m = steps
    for _ in range(4):
        optimizer.step()
        with torch.no_grad():
            z(other, 1.0), w(other, 1.3, ["gradient"] * len(other.linear)), x(other, 1.0), m(other, 1.0)
    for made, wanted in zip(optimizer.network.parameters(), network.parameters(), strict=True):
        assert torch.equal(made, wanted)


@every_network
@pytest.mark.parametrize("kind", ["least_squares_first", "least_squares_last"])
@pytest.mark.parametrize(("delta", "tau_m", "ridge"), [(1.0, 1.0, 0.0), (0.6, 0.8, 0.3)])
def test_one_layer_can_be_solved_for_alone(name, kind, delta, tau_m, ridge):
    settings = SETTINGS | {"weight_step": kind, "delta": delta, "tau_m": tau_m, "ridge": ridge}
    compare_three_ways(name, *random_problem(name), settings, iterations=5)


@every_network
@both_weight_steps
@both_orders
@pytest.mark.parametrize("beta", [0.2, 7.0])
@pytest.mark.parametrize(("delta", "tau_m"), [(1.0, 1.0), (0.6, 1.0), (0.6, 0.8)])
def test_the_distances_can_have_a_weight(name, kind, order, beta, delta, tau_m):
    settings = {"weight_step": kind, "order": order, "delta": delta, "tau_m": tau_m, "beta": beta}
    compare_three_ways(name, *random_problem(name), SETTINGS | settings, iterations=5, tolerance=1e-7)


@every_network
@both_weight_steps
@pytest.mark.parametrize("delta", [1.0, 0.3])
def test_without_multipliers_they_stay_zero(name, kind, delta):
    network, *data = random_problem(name)
    settings = SETTINGS | {"weight_step": kind, "delta": delta, "tau_m": 0.0}
    compare_three_ways(name, network, *data, settings, iterations=5)
    badmm = Badmm(network, *data, **settings)
    for _ in range(3):
        badmm.step()
    assert all((badmm.lifted.variables(layer)[2] == 0).all() for layer in badmm.lifted.layers)


@both_weight_steps
@pytest.mark.parametrize(("delta", "tau_m"), [(1.0, 1.0), (0.6, 0.8)])
def test_the_number_of_samples_changes_no_formula(kind, delta, tau_m):
    """The fast implementation works on blocks of samples, of which 23 fill only one."""
    settings = SETTINGS | {"weight_step": kind, "delta": delta, "tau_m": tau_m}
    compare_three_ways("autoencoder", *random_problem("autoencoder", samples=1100), settings, iterations=3)


@pytest.mark.parametrize("name", ["perceptron", "linear", "autoencoder", "identity"])
@both_weight_steps
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("delta", "ridge"), [(1.0, 0.0), (0.6, 0.0), (0.6, 0.3)])
def test_fewer_samples_than_inputs_change_no_formula(name, kind, bias, delta, ridge):
    """Set-up takes the smaller one of two Gram matrices."""
    settings = SETTINGS | {"weight_step": kind, "delta": delta, "ridge": ridge}
    compare_three_ways(name, *random_problem(name, bias, samples=4), settings, iterations=5, tolerance=1e-9)


@both_weight_steps
@both_orders
def test_late_iterations_are_those_of_the_formulas(kind, order):
    """With delta = tau_m = 1 the fast implementation drops the start once rounding hides it, before iteration 60."""
    settings = SETTINGS | {"weight_step": kind, "order": order, "tau_m": 1.0}
    compare_three_ways("autoencoder", *random_problem("autoencoder"), settings, iterations=65, tolerance=1e-9)


def test_least_squares_changes_the_weights_as_little_as_it_can():
    """Inputs with a dark pixel, a doubled one and fewer samples than pixels: the Gram matrix is singular."""
    network, inputs, targets = random_problem("autoencoder", samples=6)
    inputs[:, 2] = 0
    inputs[:, 3] = inputs[:, 4]
    before = network[0].weight.detach().clone()
    settings = SETTINGS | {"weight_step": "least_squares"}
    compare_three_ways("autoencoder", network, inputs, targets, settings, iterations=3, tolerance=1e-8)
    torch.testing.assert_close(network[0].weight.detach()[:, 2], before[:, 2], atol=1e-14, rtol=0)


@both_weight_steps
@both_orders
def test_weights_of_zero_are_no_division_by_zero(kind, order):
    network, inputs, targets = random_problem("autoencoder")
    for parameter in network.parameters():
        nn.init.zeros_(parameter)
    settings = SETTINGS | {"weight_step": kind, "order": order, "delta": 0.5}
    compare_three_ways("autoencoder", network, inputs, targets, settings, iterations=5)


@both_implementations
@both_weight_steps
def test_inputs_of_zero_without_bias_leave_the_weights(kind, fast):
    network, inputs, targets = random_problem("linear", bias=False)
    before = network[0].weight.detach().clone()
    Badmm(network, torch.zeros_like(inputs), targets, weight_step=kind, delta=0.1, fast=fast).step()
    assert (network[0].weight == before).all()


@both_implementations
@both_weight_steps
def test_float32_follows_float64(kind, fast):
    network, inputs, targets = random_problem("autoencoder")
    single = copy.deepcopy(network).float()
    wide = Badmm(network, inputs, targets, weight_step=kind, fast=fast)
    narrow = Badmm(single, inputs.float(), targets.float(), weight_step=kind, fast=fast)
    run(wide, 20)
    run(narrow, 20)
    assert single[0].weight.dtype == torch.float32
    torch.testing.assert_close(single[0].weight.double(), network[0].weight, atol=1e-4, rtol=1e-4)


@both_weight_steps
def test_weights_that_vanish_become_zero_in_the_fast_implementation(kind):
    """Processors multiply subnormal numbers many times more slowly."""
    network, inputs, targets = random_problem("autoencoder")
    network, inputs, targets = network.float(), inputs.float(), targets.float()
    targets[:, 0] = 0
    with torch.no_grad():
        network[2].weight[0] = 1e-37
        network[2].bias[0] = 1e-37
    badmm = Badmm(network, inputs, targets, weight_step=kind)
    run(badmm, 3)
    assert (network[2].weight[0] == 0).all()
    assert network[2].bias[0] == 0
    assert (network[2].weight[1:] != 0).all()


@both_implementations
@pytest.mark.parametrize("tau_m", [0.8, 1.0])
def test_the_variables_of_some_rows_are_those_rows(tau_m, fast):
    badmm = Badmm(*random_problem("autoencoder"), tau_m=tau_m, fast=fast)
    badmm.step()
    for layer in badmm.lifted.layers:
        whole, part = badmm.lifted.variables(layer), badmm.lifted.variables(layer, slice(5, 9))
        for variable, rows in zip(whole, part, strict=True):
            torch.testing.assert_close(rows, variable[5:9], rtol=0, atol=1e-14)


@every_network
@pytest.mark.parametrize("step_size", [0.1, 1.0, 1.99])
@pytest.mark.parametrize("block", ["z", "gradient", "least_squares", "x"])
@torch.no_grad()
def test_every_block_lowers_the_lagrangian_up_to_its_bound(block, step_size, name):
    badmm = Badmm(*random_problem(name), delta=0.7, ridge=0.2, fast=False)
    update = {
        "z": lambda: z_step(badmm.lifted, step_size),
        "gradient": lambda: weight_step(badmm.lifted, step_size, ["gradient"] * len(badmm.lifted.layers)),
        "least_squares": lambda: weight_step(badmm.lifted, step_size, ["least_squares"] * len(badmm.lifted.layers)),
        "x": lambda: x_step(badmm.lifted, step_size),
    }
    for _ in range(3):
        badmm.step()
        before = badmm.diagnostics()["lagrangian"]
        update[block]()
        assert badmm.diagnostics()["lagrangian"] <= before + 1e-12


@every_network
@torch.no_grad()
def test_the_multipliers_rise_by_the_gap(name):
    """The Lagrangian is linear in M with the slope Z - A, so the update raises it by tau_m delta |Z - A|^2."""
    badmm = Badmm(*random_problem(name), delta=0.7, fast=False)
    badmm.step()
    before = badmm.diagnostics()
    m_step(badmm.lifted, 0.8)
    rise = badmm.diagnostics()["lagrangian"] - before["lagrangian"]
    assert rise == pytest.approx(0.8 * 0.7 * before["feasibility"] ** 2)


@both_implementations
def test_autograd_and_the_activations_own_code_are_never_used(fast, monkeypatch):
    """The gradients that BADMM uses need values of sigma, and neither a derivative nor the module's forward."""
    network, inputs, targets = random_problem("autoencoder")
    badmm = Badmm(network, inputs, targets, fast=fast)

    def refuse(*args, **kwargs):
        raise AssertionError("called")

    monkeypatch.setattr(torch.Tensor, "backward", refuse)
    monkeypatch.setattr(torch.autograd, "backward", refuse)
    monkeypatch.setattr(torch.autograd, "grad", refuse)
    monkeypatch.setattr(nn.ReLU, "forward", refuse)
    run(badmm, 3)
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(parameter.requires_grad and parameter.grad_fn is None for parameter in network.parameters())


@both_implementations
@pytest.mark.parametrize("samples", [23, 1100])  # one part and two parts
@pytest.mark.parametrize(("delta", "tau_m"), [(0.7, 0.9), (1.0, 1.0)])
def test_diagnostics_are_those_of_the_definitions(delta, tau_m, samples, fast):
    network, inputs, targets = random_problem("autoencoder", samples=samples)
    badmm = Badmm(network, inputs, targets, delta=delta, tau_m=tau_m, ridge=0.2, fast=fast)
    start = badmm.diagnostics()
    assert start["feasibility"] == 0
    squared = 0.5 * (targets - network(inputs)).square().sum().item() / samples
    assert start["lifted_loss"] == pytest.approx(squared)
    run(badmm, 4)
    diagnostics = badmm.diagnostics()
    (X, z, *_), (Y, output, *_) = states = [
        [variable.detach().numpy() for variable in badmm.lifted.variables(layer)] for layer in badmm.lifted.layers
    ]
    loss = 0.5 * np.sum((Y - output) ** 2) + np.sum(0.5 * X**2 - X * z + 0.5 * np.maximum(z, 0) ** 2)
    multipliers = sum(np.sum(M * (Z - A)) for _, Z, M, A in states)
    gaps = sum(np.sum((Z - A) ** 2) for _, Z, _, A in states)
    ridge = 0.1 * sum(np.sum(linear.weight.detach().numpy() ** 2) for linear in (network[0], network[2]))
    assert diagnostics["lifted_loss"] == pytest.approx(loss / samples)
    assert diagnostics["lagrangian"] == pytest.approx((loss + multipliers + delta / 2 * gaps + ridge) / samples)
    assert diagnostics["feasibility"] == pytest.approx((gaps / samples) ** 0.5)
    of_activation = np.sum((X - np.maximum(z, 0)) ** 2)
    assert diagnostics["activation_gap"] == pytest.approx((of_activation / samples) ** 0.5)


@pytest.mark.parametrize(
    ("setting", "value", "bound"),
    [
        ("tau_z", 2.0, "0 < tau_z < 2"),
        ("tau_z", 0.0, "0 < tau_z < 2"),
        ("tau_x", 2.0, "0 < tau_x < 2"),
        ("tau_w", -1.0, "0 < tau_w < 2"),
        ("tau_w", float("nan"), "0 < tau_w < 2"),
        ("tau_m", 1.01, "0 <= tau_m <= 1"),
        ("delta", 0.0, "0 < delta < inf"),
        ("ridge", -0.1, "0 <= ridge < inf"),
        ("order", "xzwm", "zwxm, zxwm"),
        ("weight_step", "exact", "gradient, least_squares, least_squares_first, least_squares_last"),
    ],
)
def test_settings_outside_their_range_are_refused_with_the_bound(setting, value, bound):
    with pytest.raises(ValueError, match=setting) as refusal:
        Badmm(*random_problem("autoencoder"), **{setting: value})
    assert bound in str(refusal.value)
    assert str(value) in str(refusal.value)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (nn.Sequential(nn.Conv2d(1, 1, 3)), "module 0 .* Conv2d"),
        (nn.Sequential(nn.Linear(5, 3), nn.Sigmoid()), "module 1 .* Sigmoid"),
        (nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3)), "module 1 .* BatchNorm1d"),
        (nn.Sequential(nn.ReLU(), nn.Linear(5, 3)), "module 0 .* must follow an nn.Linear"),
        (nn.Sequential(nn.Linear(5, 3), nn.ReLU(), nn.ReLU()), "module 2 .* must follow an nn.Linear"),
        (nn.Sequential(), "at least one nn.Linear"),
        (nn.Linear(5, 3), "must be an nn.Sequential, not Linear"),
        (nn.Sequential(nn.Linear(5, 3, dtype=torch.float16)), "dtype must be .* not torch.float16"),
        (nn.Sequential(*[nn.Linear(5, 5)] * 2), "module 1 .* twice"),
    ],
)
def test_networks_of_another_form_are_refused_by_module(network, message):
    with pytest.raises(TypeError, match=message):
        Badmm(network, torch.ones(4, 5), torch.ones(4, 3))


def test_layers_that_do_not_fit_each_other_are_refused():
    network = nn.Sequential(nn.Linear(5, 3), nn.ReLU(), nn.Linear(4, 2))
    with pytest.raises(ValueError, match="in_features must be 3"):
        Badmm(network, torch.ones(4, 5), torch.ones(4, 2))


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


@both_implementations
@both_weight_steps
def test_iterates_that_are_not_finite_raise_linalgerror(kind, fast):
    network, inputs, targets = random_problem("deep")
    badmm = Badmm(network, inputs, targets, weight_step=kind, fast=fast)
    badmm.step()
    nn.init.constant_(network[0].weight, float("nan"))
    with pytest.raises(torch.linalg.LinAlgError):
        run(badmm, 5)


@both_implementations
def test_one_affine_map_behind_another_has_the_identity_between(fast):
    explicit, inputs, targets = random_problem("identity")
    implicit = copy.deepcopy(nn.Sequential(explicit[0], *explicit[2:]))
    pair = [Badmm(network, inputs, targets, fast=fast) for network in (implicit, explicit)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for badmm in pair:
            run(badmm, 5)
    assert (implicit[1].weight == explicit[2].weight).all()


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
