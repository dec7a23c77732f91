"""People's own arrays as a problem: each file is read whole, and what is read is told."""

import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from nonsmooth.problem import Problem, Split
from replication.data import mnist
from replication.data.denoising import NOISES
from replication.files import reading
from replication.paths import DATASETS
from replication.seeds import generator

IMAGES = {"training_images": 1250, "validation_images": 0}  # that `--data mnist` draws
FAR = 30.0  # a scale so many times 1 is warned of
PAIR = ("inputs", "targets")


def read_problem(
    data: str, noise: float, held_out: float, seed: int, log: Callable[[str], None] = lambda line: None
) -> Problem:
    """The problem of a file: a share `held_out` of the rows, drawn by `seed`, is unseen; the others are trained on.

    data: an .npz file with the arrays "inputs" and "targets"; an .npy file of clean rows, to which Gaussian noise of
    standard deviation `noise` is added; or a key of DATASETS, for clean images drawn by `seed`. Rows are flattened;
    pixels are scaled to 1 (`_rows`). log is told what is read. Raises DataError and ValueError.
    """
    if Path(data).suffix == ".npz":
        with reading(data):
            inputs, targets = _pair(data, log)
    elif Path(data).suffix == ".npy" or data in DATASETS:
        if data in DATASETS:
            targets = _rows(mnist.sample(seed, IMAGES | {"dataset": data}).training.numpy(), data, log)
        else:
            with reading(data), open(data, "rb") as file:
                targets = _rows(_array(file), data, log)
        inputs = NOISES["gaussian"](targets, noise, generator(seed, "noise/training"))
    else:
        raise ValueError(f"--data {data}: must be an .npz or .npy file, or {' or '.join(DATASETS)}")
    count = len(targets) - round(held_out * len(targets))
    if len(inputs) != len(targets) or not 0 < count < len(targets):
        raise ValueError(
            f"{data} has {len(inputs)} inputs and {len(targets)} targets: must be as many, and enough to train on some "
            f"and hold out --held-out {held_out} of them"
        )
    order = torch.randperm(len(targets), generator=generator(seed, "held out"))
    chosen, rest = order[:count].sort().values, order[count:].sort().values
    return Problem(Split(inputs[chosen], targets[chosen]), unseen=Split(inputs[rest], targets[rest]))


def _pair(data: str, log: Callable[[str], None]) -> list[Tensor]:
    """Inputs and targets of an .npz file. Raises ValueError for a name that is missing or there twice."""
    with zipfile.ZipFile(data) as archive, ExitStack() as stack:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        for name in PAIR:
            if names.count(name) != 1:
                raise ValueError(f"{names.count(name)} arrays are called {name}: must be one")
        if other := sorted({*names} - {*PAIR}):
            log(f"{data}: not used: {', '.join(other)}")
        files = [archive.namelist()[names.index(name)] for name in PAIR]
        return [
            _rows(_array(stack.enter_context(archive.open(file))), name, log)
            for name, file in zip(PAIR, files, strict=True)
        ]


def _array(file: BinaryIO) -> np.ndarray:
    """The one array of an .npy file. Raises ValueError where anything stands behind it."""
    array = np.lib.format.read_array(file, allow_pickle=False)
    if file.read(1):
        raise ValueError(f"more follows behind the array of shape {array.shape}: must be one array")
    return array


def _rows(array: np.ndarray, name: str, log: Callable[[str], None]) -> Tensor:
    """The array as float32, N x columns; log is told its shape, type, range and scaling.

    Unsigned integers of 8 or 16 bits that reach the upper half of their type are pixels, and its largest value becomes
    1. With values of 0 and 1 alone they stay. Raises ValueError for those between, for other types, no rows, and values
    that are not finite.
    """
    if array.ndim < 2 or not array.size:
        column = f", one column as {PAIR[1]}[:, None]" if array.ndim == 1 else ""
        raise ValueError(f"{name} has shape {array.shape}: must be N x columns; classes as one-hot rows{column}")
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name} has dtype {array.dtype}: must be numbers")
    with np.errstate(over="ignore"):  # too large for float32: refused below
        rows = torch.from_numpy(array.astype(np.float32)).flatten(1)
    if not bool(rows.isfinite().all()):
        raise ValueError(f"{name} has values that are not finite in float32")
    smallest, largest, scaling = float(rows.min()), float(rows.max()), "not scaled"
    if array.dtype in (np.uint8, np.uint16) and largest > 1:
        whole = np.iinfo(array.dtype).max
        if largest <= whole // 2:
            raise ValueError(
                f"{name} has dtype {array.dtype} and values up to {largest:g}, which may be pixels of {whole} or plain "
                "numbers: save it as float32, scaled as you need it"
            )
        rows, scaling = rows / whole, f"pixels: divided by {whole}"
    elif not 1 / FAR < max(-smallest, largest) < FAR:
        scaling += ", and far from 1: bring columns to mean 0 and variance 1"
    log(
        f"read {name}: {len(rows)} rows, {rows.shape[1]} columns, {array.dtype}, from {smallest:g} to {largest:g}, "
        f"{scaling}"
    )
    return rows
