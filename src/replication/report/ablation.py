"""Both weight updates of BADMM with the settings of each other."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from replication.compute.ablation import PAIR
from replication.compute.seeds import SeedRun, finished
from replication.methods import label
from replication.parameters import AUTOENCODER
from replication.paths import slug
from replication.report.cells import name_of, spread, spread_of, under
from replication.report.curves import GREY, SMALL, WIDTH, map_levels
from replication.report.looks import look_of
from replication.report.rows import Row, Tables, markdown
from replication.results import Results

NEEDS = {
    "ablation_figure": {"target": "limits", "needs": ["ablation/*", "maps/autoencoder"]},
    "ablation_table": {"target": "limits", "needs": ["ablation/*"]},
}


SETTINGS = {"tau_z": r"$\tau_Z$", "tau_x": r"$\tau_X$", "ridge": "ridge", "delta": r"$\delta$", "tau_m": r"$\tau_M$"}


def ablation_figure(results: Results) -> Figure:
    """Both weight steps with their own settings, with each of the other's and with all: a dot for each seed."""
    panels = {"train_loss": "training loss", "validation_loss": "unseen loss"}
    reports = {criterion: results.record(f"ablation/{criterion}")["result"]["variants"] for criterion in panels}
    rows = list(dict.fromkeys((v["method"], v["taken"]) for report in reports.values() for v in report))
    rows.sort(key=lambda row: PAIR.index(row[0]))
    figure = plt.figure(figsize=(WIDTH, 1.1 + 0.24 * (len(rows) + 2)))
    grid = figure.subplots(1, 2, sharey=True)
    seeds = [run["seed"] for run in reports["train_loss"][0]["runs"]]
    labels = []
    for method, taken in rows:
        other = label(PAIR[1 - PAIR.index(method)]).split("(")[1].rstrip(")")
        source = f"{SETTINGS.get(taken, 'all settings')} from {other}"
        labels.append(label(method) if taken is None else source)
    for axes, (criterion, title) in zip(grid, panels.items(), strict=True):
        measured = criterion.replace("validation", "unseen")
        for variant in reports[criterion]:
            row, look = rows.index((variant["method"], variant["taken"])), look_of(variant["method"])
            values = [run["final"][measured] for run in variant["runs"] if run["status"] == "finished"]
            if values and variant["taken"] is None:
                axes.axvline(np.median(values), color=look.color, linewidth=0.6, linestyle=look.linestyle)
            axes.plot(values, [row] * len(values), look.marker, fillstyle="none", color=look.color, markersize=4)
            lost = len(variant["runs"]) - len(values)
            if lost:
                note = {"xycoords": axes.get_yaxis_transform(), "va": "center", "fontsize": SMALL, "color": GREY}
                axes.annotate(f"{lost} of {len(variant['runs'])} diverged", (0.97, row), ha="right", **note)
        levels = [level for level in map_levels(results, AUTOENCODER, measured, seeds) if "map" in level.text]
        for number, level in enumerate(levels, len(rows)):
            axes.plot(level.level, number, "|", color=GREY, markersize=9, markeredgewidth=1.5)
        words = criterion.replace("train", "training").replace("_", " ")
        axes.set(xlabel=title, title=f"settings chosen by {words}")
    labels += [level.text for level in levels]
    grid[0].set_yticks(range(len(labels)), labels)
    for (_, taken), tick in zip(rows, grid[0].get_yticklabels(), strict=False):
        tick.set_fontweight("bold" if taken is None else "normal")
    grid[0].set_ylim(len(labels) - 0.5, -0.5)
    seeds = len(reports["train_loss"][0]["runs"])
    figure.supxlabel(
        f"A mark for each of {seeds} seeds. Bold: own settings, their median the vertical line. Below: closed forms.",
        fontsize=SMALL,
    )
    return figure


def ablation_table(results: Results) -> Iterator[Row]:
    """Both weight steps with their own settings and with each other's: the loss that the settings were chosen for."""
    for criterion, measured in (("train_loss", "train_loss"), ("validation_loss", "unseen_loss")):
        for variant in results.record(f"ablation/{criterion}")["result"]["variants"]:
            taken = variant["taken"]
            losses = [run.final[measured] for run in finished([SeedRun(**run) for run in variant["runs"]])]
            row: Row = {"id": f"{measured}/{variant['method']}/{slug(taken) if taken else 'own'}"}
            row["value"] = variant["settings"].get(taken) if taken else None
            yield (
                row
                | {"seeds": len(variant["runs"]), "diverged": len(variant["runs"]) - len(losses)}
                | spread_of("loss", losses)
            )


def ablation_block(tables: Tables) -> str:
    """Each weight step with its own settings, with each of the other's, and with all of them."""
    symbols = {"tau-x": r"$\tau_X$", "tau-z": r"$\tau_Z$", "all-of-them": "step sizes"}
    rows = []
    for method in dict.fromkeys(name.split("/")[1] for name in tables["ablation"]):
        losses = [under(tables["ablation"], criterion, method) for criterion in ("train_loss", "unseen_loss")]
        for taken in losses[0]:
            settings = "its own step sizes" if taken == "own" else f"the other's {symbols.get(taken, taken)}"
            cells = [
                spread(rows_of[taken], "loss") if rows_of[taken]["loss"] is not None else "diverged"
                for rows_of in losses
            ]
            rows.append([name_of(method), settings, *cells])
    return markdown(["method", "with", "training loss", "unseen loss"], rows)
