"""Where the claims hold."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from replication.methods import METHODS, baselines, label
from replication.report.figures.curves import GREY, WIDTH
from replication.results import Results
from replication.studies.maps import LINEAR_MAP
from replication.verdicts.effects import DOES_NOT_HOLD, HOLDS, NO_DIFFERENCE, NO_VERDICT, OUTCOMES, UNDECIDED
from replication.verdicts.limits import Setting, read

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


def limits(results: Results) -> Figure:
    """Settings down, claims across, a panel for each method: the verdict by colour."""
    settings = read(results.files.limits)
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
