"""Gradient descent on the network's own loss, a layer at a time, with steps from spectral norms (docs/ladder.md).

BADMM's steps are scaled by spectral norms of their own layer. This has such steps without lifting: what they bring
alone. It differentiates the activation, or leaves the derivative out.
"""

import torch
from torch import Tensor, nn

from nonsmooth.checks import check_range, check_switch
from nonsmooth.contract import Trainer, in_setup, reading
from nonsmooth.lifting import checked
from nonsmooth.linear import largest_eigenvalue, squared_norm, with_ones
from nonsmooth.proximal import Proximal

Pairs = list[tuple[nn.Linear, Proximal | None]]


def derivative(activation: Proximal | None, A: Tensor) -> Tensor:
    """sigma'(A), entry by entry; ones for None."""
    if activation is None:
        return torch.ones_like(A)
    with torch.enable_grad():
        A = A.detach().requires_grad_()
        return torch.autograd.grad(activation.prox(A).sum(), A)[0]


def backward(pairs: Pairs, inputs: Tensor, targets: Tensor, mask: bool = True) -> tuple[list[Tensor], list[Tensor]]:
    """One forward and one backward pass of 1/2 |Y - f(X)|^2: by layer its inputs X_{l-1} and its gradient in A_l.

    mask: whether the backward pass multiplies by sigma'. Without it this is no gradient unless sigma is the identity.
    """
    X, A = [inputs], []
    for linear, activation in pairs:
        A.append(nn.functional.linear(X[-1], linear.weight, linear.bias))
        X.append(A[-1] if activation is None else activation.prox(A[-1]))
    gradient = X.pop() - targets
    gradients = []
    for (linear, activation), a in zip(reversed(pairs), reversed(A), strict=True):
        if mask:
            gradient = gradient * derivative(activation, a)
        gradients.append(gradient)
        gradient = gradient @ linear.weight
    return X, gradients[::-1]


class Layerwise(Trainer):
    """Trains an `nn.Sequential` of `nn.Linear` and proximal activations in place on 1/2 |Y - f(X)|^2, full-batch.

    An iteration takes the layers in turn, each with a forward and a backward pass of its own:
    [W_l, b_l] <- [W_l, b_l] - tau_w / (|[X_{l-1}, 1]|^2 prod_{k>l} |W_k|^2) times the gradient.

    network, inputs, targets: those of `Badmm`, and so are the errors.
    tau_w: in (0, 2).
    mask: whether to multiply by the derivative of the activations; without it they are taken for the identity there.
    """

    step_sizes = ("tau_w",)

    @in_setup
    def __init__(
        self, network: nn.Sequential, inputs: Tensor, targets: Tensor, *, tau_w: float = 1.0, mask: bool = True
    ):
        check_range("tau_w", tau_w, "0 < {} < 2")
        check_switch("mask", mask)
        self.pairs, self.inputs, self.targets = checked(network, inputs, targets)
        self.tau_w, self.mask = tau_w, mask
        self._watch(network, inputs, targets)
        self._norm_of_inputs = squared_norm(self.inputs, self.pairs[0][0].bias is not None)  # they never change

    def _descent(self, number: int, X: list[Tensor], gradients: list[Tensor]) -> Tensor:
        """The step of one layer along its gradient, out x (in + 1), from what `backward` gave."""
        linear = self.pairs[number][0]
        bias = linear.bias is not None
        bound = squared_norm(X[number], bias) if number else self._norm_of_inputs
        for following, _ in self.pairs[number + 1 :]:
            W = following.weight
            bound = bound * largest_eigenvalue(W.T @ W if W.shape[0] > W.shape[1] else W @ W.T)
        step = torch.where(bound > 0, self.tau_w / bound, 0.0).to(linear.weight.dtype)
        return step * (gradients[number].T @ with_ones(X[number], bias))

    @torch.no_grad()
    def _iterate(self) -> None:
        """Every layer once, from the first to the last."""
        for number, (linear, _) in enumerate(self.pairs):
            change = self._descent(number, *backward(self.pairs, self.inputs, self.targets, self.mask))
            linear.weight.sub_(change[:, : linear.in_features])
            if linear.bias is not None:
                linear.bias.sub_(change[:, -1])

    @reading
    def diagnostics(self) -> dict[str, float]:
        """Nothing: it keeps nothing that the loop cannot see."""
        return {}
