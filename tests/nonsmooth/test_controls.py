"""The controls: layerwise steps, the lifted loss alone, FOOF. And references beside them: variable projection,
L-BFGS after a solve, layerwise Gauss-Newton.

Oracles are autograd, NumPy and BADMM itself.
"""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from nonsmooth import Badmm, Lbfgs
from nonsmooth.foof import Foof
from nonsmooth.gauss_newton import GaussNewton, output_factors
from nonsmooth.layerwise import Layerwise, backward
from nonsmooth.lifted_loss import LiftedLoss
from nonsmooth.lifting import affine_activation_pairs
from nonsmooth.variable_projection import SolvedLbfgs, VariableProjection

SHAPES = {"two layers": [7], "three layers": [7, 4], "wide": [30]}
every_shape = pytest.mark.parametrize("hidden", SHAPES.values(), ids=SHAPES)


@pytest.fixture
def start(make_network):
    """A network of affine maps and ReLUs with data that it does not fit, in float64."""

    def make(hidden, **settings):
        draw = torch.Generator().manual_seed(5)
        inputs, targets = (torch.randn(40, size, generator=draw, dtype=torch.float64) for size in (9, 6))
        return make_network((9, 6), hidden=hidden, seed=1, **settings), inputs, targets

    return make


def loss(network, inputs, targets):
    """1/2 |Y - f(X)|^2."""
    return (network(inputs) - targets).square().sum() / 2


def parameters(network):
    return [module for module in network if isinstance(module, nn.Linear)]


def with_ones(X):
    return torch.cat([X, torch.ones_like(X[:, :1])], 1)


@every_shape
@pytest.mark.parametrize("activation", ["relu", "softshrink"])
def test_the_backward_pass_is_that_of_autograd(hidden, activation, start):
    network, inputs, targets = start(hidden, activation=activation)
    X, gradients = backward(affine_activation_pairs(network), inputs, targets)
    loss(network, inputs, targets).backward()
    for linear, x, gradient in zip(parameters(network), X, gradients, strict=True):
        torch.testing.assert_close(gradient.T @ x, linear.weight.grad)
        torch.testing.assert_close(gradient.sum(0), linear.bias.grad)


@every_shape
def test_a_layerwise_step_is_one_along_the_gradient_of_one_layer_after_the_other(hidden, start):
    network, inputs, targets = start(hidden)
    expected = copy.deepcopy(network)
    Layerwise(network, inputs, targets, tau_w=0.7).step()
    linears = parameters(expected)
    for number, linear in enumerate(linears):
        expected.zero_grad()
        loss(expected, inputs, targets).backward()
        X = expected[: 2 * number](inputs) if number else inputs
        bound = np.linalg.norm(with_ones(X).detach().numpy(), 2) ** 2
        for following in linears[number + 1 :]:
            bound *= np.linalg.norm(following.weight.detach().numpy(), 2) ** 2
        with torch.no_grad():
            linear.weight -= 0.7 / bound * linear.weight.grad
            linear.bias -= 0.7 / bound * linear.bias.grad
    for made, wanted in zip(network.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(made, wanted)


@every_shape
def test_without_activations_the_mask_changes_nothing(hidden, start):
    networks = []
    for mask in (True, False):
        network, *data = start(hidden, activation="identity")
        optimizer = Layerwise(network, *data, mask=mask)
        for _ in range(5):
            optimizer.step()
        networks.append(nn.utils.parameters_to_vector(network.parameters()))
    torch.testing.assert_close(*networks)


@every_shape
def test_layerwise_steps_lower_the_loss_of_a_linear_network_at_every_iteration(hidden, start):
    network, *data = start(hidden, activation="identity")
    optimizer = Layerwise(network, *data, tau_w=1.9)
    losses = [loss(network, *data).item()]
    for _ in range(30):
        optimizer.step()
        losses.append(loss(network, *data).item())
    assert (np.diff(losses) < 0).all()


@every_shape
def test_foof_multiplies_gradients_by_damped_inverse_gram_matrices(hidden, start):
    network, inputs, targets = start(hidden)
    expected = copy.deepcopy(network)
    optimizer = Foof(network, inputs, targets, learning_rate=0.3, damping=0.1, momentum=0.5)
    moving = [0.0] * len(parameters(expected))
    for _ in range(3):
        optimizer.step()
        expected.zero_grad()
        loss(expected, inputs, targets).backward()
        X = [inputs, *(expected[: 2 * number](inputs) for number in range(1, len(moving)))]
        with torch.no_grad():
            for number, linear in enumerate(parameters(expected)):
                H = with_ones(X[number]).T @ with_ones(X[number])
                H = (H + 0.1 * torch.linalg.eigvalsh(H)[-1] * torch.eye(len(H), dtype=H.dtype)).detach()
                G = torch.cat([linear.weight.grad, linear.bias.grad[:, None]], 1)
                moving[number] = 0.5 * moving[number] + torch.linalg.solve(H, G.T).T
                linear.weight -= 0.3 * moving[number][:, :-1]
                linear.bias -= 0.3 * moving[number][:, -1]
    for made, wanted in zip(network.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(made, wanted)


@pytest.mark.parametrize("method", [Foof, GaussNewton])
def test_undamped_curvature_solves_a_linear_perceptron_in_one_step(method, start):
    network, inputs, targets = start([])
    method(network, inputs, targets, learning_rate=1.0, damping=1e-12).step()
    solution = np.linalg.lstsq(with_ones(inputs).numpy(), targets.numpy(), rcond=None)[0].T
    np.testing.assert_allclose(network[0].weight.detach().numpy(), solution[:, :-1], atol=1e-8)


@pytest.mark.parametrize(
    ("hidden", "settings"),
    [
        ([7], {}),
        ([30], {"activation": "softshrink"}),
        ([], {"output_activation": "relu"}),
        ([7, 4], {"activation": "identity"}),
    ],
)
def test_the_factors_of_the_outputs_are_means_of_squared_jacobians(hidden, settings, start):
    """Jacobians by torch.func, sample by sample."""
    network, inputs, targets = start(hidden, **settings)
    with torch.no_grad():
        pairs = affine_activation_pairs(network)
        X, _ = backward(pairs, inputs, targets)
        *factors, diagonal = output_factors(pairs, X)
        for number, factor in enumerate([*factors, diagonal.diag()]):
            A = parameters(network)[number](X[number])
            J = torch.func.vmap(torch.func.jacrev(network[2 * number + 1 :]))(A)
            torch.testing.assert_close(factor, torch.einsum("noi,noj->ij", J, J) / len(J))


@every_shape
def test_gauss_newton_multiplies_gradients_by_both_damped_inverse_factors(hidden, start):
    network, inputs, targets = start(hidden)
    before = copy.deepcopy(network)
    GaussNewton(network, inputs, targets, learning_rate=0.3, damping=0.1).step()
    loss(before, inputs, targets).backward()
    with torch.no_grad():
        X, _ = backward(affine_activation_pairs(before), inputs, targets)
        *factors, diagonal = output_factors(affine_activation_pairs(before), X)
        for number, F in enumerate([*factors, diagonal.diag()]):
            linear, H = parameters(before)[number], with_ones(X[number]).T @ with_ones(X[number])
            F, H = (M + 0.1 * torch.linalg.eigvalsh(M)[-1] * torch.eye(len(M), dtype=M.dtype) for M in (F, H))
            G = torch.cat([linear.weight.grad, linear.bias.grad[:, None]], 1)
            change = 0.3 * torch.linalg.solve(F, torch.linalg.solve(H, G, left=False))
            torch.testing.assert_close(parameters(network)[number].weight, linear.weight - change[:, :-1])
            torch.testing.assert_close(parameters(network)[number].bias, linear.bias - change[:, -1])


@every_shape
def test_variable_projection_takes_heavy_ball_steps_along_the_gradient_of_the_projected_loss(hidden, start):
    """Autograd differentiates the pseudo-inverse; the method does not."""
    network, inputs, targets = start(hidden)
    optimizer = VariableProjection(network, inputs, targets, tau_w=0.1, momentum=0.6)
    moving = [0.0] * len(hidden)
    for _ in range(3):
        lower = copy.deepcopy(network[:-1])
        X = with_ones(lower(inputs))
        solution = torch.linalg.pinv(X) @ targets
        ((X @ solution - targets).square().sum() / 2).backward()
        with torch.no_grad():
            norm = torch.linalg.matrix_norm(solution[:-1], 2) ** 2
            for number, linear in reversed(list(enumerate(parameters(lower)))):
                G = torch.cat([linear.weight.grad, linear.bias.grad[:, None]], 1)
                of_inputs = (
                    torch.linalg.matrix_norm(with_ones(lower[: 2 * number](inputs) if number else inputs), 2) ** 2
                )
                moving[number] = 0.6 * moving[number] + 0.1 / (of_inputs * norm) * G
                norm *= torch.linalg.matrix_norm(linear.weight, 2) ** 2
                linear.weight -= moving[number][:, :-1]
                linear.bias -= moving[number][:, -1]
        optimizer.step()
        torch.testing.assert_close(list(network[:-1].parameters()), list(lower.parameters()))


@pytest.mark.parametrize("hidden", [[], [7], [60]], ids=["linear", "narrow", "more units than samples"])
def test_variable_projection_ends_with_the_least_squares_solution_of_minimum_norm(hidden, start):
    network, inputs, targets = start(hidden)
    VariableProjection(network, inputs, targets).step()
    X = with_ones(network[:-1](inputs)).detach().numpy()
    solution = np.linalg.lstsq(X, targets.numpy(), rcond=1e-10)[0].T
    np.testing.assert_allclose(network[-1].weight.detach().numpy(), solution[:, :-1], atol=1e-8)
    np.testing.assert_allclose(network[-1].bias.detach().numpy(), solution[:, -1], atol=1e-8)


@every_shape
def test_solved_lbfgs_is_lbfgs_from_the_least_squares_solution(hidden, start):
    network, inputs, targets = start(hidden)
    expected = copy.deepcopy(network)
    with torch.no_grad():
        solution = (torch.linalg.pinv(with_ones(expected[:-1](inputs))) @ targets).T
        expected[-1].weight.copy_(solution[:, :-1])
        expected[-1].bias.copy_(solution[:, -1])
    optimizers = Lbfgs(expected, inputs, targets), SolvedLbfgs(network, inputs, targets)
    for _ in range(4):
        for optimizer in optimizers:
            optimizer.step()
    torch.testing.assert_close(list(network.parameters()), list(expected.parameters()))


def test_solved_lbfgs_stays_at_the_optimum_of_a_linear_network(start):
    network, *data = start([])
    optimizer = SolvedLbfgs(network, *data)
    losses = []
    for _ in range(10):
        optimizer.step()
        losses.append(loss(network, *data).item())
    np.testing.assert_allclose(
        losses, np.linalg.lstsq(*(part.numpy() for part in (with_ones(data[0]), data[1])))[1].sum() / 2
    )


@pytest.mark.parametrize("method", [VariableProjection, SolvedLbfgs])
def test_a_solve_of_the_last_layer_refuses_a_network_that_ends_in_an_activation(method, start):
    network, *data = start([7], output_activation="relu")
    with pytest.raises(TypeError, match=rf"{method.__name__} .* ends in nn.Linear, not in ReLU\(\)"):
        method(network, *[part.abs() for part in data])


@pytest.mark.parametrize("method", [VariableProjection, Foof, LiftedLoss, Badmm])
@pytest.mark.parametrize("momentum", [-0.1, 1.0])
def test_a_momentum_outside_its_range_is_refused(method, momentum, start):
    with pytest.raises(ValueError, match="0 <= momentum < 1"):
        method(*start([7]), momentum=momentum)


def energy(optimizer):
    return optimizer.diagnostics()["lifted_loss"]


@every_shape
@pytest.mark.parametrize("beta", [0.2, 1.0, 5.0])
@pytest.mark.parametrize("tau", [0.3, 1.0, 1.99])
def test_each_block_lowers_the_lifted_loss_up_to_its_bound(hidden, beta, tau, start):
    optimizer = LiftedLoss(*start(hidden), tau_x=tau, tau_w=tau, beta=beta)
    for _ in range(8):
        for block in (optimizer.weight_step, optimizer.x_step):
            before = energy(optimizer)
            block()
            assert energy(optimizer) <= before + 1e-12


@every_shape
@pytest.mark.parametrize("beta", [1.0, 3.0])
def test_the_blocks_descend_along_the_lifted_loss(hidden, beta, start):
    """Autograd of E, whose activations' distance is written out, as the oracle of the weight step."""
    network, inputs, targets = start(hidden)
    optimizer = LiftedLoss(network, inputs, targets, tau_w=0.5, beta=beta)
    optimizer.step()  # from here on X is not sigma(A)
    X = [value.clone() for _, value in sorted(optimizer.lifted.X.items())]
    twin = copy.deepcopy(network)
    for number, linear in enumerate(parameters(twin)):
        twin.zero_grad()
        A, last = linear(X[number]), number == len(X) - 2
        # D(x, relu(a)) = 1/2 (x - a)^2 - 1/2 min(a, 0)^2
        distance = (X[number + 1] - A).square() / 2 - (0 if last else A.clamp(max=0).square() / 2)
        ((1.0 if last else beta) * distance.sum()).backward()
        bound = (1.0 if last else beta) * np.linalg.norm(with_ones(X[number]).numpy(), 2) ** 2
        with torch.no_grad():
            linear.weight -= 0.5 / bound * linear.weight.grad
            linear.bias -= 0.5 / bound * linear.bias.grad
    optimizer.weight_step()
    for made, wanted in zip(network.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(made, wanted)


def test_the_exact_step_solves_for_the_last_layer(start):
    network, inputs, targets = start([7])
    optimizer = LiftedLoss(network, inputs, targets, weight_step="least_squares")
    for _ in range(3):
        optimizer.step()
        hidden = optimizer.lifted.X[1].numpy().copy()
    optimizer.weight_step()
    solution = np.linalg.lstsq(np.hstack([hidden, np.ones((len(hidden), 1))]), targets.numpy(), rcond=None)[0].T
    np.testing.assert_allclose(network[2].weight.detach().numpy(), solution[:, :-1], atol=1e-9)


def test_two_iterations_with_momentum_are_those_written_by_hand(start):
    """In NumPy, for one hidden layer of ReLUs and beta = 1."""
    network, inputs, targets = start([7])
    V = [np.column_stack([p.weight.detach().numpy(), p.bias.detach().numpy()]) for p in parameters(network)]
    optimizer = LiftedLoss(network, inputs, targets, tau_w=0.9, tau_x=0.8, momentum=0.6)
    ones = np.ones((len(inputs), 1))
    X0, Y = np.hstack([inputs.numpy(), ones]), targets.numpy()
    X1, velocity = np.maximum(X0 @ V[0].T, 0), [0.0, 0.0]
    for _ in range(2):
        before = np.hstack([X1, ones])
        residuals = X1 - np.maximum(X0 @ V[0].T, 0), Y - before @ V[1].T
        for layer, (X, R) in enumerate(zip((X0, before), residuals, strict=True)):
            velocity[layer] = 0.6 * velocity[layer] + 0.9 / np.linalg.norm(X, 2) ** 2 * R.T @ X
            V[layer] = V[layer] + velocity[layer]
        W = V[1][:, :-1]
        s = 0.8 / (np.linalg.norm(W, 2) ** 2 + 0.8)
        aim = X0 @ V[0].T + (Y - before @ V[1].T) @ W
        X1 = np.maximum(X1 + s * (aim - X1), 0)
        optimizer.step()
    for linear, wanted in zip(parameters(network), V, strict=True):
        made = np.column_stack([linear.weight.detach().numpy(), linear.bias.detach().numpy()])
        np.testing.assert_allclose(made, wanted, atol=1e-10)


@pytest.mark.parametrize("kind", ["gradient", "least_squares"])
def test_without_momentum_an_iteration_is_its_two_blocks_bit_for_bit(kind, start):
    network, *data = start([7, 4])
    twin = copy.deepcopy(network)
    optimizer = LiftedLoss(network, *data, weight_step=kind, momentum=0.0)
    other = LiftedLoss(twin, *data, weight_step=kind)
    for _ in range(4):
        optimizer.step()
        other.weight_step()
        other.x_step()
    assert all(torch.equal(*pair) for pair in zip(network.parameters(), twin.parameters(), strict=True))


def test_of_a_perceptron_it_is_gradient_descent_on_d(start):
    from nonsmooth import GradientD

    network, inputs, targets = start([], output_activation="relu")
    targets, twin = targets.clamp(min=0), copy.deepcopy(network)
    one, other = LiftedLoss(network, inputs, targets, tau_w=1.3), GradientD(twin, inputs, targets, tau_w=1.3)
    for _ in range(5):
        one.step()
        other.step()
    torch.testing.assert_close(network[0].weight, twin[0].weight)


@pytest.mark.parametrize("order", ["zwxm", "zxwm"])
@pytest.mark.parametrize("iterations", [1, 2, 7])
def test_with_unit_penalty_badmms_force_on_the_last_layer_is_the_residual(order, iterations, start):
    """After k iterations M_L = Y - A_L + 2^-k (A_start - Y): the lifted loss's residual, and what fades.

    It is also R = M_L + Z_L - A_L with M_L as it was before, which the weight and the X block have used.
    """
    network, inputs, targets = start([7])
    first = network(inputs).detach()
    badmm = Badmm(network, inputs, targets, order=order, fast=False)
    for _ in range(iterations):
        badmm.step()
    _, _, M, A = badmm.lifted.variables(2)
    torch.testing.assert_close(M, (targets - A) + 2.0**-iterations * (first - targets))


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        (Layerwise, {"tau_w": 2.0}, "0 < tau_w < 2"),
        (Foof, {"damping": 0.0}, "0 < damping < inf"),
        (Foof, {"momentum": 1.0}, "0 <= momentum < 1"),
        (Foof, {"learning_rate": 0.0}, "0 < learning_rate < inf"),
        (LiftedLoss, {"tau_x": 0.0}, "0 < tau_x < 2"),
        (LiftedLoss, {"beta": 0.0}, "0 < beta < inf"),
        (LiftedLoss, {"weight_step": "exact"}, "gradient, least_squares"),
    ],
)
def test_settings_outside_their_range_are_refused(method, settings, message, start):
    with pytest.raises(ValueError, match=message):
        method(*start([7]), **settings)
