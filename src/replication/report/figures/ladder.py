"""The ladder."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from replication.files import read_json
from replication.methods import METHODS, POSTER, of_role
from replication.report.drawing import plain_ticks
from replication.report.figures.curves import GREY, SMALL, WIDTH, legend
from replication.results import Results

SHOWN = 3  # of the iterations of the table: the first, the second and the last
OFFSET = 0.2  # between the marks of two experiments on one row
MARKERS = "os^D"  # of the experiments; the first one's are filled


def ladder(results: Results) -> Figure:
    """A row for each method, a mark for each experiment with images: training losses after some iterations, and the
    unseen PSNR."""
    entries = read_json(results.files.ladder)
    experiments = list(dict.fromkeys(entry["experiment"] for entry in entries if entry["unseen_psnr"] is not None))
    entries = [entry for entry in entries if entry["experiment"] in experiments]
    methods = {entry["method"]: entry for entry in entries}
    rows = list(entries[0]["train_loss"])
    rows = [*rows[: SHOWN - 1], rows[-1]]
    titles = [f"loss, {row} iterations" for row in rows] + ["unseen PSNR, dB"]
    figure = plt.figure(figsize=(WIDTH, 1.2 + 0.27 * len(methods)))
    grid = figure.subplots(1, len(titles), sharey=True)

    def values(entry: dict) -> list[float]:
        return [*(entry["train_loss"][row] for row in rows), entry["unseen_psnr"]]

    def filled(number: int, color: str) -> dict:
        return {"markersize": 5, "markerfacecolor": "white" if number else color}

    for position, method in enumerate(methods):
        color = METHODS[methods[method]["optimizer"]].look.color
        own = [e for e in experiments if any((run["experiment"], run["method"]) == (e, method) for run in entries)]
        for place, experiment in enumerate(own):
            runs = [e for e in entries if (e["experiment"], e["method"]) == (experiment, method)]
            finished = [values(entry) for entry in runs if entry["status"] == "finished"]
            y, number = position + OFFSET * (2 * place - len(own) + 1) / 2, experiments.index(experiment)
            if not finished:
                grid[0].annotate("diverged", (0.5, y), xycoords=grid[0].get_yaxis_transform(), fontsize=SMALL)
                continue
            for axes, column in zip(grid, np.transpose(finished), strict=True):
                axes.plot([column.min(), column.max()], [y, y], color=color, linewidth=1)
                axes.plot(np.median(column), y, MARKERS[number], color=color, **filled(number, color))
    for axes, title in zip(grid, titles, strict=True):
        axes.set_title(title)
        axes.grid(axis="y", visible=True, linewidth=0.4)
        if axes is not grid[-1]:
            axes.set_xscale("log")
            plain_ticks(axes.xaxis)
    grid[0].set_yticks(range(len(methods)), [entry["label"] for entry in methods.values()])
    grid[0].set_ylim(len(methods) - 0.5, -0.5)
    for method, tick in zip(methods, grid[0].get_yticklabels(), strict=True):
        tick.set_fontweight("bold" if method in of_role(POSTER) else "normal")
    for number, experiment in enumerate(experiments):
        grid[0].plot([], [], MARKERS[number], color=GREY, label=experiment, **filled(number, GREY))
    seeds = len({entry["seed"] for entry in entries})
    legend(figure, grid, len(experiments), f"Medians of {seeds} seeds; lines from the smallest to the largest.")
    return figure
