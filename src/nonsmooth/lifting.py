"""From a network and data to the lifted variables Z, X, M (docs/method.md); all is checked before any work is done."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor, nn

from nonsmooth import proximal
from nonsmooth.checks import check_finite, check_tensor
from nonsmooth.processes import Group
from nonsmooth.proximal import Proximal

ROWS = 64  # samples at a time in checks; on so many the network's forward pass is compared with the lifted one


def modules(network: nn.Sequential) -> dict[str, nn.Module]:
    """The modules in their order, each nn.Sequential inside opened, by position: "0", "1.0", "1.1", "2"."""
    opened: dict[str, nn.Module] = {}
    for position, module in enumerate(network):
        if isinstance(module, nn.Sequential):
            opened |= {f"{position}.{inner}": value for inner, value in modules(module).items()}
        else:
            opened[str(position)] = module
    return opened


def affine_activation_pairs(network: nn.Sequential) -> list[tuple[nn.Linear, Proximal | None]]:
    """The network as affine maps, each with the activation behind it (None behind the last, if it has none).

    An affine map followed at once by another has the identity as its activation. nn.Flatten may stand first. Raises
    TypeError, naming the module, for anything else.
    """
    if not isinstance(network, nn.Sequential):
        raise TypeError(f"network must be an nn.Sequential, not {type(network).__name__}")
    pairs: list[tuple[nn.Linear, Proximal | None]] = []
    for number, (position, module) in enumerate(modules(network).items()):
        if type(module) is nn.Flatten:
            if number or (module.start_dim, module.end_dim) != (1, -1):
                raise TypeError(f"module {position} of the network, {module}, must be nn.Flatten() and stand first")
            continue
        if type(module) is nn.Linear:
            _check_parameters(position, module)
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


def _check_parameters(position: str, module: nn.Linear) -> None:
    """Raise TypeError unless weight and bias are parameters of their own that may be trained; ValueError for nan."""
    where = f"module {position} of the network, {module}"
    for name, parameter in (("weight", module.weight), ("bias", module.bias)):
        if parameter is not module._parameters.get(name):
            raise TypeError(f"{where}: its {name} is computed from other parameters (pruning or a norm); remove that")
        if parameter is None:
            continue
        if not parameter.requires_grad:
            raise TypeError(f"{where}: its {name} is frozen; unfreeze it by {_reached(position)}.requires_grad_(True)")
        if parameter.is_inference():
            raise TypeError(f"{where}: its {name} was made in inference mode and cannot be trained; make it outside")
        shape = (module.out_features, module.in_features)[: 2 if name == "weight" else 1]
        if parameter.shape != shape or not parameter.numel():
            raise TypeError(f"{where}: its {name} must have shape {shape} without zeros, not {tuple(parameter.shape)}")
        check_tensor(f"{where}: its {name}", parameter)
        if not bool(parameter.isfinite().all()):
            raise ValueError(f"{where}: its {name} must be finite")


def _reached(position: str) -> str:
    """How Python reaches the module: network[1][0] for "1.0"."""
    return "network" + "".join(f"[{number}]" for number in position.split("."))


def _memory(values: Tensor) -> tuple[int, int]:
    """The first and the last address of a tensor's entries."""
    steps = sum((size - 1) * stride for size, stride in zip(values.shape, values.stride(), strict=True))
    return values.data_ptr(), values.data_ptr() + steps * values.element_size()


def _check_memory(network: nn.Sequential, inputs: Tensor, targets: Tensor) -> None:
    """Raise TypeError where a parameter shares memory with another one, with itself or with the data."""
    occupied = [("the inputs", _memory(inputs)), ("the targets", _memory(targets))]
    for position, module in modules(network).items():
        for name, parameter in module.named_parameters():
            where, (first, last) = f"{name} of module {position}", _memory(parameter)
            shared = [other for other, (start, end) in occupied if first <= end and start <= last]
            if parameter.numel() * parameter.element_size() > last - first + parameter.element_size():
                shared.append("itself")
            if shared:
                raise TypeError(
                    f"{where} of the network shares memory with {shared[0]}: weights cannot be tied; clone it"
                )
            occupied.append((where, (first, last)))


def check_data(pairs: list[tuple[nn.Linear, Proximal | None]], inputs: Tensor, targets: Tensor) -> None:
    """Raise TypeError or ValueError unless the data fits the network (see `Badmm`)."""
    first, (last, output) = pairs[0][0], pairs[-1]
    if first.weight.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"the network's dtype must be torch.float32 or torch.float64, not {first.weight.dtype}")
    for (before, _), (after, _) in pairwise(pairs):
        if before.out_features != after.in_features:
            raise ValueError(f"{after} cannot follow {before}: in_features must be {before.out_features}")
    parameters = [parameter for linear, _ in pairs for parameter in linear.parameters()]
    for name, data, columns in (
        ("inputs", inputs, first.in_features),
        ("targets", targets, last.out_features),
    ):
        check_tensor(name, data)
        if data.ndim != 2 or data.shape[1] != columns or data.shape[0] != len(inputs) or not len(data):
            hint = ""
            if data.ndim == 1 and len(data):
                labels = name == "targets" and not data.is_floating_point() and columns > 1
                hint = (
                    f": use nn.functional.one_hot(targets, {columns}).to(inputs.dtype)"
                    if labels
                    else f": use {name}[:, None]"
                )
            elif data.ndim > 2 and data[0].numel() == columns:
                first = ", or nn.Flatten as the first module" if name == "inputs" else ""
                hint = f": use {name}.flatten(1){first}"
            raise ValueError(
                f"{name} must have shape (N, {columns}) with one N >= 1 for both, not {tuple(data.shape)}{hint}"
            )
        for parameter in parameters:
            if (data.dtype, data.device) != (parameter.dtype, parameter.device):
                raise ValueError(
                    f"{name} must have the network's dtype and device, {parameter.dtype} on {parameter.device}, "
                    f"not {data.dtype} on {data.device}: use {name}.to('{parameter.device}', {parameter.dtype})"
                )
        check_finite(name, data)
    if output is not None:
        proximal.check_domain(output, targets, "targets")


def _rows(network: nn.Sequential, inputs: Tensor) -> Tensor:
    """The inputs as the first affine map takes them: N x in where the network begins with nn.Flatten."""
    flattened = inputs.ndim > 2 and any(type(module) is nn.Flatten for module in modules(network).values())
    return inputs.flatten(1) if flattened else inputs


def _check_forward(network: nn.Sequential, inputs: Tensor) -> None:
    """Raise TypeError, naming the module, unless the network computes what is lifted, on some of the inputs.

    Two ways to compute a sum of n terms differ by at most n eps times the sum of their absolute values, `size`.
    """
    start = inputs[:: -(-len(inputs) // ROWS)]
    X = _rows(network, start)
    whole, terms, eps = X.abs(), 4, torch.finfo(X.dtype).eps

    def check(name: str, module: nn.Module, X: Tensor, expected: Tensor, size: Tensor, terms: int) -> None:
        value = module(X.clone())
        if not (isinstance(value, Tensor) and value.shape == expected.shape and value.dtype == expected.dtype):
            raise TypeError(f"{name} does not give a tensor of shape (N, {expected.shape[1]}): its forward was changed")
        if not bool(((value - expected).abs() <= terms * eps * size).all()):
            raise TypeError(f"{name} computes something else than its type says: its forward or a hook changes it")

    for position, module in modules(network).items():
        name, more = f"module {position} of the network, {module},", 4
        if isinstance(module, nn.Flatten):
            check(name, module, start, X, X.abs(), more)
            continue
        if isinstance(module, nn.Linear):
            W, b = module.weight, module.bias
            expected, more = nn.functional.linear(X, W, b), more + module.in_features
            size, whole = (
                nn.functional.linear(part, W.abs(), b if b is None else b.abs()) for part in (X.abs(), whole)
            )
        else:
            expected = proximal.of(module).prox(X)
            size, whole = X.abs() + expected.abs(), whole + expected.abs()
        if not bool(whole.isfinite().all()):
            raise ValueError(f"{name} has outputs that overflow: scale inputs or weights down")
        check(name, module, X, expected, size, more)
        X, terms = expected, terms + more
    check(f"the network, {type(network).__name__},", network, start, X, whole, terms)


def checked(
    network: nn.Sequential, inputs: Tensor, targets: Tensor
) -> tuple[list[tuple[nn.Linear, Proximal | None]], Tensor, Tensor]:
    """`affine_activation_pairs`, inputs and targets without their graphs, once all is known to fit (see `Badmm`)."""
    pairs = affine_activation_pairs(network)
    check_tensor("inputs", inputs)
    rows = _rows(network, inputs)
    check_data(pairs, rows, targets)
    _check_memory(network, rows, targets)
    _check_forward(network, inputs.detach())
    return pairs, rows.detach(), targets.detach()


@dataclass
class Lifted:
    """A lifted network: all that an iteration reads and changes. Layers are numbered from 1 to L, samples are rows.

    linear: by layer its affine map, which holds W_l (out x in) and b_l (out, or None).
    activation: by layer, None where the network ends in an affine map and trains with the squared loss.
    X: N x out by layer; X[0] are the inputs, X[L] the targets Y.
    Z, M: N x out by layer, pre-activations and multipliers.
    delta: the penalty weight. beta: of D in the hidden layers. ridge: of ridge/2 |W_l|^2 for every layer.
    group: the processes that share the samples.
    """

    linear: dict[int, nn.Linear]
    activation: dict[int, Proximal | None]
    X: dict[int, Tensor]
    Z: dict[int, Tensor]
    M: dict[int, Tensor]
    delta: float
    beta: float
    ridge: float
    group: Group

    @classmethod
    def start(
        cls,
        pairs: list[tuple[nn.Linear, Proximal | None]],
        inputs: Tensor,
        targets: Tensor,
        delta: float,
        beta: float,
        ridge: float,
        group: Group,
        *more,
    ) -> Self:
        """The lifted network of `affine_activation_pairs` and data, with no X, Z and M of its own yet.

        Raises TypeError for nn.Tanh.
        """
        if any(isinstance(activation, proximal.Tanh) for _, activation in pairs):
            raise TypeError(
                "nn.Tanh cannot be lifted here: the X step needs prox_{s Psi}, which has no closed form for its Psi; "
                "LiftedTargets trains it"
            )
        linear = {layer: pair[0] for layer, pair in enumerate(pairs, 1)}
        activation = {layer: pair[1] for layer, pair in enumerate(pairs, 1)}
        return cls(linear, activation, {0: inputs, len(pairs): targets}, {}, {}, delta, beta, ridge, group, *more)

    @property
    def layers(self) -> range:
        """1, ..., L."""
        return range(1, len(self.linear) + 1)

    def weight(self, layer: int) -> float:
        """That of the layer's D: beta, or 1 in the last layer, where D is the loss."""
        return self.beta if layer < len(self.linear) else 1.0

    def A(self, layer: int, rows: slice = slice(None)) -> Tensor:
        """A_l = X_{l-1} W_l^T + b_l, of some rows."""
        return nn.functional.linear(self.X[layer - 1][rows], self.linear[layer].weight, self.linear[layer].bias)

    def hidden(self) -> dict[str, Tensor]:
        """X_1, ..., X_{L-1} by name."""
        return {f"X_{layer}": self.X[layer] for layer in self.layers[:-1]}

    def kept(self) -> dict[str, Tensor]:
        """What the next iteration takes over from this one, by name, weights left out."""
        both = {f"{name}_{layer}": of[layer] for name, of in (("Z", self.Z), ("M", self.M)) for layer in self.layers}
        return self.hidden() | both

    def restore(self, kept: dict[str, Tensor]) -> None:
        """Go on from what `kept` gave."""
        for name, value in self.kept().items():
            value.copy_(kept[name])

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
