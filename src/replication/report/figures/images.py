"""What networks make of noisy images, as rows of images; shared by several figures."""

import torch
from torch import nn

from nonsmooth.problem import Problem, Split
from replication.methods import label
from replication.parameters import AUTOENCODER
from replication.quality import psnr
from replication.results import Results
from replication.run import build_problem


def trained_networks(results: Results, names: tuple[str, ...]) -> tuple[int, Problem, dict[str, nn.Module]]:
    """The first seed, its problem, and by the name of each optimizer the network that it trained."""
    seed = results.seeds[AUTOENCODER][0]
    runs = {name: results.run(AUTOENCODER, name, seed) for name in names if name in results.optimizers[AUTOENCODER]}
    problem = build_problem(next(iter(runs.values())).parameters.but(device="cpu"), results.sample(seed))
    return seed, problem, {label(name): run.network() for name, run in runs.items()}


def image_rows(
    split: Split, denoisers: dict[str, nn.Module], count: int
) -> list[tuple[str, torch.Tensor, torch.Tensor]]:
    """By row its name, the first `count` images, and the PSNR of all images: clean, noisy, then what is denoised."""
    noisy, clean = split
    rows = [("clean", clean[:count], psnr(clean, clean)), ("noisy", noisy[:count], psnr(noisy, clean))]
    for name, network in denoisers.items():
        with torch.no_grad():
            denoised = network(noisy)
        rows.append((name, denoised[:count], psnr(denoised, clean)))
    return rows


def row_name(name: str, _: torch.Tensor, decibels: torch.Tensor) -> str:
    name = name.replace(" (", "\n(").replace(", ", ",\n")
    mean = decibels.mean()
    return f"{name}\n{mean:.1f} dB" if mean.isfinite() else name
