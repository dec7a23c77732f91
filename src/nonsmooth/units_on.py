"""Adam from a start with no hidden unit off (docs/ladder.md)."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from nonsmooth import proximal
from nonsmooth.baselines import TorchOptimizer
from nonsmooth.contract import in_setup
from nonsmooth.layerwise import Pairs
from nonsmooth.lifting import checked, modules

MARGIN = 0.1  # the smallest output of a hidden unit over the samples, as a share of its largest pre-activation
RELU = proximal.of(nn.ReLU())


@torch.no_grad()
def raise_biases(pairs: Pairs, inputs: Tensor) -> None:
    """b_l <- b_l + c_l for each hidden layer, and b_{l+1} <- b_{l+1} - W_{l+1} c_l.

    c_l >= 0 (entry by entry) brings the smallest output of each unit over the samples up to MARGIN. On the samples the
    ReLUs are then linear: W_{l+1} (A_l + c_l) + b_{l+1} - W_{l+1} c_l is the next layer's A without ReLUs. Where units
    were off before, the network computes something else than before.
    """
    X = inputs
    for (linear, _), (following, _) in pairwise(pairs):
        A = nn.functional.linear(X, linear.weight, linear.bias)
        size = A.abs().amax(0)
        lift = (MARGIN * torch.where(size > 0, size, 1.0) - A.amin(0)).clamp(min=0)
        linear.bias.add_(lift)
        following.bias.sub_(following.weight @ lift)
        X = A + lift  # positive, so the ReLU leaves it


class UnitsOnAdam(TorchOptimizer):
    """torch's Adam, full-batch, on a network whose hidden biases its constructor raises (`raise_biases`).

    Every hidden unit is then on for every sample, and the next layer's biases are lowered to make up for it. The
    outputs are those of the network without its ReLUs. They are the given network's only where no unit of it was off.

    network, inputs, targets: those of `Badmm`, and so are the errors; a TypeError says so where a hidden activation is
        no ReLU, or an affine map has no bias. learning_rate: that of `TorchOptimizer`.
    """

    @in_setup
    def __init__(self, network: nn.Sequential, inputs: Tensor, targets: Tensor, *, learning_rate: float):
        pairs, inputs, targets = checked(network, inputs, targets)
        if any(activation != RELU for _, activation in pairs[:-1]) or any(linear.bias is None for linear, _ in pairs):
            listed = ", ".join(map(str, modules(network).values()))
            raise TypeError(f"UnitsOnAdam needs a bias in every nn.Linear and nn.ReLU between them, not {listed}")
        super().__init__(network, inputs, targets, algorithm="adam", learning_rate=learning_rate)
        raise_biases(pairs, inputs)
