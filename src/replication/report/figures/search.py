"""What searching longer brings."""

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from replication.methods import METHODS, label
from replication.parameters import LEVERS, SELECTIONS
from replication.report.drawing import plain_ticks
from replication.report.figures.curves import WIDTH, legend
from replication.results import Results
from replication.search import Report, best_so_far

TITLES = {"train_loss": "training loss", "validation_loss": "validation loss"}


def search(results: Results) -> Figure:
    """The best loss so far against the number of trials, by either loss, where every lever is searched."""
    reports = map(Report.read, sorted(Path(results.folder, "tuning", LEVERS).glob("*.json")))
    by_method = {report.optimizer: report for report in reports}
    figure = plt.figure(figsize=(WIDTH, 3.2))
    grid = figure.subplots(1, len(SELECTIONS), sharey=True)
    for axes, column in zip(grid, SELECTIONS, strict=True):
        for name in (name for name in METHODS if name in by_method):
            report = by_method[name]
            numbers, losses, _ = zip(*best_so_far(report, column), strict=True)
            look = METHODS[name].look
            style = {"color": look.color, "linestyle": look.linestyle, "drawstyle": "steps-post"}
            axes.plot([*numbers, len(report.trials)], [*losses, losses[-1]], label=label(name), **style)
        axes.set(xscale="log", yscale="log", xlabel="trials", title=f"best {TITLES[column]}")
        plain_ticks(axes.xaxis)
        plain_ticks(axes.yaxis)
    caption = (
        "Loss after the last iteration with the first seed of the search.\nThe first trials: the choice at the default."
    )
    legend(figure, grid, 4, caption)
    return figure
