"""What is to be learned: inputs and targets, drawn once for a seed and the same for every optimizer."""

import torch

from nonsmooth.problem import Problem
from replication.data.denoising import denoising
from replication.data.mnist import Sample
from replication.data.nonlinear import digits, student
from replication.data.perceptron import digit, teacher

PROBLEMS = {"denoising": denoising, "digit": digit, "digits": digits, "student": student, "teacher": teacher}


def build(sample: Sample | None, *, name: str, **settings) -> Problem:
    """The problem called `name` (a key of PROBLEMS), with the settings of its section in the configuration.

    `settings` has the section's other keys, and `seed` and `dtype`. `sample` holds the images of `seed`; it is None for
    a problem that is made from no images. Raises KeyError for another name.
    """
    with torch.device("cpu"):  # where the generators are, whatever a script has set as default
        return PROBLEMS[name](sample, **settings)
