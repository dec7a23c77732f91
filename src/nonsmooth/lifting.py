"""From a network and data to the lifted variables Z, X, M (docs/method.md); all is checked before any work is done."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor, nn

from nonsmooth import proximal
from nonsmooth.processes import Group
from nonsmooth.proximal import Proximal

ROWS = 128  # samples checked at a time: to check takes several times the memory of what is checked


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


def check_range(name: str, value: float, holds: bool, bound: str) -> None:
    if not holds:
        raise ValueError(f"{name} = {value} is outside its range, {bound.format(name)}")


def affine_activation_pairs(network: nn.Sequential) -> list[tuple[nn.Linear, Proximal | None]]:
    """The network as affine maps, each with the activation behind it (None behind the last, if it has none).

    An affine map followed at once by another has the identity as its activation. Raises TypeError, naming the module,
    for anything else.
    """
    if not isinstance(network, nn.Sequential):
        raise TypeError(f"network must be an nn.Sequential, not {type(network).__name__}")
    pairs: list[tuple[nn.Linear, Proximal | None]] = []
    for position, module in enumerate(network):
        if type(module) is nn.Linear:
            if any(module is linear for linear, _ in pairs):
                raise TypeError(
                    f"module {position} of the network, {module}, stands there twice: weights cannot be tied"
                )
            pairs.append((module, None))
            continue
        try:
            activation = proximal.of(module)
        except TypeError as error:
            raise TypeError(f"module {position} of the network: {error}; affine maps must be nn.Linear") from None
        if not pairs or pairs[-1][1] is not None:
            raise TypeError(f"module {position} of the network, {module}, must follow an nn.Linear")
        pairs[-1] = (pairs[-1][0], activation)
    if not pairs:
        raise TypeError("network must hold at least one nn.Linear")
    identity = proximal.of(nn.Identity())
    return [(linear, activation or identity) for linear, activation in pairs[:-1]] + pairs[-1:]


def check_data(pairs: list[tuple[nn.Linear, Proximal | None]], inputs: Tensor, targets: Tensor) -> None:
    """Raise TypeError or ValueError unless the data fits the network (see `Badmm`)."""
    first, (last, output) = pairs[0][0], pairs[-1]
    if first.weight.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"the network's dtype must be torch.float32 or torch.float64, not {first.weight.dtype}")
    for (before, _), (after, _) in pairwise(pairs):
        if before.out_features != after.in_features:
            raise ValueError(f"{after} cannot follow {before}: in_features must be {before.out_features}")
    for name, data, columns in (
        ("inputs", inputs, first.in_features),
        ("targets", targets, last.out_features),
    ):
        if data.ndim != 2 or data.shape[1] != columns or data.shape[0] != inputs.shape[0] or not len(data):
            raise ValueError(f"{name} must have shape (N, {columns}) with one N >= 1 for both, not {tuple(data.shape)}")
        for linear, _ in pairs:
            if (data.dtype, data.device) != (linear.weight.dtype, linear.weight.device):
                raise ValueError(
                    f"{name} must have the network's dtype and device, {linear.weight.dtype} on "
                    f"{linear.weight.device}, not {data.dtype} on {data.device}"
                )
        if not all(bool(part.isfinite().all()) for part in data.split(ROWS)):
            raise ValueError(f"{name} must be finite")
    if output is not None:
        proximal.check_domain(output, targets, "targets")


@dataclass
class Lifted:
    """A lifted network: all that an iteration reads and changes. Layers are numbered from 1 to L, samples are rows.

    linear: by layer its affine map, which holds W_l (out x in) and b_l (out, or None).
    activation: by layer, None where the network ends in an affine map and trains with the squared loss.
    X: N x out by layer; X[0] are the inputs, X[L] the targets Y.
    Z, M: N x out by layer, pre-activations and multipliers.
    delta: the penalty weight. ridge: of ridge/2 |W_l|^2 for every layer. group: the processes that share the samples.
    """

    linear: dict[int, nn.Linear]
    activation: dict[int, Proximal | None]
    X: dict[int, Tensor]
    Z: dict[int, Tensor]
    M: dict[int, Tensor]
    delta: float
    ridge: float
    group: Group

    @classmethod
    def start(
        cls,
        pairs: list[tuple[nn.Linear, Proximal | None]],
        inputs: Tensor,
        targets: Tensor,
        delta: float,
        ridge: float,
        group: Group,
        *more,
    ) -> Self:
        """The lifted network of `affine_activation_pairs` and data, with no X, Z and M of its own yet."""
        linear = {layer: pair[0] for layer, pair in enumerate(pairs, 1)}
        activation = {layer: pair[1] for layer, pair in enumerate(pairs, 1)}
        return cls(linear, activation, {0: inputs, len(pairs): targets}, {}, {}, delta, ridge, group, *more)

    @property
    def layers(self) -> range:
        """1, ..., L."""
        return range(1, len(self.linear) + 1)

    def A(self, layer: int, rows: slice = slice(None)) -> Tensor:
        """A_l = X_{l-1} W_l^T + b_l, of some rows."""
        return nn.functional.linear(self.X[layer - 1][rows], self.linear[layer].weight, self.linear[layer].bias)

    def variables(self, layer: int, rows: slice = slice(None)) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """X_l, Z_l, M_l and A_l, of some rows, between two iterations."""
        return self.X[layer][rows], self.Z[layer][rows], self.M[layer][rows], self.A(layer, rows)


@torch.no_grad()
def lift(*network_and_data) -> Lifted:
    """One forward pass: Z_l = A_l, X_l = sigma(Z_l) for hidden layers, M_l = 0. The arguments are those of `start`."""
    lifted = Lifted.start(*network_and_data)
    for layer in lifted.layers:
        lifted.Z[layer] = lifted.A(layer)
        lifted.M[layer] = torch.zeros_like(lifted.Z[layer])
        if layer not in lifted.X:
            lifted.X[layer] = lifted.activation[layer].prox(lifted.Z[layer])
    return lifted
