"""The searches: what each trial came to, and what searching longer brings."""

from collections.abc import Callable, Sequence
from itertools import accumulate

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from replication.compute.training import Tuned
from replication.methods import BASELINE, METHODS, POSTER, label
from replication.parameters import CRITERIA, EVERY_SETTING, LEVERS
from replication.report.curves import GREY, WIDTH, draw_levels, label_beside, legend, map_levels
from replication.report.drawing import plain_ticks
from replication.report.looks import look_of
from replication.results import Results
from replication.search import best_so_far
from replication.studies.claims import BESIDE

NEEDS = {
    "search_figure": {"target": "optimizers", "needs": ["tuning/autoencoder-levers/*"]},
    "budget_figure": {"target": "claims", "needs": ["tuning/autoencoder-every-setting/*"]},
    "tuning_figure": {
        "target": "tune",
        "needs": [
            "tuning/autoencoder/*",
            "tuning/autoencoder-regularised/*",
            "tuning/autoencoder-small-weights/*",
            "maps/autoencoder",
            "maps/autoencoder-regularised",
            "maps/autoencoder-small-weights",
        ],
    },
    "tuning_perceptron_figure": {
        "target": "tune",
        "needs": ["tuning/perceptron/*", "tuning/perceptron-teacher/*", "tuning/perceptron-whitened/*"],
    },
}


TITLES = {"train_loss": "training loss", "validation_loss": "validation loss"}


RATES = {
    "learning_rate": "learning rate",
    "momentum": "momentum",
    "tau_w": r"$\tau_W$",
    "tau_x": r"$\tau_X$",
    "tau_z": r"$\tau_Z$",
    "ridge": "ridge",
    "weight_decay": "weight decay",
}


SEARCHED = {
    "autoencoder": "default",
    "autoencoder-regularised": "weight penalty",
    "autoencoder-small-weights": "initial weights × 0.1",
    "perceptron": "one digit of MNIST",
    "perceptron-teacher": "noisy teacher",
    "perceptron-whitened": "one digit, whitened",
}


def search_figure(results: Results) -> Figure:
    """The best loss so far against the number of trials, by either loss, where every lever is searched.

    A line for each method, with the first seed of the search. What to see: whether more trials would change the order.
    """
    first = "The first trials: the choice at the default."
    return _best(results, LEVERS, "trials", lambda report: range(1, len(report.trials) + 1), first)


def budget_figure(results: Results) -> Figure:
    """The best loss so far against the core-seconds of the search, by either loss, where every setting is searched.

    A line for each method, with losses and seconds of the first seed of the search; trials that diverged count. What to
    see: which method is ahead after the same time.
    """

    def spent(report: Tuned) -> list[float]:
        return list(accumulate(trial.seconds[0] for trial in report.trials))

    first = "The first trials: the choice where the rate is searched."
    return _best(results, EVERY_SETTING, "core-seconds of the search", spent, first)


def _best(
    results: Results, experiment: str, unit: str, spent: Callable[[Tuned], Sequence[float]], first: str
) -> Figure:
    """The best loss so far of each method, by either loss, against what its search has `spent` after each trial."""
    names = [f"tuning/{experiment}/{method}" for method in METHODS]
    reports = [results.tuned(name) for name in names if name in results.files]
    figure = plt.figure(figsize=(WIDTH, 3.2))
    grid = figure.subplots(1, len(CRITERIA), sharey=True)
    for axes, criterion in zip(grid, CRITERIA, strict=True):
        for report in reports:
            costs = spent(report)
            best = [
                (costs[number - 1], loss) for number, loss, _ in best_so_far(report.trials, criterion, report.statistic)
            ]
            look = look_of(report.optimizer)
            style = {"color": look.color, "linestyle": look.linestyle, "drawstyle": "steps-post"}
            x, y = zip(*best, (costs[-1], best[-1][1]), strict=True)
            axes.plot(x, y, label=label(report.optimizer), **style)
        axes.axvline(min(spent(report)[-1] for report in reports), color=GREY, linewidth=0.8, linestyle=(0, (1, 2)))
        axes.set(xscale="log", yscale="log", xlabel=unit, title=f"best {TITLES[criterion]}")
        plain_ticks(axes.xaxis)
        plain_ticks(axes.yaxis)
    caption = f"Loss after the last iteration with the first seed of the search. {first}"
    legend(figure, grid, 4, f"{caption}\nDotted line: where the shortest search ends.")
    return figure


def tuning_figure(results: Results) -> Figure:
    """The search for the autoencoders' settings: the training loss of every trial against each setting."""
    return _search(results, "Training loss with the first seed.\nFilled: tried with every seed.", alike=True)


def tuning_perceptron_figure(results: Results) -> Figure:
    """The search for the perceptrons' settings: the training loss of every trial against each setting."""
    return _search(results, "Training loss, geometric mean over iterations and seeds.")


def _search(results: Results, caption: str, alike: bool = False) -> Figure:
    """Every trial of the search: its score, over the seeds that all were tried with, against its rate or steps.

    A row for each experiment, with the methods of the poster, its baselines and what stands beside; a column for each
    setting that all of them have. What only some have stands in a last row, beside the legend. alike: one scale
    of losses for all panels, else for a row.
    """
    reports: dict[str, list[Tuned]] = {}
    for name in sorted(results.names("tuning/*")):
        _, experiment, method = name.split("/")
        if METHODS[method].role in (BASELINE, POSTER) or method in ("gradient-d", *BESIDE):
            reports.setdefault(experiment, []).append(results.tuned(name))
    settings = {name: [s for s in RATES if any(s in r.ranges for r in reports[name])] for name in reports}
    common = [setting for setting in RATES if all(setting in row for row in settings.values())]
    rest = [(name, setting) for setting in RATES for name in reports if setting in set(settings[name]) - set(common)]
    height = len(reports) + bool(rest)
    figure = plt.figure(figsize=(WIDTH, 0.9 + 1.6 * height))
    cells = figure.add_gridspec(height, len(common))
    grid = np.array([[figure.add_subplot(cells[r, c]) for c in range(len(common))] for r in range(len(reports))])
    extra = [figure.add_subplot(cells[-1, column]) for column in range(len(rest))]
    beside = {}
    for row, name in zip(grid, reports, strict=True):
        levels = map_levels(results, name, "train_loss", reports[name][0].seeds[:1])
        beside[row[-1]] = levels
        for axes, setting, lowest in zip(row, common, grid[-1], strict=True):
            axes.sharey(grid[0, 0] if alike else row[0])
            axes.sharex(lowest)
            _draw_trials(axes, reports[name], setting)
            draw_levels(axes, levels)
        row[0].set_ylabel(f"{SEARCHED.get(name, name)}\ntraining loss", fontsize=8)
    for axes, setting in zip(grid[-1], common, strict=True):
        axes.set_xlabel(RATES[setting])
    for axes, (name, setting) in zip(extra, rest, strict=True):
        axes.sharey(grid[0, 0])
        _draw_trials(axes, reports[name], setting)
        draw_levels(axes, map_levels(results, name, "train_loss", reports[name][0].seeds[:1]))
        axes.set_xlabel(f"{RATES[setting]}\n({SEARCHED.get(name, name)})")
        axes.tick_params(labelleft=axes is extra[0])
    for axes in grid[:, 1:].flat:
        axes.tick_params(labelleft=False)
    for axes in grid[:-1].flat:
        axes.tick_params(labelbottom=False)
    if alike:
        plain_ticks(grid[0, 0].yaxis)
    caption += " ×: diverged."
    if any(beside.values()):
        caption += "\nDotted lines: without training."
    panels = [*grid.flat, *extra]
    if rest:
        legend(figure.add_subplot(cells[-1, len(rest) :]), panels, 1, caption, loc="center")
    else:
        legend(figure, panels, 5, caption)
    if any(beside.values()):
        label_beside(beside, size=7)
    return figure


def _draw_trials(axes: Axes, reports: list[Tuned], setting: str) -> None:
    for optimizer in METHODS:
        look = look_of(optimizer)
        for report in reports:
            if report.optimizer != optimizer or setting not in report.ranges:
                continue
            finished = [trial for trial in report.trials if trial.status == "finished"]
            common = min((len(trial.scores["train_loss"]) for trial in finished), default=0)
            for finalist in (False, True):
                points = [
                    (trial.settings[setting], np.mean(trial.scores["train_loss"][:common]))
                    for trial in finished
                    if (len(trial.scores["train_loss"]) == len(report.seeds)) == finalist
                ]
                x, y = np.array(points or np.empty((0, 2))).T
                style = {"color": look.color, "markersize": 3.5, "fillstyle": "full" if finalist else "none"}
                text = label(optimizer) if finalist else None
                axes.plot(x, 10**y if report.statistic == "mean_log" else y, look.marker, label=text, **style)
            diverged = [trial.settings[setting] for trial in report.trials if trial.status == "diverged"]
            if diverged:
                top = axes.get_xaxis_transform()
                axes.plot(diverged, [0.97] * len(diverged), "x", color=look.color, markersize=4, transform=top)
    axes.set_yscale("log")
    if setting in ("learning_rate", "ridge", "weight_decay"):
        axes.set_xscale("log")
