"""The linear algebra of an affine map, with NumPy as oracle.

Matrices of small integers are exact in floating point, and they often have a deficient rank.
"""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nonsmooth.linear import (
    LANCZOS_FROM,
    gram,
    is_wide,
    largest_eigenvalue,
    parts,
    pseudo_inverse,
    spectral_norm,
    squared_norm,
    with_ones,
)

shapes = st.tuples(st.integers(1, 7), st.integers(1, 5))
matrices = shapes.flatmap(lambda shape: arrays(np.float64, shape, elements=st.floats(-10, 10)))
integer_matrices = shapes.flatmap(lambda shape: arrays(np.float64, shape, elements=st.integers(-3, 3)))


def with_column_of_ones(X):
    return np.hstack([X, np.ones((len(X), 1))])


@given(X=matrices)
def test_the_spectral_norm_is_the_largest_singular_value(X):
    expected = np.linalg.svd(X, compute_uv=False)[0]
    assert spectral_norm(torch.from_numpy(X)).item() == pytest.approx(expected, rel=1e-10, abs=1e-300)


@given(X=integer_matrices)
def test_the_largest_eigenvalue_of_a_gram_matrix_is_the_squared_spectral_norm(X):
    value = largest_eigenvalue(torch.from_numpy(X.T @ X)).item()
    assert value >= 0
    assert value == pytest.approx(np.linalg.norm(X, 2) ** 2, rel=1e-10, abs=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [LANCZOS_FROM, 300])
def test_the_largest_eigenvalue_of_a_large_gram_matrix_is_exact(size, dtype):
    """Spectra with a gap, without one, clustered, of low rank and zero; the last two have nearly equal largest ones."""
    draw = np.random.default_rng(size)
    vectors, _ = np.linalg.qr(draw.normal(size=(size, size)))
    spread = draw.uniform(size=size)
    spectra = [(np.append(spread[1:], 4), 0), (spread, 0), (np.append(np.zeros(size - 2), [1, 2]), 0)]
    spectra += [(10 ** (-9 * spread), 0), (np.zeros(size), 0), (1 + 1e-6 * spread, 1e-6)]
    spectra += [(np.append(0.3 * spread[2:], [1, 1 + 1e-4]), 1e-4)]
    for values, distance in spectra:
        for matrix in ((vectors * values) @ vectors.T, np.diag(values)):
            value = largest_eigenvalue(torch.from_numpy(matrix).to(dtype)).item()
            assert value == pytest.approx(values.max(), rel=distance + 8 * torch.finfo(dtype).eps, abs=0)


def test_the_largest_eigenvalue_is_never_negative():
    assert largest_eigenvalue(torch.tensor([[-1e-17]])).item() == 0


@given(X=integer_matrices, bias=st.booleans())
def test_the_gram_matrix_counts_the_column_of_ones(X, bias):
    extended = with_column_of_ones(X) if bias else X
    np.testing.assert_array_equal(with_ones(torch.from_numpy(X), bias).numpy(), extended)
    np.testing.assert_array_equal(gram(torch.from_numpy(X), bias).numpy(), extended.T @ extended)


@pytest.mark.parametrize("count", [1, 1024, 1025, 2500])
def test_parts_are_all_rows_once_in_their_order(count):
    X = torch.arange(2.0 * count).view(count, 2)
    rows, values = zip(*parts(X, True), strict=True)
    assert torch.cat(values).dtype == torch.float64
    np.testing.assert_array_equal(torch.cat(values), with_column_of_ones(X.numpy()))
    np.testing.assert_array_equal(torch.cat([X[part] for part in rows]), X)


def test_the_gram_matrix_of_float32_inputs_is_computed_in_float64():
    X = np.random.default_rng(0).uniform(size=(2500, 4)).astype(np.float32)
    extended = with_column_of_ones(X.astype(np.float64))
    np.testing.assert_allclose(gram(torch.from_numpy(X), True).numpy(), extended.T @ extended, rtol=1e-13)


@given(X=integer_matrices)
def test_the_pseudo_inverse_is_that_of_numpy_for_every_rank(X):
    H = X.T @ X
    expected = np.linalg.pinv(H, hermitian=True)
    inverse = pseudo_inverse(torch.from_numpy(H), torch.float64).numpy()
    np.testing.assert_allclose(inverse, expected, atol=1e-9 * max(1, np.abs(expected).max()))


@given(X=integer_matrices, seed=st.integers(0, 2**32 - 1))
def test_a_solve_is_the_least_squares_solution_of_minimum_norm(X, seed):
    """numpy.linalg.lstsq gives the solution of minimum norm where there are many."""
    targets = np.random.default_rng(seed).uniform(-1, 1, (len(X), 3))
    expected, *_ = np.linalg.lstsq(X, targets, rcond=None)
    solution = pseudo_inverse(torch.from_numpy(X.T @ X), torch.float64).numpy() @ X.T @ targets
    np.testing.assert_allclose(solution, expected, atol=1e-9)


@pytest.mark.parametrize(("dtype", "expected"), [(torch.float32, 0.0), (torch.float64, 1e14)])
def test_directions_lost_in_the_rounding_of_the_data_are_left_alone(dtype, expected):
    """A singular value of 1e-7 next to 1 is below the rounding of two float32 numbers, and well above float64's."""
    inverse = pseudo_inverse(torch.diag(torch.tensor([1.0, 1e-14], dtype=torch.float64)), dtype)
    np.testing.assert_allclose(inverse.numpy(), np.diag([1.0, expected]), rtol=1e-12)


@pytest.mark.parametrize("operation", [largest_eigenvalue, lambda H: pseudo_inverse(H, torch.float64)])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_entries_that_are_not_finite_raise_linalgerror(operation, value):
    with pytest.raises(torch.linalg.LinAlgError):
        operation(torch.full((3, 3), value, dtype=torch.float64))


@pytest.mark.parametrize("shape", [(3, 8), (8, 3), (4, 4)])
@pytest.mark.parametrize("bias", [True, False])
def test_the_smaller_gram_matrix_has_the_norm(shape, bias):
    X = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    expected = np.linalg.norm(with_ones(X.double(), bias).numpy(), 2) ** 2
    assert squared_norm(X, bias).item() == pytest.approx(expected, rel=1e-12)
    assert is_wide(X, bias) == (shape[0] < shape[1] + bias)
    assert not is_wide(X, bias, group=object())
