"""Lifted Bregman training by blocks, with Adam in the block of the weights.

Source: Wang and Benning, Lifted Bregman Training of Neural Networks, Journal of Machine Learning Research 24, 2023
(arXiv 2208.08772), and arXiv 2510.09796, which puts accelerated methods into the blocks.
"""

import torch
from torch import Tensor, nn

from nonsmooth.checks import check_count, check_range
from nonsmooth.contract import Trainer, in_setup
from nonsmooth.lifted_loss import LiftedLoss
from nonsmooth.linear import with_ones
from replication.peers.affine import descend


class LiftedBregman(Trainer):
    """Trains an `nn.Sequential` of `nn.Linear` and proximal activations in place on the E of `LiftedLoss`, full-batch.

    An iteration makes `weight_steps` steps of Adam on all weights with X fixed, then `x_steps` sweeps of proximal
    steps of X with the weights fixed, as `LiftedLoss` has them. X and Adam's means go on from one iteration to the
    next.

    network, inputs, targets: those of `Badmm`, and so are the errors. learning_rate: of Adam, for E / N, positive.
    beta1: of Adam, in [0, 1). beta: weight of D in the hidden layers, positive; the paper has 1. tau_x: in (0, 2), the
    step of X as in `LiftedLoss`. weight_steps, x_steps: at least 1.
    """

    step_sizes = ("learning_rate", "tau_x")

    @in_setup
    def __init__(
        self,
        network: nn.Sequential,
        inputs: Tensor,
        targets: Tensor,
        *,
        learning_rate: float = 0.003,
        beta1: float = 0.9,
        beta: float = 1.0,
        tau_x: float = 1.0,
        weight_steps: int = 5,
        x_steps: int = 5,
    ):
        check_range("learning_rate", learning_rate, "0 < {} < inf")
        check_range("beta1", beta1, "0 <= {} < 1")
        for name, value in (("weight_steps", weight_steps), ("x_steps", x_steps)):
            check_count(name, value)
        self.blocks = LiftedLoss(network, inputs, targets, tau_x=tau_x, beta=beta)
        self.learning_rate, self.beta1, self.beta, self.tau_x = learning_rate, beta1, beta, tau_x
        self.weight_steps, self.x_steps = weight_steps, x_steps
        lifted = self.blocks.lifted
        self.pairs = [(lifted.linear[layer], lifted.activation[layer]) for layer in lifted.layers]
        self._watch(network, lifted.X[0], targets)
        self._adam = torch.optim.Adam(network.parameters(), lr=learning_rate, betas=(beta1, 0.999))

    @torch.no_grad()
    def weight_block(self) -> None:
        """Steps of Adam on E / N over all W_l and b_l."""
        lifted = self.blocks.lifted
        inputs = [with_ones(lifted.X[layer - 1], lifted.linear[layer].bias is not None) for layer in lifted.layers]
        for _ in range(self.weight_steps):
            gradients = [
                self.blocks.residual(layer).T @ Xb * (-lifted.weight(layer) / len(Xb))
                for layer, Xb in zip(lifted.layers, inputs, strict=True)
            ]
            descend(self._adam, self.pairs, gradients)

    def x_block(self) -> None:
        """Sweeps over the hidden X_l."""
        for _ in range(self.x_steps):
            self.blocks.x_step()

    def _iterate(self) -> None:
        self.weight_block()
        self.x_block()

    def diagnostics(self) -> dict[str, float]:
        """Those of `LiftedLoss`."""
        return self.blocks.diagnostics()
