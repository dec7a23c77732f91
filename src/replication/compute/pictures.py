"""What networks make of unseen noisy images while they are trained: pictures to step through."""

import base64
import io
from dataclasses import replace
from pathlib import Path

import PIL.Image
import torch
from torch import Tensor

from nonsmooth.problem import Problem
from nonsmooth.training import train
from replication.data.mnist import Sample
from replication.parameters import Parameters
from replication.quality import SIDE, psnr
from replication.run import assemble, build_problem, draw


def answer(runs: list[dict], rows: list[int], count: int, *, root: str | Path, published: list[str]) -> dict:
    """Train every run and keep what its network makes of the first `count` unseen images at these iterations (`rows`).

    The runs have the same problem. "clean" and "noisy" are pictures (`picture`) of those images, and "noisy_psnr" is
    the PSNR of the noisy ones. Of "runs" each has its method, settings, status and "steps" with iteration, picture and
    PSNR. A PSNR in dB is the mean over all unseen images, of values that are not clipped. Once a run has diverged it
    has no more steps.
    """
    every = [Parameters(**run) for run in runs]
    sample = draw(root, every[0].seed, every[0])
    problem = build_problem(every[0], sample)
    noisy, clean = problem.unseen
    kept = {"clean": picture(clean[:count]), "noisy": picture(noisy[:count]), "noisy_psnr": _mean_psnr(noisy, clean)}
    return kept | {"runs": [_run(parameters, sample, problem, rows, count) for parameters in every]}


def _run(parameters: Parameters, sample: Sample, problem: Problem, rows: list[int], count: int) -> dict:
    run = assemble(parameters, sample, problem=problem)
    noisy, clean = problem.unseen
    steps = []

    @torch.no_grad()
    def keep(row: dict[str, float]) -> None:
        if row["iteration"] in rows:
            denoised = run.network(noisy)
            quality = _mean_psnr(denoised, clean)
            steps.append({"iteration": row["iteration"], "psnr": quality, "picture": picture(denoised[:count])})

    keep({"iteration": 0})
    known = replace(problem, unseen=None, test=None)
    training = train(run.network, run.optimizer, known, parameters.iterations, callback=keep)
    print(f"[denoise {parameters.optimizer}] {training.status}, unseen PSNR {steps[-1]['psnr']:.2f} dB", flush=True)
    named = {"method": parameters.optimizer, "settings": parameters.settings, "status": training.status}
    return named | {"steps": steps}


def _mean_psnr(images: Tensor, clean: Tensor) -> float:
    return psnr(images, clean).mean().item()


def picture(images: Tensor) -> str:
    """Images (N x 784) below one another as a PNG of 8 bits in base64; values are clipped to [0, 1]."""
    pixels = (images.clamp(0, 1) * 255).round().to(torch.uint8).view(-1, SIDE)
    file = io.BytesIO()
    PIL.Image.fromarray(pixels.cpu().numpy()).save(file, "png", optimize=True)
    return base64.b64encode(file.getvalue()).decode()
