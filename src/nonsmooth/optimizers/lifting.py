"""The lifted variables of one layer, and what the blocks of BADMM need of them (docs/method.md)."""

import torch
from torch import Tensor, nn

from nonsmooth.proximal import Proximal


class Layer:
    """One affine map A = X_in W^T + b with its activation, its pre-activations Z and their multipliers M.

    X_in: N x in, X_{l-1}; the same tensor as the layer before calls X_out.
    X_out: N x out, X_l; the targets Y for the last layer.
    activation: None where the network ends in this affine map and trains with the squared loss.
    scratch: N x out, room for what a block needs on its way.
    """

    def __init__(self, linear: nn.Linear, activation: Proximal | None, X_in: Tensor, X_out: Tensor, A: Tensor):
        self.linear, self.activation, self.X_in, self.X_out = linear, activation, X_in, X_out
        self._A, self.Z, self.M = A, A.clone(), torch.zeros_like(A)
        self.scratch = torch.empty_like(A)
        self.A_is_current = True

    @property
    def W(self) -> Tensor:
        return self.linear.weight

    @property
    def b(self) -> Tensor | None:
        return self.linear.bias

    def A(self) -> Tensor:
        """A (N x out), computed anew only after X_in, W or b has changed."""
        if not self.A_is_current:
            self._affine(out=self._A)
            self.A_is_current = True
        return self._A

    def _affine(self, out: Tensor | None = None) -> Tensor:
        if self.b is None:
            return torch.mm(self.X_in, self.W.T, out=out)
        return torch.addmm(self.b, self.X_in, self.W.T, out=out)

    def pull(self, delta: float) -> Tensor:
        """M + delta Z (N x out), what A is drawn to."""
        return torch.add(self.M, self.Z, alpha=delta, out=self.scratch)

    def residual(self, delta: float) -> Tensor:
        """R = M + delta (Z - A) (N x out): minus the gradient of the Lagrangian with respect to A."""
        return self.pull(delta).sub_(self.A(), alpha=delta)

    def update_Z(self, tau_z: float, delta: float) -> None:
        if self.activation is None:  # minimise 1/2 |Y - Z|^2 + <M, Z> + delta/2 |Z - A|^2
            torch.sub(self.X_out, self.M, out=self.Z)
            self.Z.add_(self.A(), alpha=delta).div_(1 + delta)
        else:  # D linearised at Z, the penalty kept whole: a part of the way to A - (sigma(Z) - X + M) / delta
            aim = torch.sub(self.X_out, self.activation.prox(self.Z, out=self.scratch), out=self.scratch).sub_(self.M)
            if delta != 1:
                aim.div_(delta)
            self.Z.lerp_(aim.add_(self.A()), tau_z * delta / (1 + tau_z * delta))

    def update_M(self, tau_m: float, delta: float) -> None:
        gap = torch.sub(self.Z, self.A(), out=self.scratch)
        self.M.add_(gap, alpha=tau_m * delta)


class UnitPenaltyOutput(Layer):
    """The last layer for the squared loss with delta = tau_M = 1, where Z and M need not be kept.

    All that the other blocks need of them is P = M + Z. After the M block M = P - A, and so the Z block,
    Z = (Y + A - M) / 2, makes it P = (Y + A + M) / 2 = (Y + P) / 2: A is not needed, one pass over N x out does
    for both blocks, and P goes to Y by half in each iteration.
    """

    A_is_current = False  # nothing is kept

    def __init__(self, linear: nn.Linear, X_in: Tensor, targets: Tensor, A: Tensor):
        self.linear, self.activation, self.X_in, self.X_out = linear, None, X_in, targets
        self.P = A
        self._scratch: Tensor | None = None
        self._before: list[Tensor | None] | None = None  # X_in, W, b at the last Z block

    @property
    def scratch(self) -> Tensor:
        if self._scratch is None:
            self._scratch = torch.empty_like(self.P)
        return self._scratch

    def A(self) -> Tensor:
        return self._affine()

    @property
    def Z(self) -> Tensor:
        """Z (N x out) between two iterations, computed anew: Y + A - P with the A that the Z block saw."""
        if self._before is None:
            return self.P.clone()
        return nn.functional.linear(*self._before).add_(self.X_out).sub_(self.P)

    @property
    def M(self) -> Tensor:
        """M (N x out) between two iterations, computed anew."""
        return self.P - self._affine()

    def pull(self, delta: float) -> Tensor:
        return self.P

    def residual(self, delta: float) -> Tensor:
        return torch.sub(self.P, self._affine(out=self.scratch), out=self.scratch)

    def update_Z(self, tau_z: float, delta: float) -> None:
        now = [self.X_in, self.W, self.b]
        if self._before is None:
            self._before = [None if value is None else value.detach().clone() for value in now]
        else:
            for kept, value in zip(self._before, now, strict=True):
                if kept is not None:
                    kept.copy_(value)
        self.P.lerp_(self.X_out, 0.5)

    def update_M(self, tau_m: float, delta: float) -> None:
        """Nothing: M is P - A."""
