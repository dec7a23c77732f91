"""What weight steps of BADMM sum over samples: Gram matrices, and products with a layer's inputs."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from nonsmooth.linear import blocks, gram_of_rows, on_host, parts, pseudo_inverse, with_ones

ROWS = 512  # samples at a time on a CPU, whose caches hold so many
DEVICE_COLUMNS = 256  # of a Gram matrix at a time on a device, where its lower triangle is worth leaving out


def row_blocks(X: Tensor) -> list[slice]:
    """The rows of X in parts that fit a CPU's caches."""
    return blocks(X, ROWS)


class Inputs:
    """Of [X_0, 1]: `norm`, |[X_0, 1]|^2, for the gradient step; for the exact one [X_0, 1] H^+.

    The latter as `solved` (N x in) and `solved_ones` (N, None without bias): with it the exact step is one product.
    A step with a ridge needs H^+ itself too (`inverse`, else None).
    """

    norm: Tensor
    inverse: Tensor | None = None
    solved: Tensor
    solved_ones: Tensor | None

    def solve(self, X: Tensor, bias: bool, inverse: Tensor) -> None:
        self.solved = torch.empty_like(X)
        self.solved_ones = torch.empty_like(X[:, 0]) if bias else None
        for rows, part in parts(X, bias):
            product = part @ inverse
            self.solved[rows] = product[:, : self.solved.shape[1]]
            if self.solved_ones is not None:
                self.solved_ones[rows] = product[:, -1]

    def solve_wide(self, X: Tensor, bias: bool, delta: float) -> None:
        """The same for H = delta [X_0, 1]^T [X_0, 1] with fewer rows than columns: [X_0, 1] H^+ = (delta K)^+ [X_0, 1]

        with K = [X_0, 1] [X_0, 1]^T.
        """
        product = pseudo_inverse(delta * gram_of_rows(X, bias), X.dtype) @ with_ones(X.double(), bias)
        self.solved = product[:, : X.shape[1]].to(X.dtype)
        self.solved_ones = product[:, -1].to(X.dtype) if bias else None


class Gram:
    """[X, 1]^T [X, 1] of the inputs X of an affine map (X^T X where it has no bias), in given memory.

    matrix: in + 1 x in + 1 (in x in). square: X^T X. inputs: the sum of X over samples (in). count: N.
    invert: for an exact weight step, how to invert H (`linear.inversion`).
    """

    invert: Callable[[Tensor, torch.dtype], Tensor]

    def __init__(self, linear: nn.Linear, X: Tensor, memory: Tensor):
        size = linear.in_features
        self.bias, self.X = linear.bias is not None, X
        self.matrix = memory.view(Gram.columns(linear), -1)
        self.square = self.matrix[:size, :size]
        if self.bias:
            self.inputs, self.count = self.matrix[size, :size], self.matrix[size, size]

    @staticmethod
    def columns(linear: nn.Linear) -> int:
        return linear.in_features + (linear.bias is not None)

    def compute(self) -> None:
        X = self.X
        if X.dtype == self.matrix.dtype and on_host(X):
            torch.mm(X.T, X, out=self.square)
            if self.bias:
                torch.sum(X, 0, out=self.inputs)
        else:
            columns = len(self.square) if on_host(X) else DEVICE_COLUMNS
            self.matrix.zero_()
            for rows in row_blocks(X):
                part = X[rows].to(self.matrix.dtype)
                for first in range(0, len(self.square), columns):
                    block = slice(first, first + columns)
                    self.square[block, first:].addmm_(part[:, block].T, part[:, first:])
                if self.bias:
                    self.inputs.add_(part.sum(0))
            if columns < len(self.square):
                self.square.triu_().add_(self.square.triu(1).T)
        if self.bias:
            self.matrix[:-1, -1] = self.inputs
            self.count.fill_(len(X))


class Sums:
    """What the weight step of an affine map sums over samples, in one message between the processes that share them.

    descent: F^T X (out x in) and force: the sum of F (out), of the force F (N x out) on A; with_gram: `gram` too.
    """

    def __init__(self, linear: nn.Linear, X: Tensor, with_gram: bool):
        outputs, size = linear.weight.shape
        sizes = [outputs * size, outputs, Gram.columns(linear) ** 2 if with_gram else 0]
        self.linear = linear
        self.message = torch.zeros(sum(sizes), dtype=linear.weight.dtype, device=linear.weight.device)
        descent, self.force, rest = self.message.split(sizes)
        self.descent = descent.view(outputs, size)
        self.gram = Gram(linear, X, rest) if with_gram else None

    def of_force(self, force: Tensor, X: Tensor, ones: Tensor | None = None) -> None:
        """Of `force`, with X in place of the inputs and `ones` (N) in place of the ones that b multiplies."""
        torch.mm(force.T, X, out=self.descent)
        if self.linear.bias is not None:
            torch.sum(force, 0, out=self.force) if ones is None else torch.mv(force.T, ones, out=self.force)

    def subtract_A(self, delta: float) -> None:
        """From the sums of P to those of P - delta A, by the Gram matrix: A^T [X, 1] = [W, b] [X, 1]^T [X, 1]."""
        W, b, gram = self.linear.weight, self.linear.bias, self.gram
        self.descent.addmm_(W, gram.square, alpha=-delta)
        if b is not None:
            self.descent.addr_(b, gram.inputs, alpha=-delta)
            self.force.addmv_(W, gram.inputs, alpha=-delta).addcmul_(b, gram.count, value=-delta)
