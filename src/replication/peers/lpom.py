"""Lifted proximal operator machines: lifted variables at a fixed point of the activation, weights by pseudo-inverses.

Source: Li, Fang and Lin, Lifted Proximal Operator Machines, AAAI 2019 (arXiv 1811.01501). It said first that training
can do with the activation alone, without its derivative.
"""

import torch
from torch import Tensor, nn

from nonsmooth.checks import check_count, check_range
from nonsmooth.contract import Trainer, in_setup
from nonsmooth.lifting import checked
from nonsmooth.linear import gram, pseudo_inverse, with_ones
from replication.peers.affine import forward, move


class Lpom(Trainer):
    """Trains an `nn.Sequential` of `nn.Linear` and proximal activations in place, full-batch, on

        E = 1/2 |Y - A_L|^2 + sum_{l<L} mu_l D(X_l, sigma(A_l)),    A_l = X_{l-1} W_l^T + b_l

    with D(Y, sigma(A_L)) for the first term where the network ends in an activation. With R_l = X_l - sigma(A_l) and
    R_L = Y - sigma(A_L), an iteration starts from the network's own X and makes

    - `sweeps` times, from the last layer to the first: X_l <- sigma(A_l + mu_{l+1} / mu_l R_{l+1} W_{l+1});
    - `weight_steps` times for each layer: [W_l, b_l] <- V + R_l(V)^T [X_{l-1}, 1] H^+ with the Gram matrix
      H = [X_{l-1}, 1]^T [X_{l-1}, 1], and V that point moved on by Nesterov's rule.

    network, inputs, targets: those of `Badmm`, and so are the errors. mu: mu_{L-1}, positive, where the loss has
    weight 1. ratio: mu_{l+1} / mu_l of hidden layers, positive; the paper has one mu for all. Sweeps contract where
    mu_{l+1} / mu_l |W_{l+1}|^2 is small, and diverge where it is large. sweeps, weight_steps: at least 1.
    """

    @in_setup
    def __init__(
        self,
        network: nn.Sequential,
        inputs: Tensor,
        targets: Tensor,
        *,
        mu: float = 20.0,
        ratio: float = 1.0,
        sweeps: int = 5,
        weight_steps: int = 5,
    ):
        for name, value in (("mu", mu), ("ratio", ratio)):
            check_range(name, value, "0 < {} < inf")
        for name, value in (("sweeps", sweeps), ("weight_steps", weight_steps)):
            check_count(name, value)
        self.pairs, self.inputs, self.targets = checked(network, inputs, targets)
        self.mu, self.ratio, self.sweeps, self.weight_steps = mu, ratio, sweeps, weight_steps
        self._watch(network, inputs, targets)
        self._of_inputs = self._inverse(0, self.inputs)  # they never change

    @property
    def advice(self) -> str:
        return f"raise mu = {self.mu:g}, then lower ratio = {self.ratio:g}"

    def _inverse(self, number: int, X: Tensor) -> Tensor:
        linear = self.pairs[number][0]
        return pseudo_inverse(gram(X, linear.bias is not None), linear.weight.dtype).to(linear.weight.dtype)

    def quotient(self, number: int) -> float:
        """mu_{l+1} / mu_l of the hidden layer of this number, from 0."""
        return 1 / self.mu if number == len(self.pairs) - 2 else self.ratio

    def residual(self, number: int, X: list[Tensor]) -> Tensor:
        """R of the layer of this number, from 0: X[number + 1] - sigma(A). X: X_0, ..., X_{L-1} and Y."""
        linear, activation = self.pairs[number]
        A = nn.functional.linear(X[number], linear.weight, linear.bias)
        return X[number + 1] - (A if activation is None else activation.prox(A))

    @torch.no_grad()
    def sweep(self, X: list[Tensor]) -> None:
        """Every hidden X_l once, in place in the list, from the last to the first."""
        for number in range(len(self.pairs) - 2, -1, -1):
            linear, activation = self.pairs[number]
            A = nn.functional.linear(X[number], linear.weight, linear.bias)
            pull = self.residual(number + 1, X) @ self.pairs[number + 1][0].weight
            X[number + 1] = activation.prox(A + self.quotient(number) * pull)

    @torch.no_grad()
    def weights(self, number: int, X: list[Tensor]) -> None:
        """[W_l, b_l] of the layer of this number, from 0, towards the minimiser of D(X_l, sigma(A_l))."""
        linear = self.pairs[number][0]
        Xb = with_ones(X[number], linear.bias is not None)
        scale = self._inverse(number, X[number]) if number else self._of_inputs
        theta, last = 1.0, torch.zeros(())
        for _ in range(self.weight_steps):
            following = (1 + (1 + 4 * theta**2) ** 0.5) / 2
            ahead = (theta - 1) / following * last if last.ndim else None
            if ahead is not None:
                move(linear, ahead)
            change = self.residual(number, X).T @ Xb @ scale
            move(linear, change)
            last, theta = change if ahead is None else change + ahead, following

    @torch.no_grad()
    def _iterate(self) -> None:
        X = [*forward(self.pairs, self.inputs)[0][:-1], self.targets]
        for _ in range(self.sweeps):
            self.sweep(X)
        for number in range(len(self.pairs)):
            self.weights(number, X)

    def diagnostics(self) -> dict[str, float]:
        """Nothing: it keeps nothing from one iteration to the next."""
        return {}
