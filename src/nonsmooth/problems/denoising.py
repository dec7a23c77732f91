"""Denoising of MNIST images (poster, "Numerical experiments")."""

import torch
from torch import Tensor

from nonsmooth.mnist import Sample
from nonsmooth.problems.problem import Problem, Split, first_rows
from nonsmooth.seeds import generator


def denoising(sample: Sample, *, seed: int, dtype: str, noise_level: float, unseen_images: int) -> Problem:
    """Targets are clean images, pixels in [0, 1]; inputs are the same with Gaussian noise, drawn once, not clipped.

    `noise_level` is the standard deviation, in units of the pixels' range. Each part of the data has a stream of its
    own ("noise/training", ...), so that more images in one move no noise in another. The unseen images are the first
    `unseen_images` of the test set.
    """

    def split(images: Tensor, part: str) -> Split:
        clean = images.to(torch.float32) / 255
        noise = torch.randn(clean.shape, generator=generator(seed, f"noise/{part}"))
        return Split((clean + noise_level * noise).to(getattr(torch, dtype)), clean.to(getattr(torch, dtype)))

    test = split(sample.test, "test")
    unseen = first_rows(test, unseen_images)
    validation = split(sample.validation, "validation") if len(sample.validation) else None
    return Problem(split(sample.training, "training"), validation, unseen, test)
