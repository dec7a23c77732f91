"""The last affine map solved exactly: at every iteration (variable projection), or once, before L-BFGS or Adam."""

import torch
from torch import Tensor, nn

from nonsmooth.baselines import Lbfgs, TorchOptimizer
from nonsmooth.checks import check_range
from nonsmooth.contract import Trainer, in_setup
from nonsmooth.layerwise import Layerwise, Pairs, backward
from nonsmooth.lifting import checked, modules
from nonsmooth.linear import gram, parts, pseudo_inverse


def check_ends_affine(name: str, network: nn.Sequential, pairs: Pairs) -> None:
    """Raise TypeError unless no activation follows the last affine map."""
    if pairs[-1][1] is not None:
        raise TypeError(f"{name} trains a network that ends in nn.Linear, not in {[*modules(network).values()][-1]}")


@torch.no_grad()
def solve_last(pairs: Pairs, inputs: Tensor, targets: Tensor) -> None:
    """[W_L, b_L] <- the least-squares solution of minimum norm for the network's own X_{L-1}, by float64."""
    X = inputs
    for linear, activation in pairs[:-1]:
        X = activation.prox(nn.functional.linear(X, linear.weight, linear.bias))
    linear = pairs[-1][0]
    bias = linear.bias is not None
    products = sum(part.T @ targets[rows].double() for rows, part in parts(X, bias))
    solution = (pseudo_inverse(gram(X, bias), linear.weight.dtype) @ products).T
    linear.weight.copy_(solution[:, : linear.in_features])
    if bias:
        linear.bias.copy_(solution[:, -1])


class VariableProjection(Layerwise):
    """Trains an `nn.Sequential` that ends in an `nn.Linear` in place on 1/2 |Y - f(X)|^2, full-batch.

    [W_L, b_L] is the least-squares solution of minimum norm for the network's own X_{L-1}. So the loss depends on the
    lower layers alone. Its gradient there is that of 1/2 |Y - f(X)|^2 at the solved [W_L, b_L] (envelope theorem). An
    iteration is a heavy-ball step of all lower layers, then the solve:

    V_l <- momentum V_l + tau_w / (|[X_{l-1}, 1]|^2 prod_{k>l} |W_k|^2) times the gradient,    [W_l, b_l] -= V_l.

    The first iteration solves before its step, too. Source: Golub and Pereyra, The Differentiation of Pseudo-Inverses
    and Nonlinear Least Squares Problems Whose Variables Separate, SIAM Journal on Numerical Analysis 10, 1973.

    network, inputs, targets: those of `Badmm`, and so are the errors; a TypeError says so where the network ends in an
        activation.
    tau_w: in (0, 2). momentum: in [0, 1).
    """

    @in_setup
    def __init__(
        self, network: nn.Sequential, inputs: Tensor, targets: Tensor, *, tau_w: float = 1.0, momentum: float = 0.9
    ):
        check_range("momentum", momentum, "0 <= {} < 1")
        super().__init__(network, inputs, targets, tau_w=tau_w)
        check_ends_affine("VariableProjection", network, self.pairs)
        self.momentum = momentum
        self._moving: list[Tensor | float] = [0.0] * (len(self.pairs) - 1)
        self._solved = False

    @torch.no_grad()
    def _iterate(self) -> None:
        """The lower layers, then the last one."""
        if not self._solved:
            solve_last(self.pairs, self.inputs, self.targets)
            self._solved = True
        X, gradients = backward(self.pairs, self.inputs, self.targets)
        for number, (linear, _) in enumerate(self.pairs[:-1]):
            self._moving[number] = self.momentum * self._moving[number] + self._descent(number, X, gradients)
            linear.weight.sub_(self._moving[number][:, : linear.in_features])
            if linear.bias is not None:
                linear.bias.sub_(self._moving[number][:, -1])
        solve_last(self.pairs, self.inputs, self.targets)


class SolvedFirst(Trainer):
    """Stands before the class of an optimizer among the bases: its first iteration begins with `solve_last`.

    network, inputs, targets: those of `Badmm`, and so are the errors; a TypeError says so where the network ends in an
        activation. settings: of the optimizer.
    """

    @in_setup
    def __init__(self, network: nn.Sequential, inputs: Tensor, targets: Tensor, **settings):
        self.pairs, inputs, targets = checked(network, inputs, targets)
        check_ends_affine(type(self).__name__, network, self.pairs)
        super().__init__(network, inputs, targets, **settings)
        self._solved = False

    def _iterate(self) -> None:
        if not self._solved:
            solve_last(self.pairs, self.inputs, self.targets)
            self._solved = True
        super()._iterate()


class SolvedLbfgs(SolvedFirst, Lbfgs):
    """`Lbfgs` whose first iteration begins with the least-squares solution of minimum norm for [W_L, b_L].

    Without the solve, the outputs start far from the targets. The first steps close that distance through the hidden
    layers, too. They push many ReLUs below zero for all samples, and those stay there.

    history_size: that of `Lbfgs`. All else is that of `SolvedFirst`.
    """

    def __init__(self, network: nn.Sequential, inputs: Tensor, targets: Tensor, *, history_size: int = 10):
        super().__init__(network, inputs, targets, history_size=history_size)


class SolvedAdam(SolvedFirst, TorchOptimizer):
    """torch's Adam, full-batch, whose first iteration begins with that solution: see `SolvedLbfgs`.

    learning_rate: that of `TorchOptimizer`. All else is that of `SolvedFirst`.
    """

    def __init__(self, network: nn.Sequential, inputs: Tensor, targets: Tensor, *, learning_rate: float):
        super().__init__(network, inputs, targets, algorithm="adam", learning_rate=learning_rate)
