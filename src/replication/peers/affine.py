"""What the peers do with an affine map: move [W, b], or hand its gradient to an optimizer of PyTorch."""

import torch
from torch import Tensor, nn

from nonsmooth.layerwise import Pairs


def move(linear: nn.Linear, change: Tensor) -> None:
    """[W, b] <- [W, b] + change, out x (in + 1), or out x in without bias."""
    linear.weight.add_(change[:, : linear.in_features])
    if linear.bias is not None:
        linear.bias.add_(change[:, -1])


def descend(optimizer: torch.optim.Optimizer, pairs: Pairs, gradients: list[Tensor]) -> None:
    """One step of an optimizer over all weights, with the gradient of each [W_l, b_l], shaped as in `move`."""
    for (linear, _), gradient in zip(pairs, gradients, strict=True):
        linear.weight.grad = gradient[:, : linear.in_features].contiguous()
        if linear.bias is not None:
            linear.bias.grad = gradient[:, -1].contiguous()
    optimizer.step()
    optimizer.zero_grad()


def forward(pairs: Pairs, inputs: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """X_0, ..., X_L and A_1, ..., A_L of the network's own pass, N x out each."""
    X, A = [inputs], []
    for linear, activation in pairs:
        A.append(nn.functional.linear(X[-1], linear.weight, linear.bias))
        X.append(A[-1] if activation is None else activation.prox(A[-1]))
    return X, A
