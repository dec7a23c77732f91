"""Problems for the perceptron max(w^T x + b, 0) (poster, "A motivating example"); the poster names no data for it."""

from collections.abc import Callable

import torch
from torch import Tensor

from nonsmooth.problem import Problem, Split
from replication.data.mnist import Sample, labelled
from replication.seeds import generator

ABSENT = 1e-12  # of the largest eigenvalue: what float64 leaves of none


def digit(
    sample: Sample, *, seed: int, dtype: str, digit: int, unseen_images: int, condition_number: float | None
) -> Problem:
    """Tell one digit from the others: target 1 for images of `digit` and 0 otherwise; no noise.

    Pixels lie in [0, 1], or with a `condition_number` they are mapped linearly (`_conditioned`), which changes what a
    perceptron finds and not what it can say of the training images.
    """
    del seed  # it has drawn the sample
    mapped = _conditioned(sample.training.double() / 255, condition_number) if condition_number else None

    def split(images: Tensor, digits: Tensor) -> Split:
        pixels = images.double() / 255
        inputs = (mapped(pixels) if mapped else pixels).to(getattr(torch, dtype))
        return Split(inputs, (digits == digit).to(inputs.dtype)[:, None])

    return labelled(sample, split, unseen_images)


def _conditioned(rows: Tensor, condition_number: float) -> Callable[[Tensor], Tensor]:
    """The map that takes the mean away and gives the covariance of `rows` this condition number.

    Its eigenvalues, relative to the largest, are raised to 1 / `condition_number` where they are smaller: with 1 the
    rows are whitened, with a large one they are as they are, but for the mean and a factor. Directions in which the
    rows do not differ (below ABSENT) are dropped.
    """
    mean = rows.mean(0)
    values, basis = torch.linalg.eigh(torch.cov(rows.T))
    shares = values / values[-1]
    raised = shares.clamp(min=1 / condition_number)
    factors = torch.where(shares > ABSENT, (raised / values.clamp(min=ABSENT * values[-1])).sqrt(), 0.0)
    root = (basis * factors) @ basis.T
    return lambda pixels: (pixels - mean) @ root


def teacher(
    sample: None,
    *,
    seed: int,
    dtype: str,
    inputs: int,
    samples: int,
    condition_number: float,
    label_noise: float,
) -> Problem:
    """Labels of a perceptron with weights of its own: y = max(x^T w + b + label_noise e, 0), e standard normal.

    Inputs are Gaussian with a covariance whose eigenvalues fall geometrically from 1 to 1 / `condition_number`, in a
    random orthonormal basis. w is scaled so that x^T w has variance 1. Noise enters before the activation, so that
    labels are never negative and D stays finite. Training, validation and unseen data have `samples` rows each.
    `sample` is there because every problem takes one; no image has a part in this problem.
    """
    del sample
    draw = generator(seed, "data")
    basis, _ = torch.linalg.qr(torch.randn(inputs, inputs, generator=draw, dtype=torch.float64))
    exponents = torch.linspace(0, 1, inputs, dtype=torch.float64)
    root = basis * float(condition_number) ** (-exponents / 2)  # columns scaled: root root^T is the covariance
    direction = torch.randn(inputs, generator=draw, dtype=torch.float64)
    w = direction / (root.T @ direction).norm()
    b = 0.1 * torch.randn(1, generator=draw, dtype=torch.float64)

    def split(part: str) -> Split:
        x = torch.randn(samples, inputs, generator=generator(seed, f"data/{part}"), dtype=torch.float64) @ root.T
        e = torch.randn(samples, 1, generator=generator(seed, f"noise/{part}"), dtype=torch.float64)
        y = (x @ w[:, None] + b + label_noise * e).clamp(min=0)
        return Split(x.to(getattr(torch, dtype)), y.to(getattr(torch, dtype)))

    return Problem(split("training"), split("validation"), split("unseen"))
