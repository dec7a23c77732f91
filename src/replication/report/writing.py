"""Writing a figure or a table to its files."""

import matplotlib
import matplotlib.pyplot as plt

from replication.files import replacing
from replication.report import rows
from replication.report.drawing import png, style
from replication.report.registry import FIGURE, TABLE, shown
from replication.results import Results


def figure(name: str, results: Results, outputs: list[str]) -> None:
    """Draw a figure to every file of `outputs`, its format by its ending; same results, same bytes."""
    matplotlib.use("Agg")
    style()
    figure = shown(FIGURE)[name].make(results)
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


def table(name: str, results: Results, output: str) -> None:
    """Write a table as CSV."""
    rows.write(output, shown(TABLE)[name].make(results))
