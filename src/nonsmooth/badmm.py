"""The Bregman alternating direction method of multipliers (poster, Algorithm 1; the mathematics in docs/method.md).

The network's equations become constraints Z_l = A_l with A_l = X_{l-1} W_l^T + b_l, the activations become Bregman
distances, and the Lagrangian

    loss(Y, Z_L) + beta sum_{l<L} D(X_l, sigma(Z_l)) + sum_l <M_l, Z_l - A_l> + delta/2 |Z_l - A_l|^2 + ridge/2 |W_l|^2

is lowered block by block: by `z_step`, `weight_step` and `x_step`, then `m_step` moves the multipliers. These four are
the algorithm as it is written, every A_l computed where it is used. `Badmm` runs the same four as _badmm_fast.py has
them, or these. Nothing here differentiates an activation, and autograd is never used.
"""

from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor, nn

from nonsmooth import _badmm_fast, bregman
from nonsmooth.checks import check_choice, check_range, check_switch
from nonsmooth.contract import in_setup, reading
from nonsmooth.graphs import Repeated
from nonsmooth.lifting import Lifted, checked, lift
from nonsmooth.linear import largest_eigenvalue, pseudo_inverse, with_ones
from nonsmooth.momentum import check_momentum, heavy_ball
from nonsmooth.processes import Group, summed
from nonsmooth.state import Resumable

WEIGHT_STEPS = ("gradient", "least_squares", "least_squares_first", "least_squares_last")
ORDERS = ("zwxm", "zxwm")
ROWS = 1024  # samples at a time between iterations


def z_step(lifted: Lifted, tau_z: float) -> None:
    """Z_l <- (Z_l - tau_Z (beta (sigma(Z_l) - X_l) + M_l - delta A_l)) / (1 + tau_Z delta)

    with tau_Z = tau_z / beta, and in the last layer 1 for beta. D is linearised at Z_l, grad D = sigma(Z_l) - X_l; the
    penalty is kept whole. The squared loss has a closed form: Z_L <- (Y + delta A_L - M_L) / (1 + delta).
    """
    X, Z, M, delta = lifted.X, lifted.Z, lifted.M, lifted.delta
    for l in lifted.layers:
        A = lifted.A(l)
        if lifted.activation[l] is None:
            Z[l] = (X[l] + delta * A - M[l]) / (1 + delta)
        else:
            weight = lifted.weight(l)
            gradient = weight * bregman.gradient(lifted.activation[l], X[l], Z[l])
            step = tau_z / weight
            Z[l] = (Z[l] - step * (gradient + M[l] - delta * A)) / (1 + step * delta)


def weight_step(lifted: Lifted, tau_w: float, kinds: list[str]) -> None:
    """[W_l, b_l] <- [W_l, b_l] + tau_W G,    G = R^T [X_{l-1}, 1] - ridge [W_l, 0],    R = M_l + delta (Z_l - A_l)

    with tau_W = tau_w / (delta |[X_{l-1}, 1]|^2 + ridge), 0 for inputs of zero; where a layer's kind is "least_squares"
    [W_l, b_l] <- [W_l, b_l] + G H^+,    H = delta [X_{l-1}, 1]^T [X_{l-1}, 1] + ridge diag(1, ..., 1, 0)
    """
    for l, kind in zip(lifted.layers, kinds, strict=True):
        W, b = lifted.linear[l].weight, lifted.linear[l].bias
        inputs = with_ones(lifted.X[l - 1], b is not None)
        R = lifted.M[l] + lifted.delta * (lifted.Z[l] - lifted.A(l))
        G = summed(R.T @ inputs, lifted.group)
        gram = summed(inputs.double().T @ inputs.double(), lifted.group)
        G[:, : W.shape[1]] -= lifted.ridge * W
        if kind == "gradient":
            lipschitz = lifted.delta * largest_eigenvalue(gram) + lifted.ridge
            change = torch.where(lipschitz > 0, tau_w / lipschitz, 0.0) * G
        else:
            H = lifted.delta * gram
            H.diagonal()[: W.shape[1]] += lifted.ridge
            change = G.double() @ pseudo_inverse(H, W.dtype)
        W += change[:, : W.shape[1]]
        if b is not None:
            b += change[:, -1]


def x_step(lifted: Lifted, tau_x: float) -> None:
    """X_l <- prox_{s Psi}(X_l + s (Z_l + R W_{l+1} / beta - X_l)),    R = M_{l+1} + delta (Z_{l+1} - A_{l+1})

    with s = beta tau_X / (1 + beta tau_X) and tau_X = tau_x / (delta |W_{l+1}|^2), so s = 1 for W_{l+1} = 0. The
    coupling to the next layer is linearised, D is kept whole.
    """
    X, Z, M, delta = lifted.X, lifted.Z, lifted.M, lifted.delta
    for l in lifted.layers[:-1]:
        W = lifted.linear[l + 1].weight
        R = M[l + 1] + delta * (Z[l + 1] - lifted.A(l + 1))
        step = lifted.beta * tau_x
        s = step / (delta * largest_eigenvalue(W.T @ W) + step)
        X[l] = lifted.activation[l].prox(X[l] + s * (Z[l] + R @ W / lifted.beta - X[l]), s)


def m_step(lifted: Lifted, tau_m: float) -> None:
    """M_l <- M_l + tau_M delta (Z_l - A_l)"""
    for l in lifted.layers:
        lifted.M[l] = lifted.M[l] + tau_m * lifted.delta * (lifted.Z[l] - lifted.A(l))


STEPS = z_step, weight_step, x_step, m_step


def _relative_size(linear: nn.Linear) -> float:
    """The largest weight or bias, where 1 is the bound of PyTorch's initial values."""
    return max(parameter.abs().max().item() for parameter in linear.parameters()) * linear.in_features**0.5


class Badmm(Resumable):
    """Trains an `nn.Sequential` of `nn.Linear` and proximal activations in place, one iteration a `step()`.

    A network that ends in `nn.Linear` trains with the squared loss 1/2 |Y - Z_L|^2, one that ends in a proximal
    activation (`nn.Identity` among them) with the Bregman distance D(Y, sigma(Z_L)). Losses are sums over samples and
    outputs. All samples take part in every iteration; `inputs` and `targets` are kept, not copied. Between steps
    network, data and settings must stay as they are; `step` refuses a network that was changed, and data as far as it
    looks: what PyTorch changed, and on a CPU 16 rows at most of what NumPy did.

    Parameters
    ----------
    network: `nn.Sequential` of `nn.Linear` (with or without bias), each followed by at most one of `nn.ReLU`,
        `nn.ReLU6`, `nn.Hardtanh`, `nn.Softshrink`, `nn.Identity`. It may begin with `nn.Flatten`, and an
        `nn.Sequential` may stand inside another. Its parameters are the initial W, b.
    inputs: X_0, N x in (N x ... behind `nn.Flatten`), of the network's dtype (float32 or float64) and device.
    targets: Y, N x out, in the domain of the last activation where there is one.
    weight_step: "gradient", one gradient step on delta/2 |Z + M/delta - X W^T - b|^2; or "least_squares", its
        minimiser (the minimum-norm change of (W, b) where there are many). "least_squares_first" and
        "least_squares_last" solve for the first or the last layer alone and take gradient steps for the others.
    order: the order of the blocks in an iteration, "zwxm" or "zxwm".
    tau_z: step of the Z block, in (0, 2), in hidden layers in units of 1 / beta.
    tau_x: step of the X block, in (0, 2), in units of 1 / (delta |W_{l+1}|^2) (spectral norm).
    tau_w: step of the gradient weight step, in (0, 2), in units of 1 / (delta |[X_{l-1}, 1]|^2 + ridge). Above 4/3
        small tau_z diverge.
    tau_m: step of the multipliers, in [0, 1]. With 0 there are none: the penalty alone couples Z_l to A_l.
    delta: penalty weight, positive; 1 in the poster.
    beta: weight of the hidden layers' D against the loss, positive; 1 in the poster.
    ridge: weight of ridge/2 |W_l|^2 for every layer (biases left out), not negative.
    momentum: of the weights, in [0, 1): W^{k+1} = W^k + (weight step at W^k) + momentum (W^k - W^{k-1}), biases alike.
    group: processes that share the samples (torch.distributed), each with its own rows as `inputs` and `targets` and
        the same network; None for one process. Z, X and M stay with their samples. What is sent in an iteration are
        the sums over samples of the weight step, whose size does not depend on N.
    fast: whether to compute the iteration with fewer and smaller products (_badmm_fast.py), or as this file states it.

    Attributes
    ----------
    network, and every setting by its name, to read.
    lifted: the lifted variables (`Lifted`), to read between iterations.

    Raises
    ------
    TypeError: `network` is not of the form above, its dtype is not float32 or float64, its parameters are frozen, share
        memory or are computed from others, or it computes something else than its modules say; the message names the
        module. Also data that is no dense tensor.
    ValueError: a setting outside its range, shapes, dtypes or devices that do not fit, values that are not finite, or
        targets outside the domain of the last activation; the message gives the value and the range.
    """

    setting_names = (
        *("weight_step", "order", "tau_z", "tau_x", "tau_w", "tau_m"),
        *("delta", "beta", "ridge", "momentum", "fast"),
    )

    @in_setup
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
        beta: float = 1.0,
        ridge: float = 0.0,
        momentum: float = 0.0,
        group: Group = None,
        fast: bool = True,
    ):
        check_choice("weight_step", weight_step, WEIGHT_STEPS)
        check_choice("order", order, ORDERS)
        check_switch("fast", fast)
        for name, value in (("tau_z", tau_z), ("tau_x", tau_x), ("tau_w", tau_w)):
            check_range(name, value, "0 < {} < 2")
        check_range("tau_m", tau_m, "0 <= {} <= 1")
        check_range("delta", delta, "0 < {} < inf")
        check_range("beta", beta, "0 < {} < inf")
        check_range("ridge", ridge, "0 <= {} < inf")
        check_momentum(momentum)
        pairs, inputs, targets = checked(network, inputs, targets)
        self.network, self.weight_step, self.order, self.fast, self.group = network, weight_step, order, fast, group
        self.tau_z, self.tau_x, self.tau_w, self.tau_m = tau_z, tau_x, tau_w, tau_m
        self.delta, self.beta, self.ridge, self.momentum = delta, beta, ridge, momentum
        solved = {
            "gradient": range(0),
            "least_squares": range(len(pairs)),
            "least_squares_first": range(1),
            "least_squares_last": range(len(pairs) - 1, len(pairs)),
        }[weight_step]
        kinds = ["least_squares" if number in solved else "gradient" for number in range(len(pairs))]
        data = pairs, inputs, targets, delta, beta, ridge, group
        self.lifted = lifted = _badmm_fast.lift(*data, kinds=kinds, tau_m=tau_m) if fast else lift(*data)
        z, w, x, m = _badmm_fast.STEPS if fast else STEPS
        named = self._weights().items() if momentum else ()
        self._velocities = velocities = {f"velocity_{name}": torch.zeros_like(value) for name, value in named}
        self._blocks: dict[str, Callable[[], None]] = {
            "z": lambda: z(lifted, tau_z),
            "w": lambda: heavy_ball(lambda: w(lifted, tau_w, kinds), weights(), velocities.values(), momentum),
            "x": lambda: x(lifted, tau_x),
            "m": lambda: m(lifted, tau_m),
        }

        def iteration() -> None:
            for letter in order:
                self._blocks[letter]()

        def weights() -> list[Tensor]:
            return [parameter for linear in lifted.linear.values() for parameter in linear.parameters()]

        self._iteration = Repeated(iteration, lifted.repeats, weights) if fast else iteration
        self._watch(network, inputs, targets, group)
        self._remember(self._sums())

    @classmethod
    def recommended(cls, network: nn.Sequential, inputs: Tensor, targets: Tensor, **settings) -> "Badmm":
        """BADMM from a tenth of PyTorch's initial weights, with delta 0.3 and beta 1; other settings as in Badmm.

        Shapes as for Badmm. Scales the network in place. Raises ValueError, with the network as it was, where the
        largest weight is not one of PyTorch's initial weights (trained or scaled before), and what Badmm raises.
        """
        checked(network, inputs, targets)
        linears = [module for module in network.modules() if isinstance(module, nn.Linear)]
        largest = max(_relative_size(linear) for linear in linears)
        if not 0.5 < largest <= 1 + 1e-6:
            raise ValueError(
                f"network: its largest weight is {largest:.3g} of PyTorch's largest initial weight, not 0.5 to 1; "
                "the recommended start is for a network that was not trained or scaled: go on from this one with Badmm"
            )
        before = [parameter.detach().clone() for parameter in network.parameters()]
        try:
            with torch.no_grad():
                for parameter in network.parameters():
                    parameter.mul_(0.1)
            return cls(network, inputs, targets, **{"delta": 0.3, "beta": 1.0, **settings})
        except Exception:
            with torch.no_grad():
                for parameter, values in zip(network.parameters(), before, strict=True):
                    parameter.copy_(values)
            raise

    @property
    def step_sizes(self) -> tuple[str, ...]:
        return ("tau_x", "tau_z") if self.weight_step == "least_squares" else ("tau_w", "tau_x", "tau_z")

    @torch.no_grad()
    def _iterate(self) -> None:
        self._iteration()

    @property
    def keeps_products(self) -> bool:
        return self.fast

    def _data(self) -> tuple[Tensor, Tensor]:
        return self.lifted.X[0], self.lifted.X[len(self.lifted.linear)]

    def _kept(self) -> dict[str, Tensor]:
        return self._velocities | self.lifted.kept()

    def _restore(self, state: dict[str, Tensor]) -> None:
        for name, velocity in self._velocities.items():
            velocity.copy_(state[name])
        self.lifted.restore(state)

    def __getstate__(self) -> dict:
        if self.group is not None:
            raise TypeError("Badmm of several processes cannot be copied: use state_dict in each of them")
        return super().__getstate__()

    @reading
    def diagnostics(self) -> dict[str, float]:
        """What only the optimizer knows, per sample where it is a sum over samples.

        feasibility: sqrt(sum_l |Z_l - A_l|^2 / N); activation_gap: sqrt(sum_l |X_l - sigma(Z_l)|^2 / N) over hidden
        layers; lifted_loss: (loss(Y, Z_L) + beta sum_l D(X_l, sigma(Z_l))) / N; lagrangian: the augmented Lagrangian,
        ridge included, / N.
        """
        lifted = self.lifted
        count = len(lifted.X[0])
        gaps = activation_gaps = coupling = loss = 0.0
        penalty = sum(lifted.ridge / 2 * linear.weight.square().sum().item() for linear in lifted.linear.values())
        parts = [slice(start, start + ROWS) for start in range(0, count, ROWS)]
        for layer, rows in product(lifted.layers, parts):
            X, Z, M, A = lifted.variables(layer, rows)
            gap = (Z - A).flatten()
            gaps += torch.dot(gap, gap).item()
            coupling += torch.dot(M.flatten(), gap).item()
            if lifted.activation[layer] is None:
                rest = torch.sub(X, Z).flatten()
                loss += 0.5 * torch.dot(rest, rest).item()
            else:
                loss += lifted.weight(layer) * bregman.distance(lifted.activation[layer], X, Z).sum().item()
                if layer < len(lifted.linear):
                    activation_gaps += bregman.gradient(lifted.activation[layer], X, Z).square().sum().item()
        here = torch.tensor([gaps, activation_gaps, coupling, loss, count], dtype=torch.float64, device=Z.device)
        gaps, activation_gaps, coupling, loss, count = summed(here, lifted.group).tolist()
        lagrangian = loss + coupling + lifted.delta / 2 * gaps + penalty
        return {
            "feasibility": (gaps / count) ** 0.5,
            "activation_gap": (activation_gaps / count) ** 0.5,
            "lifted_loss": loss / count,
            "lagrangian": lagrangian / count,
        }
