"""The lifted loss alone, by block steps: no Z, no multipliers (docs/ladder.md).

What BADMM splits with Z and multipliers is lowered here as it stands,

    E(W, b, X) = loss(Y, A_L) + beta sum_{l<L} D(X_l, sigma(A_l)),    A_l = X_{l-1} W_l^T + b_l,

by `weight_step`, then `x_step`. This is lifted Bregman training by block coordinate descent (Wang and Benning, Lifted
Bregman Training of Neural Networks, Journal of Machine Learning Research 24, 2023). Nothing here differentiates an
activation.
"""

import torch
from torch import Tensor, nn

from nonsmooth import bregman
from nonsmooth.checks import check_choice, check_range
from nonsmooth.contract import Trainer, in_setup, reading
from nonsmooth.lifting import Lifted, checked, lift
from nonsmooth.linear import gram, largest_eigenvalue, pseudo_inverse, squared_norm, with_ones
from nonsmooth.momentum import check_momentum, heavy_ball

WEIGHT_STEPS = ("gradient", "least_squares")


class LiftedLoss(Trainer):
    """Trains an `nn.Sequential` of `nn.Linear` and proximal activations in place, full-batch.

    network, inputs, targets: those of `Badmm`, and so are the errors.
    weight_step: "gradient", a gradient step on E; or "least_squares", that step with the inverse Gram matrix of the
        layer's inputs in place of a step size: the minimiser for a last layer with the squared loss.
    tau_x: step of the X block, in (0, 2), in units of 1 / |W_L|^2 before the last layer, else 1 / (beta |W_{l+1}|^2).
    tau_w: step of the gradient weight step, in (0, 2), in units of 1 / |[X_{l-1}, 1]|^2, for hidden layers over beta.
    beta: weight of D in the hidden layers, positive.
    momentum: of the weights, in [0, 1): W^{k+1} = W^k + (weight step at W^k) + momentum (W^k - W^{k-1}).
    """

    step_sizes = ("tau_w", "tau_x")

    @in_setup
    def __init__(
        self,
        network: nn.Sequential,
        inputs: Tensor,
        targets: Tensor,
        *,
        weight_step: str = "gradient",
        tau_x: float = 1.0,
        tau_w: float = 1.3,
        beta: float = 1.0,
        momentum: float = 0.0,
    ):
        check_choice("weight_step", weight_step, WEIGHT_STEPS)
        for name, value in (("tau_x", tau_x), ("tau_w", tau_w)):
            check_range(name, value, "0 < {} < 2")
        check_range("beta", beta, "0 < {} < inf")
        check_momentum(momentum)
        pairs, inputs, targets = checked(network, inputs, targets)
        self.kind, self.tau_x, self.tau_w, self.beta, self.momentum = weight_step, tau_x, tau_w, beta, momentum
        self.lifted: Lifted = lift(pairs, inputs, targets, 1.0, beta, 0.0, None)
        self._of_inputs = self._scale(1)  # X_0 never changes
        self._watch(network, inputs, targets)
        self._velocities = [torch.zeros_like(weight) for weight in self._parameters]

    def residual(self, l: int) -> Tensor:
        """X_l - sigma(A_l), N x out: minus the gradient of D(X_l, sigma(A_l)), or of the squared loss, in A_l."""
        activation, A = self.lifted.activation[l], self.lifted.A(l)
        return self.lifted.X[l] - (A if activation is None else activation.prox(A))

    def _scale(self, l: int) -> Tensor:
        """tau_w / |[X_{l-1}, 1]|^2, or the pseudo-inverse of that Gram matrix."""
        linear = self.lifted.linear[l]
        inputs = self.lifted.X[l - 1], linear.bias is not None
        if self.kind == "least_squares":
            return pseudo_inverse(gram(*inputs), linear.weight.dtype).to(linear.weight.dtype)
        norm = squared_norm(*inputs)
        return torch.where(norm > 0, self.tau_w / norm, 0.0).to(linear.weight.dtype)

    @torch.no_grad()
    def weight_step(self) -> None:
        """[W_l, b_l] <- [W_l, b_l] + tau_W (X_l - sigma(A_l))^T [X_{l-1}, 1], or times the inverse Gram matrix."""
        for l, linear in self.lifted.linear.items():
            inputs = with_ones(self.lifted.X[l - 1], linear.bias is not None)
            descent = self.residual(l).T @ inputs
            scale = self._of_inputs if l == 1 else self._scale(l)
            change = descent * scale if scale.ndim == 0 else descent @ scale
            linear.weight.add_(change[:, : linear.in_features])
            if linear.bias is not None:
                linear.bias.add_(change[:, -1])

    @torch.no_grad()
    def x_step(self) -> None:
        """X_l <- prox_{s Psi}(X_l + s (A_l + w R W_{l+1} - X_l)),    R = X_{l+1} - sigma(A_{l+1})

        with w = 1 / beta before the last layer and 1 elsewhere, and s = tau_x / (w |W_{l+1}|^2 + tau_x).
        """
        X = self.lifted.X
        for l in self.lifted.layers[:-1]:
            W = self.lifted.linear[l + 1].weight
            weight = 1 / self.beta if l + 1 == len(self.lifted.linear) else 1.0
            norm = largest_eigenvalue(W.T @ W if W.shape[0] > W.shape[1] else W @ W.T)
            s = self.tau_x / (weight * norm + self.tau_x)
            aim = self.lifted.A(l) + weight * (self.residual(l + 1) @ W)
            X[l] = self.lifted.activation[l].prox(X[l] + s * (aim - X[l]), s)

    def _iterate(self) -> None:
        heavy_ball(self.weight_step, self._parameters, self._velocities, self.momentum)
        self.x_step()

    @reading
    def diagnostics(self) -> dict[str, float]:
        """lifted_loss: E / N. activation_gap: sqrt(sum_l |X_l - sigma(A_l)|^2 / N) over hidden layers."""
        lifted, last = self.lifted, len(self.lifted.linear)
        loss = gaps = 0.0
        for l, activation in lifted.activation.items():
            if activation is None:
                loss += self.residual(l).square().sum().item() / 2
            else:
                loss += lifted.weight(l) * bregman.distance(activation, lifted.X[l], lifted.A(l)).sum().item()
            if l < last:
                gaps += self.residual(l).square().sum().item()
        count = len(lifted.X[0])
        return {"lifted_loss": loss / count, "activation_gap": (gaps / count) ** 0.5}
