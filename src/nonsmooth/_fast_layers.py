"""The layers of BADMM as its fast steps keep them (docs/method.md, "How it is computed").

A_l is kept until X, W or b changes. For the squared loss with tau_M = 1 the last layer's Z, M and A are never kept, and
with delta = 1 never formed.
"""

from functools import cached_property

import torch
from torch import Tensor, nn

from nonsmooth._sums import Sums, row_blocks
from nonsmooth.linear import drop_vanished, on_host
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
    def repeats(self) -> bool:
        """Whether its part of the next iteration is like that of all later ones."""
        return True

    @property
    def W(self) -> Tensor:
        return self.linear.weight

    @property
    def b(self) -> Tensor | None:
        return self.linear.bias

    def state(self, rows: slice = slice(None)) -> tuple[Tensor, Tensor, Tensor]:
        """Z, M and A of some rows, between two iterations."""
        return self.Z[rows], self.M[rows], self.A()[rows]

    def kept(self) -> dict[str, Tensor]:
        """What the next iteration takes over from this one, by name. A is computed anew, with the same bits."""
        return {"Z": self.Z, "M": self.M}

    def restored(self, kept: dict[str, Tensor]) -> None:
        """Go on, now that X_in, W, b and all tensors of `kept` are those of another time."""
        self.A_is_current = False
        self.A()

    def A(self) -> Tensor:
        """A (N x out), computed anew only after X_in, W or b has changed."""
        if not self.A_is_current:
            self._affine(out=self._A)
            self.A_is_current = True
        return self._A

    def _affine(self, rows: slice = slice(None), *, out: Tensor) -> Tensor:
        """X_in W^T + b of some rows."""
        X = self.X_in[rows]
        return torch.mm(X, self.W.T, out=out) if self.b is None else torch.addmm(self.b, X, self.W.T, out=out)

    def _pull(self, delta: float) -> Tensor:
        """P = M + delta Z (N x out), the part of R that A is not in."""
        return torch.add(self.M, self.Z, alpha=delta, out=self.scratch)

    def residual(self, delta: float) -> Tensor:
        """R = M + delta (Z - A) (N x out): minus the gradient of the Lagrangian with respect to A."""
        return self._pull(delta).sub_(self.A(), alpha=delta)

    def sum_residual(self, sums: Sums, delta: float) -> None:
        """The sums over samples of R."""
        sums.of_force(self.residual(delta), self.X_in)

    def sum_pull(self, sums: Sums, delta: float) -> None:
        """The sums over samples of P = M + delta Z, where A is not at hand."""
        sums.of_force(self._pull(delta), self.X_in)

    def add_pull(self, Z: Tensor, delta: float, share: float, out: Tensor) -> Tensor:
        """Z + share P W (N x in) for P = M + delta Z, where A is not at hand."""
        return torch.addmm(Z, self._pull(delta), self.W, alpha=share, out=out)

    def update_Z(self, tau_z: float, delta: float, weight: float) -> None:
        if self.activation is None:  # minimise 1/2 |Y - Z|^2 + <M, Z> + delta/2 |Z - A|^2
            torch.sub(self.X_out, self.M, out=self.Z)
            self.Z.add_(self.A(), alpha=delta).div_(1 + delta)
        else:  # weight D linearised at Z, the penalty whole: part of the way to A - (weight (sigma(Z) - X) + M) / delta
            aim = torch.sub(self.X_out, self.activation.prox(self.Z, out=self.scratch), out=self.scratch)
            if weight != 1:
                aim.mul_(weight)
            aim.sub_(self.M)
            if delta != 1:
                aim.div_(delta)
            step = tau_z / weight * delta
            self.Z.lerp_(aim.add_(self.A()), step / (1 + step))

    def change_weights(self, change: Tensor, change_of_b: Tensor, step: Tensor | None = None) -> None:
        """W += step * change (out x in), and b += step * change_of_b (out) where there is one; `step`: 1 by default.

        What has vanished becomes zero.
        """
        for parameter, direction in ((self.W, change), (self.b, change_of_b)):
            if parameter is not None:
                parameter.add_(direction) if step is None else parameter.addcmul_(direction, step)
                drop_vanished(parameter)
        self.A_is_current = False

    def update_M(self, tau_m: float, delta: float) -> None:
        gap = torch.sub(self.Z, self.A(), out=self.scratch)
        self.M.add_(gap, alpha=tau_m * delta)


class PenaltyOutput(Layer):
    """The last layer for the squared loss with tau_M = 1, where one N x out tensor stands in for Z, M and A.

    All that the other blocks need of Z and M is P = M + delta Z. After the M block M = P - delta A, and so the Z block,
    Z = (Y + delta A - M) / (1 + delta), makes it P = (P + delta Y - delta (1 - delta) A) / (1 + delta).
    """

    A_is_current = False  # it is never kept

    def __init__(self, linear: nn.Linear, X_in: Tensor, targets: Tensor, delta: float):
        self.linear, self.activation, self.X_in, self.X_out, self.delta = linear, None, X_in, targets, delta
        self.before_W = _copies(X_in, linear)  # X_in, W and b that the last Z block has seen
        self.begin()

    def begin(self) -> None:
        """From M = 0 and Z = A."""
        self.has_begun = False
        self.P = self.A().mul_(self.delta)

    def kept(self) -> dict[str, Tensor]:
        return {"P": self.P, "has_begun": torch.tensor(self.has_begun)} | _named("before", self.before_W)

    def restored(self, kept: dict[str, Tensor]) -> None:
        self.has_begun = bool(kept["has_begun"])

    def pull(self, rows: slice) -> Tensor:
        """P of some rows."""
        return self.P[rows]

    def A(self) -> Tensor:
        return nn.functional.linear(self.X_in, self.W, self.b)

    def state(self, rows: slice = slice(None)) -> tuple[Tensor, Tensor, Tensor]:
        A = nn.functional.linear(self.X_in[rows], self.W, self.b)
        if not self.has_begun:
            return A, torch.zeros_like(A), A
        P, (X, W, b) = self.pull(rows), self.before_W
        # In its Z block delta Z = P - M with M = (1 + delta) P - delta Y - delta^2 A, of the A of that time.
        Z = nn.functional.linear(X[rows], W, b).mul_(self.delta).add_(self.X_out[rows]).sub_(P)
        return Z, P - self.delta * A, A

    def sum_pull(self, sums: Sums, delta: float) -> None:
        sums.of_force(self.P, self.X_in)

    def add_pull(self, Z: Tensor, delta: float, share: float, out: Tensor) -> Tensor:
        return torch.addmm(Z, self.P, self.W, alpha=share, out=out)

    @cached_property
    def scratch(self) -> Tensor:
        return torch.empty_like(self.X_out)

    @cached_property
    def block(self) -> Tensor:
        """Room for as many rows of R as are computed at a time."""
        return torch.empty_like(self.X_out[row_blocks(self.X_out)[0]])

    def residual(self, delta: float) -> Tensor:
        for rows in row_blocks(self.scratch):
            self._residual(rows, self.scratch[rows])
        return self.scratch

    def _residual(self, rows: slice, out: Tensor) -> None:
        torch.addmm(self.P[rows], self.X_in[rows], self.W.T, alpha=-self.delta, out=out)
        if self.b is not None:
            out.sub_(self.b, alpha=self.delta)

    def sum_residual(self, sums: Sums, delta: float) -> None:
        sums.message.zero_()
        for rows in row_blocks(self.X_in):
            X = self.X_in[rows]
            R = self.block[: len(X)]
            self._residual(rows, R)
            sums.descent.addmm_(R.T, X)
            sums.force.add_(R.sum(0))

    def update_Z(self, tau_z: float, delta: float, weight: float) -> None:
        for kept, now in zip(self.before_W, (self.X_in, self.W, self.b), strict=True):
            if kept is not None:
                kept.copy_(now)
        self.update_pull()

    def update_pull(self) -> None:
        """P <- (P + delta Y - delta (1 - delta) A) / (1 + delta)"""
        self.has_begun = True
        share = self.delta / (1 + self.delta)
        of_A = share * (self.delta - 1)
        for rows in row_blocks(self.P):
            P = self.P[rows].lerp_(self.X_out[rows], share).addmm_(self.X_in[rows], self.W.T, alpha=of_A)
            if self.b is not None:
                P.add_(self.b, alpha=of_A)

    def update_M(self, tau_m: float, delta: float) -> None:
        """Nothing: M is P - delta A."""


class UnitPenaltyOutput(PenaltyOutput):
    """The same for delta = 1, where P needs no room either.

    The Z block makes it P = (P + Y) / 2, whatever A is. Hence, after k iterations,

        P = Y + 2^-k (A_start - Y),    A_start = X_start W_start^T + b_start,

    a combination of the targets and a product of small matrices: nothing of N x out is ever written.
    """

    def __init__(self, linear: nn.Linear, X_in: Tensor, targets: Tensor):
        super().__init__(linear, X_in, targets, 1.0)

    def begin(self) -> None:
        X_in, linear, targets = self.X_in, self.linear, self.X_out
        self.start = _copies(X_in, linear)
        self.sum_of_targets = targets.sum(0)
        self.sum_of_start = nn.functional.linear(X_in.sum(0), linear.weight)
        if linear.bias is not None:
            self.sum_of_start.add_(linear.bias, alpha=len(X_in))
        self.weight_of_start = 1.0  # 2^-k, and 0 once A_start is lost in the rounding of Y
        largest = max(self._start(rows).abs().max().item() for rows in row_blocks(X_in))
        self.lost = torch.finfo(targets.dtype).eps * targets.abs().max().item() / (8 * max(largest, 1e-300))

    @property
    def has_begun(self) -> bool:
        return self.weight_of_start < 1

    @property
    def repeats(self) -> bool:
        return self.weight_of_start == 0

    def _start(self, rows: slice) -> Tensor:
        """A_start of some rows."""
        X, W, b = self.start
        return nn.functional.linear(X[rows], W, b)

    def pull(self, rows: slice) -> Tensor:
        c, Y = self.weight_of_start, self.X_out[rows]
        return torch.lerp(Y, self._start(rows), c) if c else Y

    def kept(self) -> dict[str, Tensor]:
        numbers = {"weight_of_start": self.weight_of_start, "lost": self.lost}
        kept = {name: torch.tensor(value, dtype=torch.float64) for name, value in numbers.items()}
        kept |= _named("start", self.start) | _named("before", self.before_W)
        return kept | {"sum_of_start": self.sum_of_start}

    def restored(self, kept: dict[str, Tensor]) -> None:
        self.weight_of_start, self.lost = kept["weight_of_start"].item(), kept["lost"].item()

    def sum_pull(self, sums: Sums, delta: float) -> None:
        X, c = self.X_in, self.weight_of_start
        torch.mm(self.X_out.T, X, out=sums.descent)
        sums.force.copy_(self.sum_of_targets)
        if c:
            X_start, W_start, b_start = self.start
            sums.descent.mul_(1 - c).addmm_(W_start, X_start.T @ X, alpha=c)
            if b_start is not None:
                sums.descent.addr_(b_start, X.sum(0), alpha=c)
            sums.force.lerp_(self.sum_of_start, c)

    def add_pull(self, Z: Tensor, delta: float, share: float, out: Tensor) -> Tensor:
        c = self.weight_of_start
        torch.addmm(Z, self.X_out, self.W, alpha=(1 - c) * share, out=out)
        if c:
            X_start, W_start, b_start = self.start
            out.addmm_(X_start, W_start.T @ self.W, alpha=c * share)
            if b_start is not None:
                out.add_(b_start @ self.W, alpha=c * share)
        return out

    def _residual(self, rows: slice, out: Tensor) -> None:
        c, Y = self.weight_of_start, self.X_out[rows]
        if on_host(Y):
            torch.addmm(Y, self.X_in[rows], self.W.T, alpha=-1, out=out)
            if self.b is not None:
                out.sub_(self.b)
        else:  # a device's product adds the bias by itself, and nothing is copied first
            torch.sub(Y, self._affine(rows, out=out), out=out)
        if c:
            out.add_(self._start(rows).sub_(Y), alpha=c)

    def update_pull(self) -> None:
        self.weight_of_start /= 2
        if self.weight_of_start < self.lost:
            self.weight_of_start = 0.0


def _copies(X: Tensor, linear: nn.Linear) -> list[Tensor | None]:
    return [None if value is None else value.detach().clone() for value in (X, linear.weight, linear.bias)]


def _named(time: str, copies: list[Tensor | None]) -> dict[str, Tensor]:
    """Those of `_copies` that there are."""
    return {f"{name}_{time}": value for name, value in zip("XWb", copies, strict=True) if value is not None}
