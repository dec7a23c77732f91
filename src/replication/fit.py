"""Networks for people's own arrays and images, without the configuration: training, and denoising of PNG files."""

import inspect
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nonsmooth.problem import Problem, Split
from nonsmooth.training import mean_squared_error, train
from replication import config, constructors, methods, run, strict_yaml
from replication.data import mnist
from replication.data.denoising import NOISES
from replication.errors import nearest
from replication.files import check_new, reading, replacing
from replication.parameters import Parameters
from replication.paths import DATASETS, RUN_FILES
from replication.quality import summary
from replication.seeds import generator

IMAGES = {"training_images": 1250, "validation_images": 0}  # that `--data mnist` draws


def describe_methods() -> str:
    """A line for each method: its name, label and role, and its settings with their defaults."""
    lines = []
    for name, method in methods.METHODS.items():
        values = [
            key if value is inspect.Parameter.empty else f"{key}={'null' if value is None else value}"
            for key, value in constructors.settings(name).items()
        ]
        lines.append(f"{name}: {method.label} ({method.role})\n    {' '.join(values)}")
    note = "A setting without a value must be given. Those of torch.optim take its settings too, such as momentum."
    return "\n".join([*lines, "", note])


def fit(
    data: str,
    run_folder: str,
    *,
    method: str,
    settings: Sequence[str],
    hidden: list[int],
    iterations: int,
    noise: float,
    held_out: float,
    seed: int,
) -> None:
    """Train a ReLU network on `data` (see `read_problem`) and save the run, as run.save does, in `run_folder`.

    settings: of the method, as "name=value". hidden: sizes of the hidden layers. Losses are printed. Raises ValueError,
    DataError or OSError before any work.
    """
    if method not in methods.METHODS:
        known = methods.METHODS
        raise ValueError(f"--method {method}: must be one of {', '.join(known)}{nearest(method, known)}")
    given = _parsed(settings)
    if why := constructors.refusal(method, given):
        close = "".join(nearest(key, constructors.settings(method)) for key in given if f"'{key}'" in why)
        raise ValueError(f"{' '.join(['--settings', *settings])}: {why}{close}")
    for name, value, holds, bound in (
        ("hidden", min(hidden, default=1), min(hidden, default=1) >= 1, "at least 1"),
        ("iterations", iterations, iterations >= 1, "at least 1"),
        ("noise", noise, 0 <= noise < float("inf"), "at least 0"),
        ("held-out", held_out, 0 < held_out < 1, "between 0 and 1"),
        ("seed", seed, 0 <= seed <= config.LARGEST, f"from 0 to {config.LARGEST}"),
    ):
        if not holds:
            raise ValueError(f"--{name} {value}: must be {bound}")
    problem = read_problem(data, noise, held_out, seed)
    network = {"hidden": hidden, "activation": "relu", "output_activation": None, "bias": True}
    network |= {"initialization": "torch", "scale": 1.0}
    about = {"name": "arrays", "data": data, "noise": noise, "held_out": held_out}
    parameters = Parameters("fit", method, seed, given, iterations, None, about, network, "float32", 1, "cpu")
    try:
        made = run.assemble(parameters, None, problem=problem)
    except TypeError as error:
        raise ValueError(f"--method {method}: {error}") from None
    check_new(*(Path(run_folder) / name for name in RUN_FILES))
    before = _losses(made.network, problem)
    training = train(made.network, made.optimizer, problem, iterations, report=lambda line: print(line, flush=True))
    run.save(run_folder, parameters, made.network, training, summary(made.network, problem))
    after = _losses(made.network, problem)
    for part in before:
        print(f"{part} loss: {before[part]:.4g} before, {after[part]:.4g} after")
    if problem.training.inputs.shape == problem.training.targets.shape:
        own = mean_squared_error(torch.nn.Identity(), problem.unseen)
        print(f"held-out loss of the inputs themselves: {own:.4g}")
    print(f"saved: {run_folder}")


def _parsed(settings: Sequence[str]) -> dict:
    """The values of "name=value" entries, as YAML has them."""
    for entry in settings:
        if "=" not in entry:
            raise ValueError(f"--settings {entry}: must be name=value, such as tau_w=1.0")
    parts = [entry.partition("=") for entry in settings]
    return {name: strict_yaml.parse(value, f"--settings {name}={value}") for name, _, value in parts}


def _losses(network: torch.nn.Module, problem: Problem) -> dict[str, float]:
    parts = {"training": problem.training, "held-out": problem.unseen}
    return {name: mean_squared_error(network, split) for name, split in parts.items()}


def read_problem(data: str, noise: float, held_out: float, seed: int) -> Problem:
    """The problem of a file: the last rows, a share `held_out`, are unseen, and the others are trained on.

    data: an .npz file with the arrays "inputs" and "targets"; an .npy file of clean rows, to which Gaussian noise of
    standard deviation `noise` is added; or a key of DATASETS, for clean images drawn by `seed`. Rows are flattened;
    bytes are pixels, 255 becomes 1. Raises DataError and ValueError.
    """
    if Path(data).suffix == ".npz":
        with reading(data), np.load(data) as arrays:
            inputs, targets = (_rows(arrays[name], name) for name in ("inputs", "targets"))
    elif Path(data).suffix == ".npy" or data in DATASETS:
        if data in DATASETS:
            targets = mnist.sample(seed, IMAGES | {"dataset": data}).training.float() / 255
        else:
            with reading(data):
                targets = _rows(np.load(data), "the array")
        inputs = NOISES["gaussian"](targets, noise, generator(seed, "noise/training"))
    else:
        raise ValueError(f"--data {data}: must be an .npz or .npy file, or {' or '.join(DATASETS)}")
    count = len(targets) - round(held_out * len(targets))
    if len(inputs) != len(targets) or not 0 < count < len(targets):
        raise ValueError(
            f"{data} has {len(inputs)} inputs and {len(targets)} targets: must be as many, and enough to train on some "
            f"and hold out --held-out {held_out} of them"
        )
    return Problem(Split(inputs[:count], targets[:count]), unseen=Split(inputs[count:], targets[count:]))


def _rows(array: np.ndarray, name: str) -> Tensor:
    """The array as float32, N x columns. Raises ValueError."""
    if array.ndim < 2 or not array.size:
        raise ValueError(f"{name} has shape {array.shape}: must be N x columns; classes as one-hot rows")
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name} has dtype {array.dtype}: must be numbers")
    rows = torch.from_numpy(array.astype(np.float32)).flatten(1)
    if not bool(rows.isfinite().all()):
        raise ValueError(f"{name} has values that are not finite")
    return rows / 255 if array.dtype == np.uint8 else rows


def denoise(run_folder: str, images: str, output: str) -> None:
    """Denoise every PNG in the folder `images` with the network of a run; the results, grey, go to the folder `output`.

    Raises ValueError, DataError or OSError, with the file's name, before anything is written.
    """
    from skimage import io, util  # imported late: they take a second

    paths = sorted(path for path in Path(images).iterdir() if path.suffix.lower() == ".png")
    if not paths:
        raise ValueError(f"--images {images}: has no PNG files")
    network, size = _denoiser(run_folder)
    check_new(*(Path(output) / path.name for path in paths))
    noisy = {}
    for path in paths:
        with reading(path):
            noisy[path] = util.img_as_float32(io.imread(path, as_gray=True))
        if noisy[path].size != size:
            shape = " x ".join(map(str, noisy[path].shape))
            raise ValueError(f"{path} has {shape} pixels: the network of {run_folder} takes {size} in all")
    for path, pixels in noisy.items():
        with torch.no_grad():
            denoised = network(torch.from_numpy(pixels).reshape(1, -1).to(network[0].weight.dtype))
        clipped = denoised.clamp(0, 1).reshape(pixels.shape).numpy()
        with replacing(Path(output) / path.name) as temporary:
            io.imsave(temporary, util.img_as_ubyte(clipped), check_contrast=False)
    print(f"{len(paths)} images denoised: {output}")


def _denoiser(run_folder: str) -> tuple[torch.nn.Sequential, int]:
    """The network of a run and the number of its inputs and outputs. Raises ValueError for one that cannot denoise."""
    trained = run.load(run_folder)
    if trained.diverged:
        raise ValueError(f"--run-folder {run_folder}: that training diverged, its weights are of no use")
    inputs, outputs = trained.sizes
    if inputs != outputs:
        raise ValueError(f"--run-folder {run_folder}: {inputs} inputs and {outputs} outputs, so it denoises nothing")
    return trained.network(), inputs
