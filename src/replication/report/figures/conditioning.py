"""How far from the optimum each optimizer stays."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from replication.files import read_json
from replication.methods import METHODS, label
from replication.report.drawing import line
from replication.report.figures.curves import WIDTH, iterations_on_a_log_scale, legend
from replication.results import Results

CONDITIONED = {"perceptron-teacher": "noisy teacher", "perceptron": "one digit of MNIST"}
ROUNDING = 1e-12  # gaps below it are rounding errors of the optimum that they are measured from


def conditioning(results: Results) -> Figure:
    """The gap to the optimum against iterations at some condition numbers, and after the last against all of them."""
    reports = {experiment: read_json(results.files.conditioning(experiment)) for experiment in CONDITIONED}
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
