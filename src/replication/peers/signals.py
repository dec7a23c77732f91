"""A training signal times a weight step: the methods of the factorial (docs/field.md).

A signal says for each affine map what its outputs should move by; a weight step turns that into a change of weights.
Methods of the field differ in one or the other. Here each of either kind can be had with each of the other.
"""

import torch
from torch import Tensor, nn

from nonsmooth import damped, targets
from nonsmooth.checks import check_choice, check_range
from nonsmooth.contract import Trainer, in_setup, reading
from nonsmooth.layerwise import derivative
from nonsmooth.lifted_loss import LiftedLoss
from nonsmooth.lifting import checked
from nonsmooth.linear import squared_norm, with_ones
from nonsmooth.muon import Muon
from nonsmooth.variable_projection import check_ends_affine

SIGNALS = ("backpropagation", "carried", "restarted", "unchained")
WEIGHT_STEPS = ("spectral", "gram", "adam", "muon")
SAME = 1e-6  # relative: two signals that differ by no more are the same
GROWTH, SHRINKAGE, LARGEST = 1.05, 0.5, 2.0  # of the guard: the step after an accepted and a rejected trial; its bound


class SignalSteps(Trainer):
    """Trains an `nn.Sequential` that ends in an `nn.Linear` in place on 1/2 |Y - f(X)|^2, full-batch.

    signal: R_l, what A_l should move by. "backpropagation": minus the gradient in A_l. "restarted": that of
        nonsmooth.targets, of the network's own forward pass. "unchained": the same with tau_l = tau. "carried":
        X_l - sigma(A_l) of lifted variables X that go on from one iteration to the next (`LiftedLoss`).
    weight_step: with S_l = R_l^T [X_{l-1}, 1] and H_l = [X_{l-1}, 1]^T [X_{l-1}, 1], [W_l, b_l] moves by V_l, and
        V_l <- momentum V_l + learning_rate S_l / |H_l| ("spectral"), or S_l (H_l + damping |H_l| I)^-1 in place of the
        quotient ("gram"). "adam", "muon": those of PyTorch, with -S_l for the gradient of the squared loss.
    solved: whether each iteration begins with an exact step of the last layer, [W_L, b_L] <- [W_L, b_L] +
        S_L (H_L + damping |H_L| I)^-1, which no other weight step moves then.
    guarded: whether weights that raise the loss are taken back: then the learning rate is halved, and what the weight
        step remembers is dropped. After an accepted step the rate grows by 5 percent, at most to twice the first one.
        Not with the signal "carried", nor with the weight step "muon": ValueError.
    tau: in (0, 2), of the lifted signals; of the carried one the step of X. learning_rate, damping: positive. momentum:
        in [0, 1), beta1 for Adam.
    """

    step_sizes = ("learning_rate",)

    @in_setup
    def __init__(
        self,
        network: nn.Sequential,
        inputs: Tensor,
        outputs: Tensor,
        *,
        signal: str,
        weight_step: str,
        learning_rate: float,
        solved: bool = False,
        guarded: bool = False,
        tau: float = 0.3,
        momentum: float = 0.9,
        damping: float = 0.01,
    ):
        check_choice("signal", signal, SIGNALS)
        check_choice("weight_step", weight_step, WEIGHT_STEPS)
        check_range("tau", tau, "0 < {} < 2")
        for name, value in (("learning_rate", learning_rate), ("damping", damping)):
            check_range(name, value, "0 < {} < inf")
        check_range("momentum", momentum, "0 <= {} < 1")
        self.pairs, self.inputs, self.targets = checked(network, inputs, outputs)
        check_ends_affine("SignalSteps", network, self.pairs)
        if guarded and (signal == "carried" or weight_step == "muon"):
            raise ValueError(f"guarded: not with the signal {signal} and the weight step {weight_step}")
        self.signal, self.kind, self.solved, self.guarded = signal, weight_step, solved, guarded
        self.learning_rate, self.tau, self.momentum, self.damping = learning_rate, tau, momentum, damping
        self._carried = LiftedLoss(network, inputs, outputs, tau_x=tau) if signal == "carried" else None
        self._moved = self.pairs[: len(self.pairs) - solved]
        self._of_inputs: Tensor | None = None  # the step of the first layer: its inputs never change
        self._rate, self._loss = learning_rate, float("inf")
        self._forget()
        self._watch(network, inputs, outputs)

    def _forget(self) -> None:
        """Drop what the weight step remembers."""
        self._velocity: list[Tensor | float] = [0.0] * len(self._moved)
        self._torch = None
        if self._moved and self.kind in ("adam", "muon"):
            weights = [weight for linear, _ in self._moved for weight in linear.parameters()]
            if self.kind == "adam":
                self._torch = torch.optim.Adam(weights, lr=self._rate, betas=(self.momentum, 0.999))
            else:
                self._torch = Muon(weights, lr=self._rate, momentum=self.momentum)

    def _signals(self) -> tuple[list[Tensor], list[Tensor]]:
        """By layer X_{l-1} and R_l, after the exact step of the last layer where there is one."""
        if self._carried is not None:
            lifted = self._carried.lifted
            X = [lifted.X[layer - 1] for layer in lifted.layers]
            if self.solved:
                self._solve_last(X[-1], self._carried.residual(len(self.pairs)))
            return X, [self._carried.residual(layer) for layer in lifted.layers]
        X, A = targets.forward(self.pairs, self.inputs)
        if self.solved:
            self._solve_last(X[-1], self.targets - A[-1])
            A[-1] = nn.functional.linear(X[-1], self.pairs[-1][0].weight, self.pairs[-1][0].bias)
        return X, self._chained(A, self.signal)

    def _chained(self, A: list[Tensor], signal: str) -> list[Tensor]:
        """By layer R_l of the network's own pass."""
        last = targets.last_residual(self.pairs, A[-1], self.targets)
        if signal == "restarted":
            return targets.signals(self.pairs, A, last, targets.chain(self.pairs, self.tau))
        if signal == "unchained":
            return targets.signals(self.pairs, A, last, [self.tau] * len(self.pairs))
        R = [last]
        for number in reversed(range(len(self.pairs) - 1)):
            R.insert(0, derivative(self.pairs[number][1], A[number]) * (R[0] @ self.pairs[number + 1][0].weight))
        return R

    def _solve_last(self, X: Tensor, R: Tensor) -> None:
        """An exact step of the last layer, damped, from its inputs and Y - A_L."""
        linear = self.pairs[-1][0]
        damped.add(linear, damped.direction(R, X, linear, damped.inverse(X, linear, self.damping, 0.0), 0.0))

    def _direction(self, number: int, X: Tensor, R: Tensor) -> Tensor:
        """S_l / |H_l|, or S_l (H_l + damping |H_l| I)^-1."""
        linear = self.pairs[number][0]
        scale = self._of_inputs if number == 0 else None
        if scale is None and self.kind == "gram":
            scale = damped.inverse(X, linear, self.damping, 0.0)
        elif scale is None:
            scale = squared_norm(X, linear.bias is not None).reciprocal().nan_to_num(0.0, 0.0).to(R.dtype)
        if number == 0:
            self._of_inputs = scale
        if self.kind == "gram":
            return damped.direction(R, X, linear, scale, 0.0)
        return R.T @ with_ones(X, linear.bias is not None) * scale

    def _move(self) -> None:
        """One weight step of all layers at once."""
        X, R = self._signals()
        for number, (linear, _) in enumerate(self._moved):
            if self._torch is None:
                velocity = self.momentum * self._velocity[number]
                self._velocity[number] = velocity + self._rate * self._direction(number, X[number], R[number])
                damped.add(linear, self._velocity[number])
            else:
                S = R[number].T @ with_ones(X[number], linear.bias is not None)
                S = S * (-2 / self.targets.numel())  # the gradient of the mean squared error, where R is exact
                linear.weight.grad = S[:, : linear.in_features].contiguous()
                if linear.bias is not None:
                    linear.bias.grad = S[:, -1].contiguous()
        if self._torch is not None:
            self._torch.step()
            for linear, _ in self._moved:
                linear.zero_grad()
        if self._carried is not None:
            self._carried.x_step()

    def _of_network(self) -> float:
        """|Y - f(X)|^2."""
        return (self.targets - targets.forward(self.pairs, self.inputs)[1][-1]).square().sum().item()

    @torch.no_grad()
    def _iterate(self) -> None:
        if self.guarded:
            before = [weight.clone() for weight in self._parameters]
            self._loss = self._of_network() if self._loss == float("inf") else self._loss
        self._move()
        if not self.guarded:
            return
        loss = self._of_network()
        if loss <= self._loss:
            self._loss, self._rate = loss, min(self._rate * GROWTH, LARGEST * self.learning_rate)
            if self.kind == "adam":
                self._torch.param_groups[0]["lr"] = self._rate
        else:
            for weight, old in zip(self._parameters, before, strict=True):
                weight.copy_(old)
            self._rate *= SHRINKAGE
            self._forget()

    @reading
    def diagnostics(self) -> dict[str, float]:
        """rate: the learning rate as the guard has left it. differs_l, for a lifted signal of the network's own pass:
        the share of entries of R_l that are not backpropagation's, by more than SAME of the latter's largest.
        """
        if self.signal in ("backpropagation", "carried"):
            return {"rate": self._rate}
        A = targets.forward(self.pairs, self.inputs)[1]
        pairs = zip(self._chained(A, self.signal), self._chained(A, "backpropagation"), strict=True)
        shares = [((R - S).abs() > SAME * S.abs().max()).double().mean().item() for R, S in pairs]
        return {"rate": self._rate} | {f"differs_{layer}": share for layer, share in enumerate(shares[:-1], 1)}
