"""The blocks of BADMM with fewer and smaller matrix products (docs/method.md, "How it is computed").

The same state and the same four steps as in badmm.py, which is the place to read the algorithm. What is different:
small Gram matrices stand in for large products (_sums.py), and layers keep less (_fast_layers.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from nonsmooth._fast_layers import Layer, PenaltyOutput, UnitPenaltyOutput
from nonsmooth._sums import Gram, Inputs, Sums
from nonsmooth.lifting import Lifted
from nonsmooth.linear import (
    damped_inverse,
    gram,
    inversion,
    is_wide,
    largest_eigenvalue,
    pseudo_inverse,
    squared_norm,
)
from nonsmooth.processes import start_sum, summed


@dataclass
class FastLifted(Lifted):
    """The lifted variables, in the form that the fast steps keep them in.

    Z and M have no entry for a layer whose Z and M are never kept (`PenaltyOutput`): `variables` gives them.

    of_layer: what each layer keeps. sums: what its weight step sums over samples. grams: for an exact weight step,
    else None, and None for the first layer. inputs: what the first layer's step needs of X_0, which never changes.
    """

    of_layer: list[Layer]
    sums: list[Sums]
    grams: list[Gram | None]
    inputs: Inputs

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
        lifted.sums.append(Sums(layer.linear, layer.X_in, with_gram=later and not by_solving))
        room = layer.W.new_zeros(Gram.columns(layer.linear) ** 2, dtype=torch.float64) if later and by_solving else None
        lifted.grams.append(None if room is None else Gram(layer.linear, layer.X_in, room))
    inputs = first.X_in, first.b is not None
    if not exact[0]:
        lifted.inputs.norm = squared_norm(*inputs, lifted.group)
    elif is_wide(*inputs, lifted.group) and not lifted.ridge:
        lifted.inputs.solve_wide(*inputs, lifted.delta)
    else:
        hessian = _hessian(lifted, first, gram(*inputs, lifted.group))
        inverse = pseudo_inverse(hessian, first.W.dtype)
        del hessian
        lifted.inputs.solve(*inputs, inverse)
        lifted.inputs.inverse = inverse if lifted.ridge else None
    for layer, products in zip(of_layer, lifted.grams, strict=True):
        if products:
            products.compute()
            hessian = _hessian(lifted, layer, summed(products.matrix, lifted.group))
            products.invert = inversion(hessian, layer.W.dtype)
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


def _gradient_step(lifted: FastLifted, layer: Layer, sums: Sums, tau_w: float) -> Iterator[None]:
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


def _least_squares_step(lifted: FastLifted, layer: Layer, sums: Sums, products: Gram | None) -> Iterator[None]:
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


def _hessian(lifted: FastLifted, layer: Layer, gram: Tensor) -> Tensor:
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
