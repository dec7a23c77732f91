"""The figures, drawn from what the pipeline has computed. Each function of FIGURES draws one."""

from collections.abc import Callable

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from nonsmooth.drawing import png, style
from nonsmooth.figures.runs import (
    autoencoder_convergence,
    autoencoder_samples,
    comparison,
    full_mnist,
    inside,
    perceptron_loss,
    poster,
)
from nonsmooth.figures.studies import (
    CONDITIONED,
    ablation,
    benchmark,
    conditioning,
    limits,
    tuning,
    tuning_perceptron,
)
from nonsmooth.files import replacing
from nonsmooth.runs import Results

__all__ = ["CONDITIONED", "FIGURES", "write"]

FIGURES: dict[str, Callable[[Results], Figure]] = {
    figure.__name__: figure
    for figure in (
        comparison,
        poster,
        perceptron_loss,
        autoencoder_convergence,
        autoencoder_samples,
        inside,
        full_mnist,
        benchmark,
        tuning,
        tuning_perceptron,
        limits,
        conditioning,
        ablation,
    )
}


def write(name: str, results: Results, outputs: list[str]) -> None:
    """Draw the figure `name` to every file of `outputs`, its format by its ending; same results, same bytes."""
    matplotlib.use("Agg")
    style()
    figure = FIGURES[name](results)
    figure.set_dpi(plt.rcParams["savefig.dpi"])  # text is as wide as it will be
    for _ in range(2):  # the layout settles in the second pass
        figure.draw_without_rendering()
    figure.set_layout_engine("none")  # as it is: every file has the same
    for output in outputs:
        with replacing(output) as path:
            if output.endswith(".png"):
                path.write_bytes(png(figure))
            else:
                figure.savefig(path, metadata={"CreationDate": None})
    plt.close(figure)
