"""What several figures have in common: curves over seeds, axes, reference levels, labels, legends."""

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from replication.methods import METHODS, REFERENCE, label
from replication.report.drawing import evaluated, line
from replication.report.looks import look_of
from replication.results import Results

WIDTH = 8.3  # inches of every figure: a page shows it 830 pixels wide
GREY = "#606060"
SMALL = 7.5  # points of labels at lines and captions


def draw_curves(
    axes: Axes,
    results: Results,
    experiment: str,
    column: str,
    seconds: bool = False,
    among: Iterable[str] | None = None,
) -> None:
    """One curve for each optimizer (or for those `among` them): the median over seeds, in a band between the quartiles.

    Against iterations, or with `seconds` against wall time: setup time, and for each iteration the median time of one.
    A run that diverged is no part of median and band: it is drawn by itself, up to a cross at its last finite loss, and
    counted in the legend.
    """
    for number, optimizer in enumerate(name for name in among or METHODS if name in results.optimizers[experiment]):
        look, shift = look_of(optimizer), 0.03 * number  # of the markers, so that close curves show theirs
        setup, unit = results.clock(f"claims/timing/{experiment}", optimizer) if seconds else (0, 1)
        runs = results.runs(experiment, optimizer)
        finished = [run for run in runs if not run.diverged]
        text = label(optimizer)
        if len(finished) < len(runs):
            text += f" ({len(runs) - len(finished)} of {len(runs)} diverged)"
        for run in runs:
            if run.diverged:
                x, y = setup + unit * run.history["iteration"], run.history[column]
                rows = evaluated(y)
                axes.plot(x[rows], y[rows], color=look.color, linestyle=look.linestyle, linewidth=0.6)
                axes.plot(x[np.isfinite(y)][-1:], y[np.isfinite(y)][-1:], "x", color=look.color)
        if finished:
            values = np.stack([run.history[column] for run in finished])
            rows = evaluated(values)
            x = setup + unit * finished[0].history["iteration"][rows]
            band = (0.25, 0.75) if METHODS[optimizer].role != REFERENCE else None
            draw_median(axes, x, values[:, rows], band, label=text, markevery=(shift, 0.16), **line(optimizer))
        else:
            axes.plot([], [], label=text, **line(optimizer))
    axes.set_yscale("log", nonpositive="mask")  # feasibility is zero at the start


def draw_median(axes: Axes, x: np.ndarray, values: np.ndarray, band: tuple[float, float] | None, **style) -> None:
    """The median of values (seeds x points) against x, in a band between two quantiles; `style` as of Axes.plot."""
    axes.plot(x, np.median(values, axis=0), **style)
    if band:
        low, high = np.quantile(values, band, axis=0)
        axes.fill_between(x, low, high, color=style["color"], alpha=0.2, linewidth=0)


def seeds_of(results: Results, experiment: str) -> str:
    """What a caption says of curves and bands."""
    seeds = results.seeds[experiment]
    return f"Seed {seeds[0]}." if len(seeds) == 1 else f"Median over {len(seeds)} seeds; bands: quartiles."


def iterations_on_a_log_scale(axes: Axes) -> None:
    axes.set_xscale("symlog", linthresh=1)  # log, with room for iteration 0
    axes.set_xlim(0, None)
    axes.set_xticks([0, 1, 10, 100], ["0", "1", "10", "100"])
    axes.set_xlabel("iteration (log scale)")


def compress_below(axes: Axes, share: float = 0.3) -> None:
    """Where a curve ends many decades below the others, compress the log scale below these, shade it and say so.

    The shaded part is `share` of the height: the curve is seen to its end, and the others are still told apart.
    """
    ends = [line.get_ydata()[-1] for line in axes.lines if len(line.get_ydata()) > 1]
    kept = [end for end in ends if end > 1e-4 * max(ends)]
    if len(kept) == len(ends):
        return
    floor = math.floor(math.log10(min(kept)))
    bottom = math.floor(math.log10(min(end for end in ends if end > 0))) - 1
    top = math.log10(max(np.nanmax(line.get_ydata()) for line in axes.lines if len(line.get_ydata()))) + 0.1
    ratio = share / (1 - share) * (top - floor) / (floor - bottom)

    def forward(values: np.ndarray) -> np.ndarray:
        exponents = np.log10(np.maximum(values, 10.0 ** (bottom - 1)))
        return np.where(exponents > floor, exponents, floor + ratio * (exponents - floor))

    def inverse(heights: np.ndarray) -> np.ndarray:
        return 10.0 ** np.where(heights > floor, heights, floor + (heights - floor) / ratio)

    axes.set_yscale("function", functions=(forward, inverse))
    axes.set_ylim(10.0**bottom, 10.0**top)
    step = max(1, round((floor - bottom) / 3))
    exponents = [*range(floor, bottom, -step), *range(floor + 1, math.ceil(top))]
    axes.yaxis.set_major_locator(FixedLocator([10.0**exponent for exponent in exponents]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"$10^{{{round(math.log10(value))}}}$"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.axhspan(10.0**bottom, 10.0**floor, color="#F0F0F0", zorder=0)
    axes.axhline(10.0**floor, color=GREY, linewidth=0.6)
    text = f"axis compressed below $10^{{{floor}}}$"
    axes.text(0.02, share / 2, text, transform=axes.transAxes, color=GREY, fontsize=SMALL, va="center")


@dataclass(frozen=True)
class Label:
    """A text beside the axes at the height of `level`."""

    text: str
    level: float
    color: str = GREY


def label_beside(labels: dict[Axes, list[Label]], size: float = SMALL) -> None:
    """Labels at the right of their axes, where no curve runs, spread so that no two overlap.

    To be called when all else of the figure is in its place: the heights of the axes are those of a first layout.
    """
    figure = next(iter(labels)).get_figure(root=True)
    figure.draw_without_rendering()
    for axes, entries in labels.items():
        if not entries:
            continue
        axes.set_ylim(axes.get_ylim())  # as they are
        entries = sorted(entries, key=lambda entry: entry.level)
        height = axes.get_window_extent().height * 72 / figure.dpi
        pixels = axes.get_yaxis_transform().transform([(0, entry.level) for entry in entries])
        levels = axes.transAxes.inverted().transform(pixels)[:, 1]
        lines = [entry.text.count("\n") + 1 for entry in entries]
        gaps = [1.2 * size * (below + above) / 2 / height for below, above in pairwise(lines)]
        for entry, level, moved in zip(entries, levels, spread(levels, gaps), strict=True):
            arrow = {"arrowstyle": "-", "color": entry.color, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 1}
            axes.annotate(
                entry.text,
                xy=(1, level),
                xycoords="axes fraction",
                xytext=(1 + 10 / (axes.get_window_extent().width * 72 / figure.dpi), moved),
                textcoords="axes fraction",
                va="center",
                color=entry.color,
                fontsize=size,
                arrowprops=arrow,
                annotation_clip=False,
            )


def spread(levels: Iterable[float], gaps: Iterable[float]) -> list[float]:
    """Ascending `levels`, moved as little as it takes for `gaps` between neighbours (least squares)."""
    offsets = np.cumsum([0.0, *gaps])
    blocks: list[list[float]] = []
    for level, offset in zip(levels, offsets, strict=True):  # isotonic regression: pool what is out of order
        blocks.append([level - offset])
        while len(blocks) > 1 and statistics.fmean(blocks[-2]) > statistics.fmean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    pooled = [statistics.fmean(block) for block in blocks for _ in block]
    return [level + offset for level, offset in zip(pooled, offsets, strict=True)]


def map_levels(results: Results, experiment: str, column: str, seeds: list[int], factor: float = 1) -> list[Label]:
    """Medians over seeds of `column`, times `factor`, of the reference maps; empty where there are none."""
    entries = results.maps(experiment, seeds) if f"maps/{experiment}" in results.files else {}
    return [Label(name, factor * statistics.median(row[column] for row in rows)) for name, rows in entries.items()]


def draw_levels(axes: Axes, levels: list[Label]) -> None:
    for level in levels:
        axes.axhline(level.level, color=level.color, linewidth=0.8, linestyle=(0, (1, 2)))


def legend(
    where: Figure | SubFigure | Axes, grid: Iterable[Axes], columns: int, title: str, loc: str = "outside lower center"
) -> None:
    """One legend, below the panels of the figure `where`, or in axes of its own, with every label of a panel."""
    handles = {}
    for axes in grid:
        handles |= {text: handle for handle, text in zip(*axes.get_legend_handles_labels(), strict=True)}
    if isinstance(where, Axes):
        where.set_axis_off()
    where.legend(handles.values(), handles.keys(), loc=loc, ncols=columns, title=title)
