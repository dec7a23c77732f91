"""The field as tables, as figures and on pages."""

import re
import statistics
from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from replication.compute.seeds import SeedRun
from replication.compute.training import Tuned
from replication.methods import label
from replication.report.cells import ranked, spread, spread_of, under, written
from replication.report.curves import GREY, SMALL, WIDTH
from replication.report.looks import look_of
from replication.report.rows import Row, Tables, markdown
from replication.results import Results
from replication.studies.field import CRITERION

NEEDS = {
    "field_figure": {"target": "field", "needs": ["field/*"]},
    "field_tau_figure": {"target": "field", "needs": ["field/student/*", "field/credit-*/*"]},
    "field_credit_figure": {"target": "field", "needs": ["field/credit-*/*"]},
    "field_table": {"target": "field", "needs": ["field/*"]},
    "credit_table": {"target": "field", "needs": ["field/credit-*/*"]},
}

TARGET = "adam"  # the row whose last loss the others are to reach
SMALLEST = 1e-30  # in figures: losses below are rounding
TOLD = (10, 50, 100, 200)  # iterations whose losses the table has, beside the last
SIGNALS = ("backpropagation", "restarted", "unchained", "carried")
STEPS = ("spectral", "adam", "muon", "gram")
PARTS = {*SIGNALS, "tau"}  # what the names of rows of no whole method begin with


def _rows(results: Results) -> dict[str, Tuned]:
    """The searched rows by "TASK/ROW"."""
    names = [name for name in results.names("field/*") if not re.match("field/(credit-|timing/)", name)]
    return {name.removeprefix("field/"): results.tuned(name) for name in names}


def _runs(row: Tuned) -> list[SeedRun]:
    return [run for run in row.choice(CRITERION).runs if run.status == "finished"]


def _end(row: Tuned) -> float:
    """The median of the last training losses, nan where every run diverged."""
    losses = [run.train_loss[-1] for run in _runs(row)]
    return max(statistics.median(losses), SMALLEST) if losses else float("nan")


def reached(run: SeedRun, loss: float) -> int | None:
    """The first iteration evaluated whose training loss is at most `loss`; None where there is none."""
    pairs = zip(run.iteration, run.train_loss, strict=True)
    return next((iteration for iteration, own in pairs if own <= loss), None)


def field_table(results: Results) -> Iterator[Row]:
    """A row for each task and row of the field: medians over seeds, with the smallest and the largest.

    "loss_10" and so on: the training loss after so many iterations; "loss": the last. "to_adam": iterations to the last
    loss of Adam with every setting searched, on the same seed, and "reached": on how many seeds it was reached.
    "seconds": of an iteration, all methods of a task side by side; "time_to_adam": the two multiplied. "unseen": the
    last unseen loss of the runs with settings chosen on validation data, where the task asks for them.
    """
    rows = _rows(results)
    timed = {
        name.split("/")[-1]: results.record(name)["result"]["optimizers"] for name in results.names("field/timing/*")
    }
    for name, tuned in rows.items():
        task = name.split("/")[0]
        chosen, kept = tuned.choice(CRITERION), _runs(tuned)
        row: Row = {"id": name, "seeds": len(chosen.runs), "diverged": len(chosen.runs) - len(kept)}
        row |= {f"loss_{count}": _after(kept, count) for count in TOLD}
        row |= spread_of("loss", [run.train_loss[-1] for run in kept])
        if f"{task}/{TARGET}" in rows:
            ends = {run.seed: run.train_loss[-1] for run in _runs(rows[f"{task}/{TARGET}"])}
            counts = [reached(run, ends[run.seed]) for run in kept if run.seed in ends]
            found = [count for count in counts if count is not None]
            row |= {"reached": len(found)} | spread_of("to_adam", found)
        if tuned.optimizer in timed.get(task, {}):
            row["seconds"] = timed[task][tuned.optimizer]["seconds"]
            if row.get("to_adam") is not None:
                row["time_to_adam"] = row["to_adam"] * row["seconds"]
        if "validation_loss" in tuned.chosen:
            runs = [run for run in tuned.choice("validation_loss").runs if run.status == "finished"]
            row |= spread_of("unseen", [run.final["unseen_loss"] for run in runs if run.final])
        yield row | {"settings": " ".join(f"{key}={value:g}" for key, value in chosen.settings.items())}


def _after(runs: list[SeedRun], count: int) -> float | None:
    losses = [run.train_loss[run.iteration.index(count)] for run in runs if count in run.iteration]
    return statistics.median(losses) if losses else None


def credit_table(results: Results) -> Iterator[Row]:
    """A row for each depth, method and layer: medians over seeds and iterations, with their quartiles.

    "cosine": between the method's change of the weights and minus the gradient of the network's loss. "share": how much
    of that gradient is in the change, where the last layer's is 1. "differs": the share of entries of the signal that
    are not backpropagation's. "arrived": the first iteration that moves the layer, on any seed.
    """
    for name in results.names("field/credit-*/*"):
        _, depth, method = name.split("/")
        seeds = results.record(name)["result"]["seeds"]
        for layer in range(len(seeds[0]["cosine"])):
            row: Row = {"id": f"{depth}/{method}/layer-{layer + 1}"}
            for column in ("cosine", "share", "differs"):
                found = [v for seed in seeds for v in (seed[column][layer : layer + 1] or [[]])[0] if v is not None]
                if found:
                    row |= ranked(column, [float(np.quantile(found, q)) for q in (0.5, 0.25, 0.75)])
            pairs = [zip(seed["iteration"], seed["cosine"][layer], strict=True) for seed in seeds]
            row["arrived"] = min(i for pair in pairs for i, value in pair if value is not None)
            yield row


def _cells(axes: Axes, values: np.ndarray, norm: Normalize, form: str, **look) -> None:
    """A heat map with its numbers; empty where there is none."""
    image = axes.imshow(values, norm=norm, aspect="auto", **look)
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            dark = np.dot(image.cmap(norm(value))[:3], (0.3, 0.6, 0.1)) < 0.5
            text = {"ha": "center", "va": "center", "fontsize": SMALL, "color": "white" if dark else "black"}
            axes.annotate(f"{value:{form}}", (column, row), **text)
    axes.tick_params(length=0)
    axes.grid(visible=False)


def field_figure(results: Results) -> Figure:
    """The last training loss of every signal with every weight step, without and with a solved last layer."""
    rows = _rows(results)
    tasks = [t for t in dict.fromkeys(name.split("/")[0] for name in rows) if f"{t}/carried-muon" in rows]
    figure = plt.figure(figsize=(WIDTH, 0.6 + 1.5 * len(tasks)))
    grid = figure.subplots(len(tasks), 1, squeeze=False)[:, 0]
    columns = [(step, solved) for solved in ("", "-solved") for step in STEPS]
    for axes, task in zip(grid, tasks, strict=True):
        ends = [[_end(rows[f"{task}/{signal}-{step}{solved}"]) for step, solved in columns] for signal in SIGNALS]
        values, adam = np.array(ends), _end(rows[f"{task}/{TARGET}"])
        norm = LogNorm(max(values[np.isfinite(values)].min(), adam * 1e-6), adam * 1e3)
        _cells(axes, values, norm, ".0e", cmap="RdYlBu_r")
        axes.set_yticks(range(len(SIGNALS)), SIGNALS)
        axes.set_title(f"{task}: Adam with every setting searched ends at {adam:.1e}")
        axes.axvline(len(STEPS) - 0.5, color="white", linewidth=3)
        axes.set_xticks([])
    grid[-1].set_xticks(range(len(columns)), [f"{step},\nsolved" if solved else step for step, solved in columns])
    return figure


def field_tau_figure(results: Results) -> Figure:
    """Above, the last training loss against tau on the student; below, how much of the signal is backpropagation's."""
    rows = {name: row for name, row in _rows(results).items() if name.startswith("student/")}
    taus = sorted((float(name.split("tau-")[1]), name) for name in rows if "/tau-" in name)
    figure = plt.figure(figsize=(WIDTH, 4.2))
    above, below = figure.subplots(2, 1, sharex=True)
    losses = [[max(run.train_loss[-1], SMALLEST) for run in _runs(rows[name])] for _, name in taus]
    x, look = [tau for tau, _ in taus], look_of("badmm")
    above.plot(x, [statistics.median(own) for own in losses], "o-", color=look.color, label="restarted signal")
    above.vlines(x, [min(own) for own in losses], [max(own) for own in losses], color=look.color, linewidth=0.8)
    controls = {"backpropagation's signal": "backpropagation-gram-solved-guarded", label(TARGET): TARGET}
    for (text, name), style in zip(controls.items(), ("--", ":"), strict=True):
        above.axhline(_end(rows[f"student/{name}"]), color=GREY, linestyle=style, label=text)
    above.set(xscale="log", yscale="log", ylabel="training loss")
    above.legend()
    depths = sorted({int(name.split("/")[1].removeprefix("credit-")) for name in results.names("field/credit-*/*")})
    for depth, style in zip(depths, ("-", "--", "-.", ":"), strict=False):
        shares = []
        for tau in x:
            seeds = results.record(f"field/credit-{depth}/tau-{tau:g}")["result"]["seeds"]
            shares.append(statistics.median(value for seed in seeds for value in seed["differs"][0]))
        below.plot(x, shares, marker=".", linestyle=style, color="black", label=f"{depth} hidden")
    below.set(xlabel=r"$\tau$", ylabel="share of entries that differ,\nfirst layer", ylim=(-0.03, 1))
    below.legend(ncols=len(depths))
    return figure


def field_credit_figure(results: Results) -> Figure:
    """In the deepest network: the share of the gradient that is in each layer's change, and the cosine between them."""
    depth = max(int(name.split("/")[1].removeprefix("credit-")) for name in results.names("field/credit-*/*"))
    names = {"badmm": label("badmm"), "carried": "carried", "unchained": "unchained", "restarted": "restarted"}
    figure = plt.figure(figsize=(WIDTH, 4.6))
    grid = figure.subplots(2, len(names), sharex=True, sharey=True)
    for column, (name, title) in enumerate(names.items()):
        seeds = results.record(f"field/credit-{depth}/{name}")["result"]["seeds"]
        for axes, quantity in zip(grid[:, column], ("share", "cosine"), strict=True):
            every = np.array([seed[quantity] for seed in seeds], dtype=float)
            with np.errstate(all="ignore"):
                values = np.where(np.isnan(every).all(0), np.nan, np.nanmedian(np.nan_to_num(every), axis=0))
            image = axes.imshow(values, aspect="auto", cmap="RdBu", vmin=-1, vmax=1, origin="lower")
            axes.grid(visible=False)
            axes.set_facecolor("0.85")
            if column == len(names) - 1:
                figure.colorbar(image, ax=grid[0 if quantity == "share" else 1], label=quantity, pad=0.01)
        grid[0, column].set_title(title)
        iterations = seeds[0]["iteration"]
        grid[1, column].set_xticks(range(len(iterations)), [str(i) for i in iterations], rotation=90, fontsize=SMALL)
    for axes in grid[:, 0]:
        axes.set(ylabel="layer", yticks=range(0, depth + 1, 2), yticklabels=range(1, depth + 2, 2))
    figure.supxlabel("iteration")
    return figure


def field_signals_block(tables: Tables, task: str) -> str:
    """Some rows of the factorial: three signals with the steps adam and gram, then two of them solved and guarded."""
    names = [f"{signal}-{step}" for step in ("adam", "gram") for signal in ("backpropagation", "restarted", "carried")]
    names += [f"{signal}-{step}-solved-guarded" for step in ("adam", "gram") for signal in SIGNALS[:2]]
    return _rows_of(under(tables["field"], task), names)


def field_methods_block(tables: Tables, task: str) -> str:
    """Whole methods of a task, the lowest last loss first."""
    table = {name: row for name, row in under(tables["field"], task).items() if name.split("-")[0] not in PARTS}
    return _rows_of(table, sorted(table, key=lambda name: table[name]["loss"]))


def _rows_of(table: dict[str, Row], names: list[str]) -> str:
    """The training losses, and the iterations to Adam's last one."""
    rows = []
    for row, name in ((table[name], name) for name in names if name in table):
        count = "missed" if row.get("to_adam") is None else written(row["to_adam"], ".0f")
        rows.append([_title(name), written(row["loss_50"]), spread(row, "loss", ".2g"), count, written(row["reached"])])
    return markdown(["method", "loss at 50", "last loss", "iterations to Adam's", "seeds that reach it"], rows)


def field_time_block(tables: Tables, *tasks: str) -> str:
    """Whole methods that reach Adam's last loss: theirs, iterations and seconds to Adam's, and the unseen loss."""
    rows = []
    for task in tasks:
        for name, row in under(tables["field"], task).items():
            if row.get("time_to_adam") is not None:
                cells = [
                    written(row[c], form) for c, form in (("loss", ".2g"), ("to_adam", ".0f"), ("time_to_adam", ".2g"))
                ]
                rows.append([task, _title(name), *cells, written(row.get("unseen"), ".3f")])
    heads = ["task", "method", "last loss", "iterations to Adam's", "seconds to it", "unseen loss"]
    return markdown(heads, rows)


def _title(name: str) -> str:
    words = name.split("-")
    if words[0] in SIGNALS:
        return ", ".join(words)
    if words[-1] == "defaults":
        return f"{label(name.removesuffix('-defaults'))}, defaults"
    return label(name)


def credit_block(tables: Tables, depth: str, *methods: str) -> str:
    """By layer the share of the gradient that is in each method's change of the weights."""
    table = under(tables["credit"], f"credit-{depth}")
    layers = list(dict.fromkeys(name.split("/")[1] for name in table))
    rows = []
    for layer in layers:
        found = [table[f"{method}/{layer}"].get("share") for method in methods]
        shares = [written(None if share is None else round(share, 2) + 0.0, ".2f") for share in found]  # no -0.00
        rows.append([layer.replace("-", " "), *shares])
    return markdown(["layer", *(_title(method) for method in methods)], rows)
