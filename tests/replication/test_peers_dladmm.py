"""dlADMM: each block minimises its model of the augmented Lagrangian, which is written out here."""

import pytest
import torch
from torch import nn

from replication.constructors import build

BLOCKS = [("move_weight", 0), ("move_weight", 1), ("move_weight", 2), ("move_x", 0), ("move_x", 1)]


def start(rho=0.7, activation=nn.ReLU, iterations=3):
    """The method on a network 6-5-4-3 and twenty samples, in float64, after some iterations."""
    draw = torch.Generator().manual_seed(13)
    network = nn.Sequential(nn.Linear(6, 5), activation(), nn.Linear(5, 4), activation(), nn.Linear(4, 3)).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.7 * torch.randn(parameter.shape, generator=draw, dtype=torch.float64))
    x, y = (torch.randn(20, size, generator=draw, dtype=torch.float64) for size in (6, 3))
    method = build("dladmm", network, x, y, seed=0, rho=rho)
    for _ in range(iterations):
        method.step()
    return network, method


def phi(network, method, X=None, Z=None):
    """The augmented Lagrangian, a 0-d tensor."""
    X, Z = X or method.X, Z or method.Z
    last = Z[2] - network[4](X[2])
    value = (method.targets - Z[2]).square().sum() / 2 + (method.U * last).sum() + method.rho / 2 * last.square().sum()
    for number, position in enumerate((0, 2)):
        hidden = (Z[number] - network[position](X[number])).square().sum()
        value = value + method.rho / 2 * (hidden + (X[number + 1] - network[position + 1](Z[number])).square().sum())
    return value


def block(method, name, number):
    """The tensor that a block moves."""
    if name == "move_x":
        return method.X[number + 1]
    linear = method.pairs[number][0]
    return linear.weight if name == "move_weight" else linear.bias


def gradient(network, method, name, number):
    """That of phi in what a block moves."""
    if name != "move_x":
        return torch.autograd.grad(phi(network, method), block(method, name, number))[0]
    X = list(method.X)
    X[number + 1] = X[number + 1].clone().requires_grad_()
    return torch.autograd.grad(phi(network, method, X=X), X[number + 1])[0]


@pytest.mark.parametrize(("name", "number"), BLOCKS)
def test_a_block_minimises_a_quadratic_model_that_is_not_below_the_lagrangian(name, number):
    network, method = start()
    slope, before, value = (
        gradient(network, method, name, number),
        block(method, name, number).clone(),
        phi(network, method),
    )
    with torch.no_grad():
        getattr(method, name)(number)
    theta = method._theta[f"{name[5].upper()}{number}"]
    change = (block(method, name, number) - before).detach()
    torch.testing.assert_close(change, -slope / theta)  # the minimiser of the model with curvature theta
    model = value + (slope * change).sum() + theta / 2 * change.square().sum()
    after = phi(network, method)
    assert after <= model + 1e-12
    assert after < value


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_bias_is_the_minimiser(number):
    network, method = start()
    assert gradient(network, method, "move_bias", number).norm() > 1e-6
    with torch.no_grad():
        method.move_bias(number)
    assert gradient(network, method, "move_bias", number).norm() < 1e-10


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Hardtanh, nn.Identity])
@pytest.mark.parametrize("number", [0, 1])
def test_a_hidden_z_is_the_minimiser_entry_by_entry(number, activation):
    _, method = start(activation=activation)
    with torch.no_grad():
        method.move_z(number)
    A, X, sigma = method.A(number), method.X[number + 1], activation()
    grid = torch.linspace(-20, 20, 8001, dtype=torch.float64)[:, None, None]

    def cost(z):
        return (z - A).square() + (X - sigma(z)).square()

    assert (cost(method.Z[number]) <= cost(grid).amin(0) + 1e-12).all()
    assert (cost(method.Z[number]) >= cost(grid).amin(0) - 1e-2).all()


def test_the_last_z_is_the_minimiser():
    network, method = start()
    with torch.no_grad():
        method.move_z(2)
    Z = [*method.Z[:2], method.Z[2].clone().requires_grad_()]
    assert torch.autograd.grad(phi(network, method, Z=Z), Z[2])[0].norm() < 1e-10


def test_multipliers_move_by_what_the_last_constraint_lacks():
    network, method = start(rho=5.0, iterations=0)
    for _ in range(3):
        before = method.U.clone()
        method.step()
        torch.testing.assert_close(method.U - before, 5.0 * (method.Z[2] - network[4](method.X[2])).detach())


def test_what_it_cannot_train_is_refused_by_name():
    with pytest.raises(TypeError, match="activations clip"):
        start(activation=nn.Softshrink)
    with pytest.raises(ValueError, match=r"rho = 0.0 is outside its range"):
        start(rho=0.0)
    network = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    with pytest.raises(TypeError, match=r"DlAdmm trains a network that ends in nn.Linear"):
        build("dladmm", network, torch.ones(3, 2), torch.ones(3, 2), seed=0)
