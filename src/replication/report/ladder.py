"""The ladder as a figure, as a table and on pages."""

import re
from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from replication.compute.seeds import SeedRun, finished
from replication.methods import POSTER, of_role
from replication.report.cells import ranked, spread_of, under, written
from replication.report.curves import GREY, SMALL, WIDTH, legend
from replication.report.drawing import plain_ticks
from replication.report.looks import look_of
from replication.report.rows import Row, Tables, markdown
from replication.results import Results
from replication.verdicts.effects import compare

NEEDS = {
    "ladder_figure": {"target": "ladder", "needs": ["ladder"]},
    "ladder_table": {"target": "ladder", "needs": ["ladder"]},
}


SHOWN = 3  # of the iterations of the table: the first, the second and the last
OFFSET = 0.2  # between the marks of two experiments on one row
MARKERS = "os^D"  # of the experiments; the first one's are filled


def ladder_figure(results: Results) -> Figure:
    """A row for each method, a mark for each experiment with images: training losses after some iterations, and the
    unseen PSNR."""
    entries = results.json("ladder")
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
        color = look_of(methods[method]["optimizer"]).color
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


def ladder_table(results: Results) -> Iterator[Row]:
    """A row for each method of the ladder: medians over seeds, of the end with the smallest and the largest.

    "loss_10" and so on: the training loss after so many iterations. "active": the share of hidden units that are on at
    the end, where it is known. "to_badmm", "to_lifted": its last training loss over that of gradient BADMM and of the
    lifted loss alone, on the same experiment, with Student's interval.
    """
    entries = results.json("ladder")
    runs: dict[tuple[str, str], list[SeedRun]] = {}
    for entry in entries:
        losses = {int(row): loss for row, loss in entry["train_loss"].items()}
        run = SeedRun(entry["seed"], entry["status"], list(losses), list(losses.values()))
        runs.setdefault((entry["experiment"], entry["method"]), []).append(run)
    for (experiment, method), every in runs.items():
        same = [entry for entry in entries if (entry["experiment"], entry["method"]) == (experiment, method)]
        kept = finished(every)
        row: Row = {"id": f"{experiment}/{method}", "name": same[0]["label"]}
        row |= {"seeds": len(every), "diverged": len(every) - len(kept)}
        for place, iteration in enumerate(every[0].iteration):
            row |= spread_of(f"loss_{iteration}", [run.train_loss[place] for run in kept])
        for column in ("unseen_loss", "unseen_psnr", "active"):
            row |= spread_of(column, [entry[column] for entry in same if entry[column] is not None])
        for other in ("badmm", "lifted"):
            if (experiment, other) in runs and other != method:
                effect = compare("final", every, runs[experiment, other])
                if len(effect.seeds) > 1:
                    row |= ranked(f"to_{other}", [effect.value, *effect.interval])
        yield row | {"settings": " ".join(f"{name}={value:g}" for name, value in same[0]["settings"].items())}


def ladder_block(tables: Tables, experiment: str, *added: str) -> str:
    """Each rung's training losses and its PSNR on unseen images, or its unseen loss where there are none.

    added: "active" for the share of units that are on, in place of the second loss.
    """
    table = under(tables["ladder"], experiment)
    losses = [column for column in next(iter(table.values())) if re.fullmatch(r"loss_\d+", column)]
    losses = [*losses[: 1 if added else 2], losses[-1]]
    images = any(row["unseen_psnr"] is not None for row in table.values())
    form = ".4f" if images else ".3g"
    columns = {loss: (f"loss at {loss.removeprefix('loss_')}", form) for loss in losses}
    columns |= {"to_badmm": ("last loss / gradient BADMM's", ".2f" if images else ".2g")}
    columns |= {"unseen_psnr": ("unseen, dB", ".1f")} if images else {"unseen_loss": ("unseen loss", ".3g")}
    columns |= dict.fromkeys(added, ("units on", ".0%"))
    rows = [[row["name"], *(written(row.get(c), form) for c, (_, form) in columns.items())] for row in table.values()]
    return markdown(["method", *(heading for heading, _ in columns.values())], rows)
