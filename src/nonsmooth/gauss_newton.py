"""Layerwise Gauss-Newton: gradients times inverse factors of each layer's inputs and of the output's derivatives."""

import torch
from torch import Tensor, nn

from nonsmooth.foof import Foof, shifted_inverse
from nonsmooth.layerwise import Pairs, derivative


def output_factors(pairs: Pairs, X: list[Tensor]) -> list[Tensor]:
    """By layer F_l, the mean over samples of J_l^T J_l in float64, where J_l is the derivative of f in A_l.

    X: by layer its inputs, N x in. F_l is units x units; the last one is diagonal, and only its diagonal is returned.

    F_l is the mean of s s^T times W_{l+1}^T F_{l+1} W_{l+1}, entry by entry, with s = sigma'(A_l). That takes one mean
    for a mean of products: exact for a hidden layer before a last affine map, and without activations.
    """
    slopes = [
        derivative(activation, nn.functional.linear(x, linear.weight, linear.bias)).double()
        for (linear, activation), x in zip(pairs, X, strict=True)
    ]
    factors = [slopes[-1].square().mean(0)]
    for number in reversed(range(len(pairs) - 1)):
        W, following = pairs[number + 1][0].weight.double(), factors[0]
        product = W.T @ (following[:, None] * W if following.ndim == 1 else following @ W)
        factors.insert(0, product * (slopes[number].T @ slopes[number] / len(slopes[number])))
    return factors


class GaussNewton(Foof):
    """Gradient descent on the network's own loss, each layer's gradient times a Kronecker-factored inverse curvature.

    V_l <- momentum V_l + (F_l + damping |F_l| I)^-1 G_l (H_l + damping |H_l| I)^-1
    [W_l, b_l] <- [W_l, b_l] - learning_rate V_l

    with G_l and H_l of `Foof`, and F_l of `output_factors`. F_L = I where the network ends in an affine map.
    The factors are those of the current weights and all samples, without moving averages.

    Sources: Martens and Grosse, Optimizing Neural Networks with Kronecker-factored Approximate Curvature, ICML 2015;
    the recursion of F_l: Botev, Ritter and Barber, Practical Gauss-Newton Optimisation for Deep Learning, ICML 2017.

    Arguments and errors are those of `Foof`.
    """

    def _directions(self, X: list[Tensor], gradients: list[Tensor]) -> list[Tensor]:
        directions = super()._directions(X, gradients)
        *factors, diagonal = output_factors(self.pairs, X)
        for number, factor in enumerate(factors):
            directions[number] = shifted_inverse(factor, self.damping, directions[number].dtype) @ directions[number]
        largest = diagonal.max()
        damped = diagonal + self.damping * torch.where(largest > 0, largest, 1.0)
        directions[-1] = directions[-1] / damped[:, None].to(directions[-1].dtype)
        return directions
