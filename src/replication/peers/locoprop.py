"""LocoProp-M: a target for the outputs of each layer, then some steps of each layer towards its own target.

Source: Amid, Anil and Warmuth, LocoProp: Enhancing BackProp via Local Loss Optimization, AISTATS 2022 (arXiv
2106.06199). It differentiates the activations, once for an iteration.
"""

import torch
from torch import Tensor, nn

from nonsmooth.checks import check_count, check_range
from nonsmooth.contract import Trainer, in_setup
from nonsmooth.layerwise import backward
from nonsmooth.lifting import checked
from nonsmooth.linear import with_ones
from replication.peers.affine import descend


class LocoProp(Trainer):
    """Trains an `nn.Sequential` of `nn.Linear` and proximal activations in place on 1/2 |Y - f(X)|^2, full-batch.

    An iteration makes one forward and one backward pass. With g_l, the gradient in A_l, the target of layer l is
    T_l = sigma(A_l) - gamma g_l. Then each layer makes `inner_steps` steps of RMSprop on its matching loss, whose
    gradient in [W_l, b_l] is (sigma(A_l) - T_l)^T [X_{l-1}, 1] / N, with the X_{l-1} of the forward pass. The first of
    these gradients is gamma / N times backpropagation's.

    network, inputs, targets: those of `Badmm`, and so are the errors. learning_rate, gamma: positive. With gamma = 1
    the target of a last affine map is Y. smoothing: of RMSprop, how much the mean of squares keeps, in [0, 1).
    momentum: of RMSprop, in [0, 1). inner_steps: at least 1.
    """

    step_sizes = ("learning_rate", "gamma")

    @in_setup
    def __init__(
        self,
        network: nn.Sequential,
        inputs: Tensor,
        targets: Tensor,
        *,
        learning_rate: float = 0.001,
        gamma: float = 1.0,
        smoothing: float = 0.99,
        momentum: float = 0.0,
        inner_steps: int = 5,
    ):
        for name, value in (("learning_rate", learning_rate), ("gamma", gamma)):
            check_range(name, value, "0 < {} < inf")
        for name, value in (("smoothing", smoothing), ("momentum", momentum)):
            check_range(name, value, "0 <= {} < 1")
        check_count("inner_steps", inner_steps)
        self.pairs, self.inputs, self.targets = checked(network, inputs, targets)
        self.learning_rate, self.gamma, self.inner_steps = learning_rate, gamma, inner_steps
        self._watch(network, inputs, targets)
        self._rmsprop = torch.optim.RMSprop(network.parameters(), lr=learning_rate, alpha=smoothing, momentum=momentum)

    def _outputs(self, X: list[Tensor]) -> list[Tensor]:
        """sigma(A_l) by layer, each from its own inputs X_{l-1}."""
        A = [nn.functional.linear(x, linear.weight, linear.bias) for x, (linear, _) in zip(X, self.pairs, strict=True)]
        return [a if act is None else act.prox(a) for a, (_, act) in zip(A, self.pairs, strict=True)]

    @torch.no_grad()
    def aims(self) -> tuple[list[Tensor], list[Tensor]]:
        """By layer X_{l-1} of a forward pass, and the targets T_l."""
        X, gradients = backward(self.pairs, self.inputs, self.targets)
        return X, [out - self.gamma * g for out, g in zip(self._outputs(X), gradients, strict=True)]

    @torch.no_grad()
    def matching_gradients(self, X: list[Tensor], aims: list[Tensor]) -> list[Tensor]:
        """By layer the gradient of its matching loss in [W_l, b_l]."""
        return [
            (out - aim).T @ with_ones(x, linear.bias is not None) / len(x)
            for x, out, aim, (linear, _) in zip(X, self._outputs(X), aims, self.pairs, strict=True)
        ]

    @torch.no_grad()
    def _iterate(self) -> None:
        X, aims = self.aims()
        for _ in range(self.inner_steps):
            descend(self._rmsprop, self.pairs, self.matching_gradients(X, aims))

    def diagnostics(self) -> dict[str, float]:
        """Nothing: it keeps nothing that the loop cannot see."""
        return {}
