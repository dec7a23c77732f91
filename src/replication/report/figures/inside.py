"""Inside the algorithm."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from replication.methods import METHODS, POSTER, label, of_role
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


def inside(results: Results) -> Figure:
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
        look = METHODS[name].look
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
    levels = map_levels(results, "figures", AUTOENCODER, "train_loss", pixels / 2)
    draw_levels(axes, levels)
    for axes in grid:
        axes.set_xlabel("iteration")
        plain_ticks(axes.yaxis)
    legend(figure, grid, 2, f"All per sample. {seeds_of(results, AUTOENCODER)}")
    label_beside({grid[3]: levels})
    return figure
