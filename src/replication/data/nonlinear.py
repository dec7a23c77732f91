"""Problems that no linear map solves, for networks with a hidden layer; the poster has none of them."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from nonsmooth.problem import Problem, Split
from replication.data.mnist import Sample, labelled
from replication.seeds import generator

CLASSES = 10  # digits
SCALED = 10_000  # draws that a deep teacher's outputs are scaled by


def student(
    sample: None, *, seed: int, dtype: str, inputs: int, teacher_hidden: int | list[int], outputs: int, samples: int
) -> Problem:
    """Learn the outputs of a teacher network: Y = relu(X A) B, no noise. X, A and B are standard normal.

    The columns of B are scaled so that each output has variance 1 over all x ~ N(0, I), in closed form. So the teacher
    does not depend on the number of samples. A list of widths gives a teacher with as many hidden layers, a matrix A
    for each; its variance is that of SCALED draws of x. Training, validation and unseen data have `samples` rows each.
    `sample` is not used: every problem takes one.
    """
    del sample
    draw = generator(seed, "data")
    widths = [inputs, *(teacher_hidden if isinstance(teacher_hidden, list) else [teacher_hidden])]
    A = [torch.randn(*shape, generator=draw, dtype=torch.float64) for shape in pairwise(widths)]
    B = torch.randn(widths[-1], outputs, generator=draw, dtype=torch.float64)

    def hidden(x: Tensor) -> Tensor:
        for factor in A:
            x = (x @ factor).clamp(min=0)
        return x

    if len(A) == 1:
        B /= (B * (_covariance(A[0]) @ B)).sum(0).sqrt()
    else:
        drawn = torch.randn(SCALED, inputs, generator=generator(seed, "data/scale"), dtype=torch.float64)
        B /= (hidden(drawn) @ B).std(0)

    def split(part: str) -> Split:
        x = torch.randn(samples, inputs, generator=generator(seed, f"data/{part}"), dtype=torch.float64)
        y = hidden(x) @ B
        return Split(x.to(getattr(torch, dtype)), y.to(getattr(torch, dtype)))

    return Problem(split("training"), split("validation"), split("unseen"))


def _covariance(A: Tensor) -> Tensor:
    """The covariance of relu(A^T x) for x ~ N(0, I).

    With the angle t between columns a and b, E[relu(a^T x) relu(b^T x)] = |a| |b| (sin t + (pi - t) cos t) / (2 pi)
    (Cho and Saul, Kernel Methods for Deep Learning, 2009), and E[relu(a^T x)] = |a| / sqrt(2 pi).
    """
    lengths = A.norm(dim=0)
    cosines = (A.T @ A / torch.outer(lengths, lengths)).clamp(-1, 1)
    angles = cosines.acos()
    moments = angles.sin() + (torch.pi - angles) * cosines - 1
    return torch.outer(lengths, lengths) * moments / (2 * torch.pi)


def digits(sample: Sample, *, seed: int, dtype: str, unseen_images: int) -> Problem:
    """Tell the ten digits apart: targets are one-hot, inputs are pixels in [0, 1]; no noise."""
    del seed  # it has drawn the sample

    def split(images: Tensor, classes: Tensor) -> Split:
        targets = nn.functional.one_hot(classes.long(), CLASSES)
        return Split(*(part.to(getattr(torch, dtype)) for part in (images.double() / 255, targets)))

    return labelled(sample, split, unseen_images)
