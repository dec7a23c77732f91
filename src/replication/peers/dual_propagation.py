"""Dual propagation: two states of each layer, nudged either way, whose difference stands for the gradient.

Source: Hoeier, Staudt and Zach, Dual Propagation: Accelerating Contrastive Hebbian Learning with Dyadic Neurons, ICML
2023 (arXiv 2302.01228). No activation is differentiated.
"""

import torch
from torch import Tensor, nn

from nonsmooth.checks import check_range
from nonsmooth.contract import Trainer, in_setup
from nonsmooth.lifting import checked
from nonsmooth.linear import with_ones
from replication.peers.affine import descend, forward


class DualPropagation(Trainer):
    """Trains an `nn.Sequential` of `nn.Linear` and proximal activations in place on 1/2 |Y - f(X)|^2, full-batch.

    An iteration makes one forward pass, and one sweep from the last layer to the first. The last layer's states are
    X+_L, X-_L = sigma(A_L) +- nudge (Y - sigma(A_L)). Those of the others are, with signs taken alike,

        X+_l, X-_l = sigma(A_l +- 1/2 (X+_{l+1} - X-_{l+1}) W_{l+1}).

    Then the weights make a step of Adam, where (X-_l - X+_l)^T [(X+_{l-1} + X-_{l-1}) / 2, 1] / (2 nudge N) stands for
    the gradient. It is the gradient of the loss over N where all activations are the identity.

    network, inputs, targets: those of `Badmm`, and so are the errors. learning_rate, nudge: positive. beta1: of Adam,
    in [0, 1).
    """

    step_sizes = ("learning_rate", "nudge")

    @in_setup
    def __init__(
        self,
        network: nn.Sequential,
        inputs: Tensor,
        targets: Tensor,
        *,
        learning_rate: float = 0.003,
        nudge: float = 0.1,
        beta1: float = 0.9,
    ):
        for name, value in (("learning_rate", learning_rate), ("nudge", nudge)):
            check_range(name, value, "0 < {} < inf")
        check_range("beta1", beta1, "0 <= {} < 1")
        self.pairs, self.inputs, self.targets = checked(network, inputs, targets)
        self.learning_rate, self.nudge, self.beta1 = learning_rate, nudge, beta1
        self._watch(network, inputs, targets)
        self._adam = torch.optim.Adam(network.parameters(), lr=learning_rate, betas=(beta1, 0.999))

    @torch.no_grad()
    def gradients(self) -> list[Tensor]:
        """By layer what stands for the gradient in [W_l, b_l], out x (in + 1)."""
        X, A = forward(self.pairs, self.inputs)
        means = X[:-1]
        differences = [2 * self.nudge * (self.targets - X[-1])]
        for number in range(len(self.pairs) - 2, -1, -1):
            pull = differences[0] @ self.pairs[number + 1][0].weight / 2
            plus, minus = (self.pairs[number][1].prox(A[number] + part) for part in (pull, -pull))
            means[number + 1] = (plus + minus) / 2
            differences.insert(0, plus - minus)
        scale = -1 / (2 * self.nudge * len(self.inputs))
        return [
            difference.T @ with_ones(mean, linear.bias is not None) * scale
            for difference, mean, (linear, _) in zip(differences, means, self.pairs, strict=True)
        ]

    @torch.no_grad()
    def _iterate(self) -> None:
        descend(self._adam, self.pairs, self.gradients())

    def diagnostics(self) -> dict[str, float]:
        """Nothing: it keeps nothing that the loop cannot see."""
        return {}
