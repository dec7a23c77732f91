"""The Bregman alternating direction method of multipliers (poster, Algorithm 1; the mathematics in docs/method.md).

The network's equations become constraints Z_l = A_l with A_l = X_{l-1} W_l^T + b_l, the activations become Bregman
distances, and the Lagrangian

    loss(Y, Z_L) + sum_{l<L} D(X_l, sigma(Z_l)) + sum_l <M_l, Z_l - A_l> + delta/2 |Z_l - A_l|^2 + ridge/2 |W_l|^2

is lowered block by block. Samples are rows, as everywhere in torch. Nothing here differentiates an activation, and
autograd is never used.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise, product

import torch
from torch import Tensor, nn

from nonsmooth import bregman
from nonsmooth.optimizers.arguments import affine_activation_pairs, check_choice, check_data, check_range
from nonsmooth.optimizers.lifting import Gram, Layer, Sums, UnitPenaltyOutput
from nonsmooth.placement import Group, summed
from nonsmooth.proximal import Proximal

WEIGHT_STEPS = ("gradient", "least_squares")
ORDERS = ("zwxm", "zxwm")
ROWS = 1024  # samples at a time in what is computed once or between iterations


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
    group: processes that share the samples (torch.distributed), each with its own rows as `inputs` and `targets` and
        the same network; None for one process. Z, X and M stay with their samples. What is sent in an iteration are
        the sums over samples of the weight step, whose size does not depend on N.

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
        group: Group = None,
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
        self.group = group

        pairs = affine_activation_pairs(network)
        check_data(pairs, inputs, targets)
        self.layers = _lift(pairs, inputs, targets, unit_penalty=delta == 1 == tau_m)

        first, *rest = self.layers
        gram_of_inputs = self._gram_of_inputs()
        if weight_step == "gradient":
            self._step_of_first = self._step_of_weights(_largest_eigenvalue(gram_of_inputs)).to(inputs.dtype)
            self._sums = [Sums(first, with_gram=False), *(Sums(layer, with_gram=True) for layer in rest)]
            update_W = self._update_W_by_gradient
        else:
            self._inverse_of_inputs = self._inverse_hessian(first, gram_of_inputs)
            self._solved_inputs = self._inputs_times(self._inverse_of_inputs)
            self._sums = [Sums(layer, with_gram=False) for layer in self.layers]
            rooms = [first.W.new_zeros(Gram.columns(layer) ** 2, dtype=torch.float64) for layer in rest]
            self._grams = [Gram(layer, room) for layer, room in zip(rest, rooms, strict=True)]
            self._one = first.W.new_ones(())
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
            layer.update_Z(self.tau_z, self.delta)

    def _inputs_in_parts(self) -> Iterator[Tensor]:
        """[X_0, 1] in float64 (X_0 without a bias), some rows at a time."""
        first = self.layers[0]
        for rows in first.X_in.split(ROWS):
            rows = rows.double()
            yield rows if first.b is None else torch.cat([rows, torch.ones_like(rows[:, :1])], 1)

    def _gram_of_inputs(self) -> Tensor:
        """[X_0, 1]^T [X_0, 1] in float64, summed over all processes."""
        return summed(sum(part.T @ part for part in self._inputs_in_parts()), self.group)

    def _inputs_times(self, inverse: Tensor) -> tuple[Tensor, Tensor | None]:
        """[X_0, 1] H^+ as N x in and N: the exact weight step of the first layer is one product with it."""
        first = self.layers[0]
        solved = torch.empty_like(first.X_in)
        ones = None if first.b is None else torch.empty_like(first.X_in[:, 0])
        for number, part in enumerate(self._inputs_in_parts()):
            rows, product = slice(number * ROWS, (number + 1) * ROWS), part @ inverse
            solved[rows] = product[:, : solved.shape[1]]
            if ones is not None:
                ones[rows] = product[:, -1]
        return solved, ones

    def _update_W_by_gradient(self) -> None:
        for layer, sums in zip(self.layers, self._sums, strict=True):
            # Where A is not there the Gram matrix, needed for its norm, stands in for it; the first layer's is there.
            with_A = sums.gram is None or layer.A_is_current
            if with_A:
                sums.of_force(layer.residual(self.delta), layer.X_in)
            else:
                layer.sum_pull(sums, self.delta)
            if sums.gram is not None:
                sums.gram.compute()
            summed(sums.message, self.group)
            if not with_A:
                sums.subtract_A(self.delta)
            if self.ridge:
                sums.descent.sub_(layer.W, alpha=self.ridge)
            if sums.gram is None:
                step = self._step_of_first
            else:
                step = self._step_of_weights(_largest_eigenvalue(sums.gram.matrix))
            layer.change_weights(sums.descent, sums.force, step)

    def _step_of_weights(self, norm: Tensor) -> Tensor:
        """tau_W / (delta |[X, 1]|^2 + ridge), and 0 where that is no number (inputs of zero); `norm` is |[X, 1]|^2."""
        lipschitz = self.delta * norm + self.ridge
        return torch.where(lipschitz > 0, self.tau_w / lipschitz, 0.0)

    def _update_W_by_least_squares(self) -> None:
        for layer, sums, gram in zip(self.layers, self._sums, [None, *self._grams], strict=True):
            inputs = layer.W.shape[1]
            if gram is None:
                inverse = self._inverse_of_inputs
                sums.of_force(layer.residual(self.delta), *self._solved_inputs)
                summed(sums.message, self.group)
                change, change_of_b = sums.descent, sums.force
            else:
                gram.compute()
                layer.sum_residual(sums, self.delta)
                summed(gram.matrix, self.group)
                summed(sums.message, self.group)
                inverse = self._inverse_hessian(layer, gram.matrix)
                descent = sums.descent if layer.b is None else torch.cat([sums.descent, sums.force[:, None]], 1)
                both = descent @ inverse.to(descent.dtype)
                change, change_of_b = both[:, :inputs], both[:, -1]
            if self.ridge:
                pull = self.ridge * (layer.W @ inverse[:inputs].to(layer.W.dtype))
                change, change_of_b = change - pull[:, :inputs], change_of_b - pull[:, -1]
            layer.change_weights(change, change_of_b, self._one)

    def _inverse_hessian(self, layer: Layer, gram: Tensor) -> Tensor:
        """Pseudo-inverse of delta [X, 1]^T [X, 1] + ridge diag(1, ..., 1, 0), in float64 as `gram` is.

        Directions whose singular value is lost in the rounding of the data's dtype are left alone, which makes the
        change of (W, b) the one of minimum norm.
        """
        hessian = self.delta * gram
        if self.ridge:
            hessian.diagonal()[: layer.W.shape[1]].add_(self.ridge)
        values, vectors = torch.linalg.eigh(hessian)
        size = len(values)
        lost = max((size * torch.finfo(layer.W.dtype).eps) ** 2, size * torch.finfo(torch.float64).eps)
        inverse = torch.where(values > lost * values[-1].clamp(min=0), 1 / values, 0.0)
        return (vectors * inverse) @ vectors.T

    def _update_X(self) -> None:
        for layer, following in pairwise(self.layers):
            X, W, b = layer.X_out, following.W, following.b
            outputs, inputs = W.shape
            gram = W.T @ W if inputs <= outputs else W @ W.T
            if following.A_is_current or inputs > outputs:
                aim = torch.addmm(layer.Z, following.residual(self.delta), W, out=layer.scratch)
            else:  # the Gram matrix stands in for A, at a fraction of the work: A W = X (W^T W) + b W
                aim = following.add_pull(layer.Z, self.delta, out=layer.scratch)
                aim.addmm_(X, gram, alpha=-self.delta)
                if b is not None:
                    aim.sub_(b @ W, alpha=self.delta)
            # With tau_X = tau_x / (delta |W|^2): tau_X / (1 + tau_X), which is 1 for W = 0.
            step = self.tau_x / (self.delta * _largest_eigenvalue(gram) + self.tau_x)
            X.lerp_(aim, step)
            layer.activation.prox(X, step, out=X)
            following.A_is_current = False

    def _update_M(self) -> None:
        for layer in self.layers:
            layer.update_M(self.tau_m, self.delta)

    @torch.no_grad()
    def diagnostics(self) -> dict[str, float]:
        """What only the optimizer knows, per sample where it is a sum over samples.

        feasibility: sqrt(sum_l |Z_l - A_l|^2 / N); lifted_loss: (loss(Y, Z_L) + sum_l D(X_l, sigma(Z_l))) / N;
        lagrangian: the augmented Lagrangian, ridge included, / N.
        """
        count = len(self.layers[0].X_in)
        gaps = coupling = lifted = 0.0
        penalty = sum(self.ridge / 2 * layer.W.square().sum().item() for layer in self.layers)
        parts = [slice(start, start + ROWS) for start in range(0, count, ROWS)]
        for layer, rows in product(self.layers, parts):
            Z, M, A = layer.state(rows)
            X = layer.X_out[rows]
            gap = (Z - A).flatten()
            gaps += torch.dot(gap, gap).item()
            coupling += torch.dot(M.flatten(), gap).item()
            if layer.activation is None:
                rest = torch.sub(X, Z).flatten()
                lifted += 0.5 * torch.dot(rest, rest).item()
            else:
                lifted += bregman.distance(layer.activation, X, Z).sum().item()
        here = torch.tensor([gaps, coupling, lifted, count], dtype=torch.float64, device=Z.device)
        everywhere = summed(here, self.group)
        gaps, coupling, lifted, count = everywhere.tolist()
        lagrangian = lifted + coupling + self.delta / 2 * gaps + penalty
        return {
            "feasibility": (gaps / count) ** 0.5,
            "lifted_loss": lifted / count,
            "lagrangian": lagrangian / count,
        }


@torch.no_grad()
def _lift(
    pairs: list[tuple[nn.Linear, Proximal | None]], inputs: Tensor, targets: Tensor, unit_penalty: bool
) -> list[Layer]:
    """One forward pass: Z_l = A_l, X_l = sigma(Z_l), M_l = 0, and Y for the last X."""
    layers: list[Layer] = []
    X = inputs
    for linear, activation in pairs[:-1]:
        A = linear(X)
        layers.append(Layer(linear, activation, X, activation.prox(A), A))
        X = layers[-1].X_out
    linear, activation = pairs[-1]
    if activation is None and unit_penalty:
        layers.append(UnitPenaltyOutput(linear, X, targets))
    else:
        layers.append(Layer(linear, activation, X, targets, linear(X)))
    return layers


def _largest_eigenvalue(gram: Tensor) -> Tensor:
    return torch.linalg.eigvalsh(gram)[-1].clamp(min=0)
