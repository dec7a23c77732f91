"""Gradient descent on the Bregman distance D itself, without splitting: the control for the perceptron.

Generalised Perceptron Learning (arXiv 2012.03642). With a = X w + b the objective sum_i D(y_i, sigma(a_i)) is convex
in (w, b) and its gradient [X, 1]^T (sigma(a) - y) needs no derivative of the activation.
"""

import torch
from torch import Tensor, nn

from nonsmooth import bregman
from nonsmooth.optimizers.arguments import affine_activation_pairs, check_data, check_range


class GradientD:
    """Trains one nn.Linear behind one proximal activation, in place.

    tau_w is the step in units of 1 / |[X, 1]|^2 (spectral norm; without the ones column where there is no bias): in
    (0, 2), where gradient descent on D descends. `network`, `inputs` and `targets` are those of `Badmm`, and so are
    the errors; a TypeError says so when the network has more than one affine map or no activation behind it.
    """

    def __init__(self, network: nn.Sequential, inputs: Tensor, targets: Tensor, *, tau_w: float = 1.9):
        check_range("tau_w", tau_w, 0 < tau_w < 2, "0 < {} < 2")
        pairs = affine_activation_pairs(network)
        if len(pairs) != 1 or pairs[0][1] is None:
            raise TypeError(f"GradientD trains one nn.Linear followed by a proximal activation, not {network}")
        check_data(pairs, inputs, targets)
        self.linear, self.activation = pairs[0]
        self.inputs, self.targets = inputs, targets
        norm = torch.linalg.matrix_norm(self._with_ones(inputs.double()), 2).item() ** 2
        self.step_size = tau_w / norm if norm > 0 else 0.0

    def _with_ones(self, X: Tensor) -> Tensor:
        return X if self.linear.bias is None else torch.cat([X, torch.ones_like(X[:, :1])], 1)

    @torch.no_grad()
    def step(self) -> None:
        """One gradient step on sum_i D(y_i, sigma(a_i))."""
        gradient = self.activation.prox(self.linear(self.inputs)).sub_(self.targets)
        self.linear.weight.addmm_(gradient.T, self.inputs, alpha=-self.step_size)
        if self.linear.bias is not None:
            self.linear.bias.sub_(gradient.sum(0), alpha=self.step_size)

    @torch.no_grad()
    def diagnostics(self) -> dict[str, float]:
        """lifted_loss: sum_i D(y_i, sigma(a_i)) / N."""
        distances = bregman.distance(self.activation, self.targets, self.linear(self.inputs))
        return {"lifted_loss": distances.sum().item() / len(self.inputs)}
