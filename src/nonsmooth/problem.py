"""What is to be learned: inputs and targets, to train on, to choose settings by and to judge by."""

from dataclasses import dataclass, fields
from typing import NamedTuple

import torch
from torch import Tensor

from nonsmooth.checks import check_finite, check_tensor
from nonsmooth.processes import Group, rows


class Split(NamedTuple):
    inputs: Tensor  # N x in
    targets: Tensor  # N x out


@dataclass(frozen=True)
class Problem:
    """Data to train on, to choose settings by (validation), and to judge by (unseen; test is unseen and the rest).

    validation is None where every sample is trained on; unseen is None where it may not be looked at. Raises ValueError
    for parts without rows, whose shapes, dtypes or devices do not go together, or that are not finite; TypeError for
    what is no tensor.
    """

    training: Split
    validation: Split | None = None
    unseen: Split | None = None
    test: Split | None = None

    def __post_init__(self):
        for field in fields(self):
            if (split := getattr(self, field.name)) is None:
                continue
            for name, expected, part in zip(Split._fields, self.training, split, strict=True):
                check_tensor(f"{field.name}.{name}", part)
                columns = ", ".join(map(str, expected.shape[1:]))
                if part.shape[1:] != expected.shape[1:] or len(part) != len(split.inputs):
                    shapes = f"must have shape (N, {columns}) with the N of its inputs, not {tuple(part.shape)}"
                    raise ValueError(f"{field.name}.{name} {shapes}")
                if not len(part):
                    raise ValueError(f"{field.name}.{name} has no rows: give it one, or leave {field.name} out")
                if (part.dtype, part.device) != (expected.dtype, expected.device):
                    kinds = f"{expected.dtype} on {expected.device}, not {part.dtype} on {part.device}"
                    raise ValueError(f"{field.name}.{name} must be of training's dtype and device, {kinds}")
                check_finite(f"{field.name}.{name}", part)

    @property
    def sizes(self) -> tuple[int, int]:
        """Inputs and outputs of a network for it."""
        return self.training.inputs.shape[1], self.training.targets.shape[1]

    def at(self, device: torch.device, group: Group = None) -> "Problem":
        """The same on `device`; of several processes, this one's rows of each part."""

        def moved(split: Split | None) -> Split | None:
            return split and Split(*(part[rows(len(part), group)].to(device) for part in split))

        return Problem(*(moved(getattr(self, field.name)) for field in fields(self)))
