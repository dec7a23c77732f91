"""Linear algebra of an affine map: [X, 1], its Gram matrix, spectral norms and minimum-norm solves.

An affine map A = X W^T + b is the linear map A = [X, 1] [W, b]^T. So whatever asks for the least squares, the gradient
or the step size of (W, b) asks for [X, 1] and its Gram matrix. Samples are rows.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from nonsmooth.processes import Group, summed

ROWS = 1024  # samples at a time in what is computed once, in float64


def with_ones(X: Tensor, bias: bool = True) -> Tensor:
    """[X, 1], N x (in + 1); X itself (N x in) for an affine map without bias."""
    return torch.cat([X, torch.ones_like(X[:, :1])], 1) if bias else X


def spectral_norm(X: Tensor) -> Tensor:
    """The largest singular value of a matrix, a 0-d tensor."""
    return torch.linalg.matrix_norm(X, 2)


def largest_eigenvalue(gram: Tensor) -> Tensor:
    """Of a Gram matrix: the squared spectral norm of the matrix behind it, a 0-d tensor, never negative.

    Raises torch.linalg.LinAlgError where entries are not finite.
    """
    return torch.linalg.eigvalsh(gram)[-1].clamp(min=0)


def parts(X: Tensor, bias: bool) -> Iterator[tuple[slice, Tensor]]:
    """[X, 1] in float64, some rows at a time, each part with its place."""
    for start in range(0, len(X), ROWS):
        rows = slice(start, start + ROWS)
        yield rows, with_ones(X[rows].double(), bias)


def gram(X: Tensor, bias: bool, group: Group = None) -> Tensor:
    """[X, 1]^T [X, 1] in float64, summed over the processes of `group`."""
    return summed(sum(part.T @ part for _, part in parts(X, bias)), group)


def gram_of_rows(X: Tensor, bias: bool) -> Tensor:
    """[X, 1] [X, 1]^T, N x N in float64. Its nonzero eigenvalues are those of `gram`."""
    Xb = with_ones(X.double(), bias)
    return Xb @ Xb.T


def is_wide(X: Tensor, bias: bool, group: Group = None) -> bool:
    """Whether [X, 1] has fewer rows than columns, so that `gram_of_rows` is the smaller one of the two.

    False where processes share the rows: each has only its own.
    """
    return group is None and len(X) < X.shape[1] + bias


def squared_norm(X: Tensor, bias: bool, group: Group = None) -> Tensor:
    """|[X, 1]|^2 from the smaller Gram matrix, a 0-d tensor in float64."""
    return largest_eigenvalue(gram_of_rows(X, bias) if is_wide(X, bias, group) else gram(X, bias, group))


def pseudo_inverse(hessian: Tensor, dtype: torch.dtype) -> Tensor:
    """Pseudo-inverse of a symmetric positive semidefinite matrix in float64, built from data of `dtype`.

    Directions whose singular value is lost in the rounding of `dtype` are left alone: a solve with it is the one of
    minimum norm. Raises torch.linalg.LinAlgError where entries are not finite.
    """
    values, vectors = torch.linalg.eigh(hessian)
    size = len(values)
    lost = max((size * torch.finfo(dtype).eps) ** 2, size * torch.finfo(torch.float64).eps)
    inverse = torch.where(values > lost * values[-1].clamp(min=0), 1 / values, 0.0)
    return (vectors * inverse) @ vectors.T
