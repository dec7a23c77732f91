"""The losses of the autoencoder, on 1,000 images and on all."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from replication.methods import METHODS
from replication.parameters import AUTOENCODER
from replication.report.drawing import evaluated, plain_ticks
from replication.report.figures.curves import (
    WIDTH,
    draw_curves,
    draw_levels,
    label_beside,
    legend,
    map_levels,
    seeds_of,
)
from replication.results import Results
from replication.speed.clock import Clock

WALL_TIME = "Wall time: setup time, then iterations times the median time of one, all timed side by side."


def autoencoder_convergence(results: Results, experiment: str = AUTOENCODER, iteration: str = "iteration") -> Figure:
    """Loss on training and on unseen images, against iterations and against wall time.

    A ring on a curve of unseen images is where the smallest validation loss would have stopped it, where that is before
    the end.
    """
    figure = plt.figure(figsize=(WIDTH, 6.4))
    parts = {"train_loss": "training", "unseen_loss": "unseen"}
    grid = figure.subplots(2, 2, sharey="row", sharex="col")
    beside = {}
    for row, (column, part) in zip(grid, parts.items(), strict=True):
        levels = map_levels(results, "figures", experiment, column)
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


def full_mnist(results: Results) -> Figure:
    """Loss of the autoencoder on all 60,000 training images and on unseen ones, against iterations and wall time."""
    return autoencoder_convergence(results, "autoencoder-full", "iteration (one pass over all training images)")


def ring_early_stops(axes: Axes, results: Results, experiment: str, seconds: bool) -> None:
    label = "smallest validation loss, if before the end"
    for optimizer in results.optimizers[experiment]:
        clock = results.clock(experiment, optimizer) if seconds else Clock(0, 1)
        histories = [run.history for run in results.runs(experiment, optimizer) if not run.diverged]
        if not histories or "validation_loss" not in histories[0]:
            continue
        at = np.flatnonzero(evaluated(histories[0]["validation_loss"]))
        stop = at[int(np.median([np.argmin(history["validation_loss"][at]) for history in histories]))]
        if stop < at[-1]:
            level = np.median([history["unseen_loss"][stop] for history in histories])
            ring = {"color": METHODS[optimizer].look.color, "fillstyle": "none", "markersize": 8}
            axes.plot(clock.after(histories[0]["iteration"][stop]), level, "o", label=label, linestyle="none", **ring)
