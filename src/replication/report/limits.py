"""Where the claims hold: the limits as a figure, as tables and on pages."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from replication.compute.maps import LINEAR_MAP
from replication.methods import METHODS, baselines, label
from replication.paths import slug
from replication.report.cells import name_of, under
from replication.report.curves import GREY, WIDTH
from replication.report.rows import Row, Tables, markdown
from replication.results import Results
from replication.verdicts.effects import (
    DOES_NOT_HOLD,
    HOLDS,
    NO_DIFFERENCE,
    NO_VERDICT,
    OUTCOMES,
    QUANTITIES,
    UNDECIDED,
)
from replication.verdicts.limits import Setting, read

NEEDS = {
    "limits_figure": {"target": "limits", "needs": ["limits"]},
    "limits_table": {"target": "limits", "needs": ["limits"]},
    "limits_active_table": {"target": "limits", "needs": ["limits"]},
    "limits_where_table": {"target": "limits", "needs": ["limits"]},
}


COLORS = {HOLDS: "#0072B2", DOES_NOT_HOLD: "#E69F00"}  # told apart in greys as well
COLORS |= dict.fromkeys((NO_DIFFERENCE, UNDECIDED, NO_VERDICT), "#CCCCCC")


HATCHES = "\\\\\\\\", "////"  # where most of the method's runs, or of the baseline's, are lost


HATCHED = {"fill": False, "edgecolor": "white", "linewidth": 0}


CLAIMS = {
    "iterations": "iterations",
    "seconds": "wall time",
    "final": "final loss",
    "unseen_psnr": "PSNR",
    "unseen_ssim": "SSIM",
}


def limits_figure(results: Results) -> Figure:
    """Settings down, claims across, a panel for each method: the verdict by colour."""
    settings = read(results.path("limits"))
    groups = list(dict.fromkeys(setting.group for setting in settings))
    settings.sort(key=lambda setting: groups.index(setting.group))
    methods = list(dict.fromkeys(verdict.method for setting in settings for verdict in setting.verdicts))
    figure = plt.figure(figsize=(WIDTH, 1.7 + 0.175 * len(settings)))
    panels = figure.subplots(1, len(methods), sharey=True, squeeze=False)[0]
    for axes, method in zip(panels, methods, strict=True):
        _draw_verdicts(axes, settings, method)
    names = ["" if setting.name == setting.group else setting.name for setting in settings]
    panels[0].set_yticks(np.arange(len(settings)) + 0.5, names)
    for row, setting in enumerate(settings):
        if row == 0 or settings[row - 1].group != setting.group:
            offset = {"xytext": (-132, 0), "textcoords": "offset points", "annotation_clip": False}
            panels[0].annotate(setting.group, (0, row + 0.5), va="center", weight="bold", fontsize=8, **offset)
    handles = [Rectangle((0, 0), 1, 1, color=COLORS[word]) for word in (HOLDS, DOES_NOT_HOLD, UNDECIDED)]
    handles += [Rectangle((0, 0), 1, 1, hatch=hatch, **(HATCHED | {"edgecolor": GREY})) for hatch in HATCHES]
    texts = [HOLDS, DOES_NOT_HOLD, "none of these", "most runs of BADMM lost", "most of the baseline lost"]
    seeds = settings[0].verdicts[0].seeds
    title = (
        f"Colour: side of the 95% interval over {seeds} seeds. Grey: no difference, undecided or no verdict.\n"
        "Lost: diverged, or learned nothing. PSNR and SSIM are of unseen images."
    )
    figure.legend(handles, texts, loc="outside lower center", ncols=5, title=title, handlelength=1.6)
    return figure


def _draw_verdicts(axes: Axes, settings: list[Setting], method: str) -> None:
    rows = [{(v.against, v.quantity): v for v in setting.verdicts if v.method == method} for setting in settings]
    # Training first, then unseen images; the rest of the verdicts is in the table.
    columns = [(baseline, quantity) for baseline in baselines() for quantity in CLAIMS]
    columns += [(LINEAR_MAP, quantity) for quantity in CLAIMS if quantity.startswith("unseen")]
    tests = [test for test in columns if test in rows[0]]
    cells = np.array([[OUTCOMES.index(row[test].verdict) for test in tests] for row in rows])
    colors = ListedColormap([COLORS[word] for word in OUTCOMES])
    axes.pcolormesh(cells, cmap=colors, vmin=-0.5, vmax=len(OUTCOMES) - 0.5, edgecolors="white", linewidth=0.8)
    for (row, column), _ in np.ndenumerate(cells):
        for lost, hatch in zip(rows[row][tests[column]].mostly_lost, HATCHES, strict=True):
            if lost:
                axes.add_patch(Rectangle((column, row), 1, 1, hatch=hatch, **HATCHED))
    for row, setting in enumerate(settings):
        if row and settings[row - 1].group != setting.group:
            axes.axhline(row, color="black", linewidth=0.7)
    axes.set_xticks(np.arange(len(tests)) + 0.5, [CLAIMS[quantity] for _, quantity in tests], rotation=90)
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.set(xlim=(0, len(tests)), ylim=(len(settings), 0))
    against = [name for name, _ in tests]
    for name in dict.fromkeys(against):
        start, width = against.index(name), against.count(name)
        text = label(name) if name in METHODS else name.replace(" ", "\n")
        position = {"xytext": (0, 50), "textcoords": "offset points"}
        axes.annotate(f"vs {text}", (start + width / 2, 0), ha="center", va="bottom", fontsize=8, **position)
        if start:
            axes.axvline(start, color="black", linewidth=0.7)
    axes.set_title(label(method), weight="bold", pad=80)


def limits_table(results: Results) -> Iterator[Row]:
    """A row for each cell of the figure of the limits: setting, method, baseline and quantity."""
    for setting in read(results.path("limits")):
        for verdict in setting.verdicts:
            names = verdict.method, verdict.against, verdict.quantity
            yield {
                "id": "/".join([_name(setting), *map(slug, names)]),
                "group": setting.group,
                "setting": setting.name,
                "verdict": verdict.verdict,
                **_interval("effect", verdict.effect, verdict.interval),
                **{"seeds": verdict.seeds, **_lost(verdict.lost)},
                **{"diverged": verdict.diverged[0], "baseline_diverged": verdict.diverged[1]},
                "bracketed": verdict.bracketed,
            }


def _name(setting: Setting) -> str:
    return slug(f"{setting.group} {setting.name}")


def _interval(column: str, effect: float | None, interval: list[float | None], start: str = "") -> Row:
    return dict(zip((column, f"{start}low", f"{start}high"), (effect, *interval), strict=True))


def _lost(lost: list[list[int]]) -> Row:
    """The seeds of the lost runs of the method and of the baseline."""
    seeds = [" ".join(map(str, either)) or None for either in lost]
    return dict(zip(("lost", "baseline_lost"), seeds, strict=True))


def limits_active_table(results: Results) -> Iterator[Row]:
    """The median share of active hidden units of the first layer, by setting and optimizer."""
    for setting in read(results.path("limits")):
        for optimizer, share in setting.active.items():
            yield {"id": f"{_name(setting)}/{optimizer}", "active": share}


def limits_where_table(results: Results) -> Iterator[Row]:
    """At how many settings each word stands for a method against a baseline, and at which.

    A row for each test over all settings, with the settings' names, and one for each group of settings. "lost": where
    most of the method's runs diverged or learned nothing. The row "count" has the number of settings. "bracketed": at
    how many of them every search ended between worse values.
    """
    settings = read(results.path("limits"))
    tests = [(v.method, v.against, v.quantity) for v in settings[0].verdicts]
    groups = list(dict.fromkeys(setting.group for setting in settings))
    bracketed = sum(all(verdict.bracketed for verdict in setting.verdicts) for setting in settings)
    yield {"id": "count", "settings": len(settings), "bracketed": bracketed}
    for test in tests:
        listed = {key: {word: [] for word in (*OUTCOMES, "lost")} for key in ("", *groups)}
        for setting in settings:
            name, group = setting.name, setting.group
            whole = name if name == group else f"{group} {name}"
            (cell,) = (v for v in setting.verdicts if (v.method, v.against, v.quantity) == test)
            for word in (cell.verdict, *(["lost"] if cell.mostly_lost[0] else [])):
                listed[""][word].append(whole)
                listed[group][word].append(name)
        for key, words in listed.items():
            row: Row = {"id": "/".join([*map(slug, test), *([slug(key)] if key else [])])}
            for word, names in words.items():
                column = word.replace(" ", "_")
                row |= {column: len(names), f"{column}_at": _listed(names) if key else "; ".join(names) or "none"}
            yield row


def _listed(names: list[str]) -> str:
    """A list in words, "none" for an empty one."""
    *first, last = names or ["none"]
    return f"{', '.join(first)} and {last}" if first else last


def limits_where_block(tables: Tables, method: str, *quantities: str) -> str:
    """At how many settings each word stands for a method against each baseline."""
    words = {"holds": ("holds",), "does not hold": ("does_not_hold",), "no verdict": ("no_verdict",)}
    words["no difference or undecided"] = "no_difference", "undecided"
    rows = []
    for name, row in under(tables["limits_where"], method).items():
        against, quantity, *group = name.split("/")
        if not group and quantity.replace("-", "_") in quantities:
            counts = [str(sum(row[column] for column in columns)) for columns in words.values()]
            rows.append([name_of(against), QUANTITIES[quantity.replace("-", "_")], *counts])
    return markdown(["against", "measured by", *words], rows)
