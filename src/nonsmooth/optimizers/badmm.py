"""The Bregman alternating direction method of multipliers (poster, Algorithm 1; the mathematics in docs/method.md).

The network's equations become constraints Z_l = A_l with A_l = X_{l-1} W_l^T + b_l, the activations become Bregman
distances, and the Lagrangian

    loss(Y, Z_L) + sum_{l<L} D(X_l, sigma(Z_l)) + sum_l <M_l, Z_l - A_l> + delta/2 |Z_l - A_l|^2 + ridge/2 |W_l|^2

is lowered block by block. Samples are rows, as everywhere in torch. Nothing here differentiates an activation, and
autograd is never used.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from nonsmooth import bregman
from nonsmooth.optimizers.arguments import affine_activation_pairs, check_choice, check_data, check_range
from nonsmooth.proximal import Proximal

WEIGHT_STEPS = ("gradient", "least_squares")
ORDERS = ("zwxm", "zxwm")


@dataclass(eq=False)
class Layer:
    """One affine map with its activation and the variables that the lifted problem attaches to it."""

    linear: nn.Linear
    activation: Proximal | None  # None: the network ends in this affine map and trains with the squared loss
    X_in: Tensor  # N x in, X_{l-1}; the same tensor as the layer before calls X_out
    X_out: Tensor  # N x out, X_l; the targets Y for the last layer
    Z: Tensor  # N x out
    M: Tensor  # N x out
    _affine: Tensor  # N x out, room for A_l
    scratch: Tensor  # N x out, room for what a block needs on its way
    affine_is_current: bool = False

    @property
    def W(self) -> Tensor:
        return self.linear.weight

    @property
    def b(self) -> Tensor | None:
        return self.linear.bias

    def A(self) -> Tensor:
        """A_l = X_{l-1} W_l^T + b_l (N x out), computed anew only after X_{l-1}, W_l or b_l has changed."""
        if not self.affine_is_current:
            if self.b is None:
                torch.mm(self.X_in, self.W.T, out=self._affine)
            else:
                torch.addmm(self.b, self.X_in, self.W.T, out=self._affine)
            self.affine_is_current = True
        return self._affine

    def input_gram(self, dtype: torch.dtype) -> Tensor:
        """[X, 1]^T [X, 1] for X = X_{l-1}, or X^T X where the layer has no bias."""
        X = self.X_in.to(dtype)
        gram = X.T @ X
        if self.b is None:
            return gram
        sums = X.sum(0)
        count = torch.full((1,), X.shape[0], dtype=dtype, device=X.device)
        return torch.cat([torch.cat([gram, sums[:, None]], 1), torch.cat([sums, count])[None]], 0)


class Badmm:
    """Trains an `nn.Sequential` of `nn.Linear` and proximal activations in place, one iteration a `step()`.

    A network that ends in `nn.Linear` trains with the squared loss 1/2 |Y - Z_L|^2, one that ends in a proximal
    activation (`nn.Identity` among them) with the Bregman distance D(Y, sigma(Z_L)). Losses are sums over samples and
    outputs. All samples take part in every iteration; `inputs` and `targets` are kept, not copied.

    Parameters
    ----------
    network: `nn.Sequential` of `nn.Linear` (with or without bias), each followed by at most one of `nn.ReLU`,
        `nn.ReLU6`, `nn.Hardtanh`, `nn.Softshrink`, `nn.Identity`. Its parameters are the initial W, b.
    inputs: X_0, N x in, of the network's dtype (float32 or float64) and device.
    targets: Y, N x out, in the domain of the last activation where there is one.
    weight_step: "gradient", one gradient step on delta/2 |Z + M/delta - X W^T - b|^2; or "least_squares", its
        minimiser (the minimum-norm change of (W, b) where there are many).
    order: the order of the blocks in an iteration, "zwxm" or "zxwm".
    tau_z: step of the Z block, in (0, 2).
    tau_x: step of the X block, in (0, 2), in units of 1 / (delta |W_{l+1}|^2) (spectral norm).
    tau_w: step of the gradient weight step, in (0, 2), in units of 1 / (delta |[X_{l-1}, 1]|^2 + ridge). Above 4/3
        small tau_z diverge.
    tau_m: step of the multipliers, in (0, 1].
    delta: penalty weight, positive; 1 in the poster.
    ridge: weight of ridge/2 |W_l|^2 for every layer (biases left out), not negative.

    Raises
    ------
    TypeError: `network` is not of the form above, or its dtype is not float32 or float64; the message names the module.
    ValueError: a setting outside its range, shapes, dtypes or devices that do not fit, values that are not finite, or
        targets outside the domain of the last activation; the message gives the value and the range.
    """

    def __init__(
        self,
        network: nn.Sequential,
        inputs: Tensor,
        targets: Tensor,
        *,
        weight_step: str = "gradient",
        order: str = "zwxm",
        tau_z: float = 1.0,
        tau_x: float = 1.0,
        tau_w: float = 1.3,
        tau_m: float = 1.0,
        delta: float = 1.0,
        ridge: float = 0.0,
    ):
        check_choice("weight_step", weight_step, WEIGHT_STEPS)
        check_choice("order", order, ORDERS)
        for name, value in (("tau_z", tau_z), ("tau_x", tau_x), ("tau_w", tau_w)):
            check_range(name, value, 0 < value < 2, "0 < {} < 2")
        check_range("tau_m", tau_m, 0 < tau_m <= 1, "0 < {} <= 1")
        check_range("delta", delta, 0 < delta < float("inf"), "0 < {} < inf")
        check_range("ridge", ridge, 0 <= ridge < float("inf"), "0 <= {} < inf")
        self.tau_z, self.tau_x, self.tau_w, self.tau_m = tau_z, tau_x, tau_w, tau_m
        self.delta, self.ridge = delta, ridge

        pairs = affine_activation_pairs(network)
        check_data(pairs, inputs, targets)
        self.layers = _lift(pairs, inputs, targets)

        first = self.layers[0]
        gram = first.input_gram(torch.float64)
        if weight_step == "gradient":
            self._norm_of_inputs = torch.linalg.eigvalsh(gram)[-1].to(inputs.dtype)
            update_W = self._update_W_by_gradient
        else:
            self._inverse_of_inputs = self._inverse_hessian(first, gram)
            update_W = self._update_W_by_least_squares
        blocks = {"z": self._update_Z, "w": update_W, "x": self._update_X, "m": self._update_M}
        self._iteration: list[Callable[[], None]] = [blocks[letter] for letter in order]

    @torch.no_grad()
    def step(self) -> None:
        """One iteration: every block once, each over all layers, with the newest values there are.

        Raises torch.linalg.LinAlgError once the iterates are no longer finite.
        """
        for update in self._iteration:
            update()

    def _update_Z(self) -> None:
        for layer in self.layers:
            Z, M, A = layer.Z, layer.M, layer.A()
            if layer.activation is None:  # minimise 1/2 |Y - Z|^2 + <M, Z> + delta/2 |Z - A|^2
                torch.sub(layer.X_out, M, out=Z)
                Z.add_(A, alpha=self.delta).div_(1 + self.delta)
            else:  # D linearised at Z, the penalty kept whole
                gradient = layer.activation.prox(Z, out=layer.scratch).sub_(layer.X_out).add_(M)
                gradient.sub_(A, alpha=self.delta)
                Z.sub_(gradient, alpha=self.tau_z).div_(1 + self.tau_z * self.delta)

    def _residual(self, layer: Layer) -> Tensor:
        """M + delta (Z - A), N x out: minus the gradient of the Lagrangian with respect to A."""
        residual = torch.sub(layer.Z, layer.A(), out=layer.scratch)
        return torch.add(layer.M, residual, alpha=self.delta, out=layer.scratch)

    def _update_W_by_gradient(self) -> None:
        for layer in self.layers:
            residual = self._residual(layer)
            if layer is self.layers[0]:
                norm = self._norm_of_inputs
            else:
                norm = torch.linalg.eigvalsh(layer.input_gram(layer.Z.dtype))[-1]
            lipschitz = self.delta * norm + self.ridge
            step = torch.where(lipschitz > 0, self.tau_w / lipschitz, 0.0)
            descent = residual.T @ layer.X_in
            if self.ridge:
                descent.sub_(layer.W, alpha=self.ridge)
            layer.W.addcmul_(descent, step)
            if layer.b is not None:
                layer.b.addcmul_(residual.sum(0), step)
            layer.affine_is_current = False

    def _inverse_hessian(self, layer: Layer, gram: Tensor) -> Tensor:
        """Pseudo-inverse of delta [X, 1]^T [X, 1] + ridge diag(1, ..., 1, 0), from the Gram matrix in float64.

        Directions whose singular value is lost in the rounding of the data's dtype are left alone, which makes the
        change of (W, b) the one of minimum norm.
        """
        hessian = self.delta * gram
        if self.ridge:
            hessian.diagonal()[: layer.W.shape[1]].add_(self.ridge)
        values, vectors = torch.linalg.eigh(hessian)
        size = max(layer.X_in.shape)
        relative = max((size * torch.finfo(layer.Z.dtype).eps) ** 2, len(values) * torch.finfo(torch.float64).eps)
        inverse = torch.where(values > relative * values[-1].clamp(min=0), 1 / values, 0.0)
        return ((vectors * inverse) @ vectors.T).to(layer.Z.dtype)

    def _update_W_by_least_squares(self) -> None:
        for layer in self.layers:
            residual = self._residual(layer)
            if layer is self.layers[0]:
                inverse = self._inverse_of_inputs
            else:
                inverse = self._inverse_hessian(layer, layer.input_gram(torch.float64))
            descent = residual.T @ layer.X_in
            if self.ridge:
                descent.sub_(layer.W, alpha=self.ridge)
            if layer.b is None:
                layer.W.addmm_(descent, inverse)
            else:
                change = torch.cat([descent, residual.sum(0)[:, None]], 1) @ inverse
                layer.W.add_(change[:, :-1])
                layer.b.add_(change[:, -1])
            layer.affine_is_current = False

    def _update_X(self) -> None:
        for layer, following in pairwise(self.layers):
            X, W = layer.X_out, following.W
            gram = W.T @ W
            if following.affine_is_current:
                coupling = self._residual(following) @ W
            else:  # the Gram matrix stands in for A, at a fraction of the work: A W = X (W^T W) + b W
                without_A = torch.add(following.M, following.Z, alpha=self.delta, out=following.scratch)
                coupling = torch.addmm(without_A @ W, X, gram, alpha=-self.delta)
                if following.b is not None:
                    coupling.sub_(following.b @ W, alpha=self.delta)
            norm = torch.linalg.eigvalsh(gram)[-1].clamp(min=0)
            # With tau_X = tau_x / (delta |W|^2): tau_X / (1 + tau_X), which is 1 for W = 0.
            step = self.tau_x / (self.delta * norm + self.tau_x)
            X.lerp_(coupling.add_(layer.Z), step)
            layer.activation.prox(X, step, out=X)
            following.affine_is_current = False

    def _update_M(self) -> None:
        for layer in self.layers:
            gap = torch.sub(layer.Z, layer.A(), out=layer.scratch)
            layer.M.add_(gap, alpha=self.tau_m * self.delta)

    @torch.no_grad()
    def diagnostics(self) -> dict[str, float]:
        """What only the optimizer knows, per sample where it is a sum over samples.

        feasibility: sqrt(sum_l |Z_l - A_l|^2 / N); lifted_loss: (loss(Y, Z_L) + sum_l D(X_l, sigma(Z_l))) / N;
        lagrangian: the augmented Lagrangian, ridge included, / N.
        """
        count = self.layers[0].X_in.shape[0]
        gaps = coupling = lifted = penalty = 0.0
        for layer in self.layers:
            gap = torch.sub(layer.Z, layer.A(), out=layer.scratch).flatten()
            gaps += torch.dot(gap, gap).item()
            coupling += torch.dot(layer.M.flatten(), gap).item()
            penalty += self.ridge / 2 * layer.W.square().sum().item()
            if layer.activation is None:
                rest = torch.sub(layer.X_out, layer.Z, out=layer.scratch).flatten()
                lifted += 0.5 * torch.dot(rest, rest).item()
            else:
                lifted += bregman.distance(layer.activation, layer.X_out, layer.Z).sum().item()
        lagrangian = lifted + coupling + self.delta / 2 * gaps + penalty
        return {
            "feasibility": (gaps / count) ** 0.5,
            "lifted_loss": lifted / count,
            "lagrangian": lagrangian / count,
        }


@torch.no_grad()
def _lift(pairs: list[tuple[nn.Linear, Proximal | None]], inputs: Tensor, targets: Tensor) -> list[Layer]:
    """One forward pass: Z_l = A_l, X_l = sigma(Z_l), M_l = 0, and Y for the last X."""
    layers: list[Layer] = []
    X = inputs
    for position, (linear, activation) in enumerate(pairs):
        Z = torch.nn.functional.linear(X, linear.weight, linear.bias)
        X_out = targets if position == len(pairs) - 1 else activation.prox(Z)
        room = [torch.zeros_like(Z), torch.empty_like(Z), torch.empty_like(Z)]
        layers.append(Layer(linear, activation, X, X_out, Z, *room))
        X = X_out
    return layers
