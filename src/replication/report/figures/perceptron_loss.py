"""The losses of the perceptrons."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from replication.report.drawing import plain_ticks
from replication.report.figures.curves import (
    WIDTH,
    compress_below,
    draw_curves,
    iterations_on_a_log_scale,
    legend,
    seeds_of,
)
from replication.results import Results

PERCEPTRONS = {"perceptron": "one digit of MNIST", "perceptron-teacher": "noisy teacher"}


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
