"""Activations as proximal maps.

An activation is proximal when sigma(z) = prox_Psi(z) = argmin_x Psi(x) + 1/2 (x - z)^2 for a convex, lower
semicontinuous Psi. ReLU is the proximal map of the indicator of [0, inf) (poster, "Learning the perceptron").
Every function here acts entry by entry on tensors of any shape and returns a tensor of that shape.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn


class Proximal(Protocol):
    """What the lifted formulation needs to know of an activation."""

    domain: tuple[float, float]
    """Closed interval on which Psi is finite."""

    def psi(self, x: Tensor) -> Tensor:
        """Psi(x), +inf outside the domain."""

    def prox(self, v: Tensor, step: float | Tensor = 1.0, out: Tensor | None = None) -> Tensor:
        """prox_{step Psi}(v); the activation itself at step = 1. `step` is a positive number or 0-d tensor."""

    def signal(self, A: Tensor, U: Tensor, tau: float | Tensor) -> Tensor:
        """(sigma(A + tau U) - sigma(A)) / tau by a closed form that does not cancel, for `tau` of `smallest` or more.

        For tau -> 0 it is sigma'(A) U, and at a kink the derivative on the side that U points to.
        """


def smallest(dtype: torch.dtype) -> float:
    """The smallest tau of `Proximal.signal`: far above subnormal numbers, and its inverse is finite."""
    number = torch.finfo(dtype)
    return number.tiny / number.eps


@dataclass(frozen=True)
class Interval:
    """Psi is the indicator of [lower, upper], so that prox clips: ReLU, ramp, hard tanh and the identity."""

    lower: float
    upper: float

    @property
    def domain(self) -> tuple[float, float]:
        return self.lower, self.upper

    def psi(self, x: Tensor) -> Tensor:
        return torch.where((x >= self.lower) & (x <= self.upper), 0.0, torch.inf).to(x.dtype)

    def prox(self, v: Tensor, step: float | Tensor = 1.0, out: Tensor | None = None) -> Tensor:
        return torch.clamp(v, self.lower, self.upper, out=out)

    def signal(self, A: Tensor, U: Tensor, tau: float | Tensor) -> Tensor:
        sigma = self.prox(A)
        return torch.clamp(U + (A - sigma) / tau, (self.lower - sigma) / tau, (self.upper - sigma) / tau)


@dataclass(frozen=True)
class SoftThreshold:
    """Psi(x) = threshold |x|, so that prox shrinks towards zero (torch's Softshrink)."""

    threshold: float

    domain = (-math.inf, math.inf)

    def psi(self, x: Tensor) -> Tensor:
        return self.threshold * x.abs()

    def prox(self, v: Tensor, step: float | Tensor = 1.0, out: Tensor | None = None) -> Tensor:
        bound = step * self.threshold
        return torch.sub(v, torch.clamp(v, -bound, bound), out=out)

    def signal(self, A: Tensor, U: Tensor, tau: float | Tensor) -> Tensor:
        """sigma(v) = max(v - t, 0) + min(v + t, 0): the sum of two signals of `Interval`, never of opposite signs."""
        above, below = Interval(0.0, math.inf), Interval(-math.inf, 0.0)
        return above.signal(A - self.threshold, U, tau) + below.signal(A + self.threshold, U, tau)


@dataclass(frozen=True)
class Tanh:
    """Psi(x) = x artanh(x) + 1/2 log(1 - x^2) - x^2/2, log 2 - 1/2 at both ends. It has no kink."""

    domain = (-1.0, 1.0)

    def psi(self, x: Tensor) -> Tensor:
        """With x artanh(x) + 1/2 log(1 - x^2) = 1/2 ((1 + x) log(1 + x) + (1 - x) log(1 - x)): finite at both ends."""
        inside = x.clamp(-1, 1)
        entropy = torch.special.xlog1py(1 + inside, inside) + torch.special.xlog1py(1 - inside, -inside)
        return torch.where(x.abs() > 1, torch.inf, (entropy - inside**2) / 2)

    def prox(self, v: Tensor, step: float | Tensor = 1.0, out: Tensor | None = None) -> Tensor:
        """Raises ValueError for another step than 1, for which there is no closed form."""
        if isinstance(step, Tensor) or step != 1:
            raise ValueError(f"step = {step} must be 1: prox of tanh's Psi has no other closed form")
        return torch.tanh(v, out=out)

    def signal(self, A: Tensor, U: Tensor, tau: float | Tensor) -> Tensor:
        """U tanh(h) / h (1 - tanh(A) tanh(A + h)) with h = tau U."""
        h = tau * U
        share = torch.where(h.abs() < torch.finfo(h.dtype).eps ** 0.5, 1.0, torch.tanh(h) / h)
        return U * share * (1 - torch.tanh(A) * torch.tanh(A + h))


def of(module: nn.Module) -> Proximal:
    """The proximal map behind a torch activation.

    Raises TypeError, naming the module, for one whose proximal form is not known here, subclasses among them.
    """
    kind = type(module)
    if kind is nn.ReLU:
        return Interval(0.0, math.inf)
    if kind is nn.Identity:
        return Interval(-math.inf, math.inf)
    if kind in (nn.Hardtanh, nn.ReLU6):
        return Interval(float(module.min_val), float(module.max_val))
    if kind is nn.Softshrink:
        return SoftThreshold(float(module.lambd))
    if kind is nn.Tanh:
        return Tanh()
    raise TypeError(
        f"{' '.join(str(module).split())} is not a proximal activation known here; use nn.ReLU, nn.Identity, "
        "nn.Hardtanh, nn.ReLU6, nn.Softshrink or nn.Tanh"
    )


def check_domain(activation: Proximal, y: Tensor, name: str) -> None:
    """Raise ValueError unless every entry of `y` (called `name` in the message) lies in the domain of Psi.

    Outside it the Bregman distance is +inf while the formula of its gradient would silently go on.
    """
    lower, upper = activation.domain
    if not bool(((y >= lower) & (y <= upper)).all()):
        raise ValueError(
            f"{name} must lie in [{lower:g}, {upper:g}], the domain of the activation's Psi; "
            f"found values from {y.min().item():g} to {y.max().item():g}"
        )
