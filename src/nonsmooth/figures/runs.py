"""Figures of runs: the poster's, and what stands beside it."""

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import nn

from nonsmooth import networks, problems
from nonsmooth.config import BASELINES, READINGS
from nonsmooth.drawing import OPTIMIZERS, draw_images, plain_ticks
from nonsmooth.figures.curves import (
    SMALL,
    WIDTH,
    Label,
    compress_below,
    draw_curves,
    draw_levels,
    iterations_on_a_log_scale,
    label_beside,
    legend,
    references,
    seeds_of,
)
from nonsmooth.problems import Problem, Split
from nonsmooth.references import linear_map, mean_image
from nonsmooth.runs import Results
from nonsmooth.training import psnr

COMPARED = (*BASELINES, *READINGS)  # what the poster compares
PERCEPTRONS = {"perceptron": "one digit of MNIST", "perceptron-teacher": "noisy teacher"}
WALL_TIME = "Wall time: setup time, then iterations times the median time of one, all timed side by side."


def comparison(results: Results) -> Figure:
    """The poster's comparison at a glance: training loss against iterations, and unseen images denoised."""
    figure = plt.figure(figsize=(WIDTH, 4.35))
    left, right = figure.subfigures(1, 2, width_ratios=(4.1, 4.2))
    axes = left.subplots()
    draw_curves(axes, results, "autoencoder", "train_loss", among=COMPARED)
    axes.set(title="Training loss (mean squared error)", xlabel="iteration")
    axes.margins(x=0.02)
    plain_ticks(axes.yaxis)
    seed, data, trained = _networks(results, COMPARED)
    panel = right.subplots()
    draw_images(panel, {_head(*row): (row[1], None) for row in _rows(data.unseen, trained, 5)})
    panel.set_title("Unseen images, denoised")
    count = len(data.unseen.inputs)
    caption = f"{seeds_of(results, 'autoencoder')} Images: seed {seed}; dB: mean PSNR over {count:,} unseen images."
    figure.supxlabel(caption, fontsize=SMALL)
    ends = [line for line in axes.lines if line.get_label()[0] != "_" and len(line.get_ydata())]
    names = {line: line.get_label().replace(" (", "\n(", 1) for line in ends}
    label_beside({axes: [Label(names[line], line.get_ydata()[-1], line.get_color()) for line in ends]}, size=8)
    return figure


def poster(results: Results) -> Figure:
    """The poster's numerical panels on one page: two losses, three rows of images.

    Both readings have curves. The images are the gradient reading's: the weight update that the poster's title names.
    """
    figure = plt.figure(figsize=(WIDTH, 6.5))
    top, bottom = figure.subfigures(2, 1, height_ratios=(3, 3.5))
    panels = top.subplots(1, 2)
    titles = {"perceptron": "Perceptron, one digit of MNIST", "autoencoder": "Denoising autoencoder"}
    for axes, (experiment, title) in zip(panels, titles.items(), strict=True):
        draw_curves(axes, results, experiment, "train_loss", among=COMPARED)
        axes.set(title=title, xlabel="iteration", ylabel="training loss (mean squared error)")
    iterations_on_a_log_scale(panels[0])
    compress_below(panels[0])
    plain_ticks(panels[1].yaxis)
    legend(top, panels, 4, seeds_of(results, "autoencoder"))
    seed, data, trained = _networks(results, (*BASELINES, READINGS[0]))
    parts = {"training": data.training, "unseen": data.unseen}
    for axes, (part, split) in zip(bottom.subplots(1, 2), parts.items(), strict=True):
        draw_images(axes, {_head(*row): (row[1], None) for row in _rows(split, trained, 6)})
        axes.set_title(f"Denoised {part} images")
    bottom.supxlabel(
        f"Seed {seed}. dB: mean PSNR over all {len(data.training.inputs):,} training or {len(data.unseen.inputs):,} "
        "unseen images. BADMM's images are those of the gradient reading.",
        fontsize=SMALL,
    )
    return figure


def perceptron_loss(results: Results) -> Figure:
    """Squared loss and Bregman distance on the training data, for both perceptron experiments."""
    figure = plt.figure(figsize=(WIDTH, 6))
    columns = {"train_loss": "training loss (mean squared error)", "train_d": "mean Bregman distance $D$"}
    grid = figure.subplots(2, 2)
    for row, (experiment, title) in zip(grid, PERCEPTRONS.items(), strict=True):
        for axes, (column, label) in zip(row, columns.items(), strict=True):
            draw_curves(axes, results, experiment, column)
            plain_ticks(axes.yaxis)
            compress_below(axes)
            iterations_on_a_log_scale(axes)
            axes.set(title=f"Perceptron, {title}", ylabel=label)
    for axes in grid[0]:
        axes.set_xlabel("")
    legend(figure, grid.flat, 5, f"Training data. {seeds_of(results, 'perceptron')}")
    return figure


def autoencoder_convergence(results: Results, experiment: str = "autoencoder", iteration: str = "iteration") -> Figure:
    """Loss on training and on unseen images, against iterations and against wall time.

    A ring on a curve of unseen images is where the smallest validation loss would have stopped it, where that is before
    the end.
    """
    figure = plt.figure(figsize=(WIDTH, 6.4))
    parts = {"train_loss": "training", "unseen_loss": "unseen"}
    grid = figure.subplots(2, 2, sharey="row", sharex="col")
    beside = {}
    for row, (column, part) in zip(grid, parts.items(), strict=True):
        levels = references(results, "figures", experiment, column)
        for axes, seconds in zip(row, (False, True), strict=True):
            draw_curves(axes, results, experiment, column, seconds)
            if column == "unseen_loss":
                _ring_early_stops(axes, results, experiment, seconds)
            axes.set_title(f"Denoising autoencoder, {part} images")
            plain_ticks(axes.yaxis)
            draw_levels(axes, levels)
        row[0].set_ylabel(f"{part} loss (mean squared error)")
        beside[row[1]] = levels
    grid[1, 0].set_xlabel(iteration)
    grid[1, 1].set_xlabel("wall time, seconds")
    legend(figure, grid.flat, 4, f"{seeds_of(results, experiment)} {WALL_TIME}")
    label_beside(beside)
    return figure


def full_mnist(results: Results) -> Figure:
    """The autoencoder on all 60,000 training images."""
    return autoencoder_convergence(results, "autoencoder-full", "iteration (one pass over all training images)")


def _ring_early_stops(axes: Axes, results: Results, experiment: str, seconds: bool) -> None:
    label = "smallest validation loss, if before the end"
    for optimizer in results.optimizers[experiment]:
        setup, unit = results.clock(experiment, optimizer) if seconds else (0, 1)
        histories = [run.history for run in results.runs(experiment, optimizer) if not run.diverged]
        if not histories or "validation_loss" not in histories[0]:
            continue
        stop = int(np.median([np.argmin(history["validation_loss"]) for history in histories]))
        if stop < len(histories[0]["iteration"]) - 1:
            level = np.median([history["unseen_loss"][stop] for history in histories])
            ring = {"color": OPTIMIZERS[optimizer].color, "fillstyle": "none", "markersize": 8}
            axes.plot(setup + unit * stop, level, "o", label=label, linestyle="none", **ring)


def autoencoder_samples(results: Results, count: int = 6) -> Figure:
    """What the networks of the first seed make of noisy images: training images left, unseen ones right."""
    figure = plt.figure(figsize=(WIDTH, 8.3))
    seed, data, denoisers = _networks(results, tuple(OPTIMIZERS))
    rank = min(
        results.run("autoencoder", next(iter(results.optimizers["autoencoder"])), seed).record["network"]["hidden"]
    )
    denoisers |= {f"linear map (rank {rank})": linear_map(data, rank)[0], "mean image": mean_image(data)}
    parts = {"training images": data.training, "unseen images": data.unseen}
    for axes, (title, split) in zip(figure.subplots(1, 2), parts.items(), strict=True):
        rows = _rows(split, denoisers, count)
        draw_images(axes, {_head(*row): (row[1], row[2] if row[0] != "clean" else None) for row in rows})
        axes.set_title(title)
    figure.supxlabel(
        f"Seed {seed}. PSNR in dB: below each image its own, below a name the mean over all "
        f"{len(data.training.inputs):,} training or {len(data.unseen.inputs):,} unseen images.\n"
        "PSNR is of unclipped values; all images are shown on one grey scale from 0 to 1.",
        fontsize=SMALL,
    )
    return figure


def _networks(results: Results, names: tuple[str, ...]) -> tuple[int, Problem, dict[str, nn.Module]]:
    """The first seed, its problem, and by the name of each optimizer the network that it trained."""
    seed = results.seeds["autoencoder"][0]
    runs = {name: results.run("autoencoder", name, seed) for name in names if name in results.optimizers["autoencoder"]}
    record = next(iter(runs.values())).record
    common = {"seed": seed, "dtype": record["dtype"]}
    data = problems.build(results.sample(seed), **record["problem"], **common)
    trained = {}
    for name, run in runs.items():
        net = networks.build(data.sizes, **run.record["network"], **common)
        net.load_state_dict(run.weights)
        trained[OPTIMIZERS[name].name] = net
    return seed, data, trained


def _rows(split: Split, denoisers: dict[str, nn.Module], count: int) -> list[tuple[str, torch.Tensor, torch.Tensor]]:
    """By row its name, the first `count` images, and the PSNR of all images: clean, noisy, then what is denoised."""
    noisy, clean = split
    rows = [("clean", clean[:count], psnr(clean, clean)), ("noisy", noisy[:count], psnr(noisy, clean))]
    for name, network in denoisers.items():
        with torch.no_grad():
            denoised = network(noisy)
        rows.append((name, denoised[:count], psnr(denoised, clean)))
    return rows


def _head(name: str, _: torch.Tensor, decibels: torch.Tensor) -> str:
    name = name.replace(" (", "\n(").replace(", ", ",\n")
    mean = decibels.mean()
    return f"{name}\n{mean:.1f} dB" if mean.isfinite() else name


def inside(results: Results) -> Figure:
    """Inside the algorithm: feasibility, the Lagrangian, and the lifted loss beside the network's own."""
    figure = plt.figure(figsize=(WIDTH, 3.5))
    grid = figure.subplots(1, 3)
    titles = {"feasibility": "feasibility $|Z - A|$", "lagrangian": "augmented Lagrangian"}
    for axes, (column, title) in zip(grid, titles.items(), strict=False):
        draw_curves(axes, results, "autoencoder", column, among=READINGS)
        axes.set_title(title)
    axes = grid[2]
    for name in READINGS:
        look = OPTIMIZERS[name]
        histories = [run.history for run in results.runs("autoencoder", name) if not run.diverged]
        pixels = results.run("autoencoder", name, results.seeds["autoencoder"][0]).weights["2.bias"].numel()
        for column, factor, width, label in (
            ("lifted_loss", 1, 1.5, look.name),
            ("train_loss", pixels / 2, 0.6, f"{look.name}: the network's training loss"),
        ):
            if histories:
                values = factor * np.median([history[column] for history in histories], axis=0)
                line = {"color": look.color, "linestyle": look.linestyle, "linewidth": width}
                axes.plot(histories[0]["iteration"], values, label=label, **line)
    axes.set(yscale="log", title="lifted loss")
    levels = references(results, "figures", "autoencoder", "train_loss", pixels / 2)
    draw_levels(axes, levels)
    for axes in grid:
        axes.set_xlabel("iteration")
    for axes in grid[1:]:
        plain_ticks(axes.yaxis)
    legend(figure, grid, 2, f"All per sample. {seeds_of(results, 'autoencoder')}")
    label_beside({grid[2]: levels})
    return figure
