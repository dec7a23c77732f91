"""One BADMM iteration written naively, from the formulas of docs/method.md, in NumPy and float64.

Nothing is shared with the library: every A is computed where it is used, norms come from the SVD, the exact weight step
from a least-squares solver, and proximal maps are written out.
"""

from dataclasses import dataclass

import numpy as np


def relu(v, step=1.0):
    return np.maximum(v, 0)


def identity(v, step=1.0):
    return v


def ramp(v, step=1.0):
    return np.minimum(np.maximum(v, 0), 1)


def softshrink(v, step=1.0, threshold=0.5):
    return np.sign(v) * np.maximum(np.abs(v) - step * threshold, 0)


ACTIVATIONS = {"relu": relu, "identity": identity, "ramp": ramp, "softshrink": softshrink}


@dataclass
class State:
    W: list  # W[l], l = 0..L-1, out x in
    b: list  # b[l], or None
    X: list  # X[0] the inputs, ..., X[L] the targets
    Z: list  # Z[l], the pre-activations of layer l
    M: list
    sigma: list  # sigma[l], None behind the last affine map for the squared loss
    velocity: list  # of [W, b] by layer

    @classmethod
    def start(cls, W, b, inputs, targets, activations):
        X, Z = [inputs], []
        for weights, bias, name in zip(W, b, activations, strict=True):
            Z.append(X[-1] @ weights.T + (0 if bias is None else bias))
            X.append(ACTIVATIONS[name](Z[-1]) if name else None)
        X[-1] = targets
        M = [np.zeros_like(z) for z in Z]
        sigma = [ACTIVATIONS[name] if name else None for name in activations]
        return cls(list(W), list(b), X, Z, M, sigma, [0.0] * len(W))

    def A(self, layer):
        return self.X[layer] @ self.W[layer].T + (0 if self.b[layer] is None else self.b[layer])


def iterate(s: State, *, weight_step, order, tau_z, tau_x, tau_w, tau_m, delta, ridge, beta=1.0, momentum=0.0):
    layers = range(len(s.W))
    for block in order:
        if block == "z":
            for i in layers:
                if s.sigma[i] is None:
                    s.Z[i] = (s.X[i + 1] + delta * s.A(i) - s.M[i]) / (1 + delta)
                else:
                    weight = beta if i < layers[-1] else 1.0
                    push = weight * (s.sigma[i](s.Z[i]) - s.X[i + 1]) + s.M[i] - delta * s.A(i)
                    t = tau_z / weight
                    s.Z[i] = (s.Z[i] - t * push) / (1 + t * delta)
        if block == "w":
            for i in layers:
                solved = {"gradient": [], "least_squares": layers}
                solved |= {"least_squares_first": [0], "least_squares_last": [layers[-1]]}
                _weight_step(s, i, i in solved[weight_step], tau_w, delta, ridge, momentum)
        if block == "x":
            for i in layers[:-1]:
                W = s.W[i + 1]
                norm = np.linalg.norm(W, 2) ** 2
                coupling = (s.M[i + 1] + delta * (s.Z[i + 1] - s.A(i + 1))) @ W
                if norm == 0:  # the limit of an unbounded step
                    s.X[i + 1] = s.sigma[i](s.Z[i] + coupling / beta)
                    continue
                tau = tau_x / (delta * norm)
                v = (s.X[i + 1] + tau * (beta * s.Z[i] + coupling)) / (1 + tau * beta)
                s.X[i + 1] = s.sigma[i](v, tau * beta / (1 + tau * beta))
        if block == "m":
            for i in layers:
                s.M[i] = s.M[i] + tau_m * delta * (s.Z[i] - s.A(i))


def _weight_step(s, i, solve, tau_w, delta, ridge, momentum):
    ones = np.ones((len(s.X[i]), 0 if s.b[i] is None else 1))
    Xb = np.hstack([s.X[i], ones])
    V = np.hstack([s.W[i]] + ([] if s.b[i] is None else [s.b[i][:, None]]))
    J = np.diag([1.0] * s.W[i].shape[1] + [0.0] * ones.shape[1])
    if not solve:
        gradient = -(s.M[i] + delta * (s.Z[i] - Xb @ V.T)).T @ Xb + ridge * V @ J
        change = -tau_w / (delta * np.linalg.norm(Xb, 2) ** 2 + ridge) * gradient
    else:  # least squares for the change: rows of sqrt(delta) [X, 1] and of sqrt(ridge) J below each other
        rows = np.vstack([np.sqrt(delta) * Xb, np.sqrt(ridge) * J])
        rest = s.Z[i] + s.M[i] / delta - Xb @ V.T
        right = np.vstack([np.sqrt(delta) * rest, -np.sqrt(ridge) * J @ V.T])
        change = np.linalg.lstsq(rows, right, rcond=None)[0].T
    s.velocity[i] = momentum * s.velocity[i] + change
    V = V + s.velocity[i]
    s.W[i] = V[:, : s.W[i].shape[1]]
    s.b[i] = None if s.b[i] is None else V[:, -1]
