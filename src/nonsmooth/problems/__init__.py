"""What is to be learned: inputs and targets, drawn once for a seed and the same for every optimizer."""

from nonsmooth.config import NEED_IMAGES
from nonsmooth.mnist import Sample
from nonsmooth.problems.denoising import denoising
from nonsmooth.problems.perceptron import digit, teacher
from nonsmooth.problems.problem import Problem, Split

PROBLEMS = {"denoising": denoising, "digit": digit, "teacher": teacher}

__all__ = ["PROBLEMS", "Problem", "Split", "build"]


def build(sample: Sample | None, *, name: str, seed: int, dtype: str, **settings) -> Problem:
    """The problem called `name` (a key of PROBLEMS), with the settings of its section in the configuration.

    `sample` holds the images of `seed` for the problems in NEED_IMAGES, and is None for the others.
    """
    if name in NEED_IMAGES:
        return PROBLEMS[name](sample, seed=seed, dtype=dtype, **settings)
    return PROBLEMS[name](seed=seed, dtype=dtype, **settings)
