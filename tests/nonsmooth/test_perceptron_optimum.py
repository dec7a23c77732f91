"""The perceptron's problem is convex in (w, b): every method on D ends at the minimum that scipy finds."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from nonsmooth import Badmm, GradientD
from replication import data

METHODS = {
    "badmm": lambda *problem, **settings: Badmm(*problem, tau_w=1.3, **settings),
    "badmm-ls": lambda *problem, **settings: Badmm(*problem, weight_step="least_squares", **settings),
    "gradient-d": lambda *problem: GradientD(*problem, tau_w=1.9),
}


def teacher(condition_number):
    settings = {"inputs": 20, "samples": 400, "condition_number": condition_number, "label_noise": 0.2}
    return data.build(None, name="teacher", seed=5, dtype="float64", **settings).training


def minimiser(split, ridge):
    """(w, b) at the minimum of sum_i D(y_i, max(a_i, 0)) + ridge/2 |w|^2, with D and its gradient written out."""
    X, y = split.inputs.numpy(), split.targets.numpy()[:, 0]
    Xb = np.hstack([X, np.ones((len(X), 1))])
    weight_decay = np.append(np.full(X.shape[1], ridge), 0.0)

    def objective(v):
        z = Xb @ v
        value = (0.5 * y**2 - y * z + 0.5 * np.maximum(z, 0) ** 2).sum() + 0.5 * weight_decay @ v**2
        return value, Xb.T @ (np.maximum(z, 0) - y) + weight_decay * v

    options = {"maxiter": 20000, "maxfun": 40000, "ftol": 1e-16, "gtol": 1e-11, "maxcor": 30}
    result = minimize(objective, np.zeros(Xb.shape[1]), jac=True, method="L-BFGS-B", options=options)
    assert np.abs(objective(result.x)[1]).max() < 1e-6
    return result.x


@pytest.mark.slow
@pytest.mark.parametrize("condition_number", [1.0, 10.0, 100.0])
@pytest.mark.parametrize(
    ("name", "ridge"), [("badmm", 0.0), ("badmm", 5.0), ("badmm-ls", 0.0), ("badmm-ls", 5.0), ("gradient-d", 0.0)]
)
def test_the_limit_is_the_minimiser_of_d(name, ridge, condition_number, make_network):
    split = teacher(condition_number)
    network = make_network((20, 1), output_activation="relu")
    optimizer = METHODS[name](network, *split, **({"ridge": ridge} if ridge else {}))
    for _ in range(6000):
        optimizer.step()
    parameters = torch.cat([network[0].weight[0], network[0].bias]).detach().numpy()
    best = minimiser(split, ridge)
    assert np.linalg.norm(parameters - best) <= 1e-6 * np.linalg.norm(best)


@pytest.mark.parametrize("fast", [False, True], ids=["plain", "fast"])
def test_the_limit_satisfies_the_conditions_of_the_fixed_point(fast, make_network):
    """m = y - sigma(z), z = X w + b, [X, 1]^T m = 0."""
    split = teacher(10.0)
    network = make_network((20, 1), output_activation="relu")
    badmm = Badmm(network, *split, fast=fast)
    for _ in range(1000):
        badmm.step()
    _, z, m, _ = badmm.lifted.variables(1)
    torch.testing.assert_close(m, split.targets - z.clamp(min=0), atol=1e-8, rtol=0)
    torch.testing.assert_close(z, network[0](split.inputs).detach(), atol=1e-8, rtol=0)
    assert (split.inputs.T @ m).abs().max() < 1e-6
    assert m.sum().abs() < 1e-6


def test_with_noisy_labels_the_minimisers_of_d_and_of_the_squared_loss_differ():
    split = teacher(10.0)
    weights = torch.from_numpy(minimiser(split, 0.0)).requires_grad_()
    a = split.inputs @ weights[:-1, None] + weights[-1]
    (0.5 * (split.targets - a.relu()) ** 2).sum().backward()
    assert weights.grad.norm() > 1.0
