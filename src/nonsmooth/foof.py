"""FOOF: backpropagation's gradients times inverse Gram matrices of each layer's inputs (docs/ladder.md)."""

import torch
from torch import Tensor, nn

from nonsmooth.checks import check_range
from nonsmooth.contract import Trainer, in_setup, reading
from nonsmooth.layerwise import backward
from nonsmooth.lifting import checked
from nonsmooth.linear import gram, largest_eigenvalue, with_ones


def shifted_inverse(H: Tensor, damping: float, dtype: torch.dtype) -> Tensor:
    """(H + damping |H| I)^-1. Changes H. Raises torch.linalg.LinAlgError where entries are not finite."""
    norm = largest_eigenvalue(H)
    H.diagonal().add_(damping * torch.where(norm > 0, norm, 1.0))
    return torch.cholesky_inverse(torch.linalg.cholesky(H)).to(dtype)


class Foof(Trainer):
    """Gradient descent on the network's own loss, each layer's gradient times an inverse Gram matrix of its inputs.

    V_l <- momentum V_l + G_l (H_l + damping |H_l| I)^-1,    [W_l, b_l] <- [W_l, b_l] - learning_rate V_l

    with H_l = [X_{l-1}, 1]^T [X_{l-1}, 1], |H_l| its largest eigenvalue, and G_l the gradient of 1/2 |Y - f(X)|^2
    (Benzing, Gradient Descent on Neurons and its Link to Approximate Second-Order Optimization, ICML 2022). BADMM's
    exact weight step multiplies by such a matrix too, but the gradient of the lifted loss.

    network, inputs, targets: those of `Badmm`, and so are the errors. learning_rate, damping: positive. momentum: in
    [0, 1).
    """

    step_sizes = ("learning_rate",)

    @in_setup
    def __init__(
        self,
        network: nn.Sequential,
        inputs: Tensor,
        targets: Tensor,
        *,
        learning_rate: float = 0.1,
        damping: float = 0.01,
        momentum: float = 0.0,
    ):
        check_range("learning_rate", learning_rate, "0 < {} < inf")
        check_range("damping", damping, "0 < {} < inf")
        check_range("momentum", momentum, "0 <= {} < 1")
        self.pairs, self.inputs, self.targets = checked(network, inputs, targets)
        self._watch(network, inputs, targets)
        self.learning_rate, self.damping, self.momentum = learning_rate, damping, momentum
        self._of_inputs = self._inverse(self.pairs[0][0], self.inputs)  # they never change
        self._moving: list[Tensor | float] = [0.0] * len(self.pairs)

    def _inverse(self, linear: nn.Linear, X: Tensor) -> Tensor:
        """(H + damping |H| I)^-1, H = [X, 1]^T [X, 1]."""
        return shifted_inverse(gram(X, linear.bias is not None), self.damping, linear.weight.dtype)

    def _directions(self, X: list[Tensor], gradients: list[Tensor]) -> list[Tensor]:
        """By layer what is added to V_l, from what `backward` gave."""
        directions = []
        for number, (linear, _) in enumerate(self.pairs):
            G = gradients[number].T @ with_ones(X[number], linear.bias is not None)
            directions.append(G @ (self._inverse(linear, X[number]) if number else self._of_inputs))
        return directions

    @torch.no_grad()
    def _iterate(self) -> None:
        """All layers at once."""
        directions = self._directions(*backward(self.pairs, self.inputs, self.targets))
        for number, (linear, _) in enumerate(self.pairs):
            self._moving[number] = self.momentum * self._moving[number] + directions[number]
            change = self.learning_rate * self._moving[number]
            linear.weight.sub_(change[:, : linear.in_features])
            if linear.bias is not None:
                linear.bias.sub_(change[:, -1])

    @reading
    def diagnostics(self) -> dict[str, float]:
        """Nothing: it keeps nothing that the loop cannot see."""
        return {}
