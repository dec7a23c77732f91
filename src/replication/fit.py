"""Networks for people's own arrays and images, without the configuration: training, and denoising of PNG files."""

import inspect
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from nonsmooth.problem import Problem
from nonsmooth.training import mean_squared_error, train
from replication import config, constructors, methods, run, strict_yaml
from replication.data.arrays import read_problem
from replication.errors import nearest
from replication.files import claimed, reading, replacing
from replication.parameters import Parameters
from replication.paths import RUN_FILES
from replication.quality import summary
from replication.terminal import stopping


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
    """Train a ReLU network on `data` (see `data.arrays.read_problem`) and save the run in `run_folder`.

    settings: of the method, as "name=value". hidden: sizes of the hidden layers. Losses are printed once
    it is saved. Raises ValueError, DataError or OSError before any work, DivergedError and KeyboardInterrupt when the
    run is saved.
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
    problem = read_problem(data, noise, held_out, seed, _say)
    network = {"hidden": hidden, "activation": "relu", "output_activation": None, "bias": True}
    network |= {"initialization": "torch", "scale": 1.0}
    about = {"name": "arrays", "data": data, "noise": noise, "held_out": held_out}
    parameters = Parameters("fit", method, seed, given, iterations, None, about, network, "float32", 1, "cpu")
    with claimed(run_folder, *RUN_FILES):
        try:
            made = run.assemble(parameters, None, problem=problem)
        except TypeError as error:
            raise ValueError(f"--method {method}: {error}") from None
        before = _losses(made.network, problem)
        with stopping() as callback:
            training = train(made.network, made.optimizer, problem, iterations, report=_say, callback=callback)
            final = summary(made.network, problem)
            run.save(run_folder, parameters, made.network, training, final)
    after = _losses(made.network, problem)
    for part in before:
        _say(f"{part} loss: {before[part]:.4g} before, {after[part]:.4g} after")
    for part, accuracy in (("training", "train_accuracy"), ("held-out", "unseen_accuracy")):
        if final.get(accuracy) is not None:
            _say(f"{part} accuracy: {final[accuracy]:.1%}")
    if problem.training.inputs.shape == problem.training.targets.shape:
        own = mean_squared_error(torch.nn.Identity(), problem.unseen)
        _say(f"held-out loss of the inputs themselves: {own:.4g}")
    _say(f"saved: {run_folder}")
    run.check_finished(training, run_folder)


def _say(line: str) -> None:
    print(line, flush=True)


def _parsed(settings: Sequence[str]) -> dict:
    """The values of "name=value" entries, as YAML has them."""
    for entry in settings:
        if "=" not in entry:
            raise ValueError(f"--settings {entry}: must be name=value, such as tau_w=1.0")
    parts = [entry.partition("=") for entry in settings]
    names = [name for name, _, _ in parts]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"--settings {' '.join(settings)}: {name} is given twice")
    return {name: strict_yaml.parse(value, f"--settings {name}={value}") for name, _, value in parts}


def _losses(network: torch.nn.Module, problem: Problem) -> dict[str, float]:
    parts = {"training": problem.training, "held-out": problem.unseen}
    return {name: mean_squared_error(network, split) for name, split in parts.items()}


def denoise(run_folder: str, images: str, output: str) -> None:
    """Denoise every PNG in the folder `images` with the network of a run; the results, grey, go to the folder `output`.

    Hidden files are left out, as those that systems put beside others. Raises ValueError, DataError or OSError, with
    the file's name, before anything is written.
    """
    from skimage import io, util  # imported late: they take a second

    files = sorted(path for path in Path(images).iterdir() if not path.name.startswith("."))
    paths = [path for path in files if path.suffix.lower() == ".png"]
    if not paths:
        raise ValueError(f"--images {images}: has no PNG files")
    network, size = _denoiser(run_folder)
    with claimed(output, *(path.name for path in paths)):
        noisy = {}
        for path in paths:
            with reading(path):
                noisy[path] = _grey(path)
            if noisy[path].size != size:
                shape = " x ".join(map(str, noisy[path].shape))
                raise ValueError(f"{path} has {shape} pixels: the network of {run_folder} takes {size} in all")
        for path, pixels in noisy.items():
            with torch.no_grad():
                denoised = network(torch.from_numpy(pixels).reshape(1, -1).to(network[0].weight.dtype))
            clipped = denoised.clamp(0, 1).reshape(pixels.shape).numpy()
            with replacing(Path(output) / path.name) as temporary:
                io.imsave(temporary, util.img_as_ubyte(clipped), check_contrast=False)
    _say(f"{len(paths)} images denoised, {len(files) - len(paths)} other files left out: {output}")


def _grey(path: Path) -> np.ndarray:
    """The image as grey pixels from 0 to 1, float32; where it is transparent, a white ground shows.

    Raises ValueError for an image of several frames.
    """
    from PIL import Image
    from skimage import color, io, util

    with Image.open(path) as image:
        if (frames := getattr(image, "n_frames", 1)) > 1:
            raise ValueError(f"it has {frames} frames: must be one image")
    pixels = util.img_as_float32(io.imread(path))
    if pixels.ndim == 3 and pixels.shape[2] in (2, 4):
        alpha = pixels[..., -1:]
        pixels = pixels[..., :-1] * alpha + (1 - alpha)
    if pixels.ndim == 2:
        return pixels
    return pixels[..., 0] if pixels.shape[2] == 1 else color.rgb2gray(pixels)


def _denoiser(run_folder: str) -> tuple[torch.nn.Sequential, int]:
    """The network of a run and the number of its inputs and outputs. Raises ValueError for one that cannot denoise."""
    trained = run.load(run_folder)
    if trained.diverged:
        raise ValueError(f"--run-folder {run_folder}: that training diverged, its weights are of no use")
    inputs, outputs = trained.sizes
    if inputs != outputs:
        raise ValueError(f"--run-folder {run_folder}: {inputs} inputs and {outputs} outputs, so it denoises nothing")
    return trained.network(), inputs
