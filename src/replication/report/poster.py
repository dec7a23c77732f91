"""The default runs: the figures of the poster, and what each run comes to."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import nn

from nonsmooth.problem import Problem, Split
from replication.compute.maps import linear_map, mean_image
from replication.methods import METHODS, POSTER, baselines, compared, label, of_role
from replication.parameters import AUTOENCODER
from replication.quality import psnr
from replication.report.cells import spread_of
from replication.report.curves import (
    SMALL,
    WIDTH,
    Label,
    compress_below,
    draw_curves,
    draw_levels,
    iterations_on_a_log_scale,
    label_beside,
    legend,
    map_levels,
    seeds_of,
)
from replication.report.drawing import draw_images, evaluated, plain_ticks
from replication.report.looks import look_of
from replication.report.rows import Row
from replication.results import Results
from replication.run import build_problem
from replication.speed.clock import Clock

NEEDS = {
    "comparison_figure": {"target": "all", "needs": ["runs/autoencoder/*", "images/*"]},
    "poster_figure": {"target": "all", "needs": ["runs/perceptron/*", "runs/autoencoder/*", "images/*"]},
    "autoencoder_convergence_figure": {
        "target": "all",
        "needs": ["runs/autoencoder/*", "claims/timing/autoencoder", "maps/autoencoder"],
    },
    "full_mnist_figure": {
        "target": "full_mnist",
        "needs": ["runs/autoencoder-full/*", "claims/timing/autoencoder-full", "maps/autoencoder-full"],
    },
    "autoencoder_samples_figure": {"target": "all", "needs": ["runs/autoencoder/*", "images/*"]},
    "inside_figure": {"target": "all", "needs": ["runs/autoencoder/*", "maps/autoencoder"]},
    "runs_table": {"target": "all", "needs": ["runs:default"]},
}


WALL_TIME = "Wall time: setup time, then iterations times the median time of one, all timed side by side."


def comparison_figure(results: Results) -> Figure:
    """The poster's comparison at a glance: training loss against iterations, and unseen images denoised."""
    figure = plt.figure(figsize=(WIDTH, 4.35))
    left, right = figure.subfigures(1, 2, width_ratios=(4.1, 4.2))
    axes = left.subplots()
    draw_curves(axes, results, AUTOENCODER, "train_loss", among=compared())
    axes.set(title="Training loss (mean squared error)", xlabel="iteration")
    axes.margins(x=0.02)
    plain_ticks(axes.yaxis)
    seed, data, trained = trained_networks(results, compared())
    panel = right.subplots()
    draw_images(panel, {row_name(*row): (row[1], None) for row in image_rows(data.unseen, trained, 5)})
    panel.set_title("Unseen images, denoised")
    count = len(data.unseen.inputs)
    caption = f"{seeds_of(results, AUTOENCODER)} Images: seed {seed}; dB: mean PSNR over {count:,} unseen images."
    figure.supxlabel(caption, fontsize=SMALL)
    ends = [line for line in axes.lines if line.get_label()[0] != "_" and len(line.get_ydata())]
    names = {line: line.get_label().replace(" (", "\n(", 1) for line in ends}
    label_beside({axes: [Label(names[line], line.get_ydata()[-1], line.get_color()) for line in ends]}, size=8)
    return figure


def poster_figure(results: Results) -> Figure:
    """The poster's numerical panels on one page: two losses, three rows of images.

    All compared methods have curves. The images are those of the first one of the poster, the gradient reading: the
    weight update that its title names.
    """
    figure = plt.figure(figsize=(WIDTH, 6.5))
    top, bottom = figure.subfigures(2, 1, height_ratios=(3, 3.5))
    panels, shown = top.subplots(1, 2), of_role(POSTER)[0]
    titles = {"perceptron": "Perceptron, one digit of MNIST", "autoencoder": "Denoising autoencoder"}
    for axes, (experiment, title) in zip(panels, titles.items(), strict=True):
        draw_curves(axes, results, experiment, "train_loss", among=compared())
        axes.set(title=title, xlabel="iteration", ylabel="training loss (mean squared error)")
    iterations_on_a_log_scale(panels[0])
    compress_below(panels[0])
    plain_ticks(panels[1].yaxis)
    legend(top, panels, 4, seeds_of(results, "autoencoder"))
    seed, data, trained = trained_networks(results, (*baselines(), shown))
    parts = {"training": data.training, "unseen": data.unseen}
    for axes, (part, split) in zip(bottom.subplots(1, 2), parts.items(), strict=True):
        draw_images(axes, {row_name(*row): (row[1], None) for row in image_rows(split, trained, 6)})
        axes.set_title(f"Denoised {part} images")
    bottom.supxlabel(
        f"Seed {seed}. dB: mean PSNR over all {len(data.training.inputs):,} training or {len(data.unseen.inputs):,} "
        "unseen images. BADMM's images are those of the gradient reading.",
        fontsize=SMALL,
    )
    return figure


def autoencoder_convergence_figure(
    results: Results, experiment: str = AUTOENCODER, iteration: str = "iteration"
) -> Figure:
    """Loss on training and on unseen images, against iterations and against wall time.

    A ring on a curve of unseen images is where the smallest validation loss would have stopped it, where that is before
    the end.
    """
    figure = plt.figure(figsize=(WIDTH, 6.4))
    parts = {"train_loss": "training", "unseen_loss": "unseen"}
    grid = figure.subplots(2, 2, sharey="row", sharex="col")
    beside = {}
    for row, (column, part) in zip(grid, parts.items(), strict=True):
        levels = map_levels(results, experiment, column, results.seeds[experiment])
        for axes, seconds in zip(row, (False, True), strict=True):
            draw_curves(axes, results, experiment, column, seconds)
            if column == "unseen_loss":
                ring_early_stops(axes, results, experiment, seconds)
            axes.set_title(f"Denoising autoencoder, {part} images")
            plain_ticks(axes.yaxis)
            draw_levels(axes, levels)
        row[0].set_ylabel(f"{part} loss (mean squared error)")
        beside[row[1]] = levels
    grid[1, 0].set_xlabel(iteration)
    grid[1, 1].set_xlabel("wall time, seconds")
    legend(figure, grid.flat, 3, f"{seeds_of(results, experiment)} {WALL_TIME}")
    label_beside(beside)
    return figure


def full_mnist_figure(results: Results) -> Figure:
    """Loss of the autoencoder on all 60,000 training images and on unseen ones, against iterations and wall time."""
    return autoencoder_convergence_figure(results, "autoencoder-full", "iteration (one pass over all training images)")


def ring_early_stops(axes: Axes, results: Results, experiment: str, seconds: bool) -> None:
    label = "smallest validation loss, if before the end"
    for optimizer in results.optimizers[experiment]:
        clock = results.clock(f"claims/timing/{experiment}", optimizer) if seconds else Clock(0, 1)
        histories = [run.history for run in results.runs(experiment, optimizer) if not run.diverged]
        if not histories or "validation_loss" not in histories[0]:
            continue
        at = np.flatnonzero(evaluated(histories[0]["validation_loss"]))
        stop = at[int(np.median([np.argmin(history["validation_loss"][at]) for history in histories]))]
        if stop < at[-1]:
            level = np.median([history["unseen_loss"][stop] for history in histories])
            ring = {"color": look_of(optimizer).color, "fillstyle": "none", "markersize": 8}
            axes.plot(clock.after(histories[0]["iteration"][stop]), level, "o", label=label, linestyle="none", **ring)


def autoencoder_samples_figure(results: Results, count: int = 6) -> Figure:
    """What the networks of the first seed make of noisy images: training images left, unseen ones right."""
    seed, data, denoisers = trained_networks(results, tuple(METHODS))
    rank = min(results.run(AUTOENCODER, results.optimizers[AUTOENCODER][0], seed).parameters.network["hidden"])
    denoisers |= {f"linear map (rank {rank})": linear_map(data, rank)[0], "mean image": mean_image(data)}
    figure = plt.figure(figsize=(WIDTH, 0.73 * (2 + len(denoisers))))
    parts = {"training images": data.training, "unseen images": data.unseen}
    for axes, (title, split) in zip(figure.subplots(1, 2), parts.items(), strict=True):
        rows = image_rows(split, denoisers, count)
        draw_images(axes, {row_name(*row): (row[1], row[2] if row[0] != "clean" else None) for row in rows})
        axes.set_title(title)
    figure.supxlabel(
        f"Seed {seed}. PSNR in dB: below each image its own, below a name the mean over all "
        f"{len(data.training.inputs):,} training or {len(data.unseen.inputs):,} unseen images.\n"
        "PSNR is of unclipped values; all images are shown on one grey scale from 0 to 1.",
        fontsize=SMALL,
    )
    return figure


def inside_figure(results: Results) -> Figure:
    """Inside the algorithm: both gaps, the Lagrangian, and the lifted loss beside the network's own."""
    figure = plt.figure(figsize=(WIDTH, 6.2))
    grid = list(figure.subplots(2, 2).flat)
    titles = {
        "feasibility": "feasibility $|Z - A|$",
        "activation_gap": r"activation gap $|X - \sigma(Z)|$",
        "lagrangian": "augmented Lagrangian",
    }
    for axes, (column, title) in zip(grid, titles.items(), strict=False):
        draw_curves(axes, results, AUTOENCODER, column, among=of_role(POSTER))
        axes.set_title(title)
    axes = grid[3]
    for name in of_role(POSTER):
        look = look_of(name)
        histories = [run.history for run in results.runs(AUTOENCODER, name) if not run.diverged]
        weights = results.run(AUTOENCODER, name, results.seeds[AUTOENCODER][0]).weights
        pixels = len(weights[max(weights, key=lambda key: int(key.split(".")[0]))])  # outputs of the last affine map
        for column, factor, width, text in (
            ("lifted_loss", 1, 1.5, label(name)),
            ("train_loss", pixels / 2, 0.6, f"{label(name)}: the network's training loss"),
        ):
            if histories:
                values = np.array([history[column] for history in histories])
                rows = evaluated(values)
                line = {"color": look.color, "linestyle": look.linestyle, "linewidth": width}
                axes.plot(
                    histories[0]["iteration"][rows], factor * np.median(values[:, rows], axis=0), label=text, **line
                )
    axes.set(yscale="log", title="lifted loss")
    levels = map_levels(results, AUTOENCODER, "train_loss", results.seeds[AUTOENCODER], pixels / 2)
    draw_levels(axes, levels)
    for axes in grid:
        axes.set_xlabel("iteration")
        plain_ticks(axes.yaxis)
    legend(figure, grid, 2, f"All per sample. {seeds_of(results, AUTOENCODER)}")
    label_beside({grid[3]: levels})
    return figure


def runs_table(results: Results) -> Iterator[Row]:
    """Each optimizer after its last iteration: medians over seeds, with the smallest and the largest."""
    for experiment, optimizers in results.optimizers.items():
        for optimizer in sorted(optimizers, key=list(METHODS).index):
            seeds = results.runs(experiment, optimizer)
            kept = [run for run in seeds if not run.diverged]
            row: Row = {"id": f"{experiment}/{optimizer}", "name": label(optimizer)}
            row |= {"seeds": len(seeds), "diverged": len(seeds) - len(kept)}
            for column in ("train_loss", "unseen_loss", "train_d"):
                row |= spread_of(column, [run.history[column][-1] for run in kept if column in run.history])
            for column in ("train_psnr", "unseen_psnr"):
                numbers = [run.final for run in kept]
                row |= spread_of(column, [final[column] for final in numbers if column in final])
            yield row


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
