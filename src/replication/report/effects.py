"""The effects of claims, drawn."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from replication.methods import METHODS, label
from replication.verdicts.claims import Judgement
from replication.verdicts.effects import HOLDS, QUANTITIES, unit


def draw_effects(figure: Figure, judgements: list[Judgement]) -> None:
    """Effects of claims with their intervals, a panel for ratios and one for differences of each unit.

    Filled where the claim holds on the experiment that is drawn, its own, hollow where it does not.
    """
    units = {"ratio": "ratio to the baseline", "psnr": "difference of PSNR, dB", "ssim": "difference of SSIM"}
    panels: dict[str, list[Judgement]] = {}
    for judgement in judgements:
        panels.setdefault(unit(judgement.quantity), []).append(judgement)
    names = list(dict.fromkeys(judgement.method for judgement in judgements))
    offsets = dict(zip(names, np.linspace(-0.15, 0.15, len(names)) if len(names) > 1 else [0.0], strict=True))
    grid = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    for axes, (measured_in, rows) in zip(grid, panels.items(), strict=True):
        tests = list(dict.fromkeys((judgement.quantity, judgement.against) for judgement in rows))
        for judgement in rows:
            look, own = METHODS[judgement.method].look, judgement.own
            row = tests.index((judgement.quantity, judgement.against)) + offsets[judgement.method]
            if own.effect is not None:
                fill = look.color if own.outcome == HOLDS else "white"
                axes.plot(own.interval, [row, row], color=look.color)
                axes.plot(own.effect, row, look.marker, color=look.color, markerfacecolor=fill)
        ratio = measured_in == "ratio"
        axes.axvline(1 if ratio else 0, color="black", linewidth=0.6)
        axes.set(xscale="log" if ratio else "linear", xlabel=units[measured_in])
        axes.set_yticks(range(len(tests)), [f"{QUANTITIES[quantity]}, {label(against)}" for quantity, against in tests])
        axes.invert_yaxis()
    handles = [Line2D([], [], color=METHODS[n].look.color, marker=METHODS[n].look.marker) for n in names]
    figure.legend(handles, list(map(label, names)), loc="outside lower center", ncols=2)
