"""Momentum for steps that are no gradient steps of a torch optimizer: what a step does, and some of its last move."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from nonsmooth.checks import check_range


def check_momentum(momentum: float) -> None:
    """Raise ValueError outside [0, 1)."""
    check_range("momentum", momentum, "0 <= {} < 1")


@torch.no_grad()
def heavy_ball(
    step: Callable[[], None], weights: Iterable[Tensor], velocities: Iterable[Tensor], momentum: float
) -> None:
    """V <- momentum V + what `step` changes W by, and W <- W + V, for each of the weights and its V, in place.

    So V is the whole last move of W (Polyak, Some methods of speeding up the convergence of iteration methods, USSR
    Computational Mathematics and Mathematical Physics 4, 1964). With momentum 0 it is `step` alone, bit for bit.
    """
    if not momentum:
        step()
        return
    before = [weight.clone() for weight in weights]
    step()
    for weight, old, velocity in zip(weights, before, velocities, strict=True):
        weight.add_(velocity, alpha=momentum)
        torch.sub(weight, old, out=velocity)
