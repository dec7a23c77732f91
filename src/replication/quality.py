"""The numbers of a trained network: losses, PSNR, SSIM, active units."""

import math

import torch
from torch import Tensor, nn

from nonsmooth.problem import Problem, Split
from nonsmooth.processes import Group
from nonsmooth.training import mean, mean_squared_error

SIDE = 28  # pixels


@torch.no_grad()
def psnr(images: Tensor, clean: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of each row (N) for pixels in [0, 1]; `images` are not clipped."""
    return -10 * torch.log10((images - clean).square().mean(1))


def ssim(images: Tensor, clean: Tensor) -> float:
    """Mean structural similarity of images (N x 784) for pixels in [0, 1]; `images` are not clipped."""
    from skimage.metrics import structural_similarity  # imported late: it takes a second

    pairs = zip(images.view(-1, SIDE, SIDE).numpy(), clean.view(-1, SIDE, SIDE).numpy(), strict=True)
    values = [structural_similarity(image, target, data_range=1.0) for image, target in pairs]
    return math.fsum(values) / len(values)


@torch.no_grad()
def summary(network: nn.Module, problem: Problem, group: Group = None) -> dict[str, float | None]:
    """The numbers of a trained network that are computed once, at the end, None where they are not finite.

    Mean squared error on the whole test set, and for images (targets of more than one pixel) the mean PSNR in dB on
    training and unseen images.
    """
    numbers = {}
    if problem.test is not None:
        numbers["test_loss"] = mean_squared_error(network, problem.test, group)
    if problem.sizes[1] > 1:
        for name, split in (("train", problem.training), ("unseen", problem.unseen)):
            numbers[f"{name}_psnr"] = mean(psnr(network(split.inputs), split.targets), group)
    return {name: value if math.isfinite(value) else None for name, value in numbers.items()}


@torch.no_grad()
def quality(network: nn.Module, problem: Problem, with_ssim: bool = True) -> dict[str, float]:
    """Numbers of a network after its training, of training and of unseen data.

    "train_loss", "unseen_loss": mean squared error. For images the means over images of "..._psnr" (dB) and "..._ssim"
    (which takes long). For networks with an activation between affine maps, "active": share of hidden units times
    training samples with a positive output, and "always_active": share of hidden units whose output is positive for
    every training sample, so that they are linear there.
    """
    numbers = {}
    for name, split in (("train", problem.training), ("unseen", problem.unseen)):
        numbers[f"{name}_loss"] = mean_squared_error(network, split)
        if split.targets.shape[1] == SIDE**2:
            images = network(split.inputs)
            numbers[f"{name}_psnr"] = psnr(images, split.targets).mean().item()
            if with_ssim:
                numbers[f"{name}_ssim"] = ssim(images, split.targets)
    modules = list(network) if isinstance(network, nn.Sequential) else []
    if len(modules) >= 3 and not isinstance(modules[1], nn.Linear):
        active = modules[1](modules[0](problem.training.inputs)) > 0
        numbers["active"] = active.double().mean().item()
        numbers["always_active"] = active.all(0).double().mean().item()
    return numbers


@torch.no_grad()
def off_share(network: nn.Module, split: Split) -> float:
    """Of a perceptron's squared error the share of samples with a positive target on which the unit is off.

    The squared error's gradient is zero on them.
    """
    outputs = network(split.inputs)
    errors = (outputs - split.targets).square()
    stuck = errors[(outputs == 0) & (split.targets > 0)].sum() / errors.sum().clamp(min=torch.finfo(errors.dtype).tiny)
    return stuck.item()
