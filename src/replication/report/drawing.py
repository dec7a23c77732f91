"""How things are drawn, the same in notebooks and figures: lines, histories, effects, images, PNGs."""

import io
import statistics
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


def draw_losses(axes: Axes, runs: list[Run]) -> None:
    """The losses of the runs of several seeds against iterations, on a log scale: thin lines, and their median.

    A run that diverged has no part in the median; a cross ends its line.
    """
    finished = [run for run in runs if not run.diverged]
    for column, (name, color, linestyle) in PARTS.items():
        for run in runs if column in runs[0].history else ():
            rows = evaluated(run.history[column])
            thin = {"color": color, "linestyle": linestyle, "linewidth": 0.5, "alpha": 0.7}
            axes.plot(run.history["iteration"][rows], run.history[column][rows], **thin)
            if run.diverged and column == "train_loss":
                axes.plot(run.history["iteration"][rows][-1], run.history[column][rows][-1], "x", color="black")
        if finished and column in finished[0].history:
            values = np.stack([run.history[column] for run in finished])
            rows = evaluated(values)
            median = np.median(values[:, rows], axis=0)
            axes.plot(finished[0].history["iteration"][rows], median, label=name, color=color, linestyle=linestyle)
    axes.set(yscale="log", xlabel="iteration")
    plain_ticks(axes.yaxis)
    axes.legend()


def show_numbers(runs: list[Run]) -> None:
    """Show, in a notebook, a table of what each seed comes to after its last iteration, and the medians."""
    from IPython.display import Markdown, display  # imported late, as in `show`

    columns = [{"status": run.record["status"]} | _ends(run) for run in runs]
    names = list(dict.fromkeys(name for column in columns for name in column))
    table = []
    for name in names:
        values = [column.get(name) for column in columns]
        numbers = [value for value in values if isinstance(value, float | int)]
        median = f"{statistics.median(numbers):.4g}" if numbers else ""
        cells = [value if isinstance(value, str) else "" if value is None else f"{value:.4g}" for value in values]
        table.append([name.replace("_", " "), median, *cells])
    display(Markdown(markdown(["", "median", *(f"seed {run.parameters.seed}" for run in runs)], table)))


def _ends(run: Run) -> dict[str, float | None]:
    ends = {column: values[-1].item() for column, values in run.history.items()}
    milliseconds = 1e3 * run.record["optimizer_seconds"] / max(1, ends["iteration"])
    return ends | run.final | {"milliseconds an iteration": milliseconds}


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
