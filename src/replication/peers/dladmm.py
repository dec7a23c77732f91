"""dlADMM: ADMM on a deep network, its blocks from the last layer to the first and back.

Source: Wang, Yu, Chen and Zhao, ADMM for Efficient Deep Learning with Global Convergence, KDD 2019 (arXiv 1905.13611).
"""

import torch
from torch import Tensor, nn

from nonsmooth.checks import check_range
from nonsmooth.contract import Trainer, in_setup, reading
from nonsmooth.lifting import checked
from nonsmooth.proximal import Interval
from nonsmooth.variable_projection import check_ends_affine
from replication.peers.affine import forward


class DlAdmm(Trainer):
    """Trains an `nn.Sequential` that ends in an `nn.Linear` in place, full-batch, on

        phi = 1/2 |Y - Z_L|^2 + <U, Z_L - A_L> + rho/2 |Z_L - A_L|^2
              + rho/2 sum_{l<L} (|Z_l - A_l|^2 + |X_l - sigma(Z_l)|^2),    A_l = X_{l-1} W_l^T + b_l.

    An iteration updates X_l, Z_l, b_l, W_l from the last layer to the first, then W_l, b_l, Z_l, X_l from the first to
    the last, then U <- U + rho (Z_L - A_L). Z_l and b_l take the minimisers of phi. X_l and W_l make a gradient step of
    length 1 / theta, theta doubled until the quadratic model with this curvature is not below phi there. phi is
    quadratic in X_l and in W_l, so that it is enough to compare theta with the curvature along the gradient.

    network, inputs, targets: those of `Badmm`, and so are the errors; a TypeError says so for an activation that does
    not clip, or stands last. rho: positive; the paper's second weight nu is rho, as in its experiments.
    """

    step_sizes = ("rho",)

    @in_setup
    def __init__(self, network: nn.Sequential, inputs: Tensor, targets: Tensor, *, rho: float = 0.1):
        check_range("rho", rho, "0 < {} < inf")
        self.pairs, self.inputs, self.targets = checked(network, inputs, targets)
        check_ends_affine("DlAdmm", network, self.pairs)
        if other := [activation for _, activation in self.pairs[:-1] if not isinstance(activation, Interval)]:
            raise TypeError(f"DlAdmm trains networks whose activations clip (nn.ReLU), not {other[0]}")
        self.rho = rho
        self._watch(network, inputs, targets)
        self.X, self.Z = forward(self.pairs, self.inputs)
        self.X[-1] = self.targets
        self.U = torch.zeros_like(self.targets)
        self._theta: dict[str, float] = {}  # the last ones by block

    def A(self, number: int) -> Tensor:
        """A of the layer of this number, from 0, N x out."""
        linear = self.pairs[number][0]
        return nn.functional.linear(self.X[number], linear.weight, linear.bias)

    def residual(self, number: int) -> Tensor:
        """Minus the gradient of phi in A of this layer, over rho."""
        gap = self.Z[number] - self.A(number)
        return gap + self.U / self.rho if number == len(self.pairs) - 1 else gap

    def theta(self, block: str, curvature: float) -> float:
        """The first of half the last theta, doubled again and again, that is not below `curvature`."""
        theta = self._theta.get(block, 2 * self.rho) / 2
        while theta < curvature < float("inf"):
            theta *= 2
        self._theta[block] = theta
        return theta

    def move_weight(self, number: int) -> None:
        gradient = self.residual(number).T @ self.X[number]  # over -rho
        square = gradient.square().sum().item()
        if square > 0:
            curvature = self.rho * (self.X[number] @ gradient.T).square().sum().item() / square
            self.pairs[number][0].weight.add_(gradient, alpha=self.rho / self.theta(f"W{number}", curvature))

    def move_bias(self, number: int) -> None:
        if self.pairs[number][0].bias is not None:
            self.pairs[number][0].bias.add_(self.residual(number).mean(0))

    def move_z(self, number: int) -> None:
        A, activation = self.A(number), self.pairs[number][1]
        if activation is None:
            self.Z[number] = (self.targets + self.rho * A - self.U) / (1 + self.rho)
            return
        X, (low, high) = self.X[number + 1], activation.domain  # sigma has three pieces: the best point of each
        points = [A.clamp(max=low), ((A + X) / 2).clamp(low, high), A.clamp(min=high)]
        best, least = points[1], torch.full_like(A, torch.inf)
        for z in points:
            value = (z - A).square() + (X - activation.prox(z)).square()
            best, least = torch.where(value < least, z, best), torch.fmin(value, least)
        self.Z[number] = best

    def move_x(self, number: int) -> None:
        """X behind the hidden layer of this number."""
        W = self.pairs[number + 1][0].weight
        own = self.X[number + 1] - self.pairs[number][1].prox(self.Z[number])
        gradient = self.rho * (own - self.residual(number + 1) @ W)
        square = gradient.square().sum().item()
        if square > 0:
            curvature = self.rho * ((gradient @ W.T).square().sum().item() / square + 1)
            self.X[number + 1] = self.X[number + 1] - gradient / self.theta(f"X{number}", curvature)

    @torch.no_grad()
    def _iterate(self) -> None:
        last = len(self.pairs) - 1
        for number in range(last, -1, -1):
            if number < last:
                self.move_x(number)
            self.move_z(number)
            self.move_bias(number)
            self.move_weight(number)
        for number in range(last + 1):
            self.move_weight(number)
            self.move_bias(number)
            self.move_z(number)
            if number < last:
                self.move_x(number)
        self.U.add_(self.Z[last] - self.A(last), alpha=self.rho)

    @reading
    def diagnostics(self) -> dict[str, float]:
        """activation_gap: sqrt(sum_l |X_l - sigma(Z_l)|^2 / N) over hidden layers."""
        hidden = [self.X[n + 1] - activation.prox(self.Z[n]) for n, (_, activation) in enumerate(self.pairs[:-1])]
        return {"activation_gap": sum(gap.square().sum().item() / len(gap) for gap in hidden) ** 0.5}
