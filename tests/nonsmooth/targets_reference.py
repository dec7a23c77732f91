"""One iteration of LiftedTargets written naively, in NumPy and float64, from the formulas of docs/method.md.

Nothing is shared with the library: R is a difference of two activations, norms come from the SVD, and each damped step
is a solve. Weights stand as rows [W_l, b_l] beside inputs [X_{l-1}, 1].
"""

from dataclasses import dataclass, field

import numpy as np
from reference import identity, ramp, relu, softshrink
from scipy.special import xlogy


def tanh(v, step=1.0):
    return np.tanh(v)


ACTIVATIONS = {"relu": relu, "identity": identity, "ramp": ramp, "softshrink": softshrink, "tanh": tanh}


def psi(name, x):
    if name == "softshrink":
        return 0.5 * np.abs(x)
    if name == "tanh":
        return 0.5 * (xlogy(1 + x, 1 + x) + xlogy(1 - x, 1 - x)) - x**2 / 2  # finite at both ends
    return 0.0  # targets in the domain are the caller's


def envelope(name, x, z):
    """E_z(x)"""
    return 0.5 * (x - z) ** 2 + psi(name, x)


@dataclass
class State:
    V: list  # [W_l, b_l] by layer
    activations: list  # names; None at the end for the squared loss
    inputs: np.ndarray
    targets: np.ndarray
    eta: float
    velocity: list = field(default_factory=list)
    solved: bool = False

    def sigma(self, layer, A):
        name = self.activations[layer]
        return A if name is None else ACTIVATIONS[name](A)

    def forward(self, V):
        X, A = [self.inputs], []
        for layer, weights in enumerate(V):
            A.append(ones(X[-1]) @ weights.T)
            X.append(self.sigma(layer, A[-1]))
        return X, A

    def loss(self, V, ridge):
        X, A = self.forward(V)
        weights = ridge / 2 * sum((v[:, :-1] ** 2).sum() for v in V)
        if self.activations[-1] is None:
            return 0.5 * ((self.targets - A[-1]) ** 2).sum() + weights
        name = self.activations[-1]
        return (envelope(name, self.targets, A[-1]) - envelope(name, X[-1], A[-1])).sum() + weights


def ones(X):
    return np.hstack([X, np.ones((len(X), 1))])


def damped(R, X, V, damping, ridge):
    """(R^T [X, 1] - ridge [W, 0]) (H + damping |H|)^-1"""
    J = np.diag([1.0] * X.shape[1] + [0.0])
    H = ones(X).T @ ones(X) + ridge * J
    H = H + damping * np.linalg.norm(H, 2) * np.eye(len(H))
    return np.linalg.solve(H, (R.T @ ones(X) - ridge * V @ J).T).T


def signals(s, V, A, X, tau):
    """R_l by layer."""
    R, step = [s.targets - X[-1]], 1.0
    for layer in reversed(range(len(V) - 1)):
        W = V[layer + 1][:, :-1]
        step = tau * step / np.linalg.norm(W, 2) ** 2
        U = R[0] @ W
        R.insert(0, (s.sigma(layer, A[layer] + step * U) - X[layer + 1]) / step)
    return R


def solve_last(s, V, damping, ridge):
    X, _ = s.forward(V)
    return [*V[:-1], V[-1] + damped(s.targets - X[-1], X[-2], V[-1], damping / 100, ridge)]


def iterate(s, *, tau, damping, momentum, ridge):
    if not s.solved:
        s.V, s.solved = solve_last(s, s.V, damping, ridge), True
        s.velocity = [np.zeros_like(v) for v in s.V[:-1]]
    X, A = s.forward(s.V)
    R = signals(s, s.V, A, X, tau)
    scale = [(R[-1] ** 2).sum() / max((signal**2).sum(), 1e-6 * (R[-1] ** 2).sum()) for signal in R]
    S = [scale[layer] * damped(R[layer], X[layer], s.V[layer], damping, ridge) for layer in range(len(s.V) - 1)]
    s.velocity = [momentum * v + s.eta * step for v, step in zip(s.velocity, S, strict=True)]
    trial = [*(v + change for v, change in zip(s.V, s.velocity, strict=False)), s.V[-1]]
    trial = solve_last(s, trial, damping, ridge)
    if s.loss(trial, ridge) < s.loss(s.V, ridge):
        s.V, s.eta = trial, min(1.05 * s.eta, 2.0)
    else:
        s.velocity, s.eta = [np.zeros_like(v) for v in s.velocity], s.eta / 2
