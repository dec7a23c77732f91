"""Targets from a forward pass: what backpropagation does, by proximal steps (docs/method.md).

With A_l = X_{l-1} W_l^T + b_l and X_l = sigma(A_l) of the network's own forward pass, and U_l = R_{l+1} W_{l+1},

    T_l = argmin_X -<U_l, X> + D(X, sigma(A_l)) / tau_l = sigma(A_l + tau_l U_l)
    R_l = (T_l - sigma(A_l)) / tau_l

from the last layer to the first. No activation is differentiated. For tau_l -> 0, R_l is backpropagation's signal.

Sources: the target is the X update of lifted proximal operator machines (Li, Fang and Lin, AAAI 2019), who said first
that only the activation itself is needed, and that of Fenchel backpropagation (arXiv 2105.07231).
"""

import torch
from torch import Tensor, nn

from nonsmooth import bregman
from nonsmooth.layerwise import Pairs
from nonsmooth.linear import largest_eigenvalue
from nonsmooth.proximal import smallest


def forward(pairs: Pairs, inputs: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """By layer its inputs X_{l-1} (N x in) and A_l (N x out)."""
    X, A = [inputs], []
    for linear, activation in pairs:
        A.append(nn.functional.linear(X[-1], linear.weight, linear.bias))
        X.append(A[-1] if activation is None else activation.prox(A[-1]))
    return X[:-1], A


def last_residual(pairs: Pairs, A: Tensor, targets: Tensor) -> Tensor:
    """R_L = Y - A_L, or Y - sigma(A_L) behind an activation, N x out: minus the gradient of the loss in A_L."""
    activation = pairs[-1][1]
    return targets - (A if activation is None else activation.prox(A))


def loss(pairs: Pairs, A: Tensor, targets: Tensor, ridge: float) -> float:
    """1/2 |Y - A_L|^2, or the sum of D(Y, sigma(A_L)), plus ridge/2 sum_l |W_l|^2; summed in float64."""
    activation = pairs[-1][1]
    if activation is None:
        total = (targets - A).double().square().sum() / 2
    else:
        total = bregman.distance(activation, targets, A).double().sum()
    for linear, _ in pairs if ridge else ():
        total += ridge / 2 * linear.weight.double().square().sum()
    return total.item()


def chain(pairs: Pairs, tau: float) -> list[Tensor]:
    """tau_l by layer, 0-d: tau_L = 1 and tau_l = tau tau_{l+1} / |W_{l+1}|^2, not below `proximal.smallest`.

    With it the target T_l lowers the loss above layer l by (1 / tau - 1/2) |W_{l+1}|^2 / tau_{l+1} |T_l - X_l|^2 or
    more, for 0 < tau < 2. A weight of zeros sends no signal, and counts as one of norm 1.
    """
    dtype = pairs[0][0].weight.dtype
    taus = [torch.ones((), dtype=dtype, device=pairs[0][0].weight.device)]
    for linear, _ in reversed(pairs[1:]):
        W = linear.weight
        norm = largest_eigenvalue(W.T @ W if W.shape[0] > W.shape[1] else W @ W.T)
        taus.append((tau * taus[-1] / torch.where(norm > 0, norm, 1.0)).clamp(min=smallest(dtype)))
    return taus[::-1]


def signals(pairs: Pairs, A: list[Tensor], last: Tensor, taus: list[Tensor]) -> list[Tensor]:
    """R_1, ..., R_L (N x out), from `last` = R_L and tau_l by layer."""
    R = [last]
    for number in reversed(range(len(pairs) - 1)):
        U = R[-1] @ pairs[number + 1][0].weight
        R.append(pairs[number][1].signal(A[number], U, taus[number]))
    return R[::-1]
