"""Denoising of MNIST images (poster, "Numerical experiments")."""

import torch
from torch import Tensor

from nonsmooth.problem import Problem, Split
from replication.data.mnist import Sample, first_rows
from replication.seeds import generator


def _gaussian(clean: Tensor, level: float, draw: torch.Generator) -> Tensor:
    return clean + level * torch.randn(clean.shape, generator=draw, dtype=clean.dtype)


def _salt_and_pepper(clean: Tensor, level: float, draw: torch.Generator) -> Tensor:
    chance = torch.rand(clean.shape, generator=draw, dtype=clean.dtype)
    return torch.where(chance < level / 2, 0.0, torch.where(chance < level, 1.0, clean))


def _masking(clean: Tensor, level: float, draw: torch.Generator) -> Tensor:
    return torch.where(torch.rand(clean.shape, generator=draw, dtype=clean.dtype) < level, 0.0, clean)


NOISES = {"gaussian": _gaussian, "salt-and-pepper": _salt_and_pepper, "masking": _masking}


def denoising(sample: Sample, *, seed: int, dtype: str, noise: str, noise_level: float, unseen_images: int) -> Problem:
    """Targets are clean images, pixels in [0, 1]; inputs are the same with noise, drawn once, not clipped.

    noise: "gaussian", of standard deviation `noise_level` in units of the pixels' range; "salt-and-pepper", where a
    pixel becomes 0 or 1, as likely, with probability `noise_level`; "masking", where it becomes 0 with that
    probability. Each part of the data has a stream of its own ("noise/training", ...), so that more images in one move
    no noise in another. The unseen images are the first `unseen_images` of the test set.
    """

    def split(images: Tensor, part: str) -> Split:
        clean = images.to(torch.float32) / 255
        noisy = NOISES[noise](clean, noise_level, generator(seed, f"noise/{part}"))
        return Split(noisy.to(getattr(torch, dtype)), clean.to(getattr(torch, dtype)))

    test = split(sample.test, "test")
    unseen = first_rows(test, unseen_images)
    validation = split(sample.validation, "validation") if len(sample.validation) else None
    return Problem(split(sample.training, "training"), validation, unseen, test)
