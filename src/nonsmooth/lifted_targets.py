"""LiftedTargets: derivative-free training with targets from a forward pass, monotone by a guard (docs/method.md)."""

import math

import torch
from torch import Tensor, nn

from nonsmooth import damped
from nonsmooth.contract import Trainer, in_setup
from nonsmooth.lifting import check_range, checked
from nonsmooth.momentum import check_momentum
from nonsmooth.targets import Pass, chain, forward, last_residual, loss, signals

SHORTER, LONGER, LONGEST = 0.5, 1.05, 2.0  # what the guard does to eta, and where it stops


class LiftedTargets(Trainer):
    """Trains an `nn.Sequential` of `nn.Linear` and proximal activations in place."""

    step_sizes = ("eta",)

    @in_setup
    def __init__(
        self,
        network: nn.Sequential,
        inputs: Tensor,
        targets: Tensor,
        *,
        tau: float = 0.3,
        eta: float = 0.1,
        damping: float = 0.01,
        momentum: float = 0.9,
        ridge: float = 0.0,
    ):
        check_range("tau", tau, 0 < tau < 2, "0 < {} < 2")
        check_range("eta", eta, 0 < eta <= LONGEST, "0 < {} <= 2")
        check_range("damping", damping, 0 < damping < math.inf, "0 < {} < inf")
        check_range("ridge", ridge, 0 <= ridge < math.inf, "0 <= {} < inf")
        check_momentum(momentum)
        self.pairs, self.inputs, self.targets = checked(network, inputs, targets)
        self.network, self.tau, self.eta, self.damping = network, tau, eta, damping
        self.momentum, self.ridge = momentum, ridge
        self._watch(network, inputs, targets)
        linear = self.pairs[0][0]
        self._of_inputs = damped.inverse(self.inputs, linear, damping, ridge)  # they never change
        self._velocities = [
            torch.zeros(linear.out_features, linear.in_features + (linear.bias is not None)).to(linear.weight)
            for linear, _ in self.pairs[:-1]
        ]
        self._eta, self._loss = eta, math.inf
        self._pass: Pass = forward(self.pairs, self.inputs)

    def _inverse(self, number: int, X: Tensor) -> Tensor:
        return damped.inverse(X, self.pairs[number][0], self.damping, self.ridge) if number else self._of_inputs

    def _solve_last(self, at: Pass) -> float:
        """One damped exact step of [W_L, b_L] on the network's own X_{L-1}; A_L anew. Returns the loss."""
        linear, X = self.pairs[-1][0], at.X[-1]
        R = last_residual(self.pairs, at.A[-1], self.targets)
        damped.add(linear, damped.direction(R, X, linear, self._inverse(len(self.pairs) - 1, X), self.ridge))
        at.A[-1] = nn.functional.linear(X, linear.weight, linear.bias)
        return loss(self.pairs, at.A[-1], self.targets, self.ridge)

    @torch.no_grad()
    def _iterate(self) -> None:
        if self._loss == math.inf:
            self._loss = self._solve_last(self._pass)
        before = [parameter.clone() for parameter in self._parameters]
        X, A = self._pass.X, self._pass.A
        R = signals(self.pairs, A, last_residual(self.pairs, A[-1], self.targets), chain(self.pairs, self.tau))
        for number, velocity in enumerate(self._velocities):
            linear = self.pairs[number][0]
            S = damped.direction(R[number], X[number], linear, self._inverse(number, X[number]), self.ridge)
            velocity.mul_(self.momentum).add_(S, alpha=self._eta)
            damped.add(linear, velocity)
        trial = forward(self.pairs, self.inputs)
        value = self._solve_last(trial)
        if value < self._loss:
            self._pass, self._loss, self._eta = trial, value, min(LONGER * self._eta, LONGEST)
            return
        for parameter, old in zip(self._parameters, before, strict=True):
            parameter.copy_(old)
        for velocity in self._velocities:
            velocity.zero_()
        self._eta *= SHORTER

    @torch.no_grad()
    def diagnostics(self) -> dict[str, float]:
        return {"eta": self._eta}
