"""The runs that claims are judged by: many seeds of one optimizer in one process, and what is measured of each."""

import math

import torch
from torch import nn

from nonsmooth import problems, references
from nonsmooth.mnist import Sample
from nonsmooth.problems import Problem, Split
from nonsmooth.training import mean_squared_error, psnr
from nonsmooth.tuning import run

SIDE = 28
LINEAR_MAP, MEAN_IMAGE = "linear map", "mean image"
UNPENALISED = f"{LINEAR_MAP}, ridge {references.RIDGES[0]:g}"


@torch.no_grad()
def quality(network: nn.Module, problem: Problem, ssim: bool = True) -> dict[str, float]:
    """Numbers of a network after its training, of training and of unseen data.

    "train_loss", "unseen_loss": mean squared error. For images the means over images of "..._psnr" (dB) and "..._ssim"
    (of pixels in [0, 1], outputs not clipped). For networks with an activation between affine maps, "active": share of
    hidden units times training samples with a positive output, and "always_active": share of hidden units whose output
    is positive for every training sample, so that they are linear there.
    """
    numbers = {}
    for name, split in (("train", problem.training), ("unseen", problem.unseen)):
        numbers[f"{name}_loss"] = mean_squared_error(network, split)
        if split.targets.shape[1] == SIDE**2:
            images = network(split.inputs)
            numbers[f"{name}_psnr"] = psnr(images, split.targets).mean().item()
            if ssim:
                numbers[f"{name}_ssim"] = _ssim(images, split)
    modules = list(network) if isinstance(network, nn.Sequential) else []
    if len(modules) >= 3 and not isinstance(modules[1], nn.Linear):
        active = modules[1](modules[0](problem.training.inputs)) > 0
        numbers["active"] = active.double().mean().item()
        numbers["always_active"] = active.all(0).double().mean().item()
    return numbers


def _ssim(images: torch.Tensor, split: Split) -> float:
    from skimage.metrics import structural_similarity  # imported late: it takes a second

    pairs = zip(images.view(-1, SIDE, SIDE).numpy(), split.targets.view(-1, SIDE, SIDE).numpy(), strict=True)
    values = [structural_similarity(mine, clean, data_range=1.0) for mine, clean in pairs]
    return math.fsum(values) / len(values)


def train_seeds(parameters: dict, samples: dict[int, Sample | None], every: int = 1, ssim: bool = True) -> dict:
    """Train with every seed; "runs" has for each its seed, status, losses and `quality`.

    "iteration" and "train_loss": the training loss after each `every` iterations and after the last. "final" is the
    quality after the last one, "stopped" (without SSIM) that after the recorded one with the smallest validation loss,
    "stopped_at". `samples`: the images by seed, None for problems without. A diverged run has losses as long as they
    are finite, and no quality.
    """
    told = []
    for seed, sample in samples.items():
        network, problem, training = run(parameters | {"seed": seed}, sample, keep_best=True, every=every)
        history = training.history
        finite = [loss for loss in history["train_loss"] if math.isfinite(loss)]
        entry = {"seed": seed, "status": training.status, "iteration": history["iteration"][: len(finite)]}
        entry["train_loss"] = finite
        if training.status == "finished":
            entry["final"] = quality(network, problem, ssim)
            losses = history["validation_loss"]
            entry["stopped_at"] = history["iteration"][losses.index(min(losses))]
            network.load_state_dict(training.best)
            entry["stopped"] = quality(network, problem, ssim=False)
        told.append(entry)
        end = f"{training.status}, training loss {finite[-1]:.4g}"
        print(f"[{parameters['experiment']}/{parameters['optimizer']}/seed-{seed}] {end}", flush=True)
    kept = {name: parameters[name] for name in ("experiment", "optimizer", "settings", "iterations")}
    return kept | {"runs": told}


def bounds(parameters: dict, samples: dict[int, Sample], ssim: bool = True) -> dict:
    """`quality` by seed: of the noisy input, the mean image, the best linear map with the smallest layer's rank.

    The linear map has the ridge that validation images choose, "ridge", and is there once more with next to none; where
    there are no validation images only the latter is.
    """
    told: dict[str, list[dict]] = {}
    rank = min(parameters["network"]["hidden"])
    for seed, sample in samples.items():
        problem = problems.build(sample, **parameters["problem"], seed=seed, dtype=parameters["dtype"])
        maps = {"noisy input": (references.noisy_input(), {}), MEAN_IMAGE: (references.mean_image(problem), {})}
        if problem.validation is not None:
            linear, ridge = references.linear_map(problem, rank)
            maps[LINEAR_MAP] = linear, {"ridge": ridge}
        maps[UNPENALISED] = references.reduced_rank_ridge(problem.training, rank, references.RIDGES[0]), {}
        for name, (network, known) in maps.items():
            told.setdefault(name, []).append({"seed": seed} | quality(network, problem, ssim) | known)
    return {"rank": rank, "references": told}
