"""Damped exact weight steps: a residual times a layer's inputs, times the inverse of their damped Gram matrix."""

import torch
from torch import Tensor, nn

from nonsmooth.foof import shifted_inverse
from nonsmooth.linear import drop_vanished, gram, with_ones


def inverse(X: Tensor, linear: nn.Linear, damping: float, ridge: float) -> Tensor:
    """(H + damping |H| I)^-1 for H = [X, 1]^T [X, 1] + ridge diag(1, ..., 1, 0), in the weights' dtype."""
    H = gram(X, linear.bias is not None)
    H.diagonal()[: linear.in_features] += ridge
    return shifted_inverse(H, damping, linear.weight.dtype)


def direction(R: Tensor, X: Tensor, linear: nn.Linear, inverted: Tensor, ridge: float) -> Tensor:
    """(R^T [X, 1] - ridge [W, 0]) times the inverse, out x (in + 1), or out x in without a bias.

    With R = T - sigma(A) for a target T, a step eta times as long lowers sum D(T, sigma(A)) + ridge/2 |W|^2, for
    0 < eta < 2: D has a 1-Lipschitz gradient in A.
    """
    G = R.T @ with_ones(X, linear.bias is not None)
    G[:, : linear.in_features] -= ridge * linear.weight
    return G @ inverted


def joined(linear: nn.Linear) -> Tensor:
    """[W, b], copied: out x (in + 1), or W alone."""
    parts = [linear.weight] if linear.bias is None else [linear.weight, linear.bias[:, None]]
    return torch.cat(parts, 1).detach()


def add(linear: nn.Linear, change: Tensor) -> None:
    """[W, b] <- [W, b] + change, in place."""
    linear.weight.add_(change[:, : linear.in_features])
    drop_vanished(linear.weight)
    if linear.bias is not None:
        linear.bias.add_(change[:, -1])
        drop_vanished(linear.bias)
