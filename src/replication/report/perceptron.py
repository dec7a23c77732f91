"""The perceptrons: their losses, and the condition of their inputs."""

import statistics
from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure

from replication.data.perceptron import ABSENT
from replication.methods import METHODS, label
from replication.report.cells import name_of, under, written
from replication.report.curves import WIDTH, compress_below, draw_curves, iterations_on_a_log_scale, legend, seeds_of
from replication.report.drawing import line, plain_ticks
from replication.report.rows import Row, Tables, markdown
from replication.results import Results

NEEDS = {
    "perceptron_loss_figure": {"target": "all", "needs": ["runs/perceptron/*", "runs/perceptron-teacher/*"]},
    "conditioning_figure": {"target": "limits", "needs": ["conditioning/*"]},
    "conditioning_table": {"target": "limits", "needs": ["conditioning/*"]},
    "pixels_table": {"target": "limits", "needs": ["images/*"]},
}


PERCEPTRONS = {"perceptron": "one digit of MNIST", "perceptron-teacher": "noisy teacher"}


CONDITIONED = {"perceptron-teacher": "noisy teacher", "perceptron": "one digit of MNIST"}


ROUNDING = 1e-12  # gaps below it are rounding errors of the optimum that they are measured from


def perceptron_loss_figure(results: Results) -> Figure:
    """Squared loss and Bregman distance on the training data, for both perceptron experiments."""
    figure = plt.figure(figsize=(WIDTH, 6))
    columns = {"train_loss": "training loss (mean squared error)", "train_d": "mean Bregman distance $D$"}
    grid = figure.subplots(2, 2)
    for row, (experiment, title) in zip(grid, PERCEPTRONS.items(), strict=True):
        for axes, (column, words) in zip(row, columns.items(), strict=True):
            draw_curves(axes, results, experiment, column)
            plain_ticks(axes.yaxis)
            compress_below(axes)
            iterations_on_a_log_scale(axes)
            axes.set(title=f"Perceptron, {title}", ylabel=words)
    for axes in grid[0]:
        axes.set_xlabel("")
    legend(figure, grid.flat, 5, f"Training data. {seeds_of(results, 'perceptron')}")
    return figure


def conditioning_figure(results: Results) -> Figure:
    """The gap to the optimum against iterations at some condition numbers, and after the last against all of them."""
    reports = {
        experiment: results.record(f"conditioning/{experiment}")["result"]["table"] for experiment in CONDITIONED
    }
    numbers = sorted({entry["condition_number"] for entries in reports.values() for entry in entries})
    names = {entry["optimizer"] for entries in reports.values() for entry in entries}
    detailed = sorted({numbers[0], numbers[len(numbers) // 3], numbers[-1]})
    figure = plt.figure(figsize=(WIDTH, 0.9 + 2.3 * len(reports)))
    grid = figure.subplots(len(reports), len(detailed) + 1, sharex="col", sharey=True, squeeze=False)
    for row, (experiment, entries) in zip(grid, reports.items(), strict=True):
        for optimizer in METHODS:
            gaps = {
                entry["condition_number"]: [run for run in entry["gaps"] if run[-1] is not None]
                for entry in entries
                if entry["optimizer"] == optimizer
            }
            for axes, number in zip(row, detailed, strict=False):
                if gaps.get(number):
                    median = np.maximum(np.median(gaps[number], axis=0), ROUNDING)
                    axes.plot(median, label=label(optimizer), markevery=0.16, clip_on=False, **line(optimizer))
            ends = [
                (n, max(np.median([run[-1] for run in runs]), ROUNDING)) for n, runs in sorted(gaps.items()) if runs
            ]
            if ends:
                row[-1].plot(*zip(*ends, strict=True), clip_on=False, **line(optimizer))
        row[0].set_ylabel(f"{CONDITIONED[experiment]}\ngap to the optimum (start: 1)")
    exponents = range(0, round(np.log10(ROUNDING)) - 1, -3)
    grid[0, 0].set(yscale="log", ylim=(ROUNDING, 2))
    grid[0, 0].set_yticks([10.0**e for e in exponents], [f"$10^{{{e}}}$" for e in exponents[:-1]] + ["rounding"])
    grid[0, 0].minorticks_off()
    for axes, number in zip(grid[0], detailed, strict=False):
        axes.set_title(
            f"condition number {number:,g}" if number < 1e4 else f"condition number $10^{{{np.log10(number):.0f}}}$"
        )
    grid[0, -1].set(title="after the last iteration", xscale="log")
    for axes in grid[-1, :-1]:
        iterations_on_a_log_scale(axes)
    grid[-1, -1].set_xlabel("condition number")
    count = len(entries[0]["gaps"])
    squared = [label(name) for name in METHODS if name in names and METHODS[name].objective == "train_loss"]
    title = (
        f"Median over {count} seeds. {' and '.join(squared)}: gap of the squared error; the others: gap of $D$. "
        f"Gaps below $10^{{{exponents[-1]}}}$ are rounding, drawn on the axis."
    )
    legend(figure, grid.flat, 5, title)
    return figure


def conditioning_table(results: Results) -> Iterator[Row]:
    """The perceptron's gap to the optimum after the last iteration by the condition number of its inputs: medians.

    "off": the share of the remaining squared error on samples with a positive target on which the unit is off.
    """
    for name in sorted(results.names("conditioning/*")):
        for entry in results.record(name)["result"]["table"]:
            ends = [gaps[-1] for gaps in entry["gaps"]]
            row: Row = {"id": f"{name.split('/')[-1]}/{entry['condition_number']:g}/{entry['optimizer']}"}
            if None not in ends:
                row |= {"gap": statistics.median(ends), "off": statistics.median(entry["off"])}
            yield row | {"seeds": len(ends), "diverged": ends.count(None)}


def pixels_table(results: Results) -> Iterator[Row]:
    """The condition number of the covariance of MNIST's pixels, over the directions in which they vary."""
    images = (
        results.sample(min(int(name.rpartition("-")[2]) for name in results.names("images/*"))).training.double() / 255
    )
    values = torch.linalg.eigvalsh(torch.cov(images.T))
    values = values[values > ABSENT * values[-1]]
    yield {"id": "mnist", "condition_number": (values[-1] / values[0]).item(), "directions": len(values)}


def conditioning_block(tables: Tables, experiment: str, *numbers: str) -> str:
    """The gap to the optimum at some condition numbers."""
    gaps = under(tables["conditioning"], experiment)
    optimizers = [name for name in METHODS if any(key.split("/")[1] == name for key in gaps)]
    rows = [[name_of(n), *(written(gaps[f"{number}/{n}"]["gap"], ".1e") for number in numbers)] for n in optimizers]
    return markdown(["condition number", *numbers], rows)
