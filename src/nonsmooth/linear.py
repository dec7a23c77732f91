"""Linear algebra of an affine map: [X, 1], its Gram matrix, spectral norms and minimum-norm solves.

An affine map A = X W^T + b is the linear map A = [X, 1] [W, b]^T. So whatever asks for the least squares, the gradient
or the step size of (W, b) asks for [X, 1] and its Gram matrix. Samples are rows.
"""

import math
from collections.abc import Callable, Iterator
from functools import lru_cache

import torch
from torch import Tensor

from nonsmooth.processes import Group, summed

ROWS = 256  # samples at a time on a CPU in what is computed once, in float64
DEVICE_ROWS = 65536  # on a device, where each part costs a start
SQUARINGS = 6
TINY = 1e-150  # positive, and its square is no subnormal number
LANCZOS_FROM, LANCZOS_LOOKS = 128, (8, 12, 16)  # smaller matrices: LAPACK is as fast; after which steps to look


def with_ones(X: Tensor, bias: bool = True) -> Tensor:
    """[X, 1], N x (in + 1); X itself (N x in) for an affine map without bias."""
    return torch.cat([X, torch.ones_like(X[:, :1])], 1) if bias else X


def drop_vanished(values: Tensor) -> None:
    """Make zero, in place, what has shrunk to nothing.

    Weights of outputs that are always zero would go on as subnormal numbers, which processors multiply many times more
    slowly.
    """
    number = torch.finfo(values.dtype)
    torch.hardshrink(values, number.tiny / number.eps, out=values)


def spectral_norm(X: Tensor) -> Tensor:
    """The largest singular value of a matrix, a 0-d tensor."""
    return torch.linalg.matrix_norm(X, 2)


def largest_eigenvalue(gram: Tensor) -> Tensor:
    """Of a Gram matrix: the squared spectral norm of the matrix behind it, a 0-d tensor, never negative.

    On a CPU it is exact up to rounding (`_largest_by_lanczos`: or up to the distance of the two largest). On a device
    that works beside the host it is `eigenvalue_bound`, at most n^(1/128) times too large, for which no step waits.

    Raises torch.linalg.LinAlgError where entries are not finite, on a CPU; a bound is nan there.
    """
    if not on_host(gram):
        return eigenvalue_bound(gram)
    by_lanczos = _largest_by_lanczos(gram) if len(gram) >= LANCZOS_FROM else None
    return torch.linalg.eigvalsh(gram)[-1].clamp(min=0) if by_lanczos is None else by_lanczos


def on_host(X: Tensor) -> bool:
    """Whether reading a number of this tensor is free, as on a CPU. Elsewhere the host would wait for the device."""
    return X.device.type == "cpu"


def eigenvalue_bound(gram: Tensor) -> Tensor:
    """An upper bound of the largest eigenvalue of an n x n Gram matrix G, at most n^(1/128) times as large (0-d).

    It is (trace G^128)^(1/128), from six squarings and a Frobenius norm. Each power is scaled to trace 1 before it is
    squared, so that none under- or overflows. The last factor covers the rounding of the products.
    """
    number = torch.finfo(gram.dtype)
    bound = gram.diagonal().sum()
    power = gram / bound.clamp(min=number.tiny)
    for k in range(1, SQUARINGS + 2):
        trace = power.square().sum()  # of the next power
        bound = bound * trace ** (0.5**k)
        if k <= SQUARINGS:
            power = (power @ power).div_(trace.clamp(min=number.tiny))
    return bound * (1 + len(gram) * number.eps)


@lru_cache(maxsize=8)
def _direction(size: int, dtype: torch.dtype) -> Tensor:
    """A unit vector without any structure, the same in each call."""
    vector = torch.randn(size, generator=torch.Generator().manual_seed(0), dtype=torch.float64, device="cpu")
    return (vector / vector.norm()).to(dtype)


def _largest_by_lanczos(gram: Tensor) -> Tensor | None:
    """The largest eigenvalue by a few Lanczos iterations, None where they do not show it to rounding.

    An eigenvalue lies within the residual r of the largest Ritz value, and within r^2 over the distance to the next
    one. Where the two largest differ by less than some 1e-4 of their size it may be either.
    """
    v, diagonal, beside = _direction(len(gram), gram.dtype), [], []
    w = gram @ v
    for step in range(1, max(LANCZOS_LOOKS) + 1):
        diagonal.append(torch.dot(v, w).item())
        w.sub_(v, alpha=diagonal[-1])
        beside.append(w.norm().item())
        if not 0 < beside[-1] < math.inf:
            return None
        if step in LANCZOS_LOOKS:
            inner = torch.tensor(beside[:-1], dtype=torch.float64)
            values, vectors = torch.linalg.eigh(
                torch.diag(torch.tensor(diagonal, dtype=torch.float64)) + inner.diag(-1)
            )
            residual = beside[-1] * abs(vectors[-1, -1].item())
            largest, next_largest = values[-1].item(), values[-2].item()
            error = min(residual, residual**2 / max(largest - next_largest, 1e-300))
            if error <= torch.finfo(gram.dtype).eps * largest:
                return values[-1].to(gram.dtype)
        v, w = w / beside[-1], torch.addmv(v, gram, w, beta=-beside[-1], alpha=1 / beside[-1])
    return None


def blocks(X: Tensor, rows: int) -> list[slice]:
    """The rows of X in parts, for passes that would go through main memory otherwise: so many at a time on a CPU."""
    rows = rows if on_host(X) else DEVICE_ROWS
    return [slice(start, start + rows) for start in range(0, len(X), rows)]


def parts(X: Tensor, bias: bool) -> Iterator[tuple[slice, Tensor]]:
    """[X, 1] in float64, some rows at a time, each part with its place."""
    for rows in blocks(X, ROWS):
        yield rows, with_ones(X[rows].double(), bias)


def gram(X: Tensor, bias: bool, group: Group = None) -> Tensor:
    """[X, 1]^T [X, 1] in float64, summed over the processes of `group`."""
    size = X.shape[1] + bias
    total = X.new_zeros(size, size, dtype=torch.float64)
    for _, part in parts(X, bias):
        total.addmm_(part.T, part)
    return summed(total, group)


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
    if (inverse := _full_rank_inverse(hessian, dtype)) is not None:
        return inverse
    values, vectors = torch.linalg.eigh(hessian)
    inverse = torch.where(values > _lost(hessian, dtype) * values[-1].clamp(min=0), 1 / values, 0.0)
    return (vectors * inverse) @ vectors.T


def _lost(hessian: Tensor, dtype: torch.dtype) -> float:
    """The share of the largest eigenvalue below which one is lost in the rounding of `dtype`."""
    size = len(hessian)
    return max((size * torch.finfo(dtype).eps) ** 2, size * torch.finfo(torch.float64).eps)


def _by_cholesky(hessian: Tensor, damping: Tensor | float) -> tuple[Tensor, Tensor]:
    """(H + damping)^-1 by a Cholesky factor, and whether that failed (0-d, not 0).

    Rows and columns of zeros, those of a unit that is off for all samples, stay zeros, as in a pseudo-inverse.
    """
    filled = hessian.clone()
    diagonal = filled.diagonal()
    off = diagonal == 0
    diagonal.add_(torch.where(off, diagonal.mean().clamp(min=TINY), damping))
    factor, failed = torch.linalg.cholesky_ex(filled)
    del filled, diagonal  # as large as the factor
    factor.diagonal().clamp_(min=TINY)  # of a factor that failed, which cholesky_inverse would stop at
    inverse = torch.cholesky_inverse(factor, out=factor)
    inverse.diagonal().masked_fill_(off, 0.0)
    return inverse, failed


def _full_rank_inverse(hessian: Tensor, dtype: torch.dtype) -> Tensor | None:
    """The inverse by a Cholesky factor, several times as fast as by eigenvalues; None unless no direction is lost.

    The product of the two Frobenius norms bounds the condition number from above.
    """
    inverse, failed = _by_cholesky(hessian, 0.0)
    condition = (hessian.norm() * inverse.norm()).item()
    return inverse if not failed.item() and condition * _lost(hessian, dtype) < 1 else None


def inversion(hessian: Tensor, dtype: torch.dtype) -> Callable[[Tensor, torch.dtype], Tensor]:
    """How to invert matrices like this one: `damped_inverse`, or `pseudo_inverse` where its rank is deficient."""
    return pseudo_inverse if _full_rank_inverse(hessian, dtype) is None else damped_inverse


def damped_inverse(hessian: Tensor, dtype: torch.dtype) -> Tensor:
    """The inverse of a symmetric positive semidefinite matrix, damped where `dtype` leaves no trace of a direction.

    The damping is the bound below which `pseudo_inverse` leaves a direction alone. No device waits for it, and entries
    that are not finite give an inverse that is not finite.
    """
    return _by_cholesky(hessian, _lost(hessian, dtype) * hessian.diagonal().sum())[0]
