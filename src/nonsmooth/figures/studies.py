"""Figures of studies: the search, where the claims hold, conditioning, the two readings, speed."""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from nonsmooth.config import BASELINES, READINGS
from nonsmooth.drawing import OPTIMIZERS, plain_ticks
from nonsmooth.figures.curves import (
    GREY,
    SMALL,
    WIDTH,
    draw_levels,
    iterations_on_a_log_scale,
    label_beside,
    legend,
    references,
)
from nonsmooth.runs import Results


def benchmark(results: Results) -> Figure:
    """Time of an iteration for one image against N: each optimizer, and its matrix products by themselves."""
    report = json.loads((Path(results.folder) / "benchmark" / "measurements.json").read_text())
    rows = report["iterations"]
    hidden, threads = (sorted({row[key] for row in rows}) for key in ("hidden", "threads"))
    figure = plt.figure(figsize=(WIDTH, 0.9 + 2.2 * len(threads)))
    grid = figure.subplots(len(threads), len(hidden), sharex=True, sharey="col", squeeze=False)
    names = {row["name"] for row in rows}
    for (row, column), axes in np.ndenumerate(grid):
        cell = [r for r in rows if (r["hidden"], r["threads"]) == (hidden[column], threads[row])]
        samples = np.array(sorted({r["samples"] for r in cell}))
        for optimizer, look in OPTIMIZERS.items():
            own = [name for name in names if name.split()[0] == optimizer]  # torch's implementations: the fastest
            if not own:
                continue
            best = [min(r["seconds"] for r in cell if r["samples"] == n and r["name"] in own) for n in samples]
            axes.plot(samples, 1e6 * np.array(best) / samples, label=look.name, **look.line)
            alone = [
                r["seconds"]
                for n in samples
                for r in cell
                if (r["samples"], r["name"]) == (n, f"products of {optimizer}")
            ]
            if alone:
                thin = {"color": look.color, "linewidth": 0.6, "linestyle": look.linestyle}
                axes.plot(samples, 1e6 * np.array(alone) / samples, label=f"matrix products of {look.name}", **thin)
        plural = "s" if threads[row] > 1 else ""
        axes.set(xscale="log", ylim=(0, None), title=f"{hidden[column]} hidden units, {threads[row]} thread{plural}")
        axes.set_xticks(samples, [f"{n:,}" for n in samples])
        axes.minorticks_off()
    for axes in grid[-1]:
        axes.set_xlabel("training images $N$ (log scale)")
    for axes in grid[:, 0]:
        axes.set_ylabel("time of an iteration\nper image, µs")
    machine = report["processor"] if report["device"] == "cpu" else report["device"]
    title = (
        f"Timed side by side on {machine}; the fastest of torch's implementations. Level lines: in proportion to $N$."
    )
    legend(figure, grid.flat, 3, title)
    return figure


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


def tuning(results: Results) -> Figure:
    """The search for the autoencoders' settings."""
    return _search(
        results, "autoencoder", "Training loss with the first seed.\nFilled: tried with every seed.", alike=True
    )


def tuning_perceptron(results: Results) -> Figure:
    """The search for the perceptrons' settings."""
    return _search(results, "perceptron", "Training loss, geometric mean over iterations and seeds.")


def _search(results: Results, family: str, caption: str, alike: bool = False) -> Figure:
    """Every trial of the search: its score, over the seeds that all were tried with, against its rate or steps.

    A row for each experiment whose name starts with `family`, a column for each setting that all of them have. What
    only some have stands in a last row, beside the legend. alike: one scale of losses for all panels, else for a row.
    """
    paths = sorted((Path(results.folder) / "tuning").glob(f"{family}*/*.json"))
    reports: dict[str, list[dict]] = {}
    for report in (json.loads(path.read_text()) for path in paths):
        reports.setdefault(report["experiment"], []).append(report)
    settings = {name: [s for s in RATES if any(s in r["ranges"] for r in reports[name])] for name in reports}
    common = [setting for setting in RATES if all(setting in row for row in settings.values())]
    rest = [(name, setting) for setting in RATES for name in reports if setting in set(settings[name]) - set(common)]
    height = len(reports) + bool(rest)
    figure = plt.figure(figsize=(WIDTH, 0.9 + 1.6 * height))
    cells = figure.add_gridspec(height, len(common))
    grid = np.array([[figure.add_subplot(cells[r, c]) for c in range(len(common))] for r in range(len(reports))])
    extra = [figure.add_subplot(cells[-1, column]) for column in range(len(rest))]
    beside = {}
    for row, name in zip(grid, reports, strict=True):
        levels = references(results, "tuning", name, "train_loss")
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
        draw_levels(axes, references(results, "tuning", name, "train_loss"))
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


def _draw_trials(axes: Axes, reports: list[dict], setting: str) -> None:
    for optimizer, look in OPTIMIZERS.items():
        for report in reports:
            if report["optimizer"] != optimizer or setting not in report["ranges"]:
                continue
            finished = [trial for trial in report["trials"] if trial["status"] == "finished"]
            common = min((len(trial["scores"]["train_loss"]) for trial in finished), default=0)
            for finalist in (False, True):
                points = [
                    (trial["settings"][setting], np.mean(trial["scores"]["train_loss"][:common]))
                    for trial in finished
                    if (len(trial["scores"]["train_loss"]) == len(report["seeds"])) == finalist
                ]
                x, y = np.array(points or np.empty((0, 2))).T
                style = {"color": look.color, "markersize": 3.5, "fillstyle": "full" if finalist else "none"}
                label = look.name if finalist else None
                axes.plot(x, 10**y if report["statistic"] == "mean_log" else y, look.marker, label=label, **style)
            diverged = [trial["settings"][setting] for trial in report["trials"] if trial["status"] == "diverged"]
            if diverged:
                top = axes.get_xaxis_transform()
                axes.plot(diverged, [0.97] * len(diverged), "x", color=look.color, markersize=4, transform=top)
    axes.set_yscale("log")
    if setting in ("learning_rate", "ridge", "weight_decay"):
        axes.set_xscale("log")


CONDITIONED = {"perceptron-teacher": "noisy teacher", "perceptron": "one digit of MNIST"}
ROUNDING = 1e-12  # gaps below it are rounding errors of the optimum that they are measured from


def conditioning(results: Results) -> Figure:
    """The gap to the optimum against iterations at some condition numbers, and after the last against all of them."""
    folder = Path(results.folder) / "conditioning"
    reports = {experiment: json.loads((folder / f"{experiment}.json").read_text()) for experiment in CONDITIONED}
    numbers = sorted({entry["condition_number"] for entries in reports.values() for entry in entries})
    detailed = sorted({numbers[0], numbers[len(numbers) // 3], numbers[-1]})
    figure = plt.figure(figsize=(WIDTH, 0.9 + 2.3 * len(reports)))
    grid = figure.subplots(len(reports), len(detailed) + 1, sharex="col", sharey=True, squeeze=False)
    for row, (experiment, entries) in zip(grid, reports.items(), strict=True):
        for optimizer, look in OPTIMIZERS.items():
            gaps = {
                entry["condition_number"]: [run for run in entry["gaps"] if run[-1] is not None]
                for entry in entries
                if entry["optimizer"] == optimizer
            }
            for axes, number in zip(row, detailed, strict=False):
                if gaps.get(number):
                    median = np.maximum(np.median(gaps[number], axis=0), ROUNDING)
                    axes.plot(median, label=look.name, markevery=0.16, clip_on=False, **look.line)
            ends = [
                (n, max(np.median([run[-1] for run in runs]), ROUNDING)) for n, runs in sorted(gaps.items()) if runs
            ]
            if ends:
                row[-1].plot(*zip(*ends, strict=True), clip_on=False, **look.line)
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
    title = (
        f"Median over {count} seeds. SGD and Adam: gap of the squared error; the others: gap of $D$. Gaps below "
        f"$10^{{{exponents[-1]}}}$ are rounding, drawn on the axis."
    )
    legend(figure, grid.flat, 5, title)
    return figure


VERDICTS = {"holds": "#0072B2", "open": "#CCCCCC", "fails": "#E69F00"}  # told apart in greys as well
UNLEARNED = {"fill": False, "hatch": "////", "edgecolor": "white", "linewidth": 0}
CLAIMS = {
    "iterations": "iterations",
    "seconds": "wall time",
    "final": "final loss",
    "unseen_psnr": "PSNR",
    "unseen_ssim": "SSIM",
}
# Training first, then unseen images; the rest of the verdicts is in the record that the figure is drawn from.
COLUMNS = [(baseline, quantity) for baseline in BASELINES for quantity in CLAIMS]
COLUMNS += [("linear map", quantity) for quantity in CLAIMS if quantity.startswith("unseen")]


def limits(results: Results) -> Figure:
    """Settings down, claims across, a panel for each reading: the verdict by colour."""
    settings = json.loads((Path(results.folder) / "limits.json").read_text())
    groups = list(dict.fromkeys(setting["group"] for setting in settings))
    settings.sort(key=lambda setting: groups.index(setting["group"]))
    figure = plt.figure(figsize=(WIDTH, 1.7 + 0.175 * len(settings)))
    panels = figure.subplots(1, len(READINGS), sharey=True)
    for axes, reading in zip(panels, READINGS, strict=True):
        _draw_verdicts(axes, settings, reading)
    names = ["" if setting["name"] == setting["group"] else setting["name"] for setting in settings]
    panels[0].set_yticks(np.arange(len(settings)) + 0.5, names)
    for row, setting in enumerate(settings):
        if row == 0 or settings[row - 1]["group"] != setting["group"]:
            offset = {"xytext": (-132, 0), "textcoords": "offset points", "annotation_clip": False}
            panels[0].annotate(setting["group"], (0, row + 0.5), va="center", weight="bold", fontsize=8, **offset)
    handles = [Rectangle((0, 0), 1, 1, color=color) for color in VERDICTS.values()]
    handles.append(Rectangle((0, 0), 1, 1, **(UNLEARNED | {"edgecolor": GREY})))
    texts = ["BADMM better", "open", "BADMM worse", "baseline learned nothing"]
    seeds = settings[0]["verdicts"][0]["seeds"]
    title = (
        f"Colour: side of the 95% interval over {seeds} seeds; open: on neither side. PSNR and SSIM of unseen images.\n"
        "Worse as well: BADMM diverged, or it learned nothing while the baseline did."
    )
    figure.legend(handles, texts, loc="outside lower center", ncols=4, title=title, handlelength=1.6)
    return figure


def _draw_verdicts(axes: Axes, settings: list[dict], reading: str) -> None:
    rows = [
        {(entry["against"], entry["quantity"]): entry for entry in setting["verdicts"] if entry["reading"] == reading}
        for setting in settings
    ]
    tests = [test for test in COLUMNS if test in rows[0]]
    verdicts = list(VERDICTS)
    cells = np.array([[verdicts.index(row[test]["verdict"]) for test in tests] for row in rows])
    colors = ListedColormap(list(VERDICTS.values()))
    axes.pcolormesh(cells, cmap=colors, vmin=-0.5, vmax=2.5, edgecolors="white", linewidth=0.8)
    for (row, column), _ in np.ndenumerate(cells):
        if not rows[row][tests[column]]["learned"]:
            axes.add_patch(Rectangle((column, row), 1, 1, **UNLEARNED))
    for row, setting in enumerate(settings):
        if row and settings[row - 1]["group"] != setting["group"]:
            axes.axhline(row, color="black", linewidth=0.7)
    axes.set_xticks(np.arange(len(tests)) + 0.5, [CLAIMS[quantity] for _, quantity in tests], rotation=90)
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.set(xlim=(0, len(tests)), ylim=(len(settings), 0))
    against = [name for name, _ in tests]
    for name in dict.fromkeys(against):
        start, width = against.index(name), against.count(name)
        text = OPTIMIZERS[name].name if name in OPTIMIZERS else name.replace(" ", "\n")
        position = {"xytext": (0, 50), "textcoords": "offset points"}
        axes.annotate(f"vs {text}", (start + width / 2, 0), ha="center", va="bottom", fontsize=8, **position)
        if start:
            axes.axvline(start, color="black", linewidth=0.7)
    axes.set_title(OPTIMIZERS[reading].name, weight="bold", pad=80)


SETTINGS = {"tau_z": r"$\tau_Z$", "tau_x": r"$\tau_X$", "ridge": "ridge", "delta": r"$\delta$", "tau_m": r"$\tau_M$"}


def ablation(results: Results) -> Figure:
    """Both readings with their own settings, with each of the other's and with all: a dot for each seed."""
    panels = {"train_loss": "training loss", "validation_loss": "unseen loss"}
    folder = Path(results.folder) / "ablation"
    reports = {column: json.loads((folder / f"{column}.json").read_text()) for column in panels}
    rows = list(dict.fromkeys((v["reading"], v["taken"]) for report in reports.values() for v in report))
    rows.sort(key=lambda row: READINGS.index(row[0]))
    figure = plt.figure(figsize=(WIDTH, 1.1 + 0.24 * (len(rows) + 2)))
    grid = figure.subplots(1, 2, sharey=True)
    labels = []
    for reading, taken in rows:
        other = OPTIMIZERS[READINGS[1 - READINGS.index(reading)]].name.split("(")[1].rstrip(")")
        source = f"{SETTINGS.get(taken, 'all settings')} from {other}"
        labels.append(OPTIMIZERS[reading].name if taken is None else source)
    for axes, (column, title) in zip(grid, panels.items(), strict=True):
        measured = column.replace("validation", "unseen")
        for variant in reports[column]:
            row, look = rows.index((variant["reading"], variant["taken"])), OPTIMIZERS[variant["reading"]]
            values = [run["final"][measured] for run in variant["runs"] if run["status"] == "finished"]
            if values and variant["taken"] is None:
                axes.axvline(np.median(values), color=look.color, linewidth=0.6, linestyle=look.linestyle)
            axes.plot(values, [row] * len(values), look.marker, fillstyle="none", color=look.color, markersize=4)
            lost = len(variant["runs"]) - len(values)
            if lost:
                note = {"xycoords": axes.get_yaxis_transform(), "va": "center", "fontsize": SMALL, "color": GREY}
                axes.annotate(f"{lost} of {len(variant['runs'])} diverged", (0.97, row), ha="right", **note)
        levels = [label for label in references(results, "ablation", "autoencoder", measured) if "map" in label.text]
        for number, label in enumerate(levels, len(rows)):
            axes.plot(label.level, number, "|", color=GREY, markersize=9, markeredgewidth=1.5)
        chosen_by = column.replace("train", "training").replace("_", " ")
        axes.set(xlabel=title, title=f"settings chosen by {chosen_by}")
    labels += [label.text for label in levels]
    grid[0].set_yticks(range(len(labels)), labels)
    for (_, taken), label in zip(rows, grid[0].get_yticklabels(), strict=False):
        label.set_fontweight("bold" if taken is None else "normal")
    grid[0].set_ylim(len(labels) - 0.5, -0.5)
    seeds = len(reports["train_loss"][0]["runs"])
    figure.supxlabel(
        f"A mark for each of {seeds} seeds. Bold: own settings, their median the vertical line. Below: closed forms.",
        fontsize=SMALL,
    )
    return figure
