"""The answer: BADMM beside both kinds of baseline, from the runs that the claims are judged by."""

import statistics
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from replication.compute.maps import LINEAR_MAP
from replication.compute.seeds import SeedRun, finished
from replication.methods import baselines, judged, label
from replication.parameters import AUTOENCODER, CRITERIA, EVERY_SETTING
from replication.report.claims import judgements
from replication.report.curves import GREY, SMALL, WIDTH, draw_median, legend
from replication.report.drawing import line, plain_ticks
from replication.results import Results
from replication.verdicts.effects import IMAGES

NEEDS = {"answer_figure": {"target": "claims", "needs": ["claims", "claims:judged", "maps/autoencoder"]}}


KINDS = {AUTOENCODER: "rate searched", EVERY_SETTING: "every setting searched"}


BESIDE = {AUTOENCODER: -0.2, EVERY_SETTING: 0.2}  # where a baseline's two kinds stand, from its name on the axis


SPREAD = 0.09  # to either side of there: the dots of the seeds


@dataclass(frozen=True)
class Group:
    """The claims' runs of a method in one experiment. variant: the method itself, or what counts in its place."""

    experiment: str
    method: str
    variant: str
    runs: list[SeedRun]

    @property
    def kind(self) -> str | None:
        """What is searched, for baselines."""
        return KINDS[self.experiment] if self.method in baselines() else None

    @property
    def diverged(self) -> str:
        """How many of the runs, where some did."""
        lost = len(self.runs) - len(finished(self.runs))
        return f"{lost} of {len(self.runs)} diverged" if lost else ""

    @property
    def look(self) -> dict:
        hollow = {"linestyle": ":", "markerfacecolor": "white"} if self.experiment == AUTOENCODER else {}
        return line(self.method) | hollow


def answer_figure(results: Results) -> Figure:
    """Training loss against iterations (left) and PSNR of unseen images (right): BADMM and both kinds of baseline.

    Left: the median over the claims' seeds, in a band from the smallest to the largest; settings chosen by training
    loss. Right: a dot for each seed and a bar at the median; settings chosen by validation loss. Dotted lines and
    hollow marks: only the rate of the baseline is searched. Full ones: every setting, and the best schedule counts.
    What to see: how much of BADMM's lead remains where every setting of the baseline is searched.
    """
    groups = {criterion: _groups(results, criterion) for criterion in CRITERIA}
    figure = plt.figure(figsize=(WIDTH, 3.9))
    losses, decibels = figure.subplots(1, 2, width_ratios=(4.3, 4))
    for group in groups["train_loss"]:
        text = ", ".join(filter(None, (label(group.method), group.kind, group.diverged)))
        if runs := finished(group.runs):
            values = np.array([run.train_loss for run in runs])
            draw_median(losses, runs[0].iteration, values, (0, 1), label=text, markevery=0.2, **group.look)
        else:
            losses.plot([], [], label=text, **group.look)
    losses.set(yscale="log", title="Training loss (mean squared error)", xlabel="iteration")
    plain_ticks(losses.yaxis)
    _draw_decibels(decibels, groups["validation_loss"])
    seeds = [run.seed for run in groups["train_loss"][0].runs]
    _draw_linear_map(decibels, results, seeds)
    caption = f"Medians over {len(seeds)} seeds; bands: from the smallest to the largest; a dot for each seed.\n"
    caption += "Settings chosen by training loss (left) and by validation loss (right)."
    legend(figure, [losses], 3, caption + _variants(groups))
    return figure


def _groups(results: Results, criterion: str) -> list[Group]:
    """Baselines of both kinds, then the methods that are judged, with settings chosen by `criterion`."""
    among = {e: [name.split("/")[-1] for name in results.names(f"tuning/{e}/*")] for e in KINDS}
    kinds = [experiment for experiment in KINDS if among[experiment]]
    drawn = []
    for baseline in baselines({name for names in among.values() for name in names}):
        for kind in kinds:
            variant = baseline if kind == AUTOENCODER else _best_variant(results, baseline, criterion)
            drawn.append((kind, baseline, variant))
    drawn += [(kinds[-1], name, name) for name in judged(among[kinds[-1]])]
    tuned = {names: results.tuned(f"tuning/{names[0]}/{names[-1]}") for names in drawn}
    return [Group(*names, record.choice(criterion).runs) for names, record in tuned.items()]


def _best_variant(results: Results, baseline: str, criterion: str) -> str:
    """The method that stands for the baseline in the verdicts, where settings are chosen by `criterion`."""
    return next(
        judgement.own.baseline
        for judgement in judgements(results)
        if judgement.experiment == EVERY_SETTING
        and judgement.against == baseline
        and (judgement.quantity in IMAGES) == (criterion == "validation_loss")
    )


def _variants(groups: dict[str, list[Group]]) -> str:
    """For the caption: which variants are drawn in place of baselines."""
    drawn: dict[str, list[str]] = {}
    for panel, criterion in zip(("left", "right"), CRITERIA, strict=True):
        for group in groups[criterion]:
            if group.variant != group.method:
                drawn.setdefault(label(group.variant), []).append(panel)
    parts = [f"{name} ({' and '.join(where)})" for name, where in drawn.items()]
    return f"\nThe best schedule where every setting is searched: {'; '.join(parts)}." if parts else ""


def _draw_decibels(axes: Axes, groups: list[Group]) -> None:
    """A column for each method, both kinds of a baseline side by side: a dot for each seed, a bar at the median."""
    methods = list(dict.fromkeys(group.method for group in groups))
    for group in groups:
        middle = methods.index(group.method) + (BESIDE[group.experiment] if group.kind else 0)
        values = [run.final["unseen_psnr"] for run in finished(group.runs)]
        look = group.look | {"linestyle": "none", "markersize": 4}
        axes.plot(np.linspace(middle - SPREAD, middle + SPREAD, len(values)), values, **look)
        if values:
            ends = [middle - 1.6 * SPREAD, middle + 1.6 * SPREAD]
            axes.plot(ends, [statistics.median(values)] * 2, color="black", linewidth=1.5)
        if group.diverged:
            axes.annotate(group.diverged, (middle, 0.02), xycoords=axes.get_xaxis_transform(), rotation=90, ha="center")
    axes.set_xticks(range(len(methods)), [label(method).replace(" (", "\n(") for method in methods])
    axes.set(xlim=(-0.5, len(methods) - 0.5), title="PSNR of unseen images, dB")
    axes.grid(axis="x", visible=False)


def _draw_linear_map(axes: Axes, results: Results, seeds: list[int]) -> None:
    """The best linear map of the network's rank: the median over the claims' seeds."""
    level = statistics.median(row["unseen_psnr"] for row in results.maps(AUTOENCODER, seeds)[LINEAR_MAP])
    rank = results.record(f"maps/{AUTOENCODER}")["result"]["rank"]
    axes.axhline(level, color=GREY, linewidth=0.8, linestyle=(0, (1, 2)))
    text = f"best linear map of rank {rank}"
    axes.annotate(text, (0.01, level), xycoords=axes.get_yaxis_transform(), va="bottom", color=GREY, fontsize=SMALL)
