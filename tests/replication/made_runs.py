"""Runs of seeds that are made for a test and trained by nothing."""

from dataclasses import replace

import numpy as np

from replication.compute.seeds import SeedRun
from replication.verdicts.effects import IMAGES

SEEDS = 6


def made_run(
    seed: int,
    losses: list[float],
    psnr: float = 20.0,
    status: str = "finished",
    iteration: list[int] | None = None,
    active: float = 0.5,
) -> SeedRun:
    """A run with these training losses. Every quantity of its images is `psnr`."""
    final = dict.fromkeys(IMAGES, psnr) | {"active": active} if status == "finished" else None
    return SeedRun(seed, status, iteration or list(range(len(losses))), losses, final, 1, final)


def made_runs(factor: float = 1.0, psnr: float = 20.0, seeds: int = SEEDS) -> list[SeedRun]:
    """A run of each seed: losses of `factor` times 2^-k times a number of the seed, a PSNR that rises with the seed."""
    noise = np.random.default_rng(0).lognormal(0, 0.05, seeds)
    return [
        made_run(seed, [factor * noise[seed] * 2.0**-k for k in range(10)], psnr + 0.01 * seed) for seed in range(seeds)
    ]


def ending_at(*losses: float, psnr: float = 20.0) -> list[SeedRun]:
    """Runs from a loss of 1 to these, one of each seed."""
    return [made_run(seed, [1.0, loss], psnr) for seed, loss in enumerate(losses)]


def diverged(seed: int) -> SeedRun:
    return made_run(seed, [1.0, 1e9], status="diverged")


def dead(seed: int) -> SeedRun:
    """A run that ends at the training loss of the targets' mean."""
    return replace(made_run(seed, [1.0, 0.5]), mean_loss=0.5)


def without(runs: list[SeedRun], *seeds: int, made=dead) -> list[SeedRun]:
    """The runs, but `dead` ones (or what `made` makes) with these seeds."""
    return [made(run.seed) if run.seed in seeds else run for run in runs]
