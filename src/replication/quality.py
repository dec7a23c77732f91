"""The numbers of a trained network: losses, PSNR and SSIM of images, accuracy of classes, active units."""

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


def _are_images(targets: Tensor) -> bool:
    return targets.shape[1] == SIDE**2


def _are_classes(targets: Tensor, group: Group = None) -> bool:
    """Whether there are several columns and every row, of all processes' together, is one-hot."""
    one_hot = ((targets == 0) | (targets == 1)).all(1) & (targets.sum(1) == 1)
    return targets.shape[1] > 1 and mean(one_hot, group) == 1


@torch.no_grad()
def _right(network: nn.Module, split: Split) -> Tensor:
    """Whether the largest output is that of the right class, 1 or 0 for each row (N); nan for outputs not finite."""
    outputs = network(split.inputs)
    right = (outputs.argmax(1) == split.targets.argmax(1)).double()
    return torch.where(outputs.isfinite().all(1), right, torch.nan)


@torch.no_grad()
def summary(network: nn.Module, problem: Problem, group: Group = None) -> dict[str, float | None]:
    """The numbers of a trained network that are computed once, at the end, None where they are not finite.

    Mean squared error on the whole test set. On training and unseen data the mean PSNR in dB where targets are images,
    and the accuracy, as in `quality`, where they are classes.
    """
    numbers = {}
    if problem.test is not None:
        numbers["test_loss"] = mean_squared_error(network, problem.test, group)
    images, classes = _are_images(problem.training.targets), _are_classes(problem.training.targets, group)
    for name, split in (("train", problem.training), ("unseen", problem.unseen)):
        if images:
            numbers[f"{name}_psnr"] = mean(psnr(network(split.inputs), split.targets), group)
        if classes:
            numbers[f"{name}_accuracy"] = mean(_right(network, split), group)
    return {name: value if math.isfinite(value) else None for name, value in numbers.items()}


@torch.no_grad()
def quality(network: nn.Module, problem: Problem, with_ssim: bool = True) -> dict[str, float]:
    """Numbers of a network after its training, of training and of unseen data.

    "train_loss", "unseen_loss": mean squared error. For images the means over images of "..._psnr" (dB) and "..._ssim"
    (which takes long). For classes (one-hot targets) "..._accuracy": share of samples whose largest output is that of
    the right class. For networks with an activation between affine maps, "active": share of hidden units times
    training samples with a positive output, and "always_active": share of hidden units whose output is positive for
    every training sample, so that they are linear there.
    """
    numbers = {}
    images, classes = _are_images(problem.training.targets), _are_classes(problem.training.targets)
    for name, split in (("train", problem.training), ("unseen", problem.unseen)):
        numbers[f"{name}_loss"] = mean_squared_error(network, split)
        if classes:
            numbers[f"{name}_accuracy"] = _right(network, split).mean().item()
        if images:
            outputs = network(split.inputs)
            numbers[f"{name}_psnr"] = psnr(outputs, split.targets).mean().item()
            if with_ssim:
                numbers[f"{name}_ssim"] = ssim(outputs, split.targets)
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
