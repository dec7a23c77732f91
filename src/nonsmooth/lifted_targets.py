"""LiftedTargets: training by targets from a forward pass, each step guarded by the loss (docs/method.md).

Nothing here differentiates an activation, and autograd is never used.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from nonsmooth import damped
from nonsmooth.checks import check_range
from nonsmooth.contract import in_setup, reading
from nonsmooth.lifting import checked
from nonsmooth.linear import TINY
from nonsmooth.momentum import check_momentum
from nonsmooth.state import Resumable
from nonsmooth.targets import chain, forward, last_residual, loss, signals

SHORTER, LONGER, LONGEST = 0.5, 1.05, 2.0  # what the guard makes of eta, and where it stops
LEAST_DAMPING = 1e-10  # a hundredth of less, and rounding decides whether a Gram matrix has a Cholesky factor
OF_LAST = 0.01  # the share of the damping that the last layer has: it is solved for
WEAKEST = 1e-6  # the least |R_l|^2 over |R_L|^2 that a step is scaled by


def squared(R: Tensor) -> Tensor:
    """|R|^2 in float64, 0-d."""
    return R.double().square().sum()


class LiftedTargets(Resumable):
    """Trains an `nn.Sequential` of `nn.Linear` and proximal activations in place, full-batch and monotonically.

    A network that ends in `nn.Linear` trains with the squared loss 1/2 |Y - A_L|^2, one that ends in a proximal
    activation with the Bregman distance D(Y, sigma(A_L)). Losses are sums over samples and outputs. One iteration:

        T_l = sigma(A_l + tau_l U_l),   R_l = (T_l - sigma(A_l)) / tau_l,   U_l = R_{l+1} W_{l+1}     from L - 1 to 1
        V_l <- momentum V_l + eta c_l (R_l^T [X_{l-1}, 1] - ridge [W_l, 0]) H_l^-1,   [W_l, b_l] += V_l      l < L
        [W_L, b_L] += (R_L^T [X_{L-1}, 1] - ridge [W_L, 0]) H_L^-1     with X_{L-1} of the new hidden layers

    where X_l and A_l are those of the network's own forward pass, R_L = Y - A_L (behind an activation Y - sigma(A_L)),
    and H_l = H + damping |H| I for H = [X_{l-1}, 1]^T [X_{l-1}, 1] + ridge diag(1, ..., 1, 0), with a hundredth of the
    damping in the last layer. c_l = |R_L|^2 / |R_l|^2, at most 10^6, is twice Polyak's step size for a move of A_l.
    tau_L = 1 and tau_l = tau tau_{l+1} / |W_{l+1}|^2: so each target lowers the loss above it. For tau -> 0, R_l is
    backpropagation's signal.

    A guard ends the iteration. If the loss fell, the weights stay and eta grows by a twentieth, up to 2. If not, the
    weights of before come back, V becomes zero, and eta is halved. So the loss never rises, on any data.

    The first iteration begins with a step of the last layer. `inputs` and `targets` are kept, not copied. Between steps
    network, data and settings must stay as they are. It runs in one process; on a GPU each step waits for the loss.

    Sources: docs/method.md, "Targets from a forward pass". That only the activation itself is needed was said first by
    Li, Fang and Lin (Lifted Proximal Operator Machines, AAAI 2019).

    Parameters
    ----------
    network, inputs, targets: those of `Badmm`, and so are the errors. `nn.Tanh` is an activation too.
    tau: length of the proximal steps, in (0, 2).
    eta: step size of the hidden layers at the start, in (0, 2].
    damping: of the Gram matrices, at least 1e-10.
    momentum: of the hidden layers, in [0, 1).
    ridge: weight of ridge/2 |W_l|^2 for every layer (biases left out), not negative.

    Raises
    ------
    TypeError and ValueError: as `Badmm`.
    """

    setting_names = ("tau", "eta", "damping", "momentum", "ridge")

    @in_setup
    def __init__(
        self,
        network: nn.Sequential,
        inputs: Tensor,
        targets: Tensor,
        *,
        tau: float = 1.0,
        eta: float = 0.1,
        damping: float = 0.1,
        momentum: float = 0.95,
        ridge: float = 0.0,
    ):
        check_range("tau", tau, "0 < {} < 2")
        check_range("eta", eta, "0 < {} <= 2")
        check_range("damping", damping, "1e-10 <= {} < inf")
        check_momentum(momentum)
        check_range("ridge", ridge, "0 <= {} < inf")
        self.pairs, self.inputs, self.targets = checked(network, inputs, targets)
        self.network, self.tau, self.eta, self.damping = network, tau, eta, damping
        self.momentum, self.ridge = momentum, ridge
        self._watch(network, self.inputs, self.targets)
        self._of_inputs = self._inverse(0, self.inputs)  # they never change
        self._velocities = [damped.joined(linear).zero_() for linear, _ in self.pairs[:-1]]
        self._eta, self._loss = (torch.tensor(value, dtype=torch.float64, device="cpu") for value in (eta, math.inf))
        self._X, self._A = forward(self.pairs, self.inputs)  # X_0, ..., X_{L-1} and A_1, ..., A_L of these weights
        self._remember(self._sums())

    def _data(self) -> tuple[Tensor, Tensor]:
        return self.inputs, self.targets

    def _kept(self) -> dict[str, Tensor]:
        velocities = {f"V_{layer}": velocity for layer, velocity in enumerate(self._velocities, 1)}
        return velocities | {"current_eta": self._eta, "loss": self._loss}

    def _restore(self, state: dict[str, Tensor]) -> None:
        for name, value in self._kept().items():
            value.copy_(state[name])
        self._X, self._A = forward(self.pairs, self.inputs)

    def _inverse(self, number: int, X: Tensor) -> Tensor:
        damping = self.damping * (OF_LAST if number == len(self.pairs) - 1 else 1)
        return damped.inverse(X, self.pairs[number][0], damping, self.ridge)

    def _direction(self, number: int, R: Tensor, X: Tensor) -> Tensor:
        inverse = self._inverse(number, X) if number else self._of_inputs
        return damped.direction(R, X, self.pairs[number][0], inverse, self.ridge)

    def _solve_last(self, X: list[Tensor], A: list[Tensor]) -> float:
        """The step of [W_L, b_L], and A_L anew. Returns the loss."""
        linear = self.pairs[-1][0]
        R = last_residual(self.pairs, A[-1], self.targets)
        damped.add(linear, self._direction(len(self.pairs) - 1, R, X[-1]))
        A[-1] = nn.functional.linear(X[-1], linear.weight, linear.bias)
        return loss(self.pairs, A[-1], self.targets, self.ridge)

    def _move_hidden(self) -> None:
        """V_l and [W_l, b_l] of all hidden layers, from the signals of the current pass."""
        last = last_residual(self.pairs, self._A[-1], self.targets)
        R = signals(self.pairs, self._A, last, chain(self.pairs, self.tau))
        whole = squared(last).clamp(min=TINY)
        for number, velocity in enumerate(self._velocities):
            scale = self._eta.item() * whole / torch.maximum(squared(R[number]), WEAKEST * whole)
            velocity.mul_(self.momentum).add_(scale * self._direction(number, R[number], self._X[number]))
            damped.add(self.pairs[number][0], velocity)

    def _improves(self, move: Callable[[], None]) -> bool:
        """Whether `move` and a step of the last layer lower the loss. If not, the weights of before are back."""
        before = [parameter.clone() for parameter in self._parameters]
        move()
        trial = forward(self.pairs, self.inputs)
        try:
            value = self._solve_last(*trial)
        except torch.linalg.LinAlgError:  # activations that overflow
            value = math.inf
        if value < self._loss:
            (self._X, self._A), _ = trial, self._loss.fill_(value)
            return True
        for parameter, old in zip(self._parameters, before, strict=True):
            parameter.copy_(old)
        return False

    @torch.no_grad()
    def _iterate(self) -> None:
        if self._loss == math.inf:
            self._loss.fill_(loss(self.pairs, self._A[-1], self.targets, self.ridge))
            if not self._loss.isfinite():
                raise self._diverged()
            self._improves(lambda: None)
        if self._improves(self._move_hidden):
            self._eta.mul_(LONGER).clamp_(max=LONGEST)
            return
        for velocity in self._velocities:
            velocity.zero_()
        self._eta.mul_(SHORTER)

    @reading
    def diagnostics(self) -> dict[str, float]:
        """eta: the current one. guarded_loss: the loss, ridge included, over N."""
        value = self._loss.item()
        if value == math.inf:
            value = loss(self.pairs, self._A[-1], self.targets, self.ridge)
        return {"eta": self._eta.item(), "guarded_loss": value / len(self.inputs)}
