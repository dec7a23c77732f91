"""What searching longer brings."""

from collections.abc import Callable, Sequence
from itertools import accumulate

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from replication.methods import METHODS, label
from replication.parameters import EVERY_SETTING, LEVERS, SELECTIONS
from replication.report.drawing import plain_ticks
from replication.report.figures.curves import GREY, WIDTH, legend
from replication.results import Results
from replication.search import Report, best_so_far

TITLES = {"train_loss": "training loss", "validation_loss": "validation loss"}


def search(results: Results) -> Figure:
    """The best loss so far against the number of trials, by either loss, where every lever is searched.

    A line for each method, with the first seed of the search. What to see: whether more trials would change the order.
    """
    first = "The first trials: the choice at the default."
    return _best(results, LEVERS, "trials", lambda report: range(1, len(report.trials) + 1), first)


def budget(results: Results) -> Figure:
    """The best loss so far against the core-seconds of the search, by either loss, where every setting is searched.

    A line for each method, with losses and seconds of the first seed of the search; trials that diverged count. What to
    see: which method is ahead after the same time.
    """

    def spent(report: Report) -> list[float]:
        return list(accumulate(trial.seconds[0] for trial in report.trials))

    first = "The first trials: the choice where the rate is searched."
    return _best(results, EVERY_SETTING, "core-seconds of the search", spent, first)


def _best(
    results: Results, experiment: str, unit: str, spent: Callable[[Report], Sequence[float]], first: str
) -> Figure:
    """The best loss so far of each method, by either loss, against what its search has `spent` after each trial."""
    reports = [Report.read(results.files.search(experiment, n)) for n in METHODS if n in results.optimizers[experiment]]
    figure = plt.figure(figsize=(WIDTH, 3.2))
    grid = figure.subplots(1, len(SELECTIONS), sharey=True)
    for axes, column in zip(grid, SELECTIONS, strict=True):
        for report in reports:
            costs = spent(report)
            best = [(costs[number - 1], loss) for number, loss, _ in best_so_far(report, column)]
            look = METHODS[report.optimizer].look
            style = {"color": look.color, "linestyle": look.linestyle, "drawstyle": "steps-post"}
            x, y = zip(*best, (costs[-1], best[-1][1]), strict=True)
            axes.plot(x, y, label=label(report.optimizer), **style)
        axes.axvline(min(spent(report)[-1] for report in reports), color=GREY, linewidth=0.8, linestyle=(0, (1, 2)))
        axes.set(xscale="log", yscale="log", xlabel=unit, title=f"best {TITLES[column]}")
        plain_ticks(axes.xaxis)
        plain_ticks(axes.yaxis)
    caption = f"Loss after the last iteration with the first seed of the search. {first}"
    legend(figure, grid, 4, f"{caption}\nDotted line: where the shortest search ends.")
    return figure
