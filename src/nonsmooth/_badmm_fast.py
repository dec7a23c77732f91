"""The blocks of BADMM with fewer and smaller matrix products (docs/method.md, "How it is computed").

The same state and the same four steps as in badmm.py, which is the place to read the algorithm. What is different here:
A_l is kept until X, W or b changes, small Gram matrices stand in for large products, and for the squared loss with
tau_M = 1 the last layer's Z, M and A are never kept, and with delta = 1 never formed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor, nn

from nonsmooth.lifting import Lifted
from nonsmooth.linear import (
    blocks,
    damped_inverse,
    gram,
    gram_of_rows,
    inversion,
    is_wide,
    largest_eigenvalue,
    on_host,
    parts,
    pseudo_inverse,
    squared_norm,
    with_ones,
)
from nonsmooth.processes import start_sum, summed
from nonsmooth.proximal import Proximal

ROWS = 512  # samples at a time on a CPU, whose caches hold so many
DEVICE_COLUMNS = 256  # of a Gram matrix at a time on a device, where its lower triangle is worth leaving out


def _blocks(X: Tensor) -> list[slice]:
    return blocks(X, ROWS)


@dataclass
class FastLifted(Lifted):
    """The lifted variables, in the form that the fast steps keep them in.

    Z and M have no entry for a layer whose Z and M are never kept (`PenaltyOutput`): `variables` gives them.

    of_layer: what each layer keeps. sums: what its weight step sums over samples. grams: for an exact weight step,
    else None, and None for the first layer. inputs: what the first layer's step needs of X_0, which never changes.
    """

    of_layer: list["Layer"]
    sums: list["Sums"]
    grams: list["Gram | None"]
    inputs: "Inputs"

    def variables(self, layer: int, rows: slice = slice(None)) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """X_l, Z_l, M_l and A_l, of some rows, between two iterations."""
        return self.X[layer][rows], *self.of_layer[layer - 1].state(rows)

    def repeats(self) -> bool:
        """Whether the next iteration and all later ones launch the same work, and the host looks at no number."""
        waits = self.group is not None or any(products and products.invert is pseudo_inverse for products in self.grams)
        return not waits and all(layer.repeats for layer in self.of_layer)

    def kept(self) -> dict[str, Tensor]:
        kept = self.hidden()
        for number, layer, products in zip(self.layers, self.of_layer, self.grams, strict=True):
            kept |= {f"{name}_{number}": value for name, value in layer.kept().items()}
            if products:
                kept[f"damped_{number}"] = torch.tensor(products.invert is damped_inverse)
        return kept

    def restore(self, kept: dict[str, Tensor]) -> None:
        super().restore(kept)
        for number, layer, products in zip(self.layers, self.of_layer, self.grams, strict=True):
            layer.restored({name: kept[f"{name}_{number}"] for name in layer.kept()})
            if products:
                products.invert = damped_inverse if kept[f"damped_{number}"] else pseudo_inverse


@torch.no_grad()
def lift(*network_and_data, kinds: list[str], tau_m: float) -> FastLifted:
    """`lifting.lift`, with room for what the fast steps keep. `kinds` (of weight step) and `tau_m` must not change."""
    lifted = FastLifted.start(*network_and_data, [], [], [], Inputs())
    X, of_layer = lifted.X, lifted.of_layer
    for layer, linear in lifted.linear.items():
        activation = lifted.activation[layer]
        if activation is None and tau_m == 1:
            data = linear, X[layer - 1], X[layer]
            of_layer.append(UnitPenaltyOutput(*data) if lifted.delta == 1 else PenaltyOutput(*data, lifted.delta))
            continue
        A = linear(X[layer - 1])
        if layer not in X:
            X[layer] = activation.prox(A)
        of_layer.append(Layer(linear, activation, X[layer - 1], X[layer], A))
        lifted.Z[layer], lifted.M[layer] = of_layer[-1].Z, of_layer[-1].M
    first, exact = of_layer[0], [kind == "least_squares" for kind in kinds]
    for layer, by_solving in zip(of_layer, exact, strict=True):
        later = layer is not first
        lifted.sums.append(Sums(layer, with_gram=later and not by_solving))
        room = layer.W.new_zeros(Gram.columns(layer) ** 2, dtype=torch.float64) if later and by_solving else None
        lifted.grams.append(None if room is None else Gram(layer, room))
    inputs = first.X_in, first.b is not None
    if not exact[0]:
        lifted.inputs.norm = squared_norm(*inputs, lifted.group)
    elif is_wide(*inputs, lifted.group) and not lifted.ridge:
        lifted.inputs.solve_wide(first, lifted.delta)
    else:
        hessian = _hessian(lifted, first, gram(*inputs, lifted.group))
        inverse = pseudo_inverse(hessian, first.W.dtype)
        del hessian
        lifted.inputs.solve(first, inverse)
        lifted.inputs.inverse = inverse if lifted.ridge else None
    for products in filter(None, lifted.grams):
        products.compute()
        hessian = _hessian(lifted, products.layer, summed(products.matrix, lifted.group))
        products.invert = inversion(hessian, products.layer.W.dtype)
    return lifted


def z_step(lifted: FastLifted, tau_z: float) -> None:
    for number, layer in zip(lifted.layers, lifted.of_layer, strict=True):
        layer.update_Z(tau_z, lifted.delta, lifted.weight(number))


def weight_step(lifted: FastLifted, tau_w: float, kinds: list[str]) -> None:
    # Each first computes its sums over samples. While a message is on its way, the next layer's are computed.
    steps = []
    for kind, layer, sums, products in zip(kinds, lifted.of_layer, lifted.sums, lifted.grams, strict=True):
        if kind == "gradient":
            steps.append(_gradient_step(lifted, layer, sums, tau_w))
        else:
            steps.append(_least_squares_step(lifted, layer, sums, products))
        next(steps[-1])
    for step in steps:
        next(step, None)


def _gradient_step(lifted: FastLifted, layer: "Layer", sums: "Sums", tau_w: float) -> Iterator[None]:
    # Where A is not there the Gram matrix, needed for its norm, stands in for it; the first layer's is there.
    with_A = sums.gram is None or layer.A_is_current
    if with_A:
        sums.of_force(layer.residual(lifted.delta), layer.X_in)
    else:
        layer.sum_pull(sums, lifted.delta)
    if sums.gram is not None:
        sums.gram.compute()
    message = start_sum(sums.message, lifted.group)
    yield
    message.wait()
    if not with_A:
        sums.subtract_A(lifted.delta)
    if lifted.ridge:
        sums.descent.sub_(layer.W, alpha=lifted.ridge)
    norm = lifted.inputs.norm if sums.gram is None else largest_eigenvalue(sums.gram.matrix)
    lipschitz = lifted.delta * norm + lifted.ridge
    step = torch.where(lipschitz > 0, tau_w / lipschitz, 0.0)
    layer.change_weights(sums.descent, sums.force, step.to(layer.W.dtype))


def _least_squares_step(lifted: FastLifted, layer: "Layer", sums: "Sums", products: "Gram | None") -> Iterator[None]:
    inputs = layer.W.shape[1]
    if products is None:
        sums.of_force(layer.residual(lifted.delta), lifted.inputs.solved, lifted.inputs.solved_ones)
        message = start_sum(sums.message, lifted.group)
        yield
        message.wait()
        inverse, change, change_of_b = lifted.inputs.inverse, sums.descent, sums.force
    else:
        products.compute()
        messages = [start_sum(products.matrix, lifted.group)]
        layer.sum_residual(sums, lifted.delta)
        messages.append(start_sum(sums.message, lifted.group))
        yield
        for message in messages:
            message.wait()
        inverse = products.invert(_hessian(lifted, layer, products.matrix), layer.W.dtype)
        descent = sums.descent if layer.b is None else torch.cat([sums.descent, sums.force[:, None]], 1)
        both = descent @ inverse.to(descent.dtype)
        change, change_of_b = both[:, :inputs], both[:, -1]
    if lifted.ridge:
        pull = lifted.ridge * (layer.W @ inverse[:inputs].to(layer.W.dtype))
        change, change_of_b = change - pull[:, :inputs], change_of_b - pull[:, -1]
    layer.change_weights(change, change_of_b)


def _hessian(lifted: FastLifted, layer: "Layer", gram: Tensor) -> Tensor:
    """H = delta [X, 1]^T [X, 1] + ridge diag(1, ..., 1, 0), in the memory of `gram`, in float64 as it is."""
    hessian = gram.mul_(lifted.delta)
    if lifted.ridge:
        hessian.diagonal()[: layer.W.shape[1]].add_(lifted.ridge)
    return hessian


def x_step(lifted: FastLifted, tau_x: float) -> None:
    share = 1 / lifted.beta
    for layer, following in pairwise(lifted.of_layer):
        X, W, b = layer.X_out, following.W, following.b
        outputs, inputs = W.shape
        gram = W.T @ W if inputs <= outputs else W @ W.T
        if following.A_is_current or inputs > outputs:
            aim = torch.addmm(layer.Z, following.residual(lifted.delta), W, alpha=share, out=layer.scratch)
        else:  # the Gram matrix stands in for A, at a fraction of the work: A W = X (W^T W) + b W
            aim = following.add_pull(layer.Z, lifted.delta, share, out=layer.scratch)
            aim.addmm_(X, gram, alpha=-lifted.delta * share)
            if b is not None:
                aim.sub_(b @ W, alpha=lifted.delta * share)
        step = lifted.beta * tau_x
        step = step / (lifted.delta * largest_eigenvalue(gram) + step)
        X.lerp_(aim, step)
        layer.activation.prox(X, step, out=X)
        following.A_is_current = False


def m_step(lifted: FastLifted, tau_m: float) -> None:
    for layer in lifted.of_layer:
        layer.update_M(tau_m, lifted.delta)


STEPS = z_step, weight_step, x_step, m_step


class Inputs:
    """Of [X_0, 1]: `norm`, |[X_0, 1]|^2, for the gradient step; for the exact one [X_0, 1] H^+.

    The latter as `solved` (N x in) and `solved_ones` (N, None without bias): with it the exact step is one product.
    A step with a ridge needs H^+ itself too (`inverse`, else None).
    """

    norm: Tensor
    inverse: Tensor | None = None
    solved: Tensor
    solved_ones: Tensor | None

    def solve(self, layer: "Layer", inverse: Tensor) -> None:
        self.solved = torch.empty_like(layer.X_in)
        self.solved_ones = None if layer.b is None else torch.empty_like(layer.X_in[:, 0])
        for rows, part in parts(layer.X_in, layer.b is not None):
            product = part @ inverse
            self.solved[rows] = product[:, : self.solved.shape[1]]
            if self.solved_ones is not None:
                self.solved_ones[rows] = product[:, -1]

    def solve_wide(self, layer: "Layer", delta: float) -> None:
        """The same for H = delta [X_0, 1]^T [X_0, 1] with fewer rows than columns: [X_0, 1] H^+ = (delta K)^+ [X_0, 1]

        with K = [X_0, 1] [X_0, 1]^T.
        """
        X, bias = layer.X_in, layer.b is not None
        product = pseudo_inverse(delta * gram_of_rows(X, bias), X.dtype) @ with_ones(X.double(), bias)
        self.solved = product[:, : X.shape[1]].to(X.dtype)
        self.solved_ones = product[:, -1].to(X.dtype) if bias else None


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

    def sum_residual(self, sums: "Sums", delta: float) -> None:
        """The sums over samples of R."""
        sums.of_force(self.residual(delta), self.X_in)

    def sum_pull(self, sums: "Sums", delta: float) -> None:
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
        """W += step * change (out x in), and b += step * change_of_b (out) where there is one; `step` is 1 by default.

        What has shrunk to nothing becomes zero: weights of outputs that are always zero would go on as subnormal
        numbers, which processors multiply many times more slowly.
        """
        for parameter, direction in ((self.W, change), (self.b, change_of_b)):
            if parameter is not None:
                parameter.add_(direction) if step is None else parameter.addcmul_(direction, step)
                number = torch.finfo(parameter.dtype)
                torch.hardshrink(parameter, number.tiny / number.eps, out=parameter)
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

    def sum_pull(self, sums: "Sums", delta: float) -> None:
        sums.of_force(self.P, self.X_in)

    def add_pull(self, Z: Tensor, delta: float, share: float, out: Tensor) -> Tensor:
        return torch.addmm(Z, self.P, self.W, alpha=share, out=out)

    @cached_property
    def scratch(self) -> Tensor:
        return torch.empty_like(self.X_out)

    @cached_property
    def block(self) -> Tensor:
        """Room for as many rows of R as are computed at a time."""
        return torch.empty_like(self.X_out[_blocks(self.X_out)[0]])

    def residual(self, delta: float) -> Tensor:
        for rows in _blocks(self.scratch):
            self._residual(rows, self.scratch[rows])
        return self.scratch

    def _residual(self, rows: slice, out: Tensor) -> None:
        torch.addmm(self.P[rows], self.X_in[rows], self.W.T, alpha=-self.delta, out=out)
        if self.b is not None:
            out.sub_(self.b, alpha=self.delta)

    def sum_residual(self, sums: "Sums", delta: float) -> None:
        sums.message.zero_()
        for rows in _blocks(self.X_in):
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
        for rows in _blocks(self.P):
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
        largest = max(self._start(rows).abs().max().item() for rows in _blocks(X_in))
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

    def sum_pull(self, sums: "Sums", delta: float) -> None:
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


class Gram:
    """[X, 1]^T [X, 1] of a layer's inputs X = X_in (X^T X where it has no bias), in given memory.

    matrix: in + 1 x in + 1 (in x in). square: X^T X. inputs: the sum of X over samples (in). count: N.
    invert: for an exact weight step, how to invert H (`linear.inversion`).
    """

    invert: Callable[[Tensor, torch.dtype], Tensor]

    def __init__(self, layer: Layer, memory: Tensor):
        size = layer.W.shape[1]
        self.layer = layer
        self.matrix = memory.view(Gram.columns(layer), -1)
        self.square = self.matrix[:size, :size]
        if layer.b is not None:
            self.inputs, self.count = self.matrix[size, :size], self.matrix[size, size]

    @staticmethod
    def columns(layer: Layer) -> int:
        return layer.W.shape[1] + (layer.b is not None)

    def compute(self) -> None:
        X = self.layer.X_in
        if X.dtype == self.matrix.dtype and on_host(X):
            torch.mm(X.T, X, out=self.square)
            if self.layer.b is not None:
                torch.sum(X, 0, out=self.inputs)
        else:
            columns = len(self.square) if on_host(X) else DEVICE_COLUMNS
            self.matrix.zero_()
            for rows in _blocks(X):
                part = X[rows].to(self.matrix.dtype)
                for first in range(0, len(self.square), columns):
                    block = slice(first, first + columns)
                    self.square[block, first:].addmm_(part[:, block].T, part[:, first:])
                if self.layer.b is not None:
                    self.inputs.add_(part.sum(0))
            if columns < len(self.square):
                self.square.triu_().add_(self.square.triu(1).T)
        if self.layer.b is not None:
            self.matrix[:-1, -1] = self.inputs
            self.count.fill_(len(X))


class Sums:
    """What the weight step of a layer sums over samples, in one message between the processes that share them.

    descent: F^T X (out x in) and force: the sum of F (out), of the force F (N x out) on A; with_gram: `gram` too.
    """

    def __init__(self, layer: Layer, with_gram: bool):
        outputs, size = layer.W.shape
        sizes = [outputs * size, outputs, Gram.columns(layer) ** 2 if with_gram else 0]
        self.layer = layer
        self.message = torch.zeros(sum(sizes), dtype=layer.W.dtype, device=layer.W.device)
        descent, self.force, rest = self.message.split(sizes)
        self.descent = descent.view(outputs, size)
        self.gram = Gram(layer, rest) if with_gram else None

    def of_force(self, force: Tensor, X: Tensor, ones: Tensor | None = None) -> None:
        """Of `force`, with X in place of the layer's inputs and `ones` (N) in place of the ones that b multiplies."""
        torch.mm(force.T, X, out=self.descent)
        if self.layer.b is not None:
            torch.sum(force, 0, out=self.force) if ones is None else torch.mv(force.T, ones, out=self.force)

    def subtract_A(self, delta: float) -> None:
        """From the sums of P to those of P - delta A, by the Gram matrix: A^T [X, 1] = [W, b] [X, 1]^T [X, 1]."""
        W, b, gram = self.layer.W, self.layer.b, self.gram
        self.descent.addmm_(W, gram.square, alpha=-delta)
        if b is not None:
            self.descent.addr_(b, gram.inputs, alpha=-delta)
            self.force.addmv_(W, gram.inputs, alpha=-delta).addcmul_(b, gram.count, value=-delta)
