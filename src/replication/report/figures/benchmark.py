"""The time of an iteration."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from replication.files import read_json
from replication.methods import METHODS, label
from replication.report.drawing import line
from replication.report.figures.curves import WIDTH, legend
from replication.results import Results


def benchmark(results: Results) -> Figure:
    """Time of an iteration for one image against N: each optimizer, and its matrix products by themselves."""
    report = read_json(results.files.benchmark("iterations"))
    rows = report["iterations"]
    hidden, threads = (sorted({row[key] for row in rows}) for key in ("hidden", "threads"))
    figure = plt.figure(figsize=(WIDTH, 0.9 + 2.2 * len(threads)))
    grid = figure.subplots(len(threads), len(hidden), sharex=True, sharey="col", squeeze=False)
    names = {row["name"] for row in rows}
    for (row, column), axes in np.ndenumerate(grid):
        cell = [r for r in rows if (r["hidden"], r["threads"]) == (hidden[column], threads[row])]
        samples = np.array(sorted({r["samples"] for r in cell}))
        for optimizer, method in METHODS.items():
            own = [name for name in names if name.split()[0] == optimizer]  # torch's implementations: the fastest
            if not own:
                continue
            best = [min(r["seconds"] for r in cell if r["samples"] == n and r["name"] in own) for n in samples]
            axes.plot(samples, 1e6 * np.array(best) / samples, label=label(optimizer), **line(optimizer))
            alone = [
                r["seconds"]
                for n in samples
                for r in cell
                if (r["samples"], r["name"]) == (n, f"products of {optimizer}")
            ]
            if alone:
                thin = {"color": method.look.color, "linewidth": 0.6, "linestyle": method.look.linestyle}
                axes.plot(
                    samples, 1e6 * np.array(alone) / samples, label=f"matrix products of {label(optimizer)}", **thin
                )
        plural = "s" if threads[row] > 1 else ""
        axes.set(xscale="log", ylim=(0, None), title=f"{hidden[column]} hidden units, {threads[row]} thread{plural}")
        axes.set_xticks(samples, [f"{n:,}" for n in samples])
        axes.minorticks_off()
    for axes in grid[-1]:
        axes.set_xlabel("training images $N$ (log scale)")
    for axes in grid[:, 0]:
        axes.set_ylabel("time of an iteration\nper image, µs")
    machine = report["processor"] if report["device"] == "cpu" else report["device"]
    title = (
        f"Timed side by side on {machine}; the fastest of torch's implementations. Level lines: in proportion to $N$."
    )
    legend(figure, grid.flat, 3, title)
    return figure
