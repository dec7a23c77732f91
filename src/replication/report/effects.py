"""The effects of claims, drawn."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from replication.methods import METHODS, label
from replication.verdicts.claims import Judgement
from replication.verdicts.effects import HOLDS, QUANTITIES, unit


def _test(judgement: Judgement) -> str:
    return f"{QUANTITIES[judgement.quantity]}, {label(judgement.against)}, {judgement.kind}"


def draw_effects(figure: Figure, judgements: list[Judgement]) -> None:
    """Effects of claims with their intervals, a panel for ratios and one for differences of each unit.

    Filled where the claim holds on the experiment that is drawn, its own, hollow where it does not. A line for each
    quantity, baseline and kind of baseline.
    """
    units = {"ratio": "ratio to the baseline", "psnr": "difference of PSNR, dB", "ssim": "difference of SSIM"}
    panels: dict[str, list[Judgement]] = {}
    for judgement in judgements:
        panels.setdefault(unit(judgement.quantity), []).append(judgement)
    names = list(dict.fromkeys(judgement.method for judgement in judgements))
    offsets = dict(zip(names, np.linspace(-0.15, 0.15, len(names)) if len(names) > 1 else [0.0], strict=True))
    heights = [len({*map(_test, rows)}) for rows in panels.values()]
    grid = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (measured_in, rows) in zip(grid, panels.items(), strict=True):
        tests = list(dict.fromkeys(map(_test, rows)))
        for judgement in rows:
            look, own = METHODS[judgement.method].look, judgement.own
            row = tests.index(_test(judgement)) + offsets[judgement.method]
            if own.effect is not None:
                fill = look.color if own.outcome == HOLDS else "white"
                axes.plot(own.interval, [row, row], color=look.color)
                axes.plot(own.effect, row, look.marker, color=look.color, markerfacecolor=fill)
        ratio = measured_in == "ratio"
        axes.axvline(1 if ratio else 0, color="black", linewidth=0.6)
        axes.set(xscale="log" if ratio else "linear", xlabel=units[measured_in])
        axes.set_yticks(range(len(tests)), tests)
        axes.invert_yaxis()
    handles = [Line2D([], [], color=METHODS[n].look.color, marker=METHODS[n].look.marker) for n in names]
    figure.legend(handles, list(map(label, names)), loc="outside lower center", ncols=2)
