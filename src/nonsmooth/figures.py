"""The figures, drawn from what the pipeline has computed. Each function of FIGURES draws one."""

import json
from collections.abc import Callable
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from nonsmooth import networks, problems
from nonsmooth.config import BASELINES, READINGS
from nonsmooth.drawing import OPTIMIZERS, draw_images, style
from nonsmooth.files import replacing
from nonsmooth.references import linear_map, mean_image
from nonsmooth.runs import Results
from nonsmooth.training import psnr


def draw_curves(axes: Axes, results: Results, experiment: str, column: str, seconds: bool = False) -> None:
    """One curve for each optimizer: the median over seeds, in a band from the lower to the upper quartile.

    Against iterations, or with `seconds` against optimizer time: that of the set-up, and for each iteration the median
    time of one. A run that diverged is no
    part of median and band: it is drawn by itself, up to a cross where it was found, and counted in the legend.
    """
    drawn = [optimizer for optimizer in OPTIMIZERS if optimizer in results.optimizers[experiment]]
    for place, optimizer in enumerate(drawn):
        look, shift = OPTIMIZERS[optimizer], 0.03 * place  # of the markers, so that curves close together show theirs
        setup, unit = results.clock(experiment, optimizer) if seconds else (0, 1)
        runs = results.runs(experiment, optimizer)
        finished = [run for run in runs if not run.diverged]
        label = look.name
        if len(finished) < len(runs):
            label += f" ({len(runs) - len(finished)} of {len(runs)} diverged)"
        for run in runs:
            if run.diverged:
                x, y = setup + unit * run.history["iteration"], run.history[column]
                axes.plot(x, y, color=look.color, linestyle=look.linestyle, linewidth=0.6)
                axes.plot(x[np.isfinite(y)][-1:], y[np.isfinite(y)][-1:], "x", color=look.color)
        if finished:
            values = np.stack([run.history[column] for run in finished])
            x = setup + unit * finished[0].history["iteration"]
            low, median, high = np.quantile(values, (0.25, 0.5, 0.75), axis=0)
            axes.plot(x, median, label=label, markevery=(shift, 0.16), **look.line)
            if not look.reference:
                axes.fill_between(x, low, high, color=look.color, alpha=0.2, linewidth=0)
        else:
            axes.plot([], [], label=label, **look.line)
    axes.set_yscale("log")


def _cut_below(axes: Axes, floor: float) -> None:
    """Where a curve ends far below `floor`, end the axis there and say where the curve goes."""
    ends = [line.get_ydata()[-1] for line in axes.lines if len(line.get_ydata())]
    if min(ends) < floor / 10:
        axes.set_ylim(bottom=floor)
        for line in axes.lines:
            if len(line.get_ydata()) and line.get_ydata()[-1] < floor:
                text = f"{line.get_label()}: {line.get_ydata()[-1]:.0e} in the end"
                axes.text(0.03, 0.04, text, transform=axes.transAxes, color=line.get_color(), fontsize=7)


def _legend(figure: Figure | SubFigure, grid: np.ndarray, columns: int, title: str) -> None:
    """One legend below the panels, with every label that one of them has."""
    handles = {}
    for axes in grid.flat:
        handles |= {label: line for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=columns, title=title)


def _seeds(results: Results, experiment: str) -> str:
    seeds = results.seeds[experiment]
    return f"Seed {seeds[0]}." if len(seeds) == 1 else f"Median and quartiles over {len(seeds)} seeds."


def draw_perceptron_loss(figure: Figure | SubFigure, results: Results) -> None:
    """Squared loss and Bregman distance on the training data, for both perceptron experiments."""
    titles = {"perceptron": "one digit of MNIST", "perceptron-teacher": "noisy teacher"}
    columns = {"train_loss": "mean squared error", "train_d": "mean Bregman distance $D$"}
    grid = figure.subplots(2, 2, sharex=True)
    for row, (experiment, title) in zip(grid, titles.items(), strict=True):
        for axes, (column, label) in zip(row, columns.items(), strict=True):
            draw_curves(axes, results, experiment, column)
            _cut_below(axes, 1e-4)
            axes.set(title=f"Perceptron, {title}, training data", ylabel=label)
    for axes in grid[-1]:
        axes.set_xscale("symlog", linthresh=1)  # log, with room for iteration 0
        axes.set_xlim(0, None)
        axes.set_xlabel("iteration (log scale)")
    _legend(figure, grid, 3, _seeds(results, "perceptron"))


def draw_autoencoder_convergence(
    figure: Figure | SubFigure, results: Results, experiment: str = "autoencoder", iteration: str = "iteration"
) -> None:
    """Loss on training and on unseen images, against iterations and against seconds of optimizer time.

    A ring on a curve of unseen images is where the smallest validation loss would have stopped it, where that is before
    the end.
    """
    parts = {"train_loss": "training images", "unseen_loss": "unseen images"}
    grid = figure.subplots(2, 2, sharey="row", sharex="col")
    bounds = _bounds(results, "figures", experiment)
    for row, (column, title) in zip(grid, parts.items(), strict=True):
        for axes, seconds in zip(row, (False, True), strict=True):
            draw_curves(axes, results, experiment, column, seconds)
            if column == "unseen_loss":
                _ring_early_stops(axes, results, experiment, seconds)
            axes.set_title(f"Denoising autoencoder, {title}")
            _draw_bounds(axes, bounds, column)
        row[0].set_ylabel("mean squared error")
    grid[1, 0].set_xlabel(iteration)
    grid[1, 1].set_xlabel("seconds of optimizer time")
    unit = "Seconds: the set-up, then the median time of an iteration for each; all optimizers timed side by side."
    _legend(figure, grid, 4, f"{_seeds(results, experiment)} {unit}")


def _bounds(results: Results, use: str, experiment: str) -> dict:
    """What bounds the experiment's picture (evidence.bounds), with the seeds of `use`; nothing where there is none."""
    path = Path(results.folder) / "bounds" / use / f"{experiment}.json"
    return json.loads(path.read_text()) if path.exists() else {"references": {}}


def _draw_bounds(
    axes: Axes, bounds: dict, column: str, factor: float = 1, upright: bool = False, named: bool = True
) -> None:
    """Lines, with or without names, at the median over seeds of `column`, times `factor`, of what bounds the picture.

    Across the y axis, or with `upright` across the x axis.
    """
    medians = {name: np.median([entry[column] for entry in entries]) for name, entries in bounds["references"].items()}
    for name, median in medians.items():
        level, lowest = factor * median, median == min(medians.values())
        line = {"color": "#606060", "linewidth": 0.6, "linestyle": (0, (1, 2))}
        text = {"color": "#606060", "fontsize": 5.5, "ha": "right"}
        if upright:
            axes.axvline(level, **line)
            place = {"xy": (level, 0.63), "xycoords": ("data", "axes fraction"), "va": "center", "rotation": 90}
        else:
            axes.axhline(level, **line)
            place = {"xy": (0.99, level), "xycoords": ("axes fraction", "data"), "va": "top" if lowest else "bottom"}
        if named:
            axes.annotate(name, **place, **text)


def _ring_early_stops(axes: Axes, results: Results, experiment: str, seconds: bool) -> None:
    label = "smallest validation loss, before the end"
    for optimizer in results.optimizers[experiment]:
        setup, unit = results.clock(experiment, optimizer) if seconds else (0, 1)
        histories = [run.history for run in results.runs(experiment, optimizer) if not run.diverged]
        if not histories or "validation_loss" not in histories[0]:
            continue
        stop = int(np.median([np.argmin(history["validation_loss"]) for history in histories]))
        if stop < len(histories[0]["iteration"]) - 1:
            level = np.median([history["unseen_loss"][stop] for history in histories])
            ring = {"color": OPTIMIZERS[optimizer].color, "fillstyle": "none", "markersize": 7}
            axes.plot(setup + unit * stop, level, "o", label=label, linestyle="none", **ring)


def draw_autoencoder_samples(figure: Figure | SubFigure, results: Results, count: int = 6) -> None:
    """What the networks of the first seed make of noisy images: training images left, unseen ones right."""
    seed = results.seeds["autoencoder"][0]
    shown = [name for name in OPTIMIZERS if name in results.optimizers["autoencoder"]]
    trained = {name: results.run("autoencoder", name, seed) for name in shown}
    record = next(iter(trained.values())).record
    common = {"seed": seed, "dtype": record["dtype"]}
    data = problems.build(results.sample(seed), **record["problem"], **common)
    rank = min(record["network"]["hidden"])
    closed = {f"best linear map (rank {rank})": linear_map(data, rank)[0], "mean image": mean_image(data)}
    panels = figure.subplots(1, 2)
    for axes, (part, title) in zip(panels, (("training", "training images"), ("unseen", "unseen images")), strict=True):
        noisy, clean = getattr(data, part)
        rows = {"clean": (clean[:count], None), "noisy": (noisy[:count], psnr(noisy, clean))}
        for name, run in trained.items():
            net = networks.build(data.sizes, **run.record["network"], **common)
            net.load_state_dict(run.weights)
            with torch.no_grad():
                denoised = net(noisy)
            rows[OPTIMIZERS[name].name] = (denoised[:count], psnr(denoised, clean))
        for name, reference in closed.items():
            with torch.no_grad():
                denoised = reference(noisy)
            rows[name] = (denoised[:count], psnr(denoised, clean))
        named = {_two_lines(name, decibels): (images, decibels) for name, (images, decibels) in rows.items()}
        draw_images(axes, named)
        axes.set_title(title)
    figure.supxlabel(
        f"Seed {seed}. Below an image its PSNR, below a name the mean over all {len(data.training.inputs)} training "
        f"or {len(data.unseen.inputs)} unseen images.\nPSNR of unclipped values; shown on one grey scale from 0 to 1.",
        fontsize=7,
    )


def _two_lines(name: str, decibels: torch.Tensor | None) -> str:
    name = name.replace(" (", "\n(").replace(", ", ",\n")
    return name if decibels is None else f"{name}\n{decibels.mean():.2f} dB"


def perceptron_loss(results: Results) -> Figure:
    figure = plt.figure(figsize=(7, 5))
    draw_perceptron_loss(figure, results)
    return figure


def autoencoder_convergence(results: Results) -> Figure:
    figure = plt.figure(figsize=(7, 5))
    draw_autoencoder_convergence(figure, results)
    return figure


def autoencoder_samples(results: Results) -> Figure:
    figure = plt.figure(figsize=(7.5, 6.9))
    draw_autoencoder_samples(figure, results)
    return figure


def poster(results: Results) -> Figure:
    """The poster's numerical panels on one page."""
    figure = plt.figure(figsize=(7.5, 16.6))
    first, second, third = figure.subfigures(3, 1, height_ratios=(4.7, 5.0, 6.9))
    draw_perceptron_loss(first, results)
    draw_autoencoder_convergence(second, results)
    draw_autoencoder_samples(third, results)
    return figure


def inside(results: Results) -> Figure:
    """Inside the algorithm: feasibility, the Lagrangian, and the lifted loss beside the network's own."""
    figure = plt.figure(figsize=(7.5, 3.1))
    grid = figure.subplots(1, 3, squeeze=False)
    titles = {"feasibility": "feasibility $|Z - A|$", "lagrangian": "augmented Lagrangian"}
    for axes, column in zip(grid[0], titles, strict=False):
        draw_curves(axes, _only(results, READINGS), "autoencoder", column)
        axes.set_title(f"{titles[column]}, a sample")
    axes = grid[0, 2]
    for name in READINGS:
        look = OPTIMIZERS[name]
        histories = [run.history for run in results.runs("autoencoder", name) if not run.diverged]
        pixels = results.run("autoencoder", name, results.seeds["autoencoder"][0]).weights["2.bias"].numel()
        for column, factor, width, label in (
            ("lifted_loss", 1, 1.2, look.name),
            ("train_loss", pixels / 2, 0.5, f"{look.name}: the network's own loss"),
        ):
            if histories:
                values = factor * np.median([history[column] for history in histories], axis=0)
                line = {"color": look.color, "linestyle": look.linestyle, "linewidth": width}
                axes.plot(histories[0]["iteration"], values, label=label, **line)
    axes.set(yscale="log", title="lifted loss, a sample")
    _draw_bounds(axes, _bounds(results, "figures", "autoencoder"), "train_loss", pixels / 2)
    for axes in grid[0]:
        axes.set_xlabel("iteration")
    _legend(figure, grid, 2, _seeds(results, "autoencoder"))
    return figure


def _only(results: Results, names: tuple[str, ...]) -> Results:
    return Results(results.folder, results.seeds, {"autoencoder": list(names)})


def full_mnist(results: Results) -> Figure:
    """The autoencoder on all 60,000 training images."""
    figure = plt.figure(figsize=(7, 5))
    draw_autoencoder_convergence(figure, results, "autoencoder-full", "iteration, a pass over all training images")
    return figure


def benchmark(results: Results) -> Figure:
    """Time of an iteration against N: each optimizer, and the iterations' own matrix products by themselves."""
    report = json.loads((Path(results.folder) / "benchmark" / "measurements.json").read_text())
    rows = report["iterations"]
    hidden, threads = (sorted({row[key] for row in rows}) for key in ("hidden", "threads"))
    figure = plt.figure(figsize=(7, 0.9 + 2.1 * len(threads)))
    grid = figure.subplots(len(threads), len(hidden), sharex=True, sharey=True, squeeze=False)
    names = {row["name"] for row in rows}
    for (row, column), axes in np.ndenumerate(grid):
        cell = [r for r in rows if (r["hidden"], r["threads"]) == (hidden[column], threads[row])]
        samples = sorted({r["samples"] for r in cell})
        for optimizer, look in OPTIMIZERS.items():
            own = [name for name in names if name.split()[0] == optimizer]  # torch's implementations: the fastest
            if not own:
                continue
            best = [min(r["seconds"] for r in cell if r["samples"] == n and r["name"] in own) for n in samples]
            axes.plot(samples, 1e3 * np.array(best), label=look.name, **look.line)
            alone = [
                r["seconds"]
                for n in samples
                for r in cell
                if (r["samples"], r["name"]) == (n, f"products of {optimizer}")
            ]
            if alone:
                style = {"color": look.color, "linewidth": 0.6, "linestyle": look.linestyle}
                axes.plot(samples, 1e3 * np.array(alone), label=f"products of {look.name}", **style)
        plural = "s" if threads[row] > 1 else ""
        axes.set(xscale="log", yscale="log", title=f"{hidden[column]} hidden units, {threads[row]} thread{plural}")
    for axes in grid[-1]:
        axes.set_xlabel("samples $N$")
    for axes in grid[:, 0]:
        axes.set_ylabel("time of an iteration, ms")
    machine = report["processor"] if report["device"] == "cpu" else report["device"]
    title = (
        f"Side by side on {machine}. Thin: the iteration's own matrix products alone. torch's fastest implementations."
    )
    _legend(figure, grid, 3, title)
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


def tuning(results: Results) -> Figure:
    """Every trial of the search: its score, over the seeds that all were tried with, against its rate or steps."""
    reports = [json.loads(path.read_text()) for path in sorted((Path(results.folder) / "tuning").glob("*/*.json"))]
    experiments = list(dict.fromkeys(report["experiment"] for report in reports))
    shown = [setting for setting in RATES if any(setting in report["ranges"] for report in reports)]
    figure = plt.figure(figsize=(1.2 + 1.9 * len(shown), 0.9 + 1.9 * len(experiments)))
    grid = figure.subplots(len(experiments), len(shown), sharey="row", sharex="col", squeeze=False)
    for (row, column), axes in np.ndenumerate(grid):
        experiment, setting = experiments[row], shown[column]
        for optimizer, look in OPTIMIZERS.items():
            for report in reports:
                if (report["experiment"], report["optimizer"]) != (experiment, optimizer):
                    continue
                if setting not in report["ranges"]:
                    continue
                done = [trial for trial in report["trials"] if trial["status"] == "finished"]
                common = min((len(trial["scores"]["train_loss"]) for trial in done), default=0)
                for finalist in (False, True):
                    points = [
                        (trial["settings"][setting], np.mean(trial["scores"]["train_loss"][:common]))
                        for trial in done
                        if (len(trial["scores"]["train_loss"]) == len(report["seeds"])) == finalist
                    ]
                    x, y = np.array(points or np.empty((0, 2))).T
                    style = {"color": look.color, "markersize": 3, "fillstyle": "full" if finalist else "none"}
                    label = look.name if finalist else None
                    axes.plot(x, 10**y if report["statistic"] == "mean_log" else y, look.marker, label=label, **style)
                lost = [trial["settings"][setting] for trial in report["trials"] if trial["status"] == "diverged"]
                if lost:
                    axes.plot(lost, [0.97] * len(lost), "x", color=look.color, transform=axes.get_xaxis_transform())
        axes.set(yscale="log")
        axes.set_visible(bool(axes.lines))
        _draw_bounds(axes, _bounds(results, "tuning", experiment), "train_loss", named=column == 0)
        if setting in ("learning_rate", "ridge", "weight_decay"):
            axes.set_xscale("log")
        if column == 0:
            axes.set_ylabel(experiment)
    for column, setting in zip(grid.T, shown, strict=True):
        lowest = [axes for axes in column if axes.get_visible()][-1]
        lowest.set_xlabel(RATES[setting])
        lowest.tick_params(labelbottom=True)
    title = (
        "Training loss of every trial with the first seed (perceptrons: geometric mean over iterations and seeds).\n"
        "Filled: tried with every seed. x: diverged. Dotted: without training by gradients."
    )
    _legend(figure, grid, 4, title)
    return figure


CONDITIONED = {"perceptron-teacher": "noisy teacher", "perceptron": "one digit of MNIST"}


def conditioning(results: Results) -> Figure:
    """The gap to the optimum against iterations at some condition numbers, and after the last against all of them."""
    folder = Path(results.folder) / "conditioning"
    reports = {experiment: json.loads((folder / f"{experiment}.json").read_text()) for experiment in CONDITIONED}
    numbers = sorted({entry["condition_number"] for entries in reports.values() for entry in entries})
    shown = numbers[:: max(1, (len(numbers) - 1) // 3)][:4]
    figure = plt.figure(figsize=(10, 0.9 + 2.0 * len(reports)))
    grid = figure.subplots(len(reports), len(shown) + 1, sharex="col", sharey=True, squeeze=False)
    for row, (experiment, entries) in zip(grid, reports.items(), strict=True):
        for optimizer, look in OPTIMIZERS.items():
            mine = {entry["condition_number"]: entry["gaps"] for entry in entries if entry["optimizer"] == optimizer}
            for axes, number in zip(row, shown, strict=False):
                finished = [gaps for gaps in mine.get(number, []) if gaps[-1] is not None]
                if finished:
                    axes.plot(np.median(finished, axis=0), label=look.name, markevery=0.16, **look.line)
            ends = {n: [g[-1] for g in gaps if g[-1] is not None] for n, gaps in mine.items()}
            points = [(n, np.median(values)) for n, values in sorted(ends.items()) if values]
            if points:
                row[-1].plot(*zip(*points, strict=True), label=look.name, **look.line)
        for axes, number in zip(row, shown, strict=False):
            axes.set(title=f"condition number {number:g}", yscale="log", xscale="symlog", xlim=(0, None))
        row[0].set_ylabel(f"{CONDITIONED[experiment]}\ngap to the optimum, start = 1")
        row[-1].set(title="after the last iteration", xscale="log")
    for axes in grid[-1, :-1]:
        axes.set_xlabel("iteration (log scale)")
    grid[-1, -1].set_xlabel("condition number")
    count = len(entries[0]["gaps"])
    title = (
        f"Median over {count} seeds. SGD and Adam: of the squared error; the others: of $D$. Optima by scipy: zero "
        "where the data\ncan be fitted; else that of the squared error is the lowest of many starts, and the lowest "
        "values are at or below it."
    )
    _legend(figure, grid, 5, title)
    return figure


VERDICTS = {"holds": "#56B4E9", "open": "#F0F0F0", "fails": "#E69F00"}
UNLEARNED = {"fill": False, "hatch": "////", "edgecolor": "#00000040", "linewidth": 0}
MEASURED = {
    "iterations": "itera-\ntions",
    "seconds": "time",
    "area": "area",
    "final": "final\nloss",
    "train_psnr": "PSNR\ntrain",
    "train_ssim": "SSIM\ntrain",
    "unseen_psnr": "PSNR\nunseen",
    "unseen_ssim": "SSIM\nunseen",
}


def limits(results: Results) -> Figure:
    """Settings down, claims across, a panel for each reading: the verdict by colour, the effect by number."""
    settings = json.loads((Path(results.folder) / "limits.json").read_text())
    first = settings[0]["verdicts"]
    readings = list(dict.fromkeys(verdict["reading"] for verdict in first))
    figure = plt.figure(figsize=(11, 0.9 + len(readings) * (0.9 + 0.19 * len(settings))))
    grid = figure.subplots(len(readings), 1, squeeze=False)[:, 0]
    for axes, reading in zip(grid, readings, strict=True):
        _draw_limits(axes, settings, reading)
    handles = [plt.Rectangle((0, 0), 1, 1, color=color) for color in VERDICTS.values()]
    handles.append(plt.Rectangle((0, 0), 1, 1, **UNLEARNED))
    texts = ["BADMM better: the whole 95% interval", "open", "BADMM worse: likewise, or it diverged or learned nothing"]
    title = (
        f"Over {first[0]['seeds']} seeds. Iterations and time (to the loss that both reach), area, final loss: ratios, "
        "below 1 is better.\nPSNR (dB) and SSIM: differences, above 0 is better. Every cell is judged by itself.\n"
        "*: one of the two had its trials spent before its settings lay between worse ones."
    )
    texts.append("the baseline ends no better than the mean image")
    figure.legend(handles, texts, loc="outside lower center", ncols=2, title=title)
    return figure


def _draw_limits(axes: Axes, settings: list[dict], reading: str) -> None:
    def mine(setting: dict) -> list[dict]:
        return [verdict for verdict in setting["verdicts"] if verdict["reading"] == reading]

    tests = [(verdict["against"], verdict["quantity"]) for verdict in mine(settings[0])]
    names = [name for name in OPTIMIZERS if name in settings[0]["active"] and name in (*BASELINES, reading)]
    width, height = len(tests) + len(names), len(settings)
    for row, setting in enumerate(settings):
        for column, verdict in enumerate(mine(setting)):
            cell = (column, row), 1, 1
            axes.add_patch(plt.Rectangle(*cell, color=VERDICTS[verdict["verdict"]], linewidth=0))
            if not verdict["learned"]:
                axes.add_patch(plt.Rectangle(*cell, **UNLEARNED))
            text = _effect(verdict) + ("" if verdict["bracketed"] else "*")
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=6.5)
        for column, name in enumerate(names, len(tests)):
            share = setting["active"].get(name)
            text = "diverged" if share is None else f"{share:.2f}"
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=6.5)
        if row == 0 or settings[row - 1]["group"] != setting["group"]:
            axes.axhline(row, color="black", linewidth=0.5)
    labels = [s["name"] if s["name"] == s["group"] else f"{s['group']}: {s['name']}" for s in settings]
    axes.set_yticks(np.arange(height) + 0.5, labels, fontsize=7)
    heads = [MEASURED[quantity] for _, quantity in tests]
    heads += ["BADMM" if name == reading else OPTIMIZERS[name].name for name in names]
    axes.set_xticks(np.arange(width) + 0.5, heads, fontsize=6)
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.grid(False)
    axes.set(xlim=(0, width), ylim=(height, 0))
    blocks = [f"{OPTIMIZERS[reading].name} against {_named(against)}" for against, _ in tests]
    blocks += ["active units"] * len(names)
    for title in dict.fromkeys(blocks):
        start = blocks.index(title)
        narrow = start < len(tests) and blocks.count(title) <= 2
        text = _named(tests[start][0]).replace(" ", "\n") if narrow else title
        place = (start + blocks.count(title) / 2, 0), (0, 26)
        axes.annotate(text, *place, textcoords="offset points", ha="center", va="bottom", fontsize=7)
        axes.axvline(start, color="black", linewidth=0.5)


def _effect(verdict: dict) -> str:
    if verdict["effect"] is None:
        return "diverged"
    if verdict["quantity"].endswith(("psnr", "ssim")):
        return f"{verdict['effect']:+.2f}"
    return f"{verdict['effect']:.2g}" if verdict["effect"] < 0.1 else f"{verdict['effect']:.2f}"


def _named(against: str) -> str:
    return OPTIMIZERS[against].name if against in OPTIMIZERS else against


SETTINGS = {"tau_z": r"$\tau_Z$", "tau_x": r"$\tau_X$", "ridge": "ridge", "delta": r"$\delta$", "tau_m": r"$\tau_M$"}


def ablation(results: Results) -> Figure:
    """Both readings with their own settings, with each of the other's and with all: a dot for each seed."""
    panels = {"train_loss": "training loss", "validation_loss": "unseen loss"}
    figure = plt.figure(figsize=(10, 3.2))
    for axes, (column, title) in zip(figure.subplots(1, 2), panels.items(), strict=True):
        variants = json.loads((Path(results.folder) / "ablation" / f"{column}.json").read_text())
        measured = column.replace("validation", "unseen")
        labels = []
        for row, variant in enumerate(variants):
            look, taken = OPTIMIZERS[variant["reading"]], variant["taken"]
            values = [run["final"][measured] for run in variant["runs"] if run["status"] == "finished"]
            style = {"color": look.color, "markersize": 3}
            if taken is None:
                labels.append(look.name)
                if values:
                    axes.axvline(np.median(values), color=look.color, linewidth=0.5, linestyle=look.linestyle)
            else:
                value = f" = {variant['settings'][taken]:g}" if taken in variant["settings"] else ""
                labels.append(f"with the other's {SETTINGS.get(taken, 'settings')}{value}")
            if values:
                axes.plot(values, [row] * len(values), look.marker, fillstyle="none", **style)
                axes.plot(np.median(values), row, "|", color=look.color, markersize=9)
            lost = len(variant["runs"]) - len(values)
            if lost:
                labels[-1] += f" ({lost} diverged)"
        _draw_bounds(axes, _bounds(results, "ablation", "autoencoder"), measured, upright=True)
        axes.set_yticks(range(len(labels)), labels)
        axes.invert_yaxis()
        axes.set(xscale="log", xlabel=title, title=f"settings chosen by {column.replace('_', ' ')}")
    seeds = len(variants[0]["runs"])
    figure.supxlabel(f"A dot for each of {seeds} seeds, a bar for their median.", fontsize=7)
    return figure


FIGURES: dict[str, Callable[[Results], Figure]] = {
    "perceptron_loss": perceptron_loss,
    "autoencoder_convergence": autoencoder_convergence,
    "autoencoder_samples": autoencoder_samples,
    "poster": poster,
    "inside": inside,
    "full_mnist": full_mnist,
    "benchmark": benchmark,
    "tuning": tuning,
    "limits": limits,
    "conditioning": conditioning,
    "ablation": ablation,
}


def write(name: str, results: Results, outputs: list[str]) -> None:
    """Draw the figure `name` to every file of `outputs`, its format by its ending; same results, same bytes."""
    matplotlib.use("Agg")
    style()
    figure = FIGURES[name](results)
    for output in outputs:
        with replacing(output) as path:
            figure.savefig(path, metadata={"CreationDate": None} if output.endswith(".pdf") else {"Software": None})
    plt.close(figure)
