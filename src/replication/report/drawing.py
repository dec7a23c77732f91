"""How things are drawn, the same in notebooks and figures: lines, histories, tables, images, PNGs."""

import io
import statistics
from collections.abc import Sequence
from dataclasses import asdict

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import PIL.Image
import torch
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from torch import Tensor

from replication.methods import METHODS, REFERENCE
from replication.paths import STYLE
from replication.report.looks import look_of
from replication.report.rows import markdown
from replication.run import Run

PARTS = {
    "train_loss": ("training", "#0072B2", "-"),
    "validation_loss": ("validation", "#E69F00", "--"),
    "unseen_loss": ("unseen", "#009E73", "-."),
    "train_d": ("training, $D$", "#CC79A7", ":"),
}
# What a table of runs calls the columns of a history and the numbers of a trained network (quality.summary).
HEADS = {
    "train_loss": "training loss",
    "unseen_loss": "unseen loss",
    "test_loss": "test loss",
    "train_d": "training $D$",
    "train_psnr": "training PSNR, dB",
    "unseen_psnr": "unseen PSNR, dB",
    "train_accuracy": "training accuracy",
    "unseen_accuracy": "unseen accuracy",
    "feasibility": r"feasibility $\lvert Z - A \rvert$",
    "activation_gap": r"activation gap $\lvert X - \sigma(Z) \rvert$",
    "lagrangian": "augmented Lagrangian",
    "lifted_loss": "lifted loss",
}


def line(name: str) -> dict:
    """How the curve of a method is drawn; one that is in no claim is drawn thinner."""
    look = asdict(look_of(name))
    return look if METHODS[name].role != REFERENCE else look | {"linewidth": 0.8, "markersize": 3}


def style() -> None:
    """Use the project's matplotlib style, and matplotlib's defaults for the rest: not those of a matplotlibrc."""
    matplotlib.rcdefaults()
    plt.style.use(STYLE)


def png(figure: Figure, dpi: float | None = None) -> bytes:
    """The figure as a PNG with a palette, about a third of the bytes; the same figure gives the same bytes.

    dpi: pixels an inch, the figure's own by default. The palette covers all colours (none is off by more than a few of
    255 levels) without dithering, which would cost bytes and speckle the greys.
    """
    dpi = dpi or figure.dpi
    full, small = io.BytesIO(), io.BytesIO()
    figure.savefig(full, format="png", dpi=dpi, pil_kwargs={"compress_level": 1})
    image = PIL.Image.open(full).convert("RGB")
    image = image.quantize(256, PIL.Image.Quantize.MAXCOVERAGE, kmeans=1, dither=PIL.Image.Dither.NONE)
    image.save(small, "png", optimize=True, dpi=(dpi, dpi))
    return small.getvalue()


def show(figure: Figure) -> None:
    """Show the figure in a notebook and close it, which keeps the notebook from showing it again in full colour."""
    from IPython.display import Image, display  # imported late: figures outside of notebooks do without

    display(Image(png(figure)))
    plt.close(figure)


def plain_ticks(axis: Axis) -> None:
    """Plain numbers, 1, 2 and 5 times powers of ten, on a log axis of up to three decades."""
    low, high = axis.get_view_interval()
    if high <= 1e3 * low:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())


def evaluated(column: np.ndarray) -> np.ndarray:
    """The rows of a history's column, or of several runs' (runs x rows), that hold a value: nan stands between them."""
    return ~np.isnan(column).reshape(-1, column.shape[-1]).all(0)


def draw_losses(axes: Axes, runs: Sequence[Run]) -> None:
    """The losses of an optimizer's runs against iterations, on a log scale: a thin line a seed, and a thick median.

    A run that diverged has no part in the median, and its line of the training loss ends in a cross.
    """
    finished = [run for run in runs if not run.diverged]
    for column, (name, color, linestyle) in PARTS.items():
        if column not in runs[0].history:
            continue
        look = {"color": color, "linestyle": linestyle}
        for run in runs:
            rows = evaluated(run.history[column])
            axes.plot(run.history["iteration"][rows], run.history[column][rows], linewidth=0.6, alpha=0.5, **look)
            if run.diverged and column == "train_loss":
                ends = run.history["iteration"][rows][-1], run.history[column][rows][-1]
                axes.plot(*ends, "x", color="black", label="diverged")
        if finished:
            values = np.stack([run.history[column] for run in finished])
            rows = evaluated(values)
            axes.plot(finished[0].history["iteration"][rows], np.median(values[:, rows], axis=0), label=name, **look)
    axes.set(yscale="log", xlabel="iteration", ylabel="mean squared error")
    plain_ticks(axes.yaxis)
    labels = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    axes.legend(labels.values(), labels.keys())


def show_numbers(runs: Sequence[Run], columns: Sequence[str]) -> None:
    """Show, in a notebook, a table of what each seed comes to after its last iteration, and the medians.

    columns: keys of HEADS; those that no run has are left out, and where none is left nothing is shown. A run that
    diverged is marked and has no part in the medians.
    """
    from IPython.display import Markdown, display  # imported late, as in `show`

    ends = [{name: values[-1].item() for name, values in run.history.items()} | run.final for run in runs]
    known = [name for name in columns if any(name in end for end in ends)]
    if not known:
        return
    rows = [[f"{run.parameters.seed}{' (diverged)' * run.diverged}"] for run in runs]
    rows.append(["**median**"])
    for name in known:
        finished = [end[name] for run, end in zip(runs, ends, strict=True) if not run.diverged]
        values = [*(end.get(name) for end in ends), statistics.median(finished) if finished else None]
        for row, value in zip(rows, values, strict=True):
            row.append(f"{value:#.4g}".rstrip(".") if value is not None and np.isfinite(value) else "-")
    display(Markdown(markdown(["seed", *(HEADS[name] for name in known)], rows)))


def draw_images(axes: Axes, rows: dict[str, tuple[Tensor, Tensor | None]], side: int = 28) -> None:
    """Rows of images on one grey scale from 0 to 1, each row with its name, each image with its PSNR where given.

    A row is (images, PSNR in dB or None): n x side^2, n. Values outside 0 to 1 are shown as 0 or 1.
    """
    gap = 2  # in pixels of the images, as all lengths here
    caption = gap if all(decibels is None for _, decibels in rows.values()) else 10
    height, count = side + caption, len(next(iter(rows.values()))[0])
    canvas = torch.ones(len(rows) * height - gap, count * (side + gap) - gap)
    for row, (images, _) in enumerate(rows.values()):
        for column, image in enumerate(images):
            corner = row * height, column * (side + gap)
            canvas[corner[0] : corner[0] + side, corner[1] : corner[1] + side] = image.view(side, side)
    axes.imshow(canvas.numpy(), vmin=0, vmax=1)
    axes.set_axis_off()
    for row, (name, (_, decibels)) in enumerate(rows.items()):
        axes.text(-3, row * height + side / 2, name, ha="right", va="center", fontsize=8)
        for column in range(count) if decibels is not None else ():
            position = column * (side + gap) + side / 2, row * height + side
            axes.text(*position, f"{decibels[column]:.1f}", ha="center", va="top", fontsize=7)
