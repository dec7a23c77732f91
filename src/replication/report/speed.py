"""Speed and size against their goals: the figure, the tables, and the pages."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from replication.methods import ANCHOR, METHODS, compared, judged, label
from replication.paths import slug
from replication.report.cells import name_of, ranked, spread, spread_of, under, written
from replication.report.curves import WIDTH, legend
from replication.report.drawing import line
from replication.report.looks import look_of
from replication.report.rows import Row, Tables, markdown
from replication.results import Results

NEEDS = {
    "benchmark_figure": {"target": "benchmark", "needs": ["benchmark/iterations"]},
    "goals_table": {"target": "benchmark", "needs": ["benchmark/goals"]},
    "iterations_table": {"target": "benchmark", "needs": ["benchmark/iterations"]},
    "memory_table": {"target": "benchmark", "needs": ["benchmark/iterations"]},
    "setup_table": {"target": "benchmark", "needs": ["benchmark/iterations"]},
    "quality_table": {"target": "benchmark", "needs": ["benchmark/goals"]},
    "processes_table": {"target": "benchmark", "needs": ["benchmark/processes"]},
    "devices_table": {"target": "benchmark", "needs": ["benchmark/devices"]},
    "device_predictions_table": {"target": "benchmark", "needs": ["benchmark/devices"]},
    "overhead_table": {"target": "benchmark", "needs": ["benchmark/pipeline"]},
    "machine_table": {"target": "benchmark", "needs": ["benchmark/processes", "benchmark/iterations"]},
}


def benchmark_figure(results: Results) -> Figure:
    """Time of an iteration for one image against N: each optimizer, and its matrix products by themselves."""
    report = results.json("benchmark/iterations")
    rows = report["iterations"]
    hidden, threads = (sorted({row[key] for row in rows}) for key in ("hidden", "threads"))
    figure = plt.figure(figsize=(WIDTH, 0.9 + 2.2 * len(threads)))
    grid = figure.subplots(len(threads), len(hidden), sharex=True, sharey="col", squeeze=False)
    names = {row["name"] for row in rows}
    for (row, column), axes in np.ndenumerate(grid):
        cell = [r for r in rows if (r["hidden"], r["threads"]) == (hidden[column], threads[row])]
        samples = np.array(sorted({r["samples"] for r in cell}))
        for optimizer in METHODS:
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
                thin = {"color": look_of(optimizer).color, "linewidth": 0.6, "linestyle": look_of(optimizer).linestyle}
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


def goals_table(results: Results) -> Iterator[Row]:
    """Every goal of speed and size with what was measured."""
    for name, row in results.json("benchmark/goals")["goals"].items():
        yield {"id": name, **row}


def iterations_table(results: Results) -> Iterator[Row]:
    """The time of an iteration in ms by size and threads. SGD and Adam: the fastest of torch's implementations."""
    rows = results.json("benchmark/iterations")["iterations"]
    for size in sorted({(row["samples"], row["hidden"], row["threads"]) for row in rows}):
        cell = [row for row in rows if (row["samples"], row["hidden"], row["threads"]) == size]
        for name in compared({row["name"].split()[0] for row in cell}):
            same = [row for row in cell if row["name"].split()[0] == name]
            fastest = min(same, key=lambda row: row["seconds"])
            row: Row = {"id": "/".join(map(str, (*size, name))), "milliseconds": 1e3 * fastest["seconds"]}
            row["implementation"] = fastest["name"].partition(" ")[2] or None
            row |= ranked("to_adam", fastest["to_adam"])
            if "early" in fastest:
                share = fastest["floor_share"][0] if "floor_share" in fastest else None
                row |= {"share_of_floor": share, "early": fastest["early"]}
            if "delta" in fastest:
                row |= ranked("with_another_delta", fastest["delta"])
            yield row


def memory_table(results: Results) -> Iterator[Row]:
    """Peak memory of a process, and over the size of the lifted state, by size."""
    for row in results.json("benchmark/iterations")["memory"]:
        name = "/".join(map(str, (row["samples"], row["hidden"], row["name"])))
        yield {"id": name, "mebibytes": row["peak"] / 2**20, "to_state": row["ratio"]}


def setup_table(results: Results) -> Iterator[Row]:
    """Setup time in ms and in iterations, by N, widths and method."""
    for row in results.json("benchmark/iterations")["setup"]:
        name = "/".join(map(str, (row["samples"], *row["widths"], row["name"])))
        yield {"id": name, "setup_milliseconds": 1e3 * row["setup"], "iterations": row["iterations"]}


def quality_table(results: Results) -> Iterator[Row]:
    """Iterations and optimizer time to the training loss that tuned Adam ends at; empty where it is not reached."""
    for name, row in results.json("benchmark/goals")["time_to_quality"].items():
        reached = [count for count in row["iterations"] if count is not None]
        cells: Row = {"id": name, "name": label(name), "seeds": len(row["iterations"]), "reached": len(reached)}
        yield cells | spread_of("iterations", reached) | ranked("time_to_adam", row["ratio"])


def processes_table(results: Results) -> Iterator[Row]:
    """An iteration in one process and in two, in ms; efficiencies are medians with quartiles."""
    report = results.json("benchmark/processes")
    for row in report["iterations"]:
        cells: Row = {"id": f"{row['name']}/{row['hidden']}", "samples": report["samples"]}
        cells |= {kind: 1e3 * row[kind] for kind in ("one", "strong", "weak")}
        for key in ("strong_speed_up", "weak_efficiency", "beside_efficiency"):
            cells |= ranked(key, row[key])
        yield cells


def devices_table(results: Results) -> Iterator[Row]:
    """An iteration of BADMM on devices of other machines, beside the fastest of torch's Adams and a recorded one."""
    for row in results.json("benchmark/devices")["iterations"]:
        columns = ("milliseconds", "to_adam", "to_recorded_adam", "goal", "launched", "setup_in_iterations")
        name = "/".join(map(str, (slug(row["device"]), row["samples"], row["hidden"], row["optimizer"])))
        yield {"id": name, "device": row["device"], "torch": row["torch"], **{c: row[c] for c in columns}}


def device_predictions_table(results: Results) -> Iterator[Row]:
    """What the cost model predicts for several such devices: milliseconds of an iteration, and of its messages."""
    report = results.json("benchmark/devices")
    for row in report["predictions"]:
        size = (slug(row["device"]), row["name"], row["hidden"], row["samples"], row["processes"])
        yield {
            "id": "/".join(map(str, size)),
            "milliseconds": 1e3 * row["seconds"],
            **{f"{key}_milliseconds": 1e3 * row[key] for key in ("work", "messages")},
            "latency_microseconds": 1e6 * report["link"]["latency"],
            "bandwidth_gigabytes": 1e-9 * report["link"]["bandwidth"],
        }


def overhead_table(results: Results) -> Iterator[Row]:
    """Where the wall time of the default target goes, in seconds of all cores together."""
    report = results.json("benchmark/pipeline")
    cores, wall = report["cores"], report["wall"]
    training, notebooks = report["training"] / cores, report["notebooks"] / cores
    parts = {
        "iterations": report["optimizer"] / cores,
        "evaluation": training - report["optimizer"] / cores,
        "notebooks": notebooks - training,
        "everything-else": wall - notebooks,
        "wall": wall,
    }
    for name, seconds in parts.items():
        yield {"id": name, "seconds": seconds, "share": seconds / wall, "cores": cores, "notebooks": report["count"]}


def machine_table(results: Results) -> Iterator[Row]:
    """What the benchmark ran on."""
    report, measured = (results.json(f"benchmark/{name}") for name in ("iterations", "processes"))
    name = report["processor"] if report["device"] == "cpu" else report["device"]
    yield {"id": "benchmark", "processor": name, "cores": measured["cores"], "torch": report["versions"]["torch"]}


GOALS = {
    "badmm_to_adam": "an iteration of gradient BADMM, over Adam's",
    "badmm_wide_to_adam": "the same with many hidden units",
    "badmm_ls_to_adam": "an iteration of least-squares BADMM, over Adam's",
    "badmm_ls_wide_to_adam": "the same with many hidden units",
    "delta_price": "an iteration with another $\\delta$ than 1, over one with 1",
    "floor_share": "share of an iteration that is matrix products",
    "setup_in_iterations": "setup time, in iterations",
    "memory_to_state": "peak memory over the lifted state",
    "exponent_of_time": "exponent of an iteration's time against $N$",
    "two_processes": "speed-up by a second process",
    "badmm_time_to_quality": "gradient BADMM: wall time to Adam's final loss, over Adam's",
    "badmm_ls_time_to_quality": "least-squares BADMM: the same",
    "wall_time": "wall time of the default target, seconds",
}


def goals_block(tables: Tables) -> str:
    rows = []
    for name, row in tables["goals"].items():
        met = "yes" if row["met"] == "yes" else "**no**"
        rows.append([GOALS[name], written(row["value"]), row["goal"], met, row["where"]])
    return markdown(["what", "measured", "goal", "met", "where"], rows)


def _sizes(table: dict[str, Row]) -> list[str]:
    """What stands before the name in ids such as "1000/64/1/adam"."""
    return list(dict.fromkeys(name.rpartition("/")[0] for name in table))


def iterations_block(tables: Tables) -> str:
    """An iteration by size: Adam's in ms, the others' as ratios to it."""
    table = tables["iterations"]
    rows = []
    for size in _sizes(table):
        adam = f"{table[f'{size}/{ANCHOR}']['milliseconds']:.3g}"
        for method in judged(under(table, size)):
            ratio = spread(table[f"{size}/{method}"], "to_adam", ".2f")
            rows.append([*size.split("/"), name_of(method), ratio, adam])
    return markdown(["$N$", "$h$", "threads", "method", "its time / Adam's", "Adam, ms"], rows)


def floor_block(tables: Tables) -> str:
    """What part of an iteration is matrix products, and how much longer the first iterations take."""
    table = tables["iterations"]
    rows = []
    for size in _sizes(table):
        for method in judged(under(table, size)):
            row = table[f"{size}/{method}"]
            share = "-" if row["share_of_floor"] is None else f"{row['share_of_floor']:.0%}"
            rows.append([*size.split("/"), name_of(method), share, f"{row['early']:.2f}"])
    return markdown(["$N$", "$h$", "threads", "method", "share of floor", "early"], rows)


def memory_block(tables: Tables) -> str:
    rows = []
    for name, row in tables["memory"].items():
        *size, optimizer = name.split("/")
        rows.append([*size, name_of(optimizer), f"{row['to_state']:.2f}"])
    return markdown(["$N$", "$h$", "optimizer", "peak / state"], rows)


def setup_block(tables: Tables) -> str:
    rows = []
    for name, row in tables["setup"].items():
        samples, inputs, hidden, _, method = name.split("/")
        cells = [
            samples,
            inputs,
            hidden,
            name_of(method),
            f"{row['setup_milliseconds']:.3g}",
            f"{row['iterations']:.1f}",
        ]
        rows.append(cells)
    return markdown(["$N$", "inputs", "$h$", "method", "setup, ms", "in iterations"], rows)


def quality_block(tables: Tables) -> str:
    rows = []
    for row in tables["quality"].values():
        reached = f"{row['reached']} of {row['seeds']}"
        rows.append([row["name"], reached, spread(row, "iterations", ".0f"), spread(row, "time_to_adam", ".3f")])
    return markdown(["optimizer", "seeds that reach it", "iterations", "wall time / Adam's"], rows)


def processes_block(tables: Tables) -> str:
    rows = []
    for name, row in tables["processes"].items():
        optimizer, hidden = name.split("/")
        rows.append([name_of(optimizer), hidden, *(f"{row[kind]:.3g}" for kind in ("one", "strong"))])
        rows[-1] += [spread(row, key, ".2f") for key in ("strong_speed_up", "weak_efficiency")]
    head = ["optimizer", "$h$", "one process, ms", "two, $N / 2$ each, ms"]
    return markdown([*head, "strong speed-up", "weak efficiency"], rows)


def devices_block(tables: Tables) -> str:
    """An iteration on devices of other machines by size, over Adam's as torch offers it and as a recorded graph."""
    rows = []
    for name, row in tables["devices"].items():
        _, samples, hidden, method = name.split("/")
        goal = "-" if row["goal"] is None else f"{row['goal']:g}"
        ratios = [f"{row[key]:.2f}" for key in ("to_adam", "to_recorded_adam")]
        rows.append([f"{int(samples):,}", hidden, name_of(method), *ratios, goal])
    return markdown(["$N$", "$h$", "method", "its time / Adam's", "its time / recorded Adam's", "goal"], rows)


def device_predictions_block(tables: Tables) -> str:
    table = tables["device_predictions"]
    counts = list(dict.fromkeys(name.split("/")[4] for name in table))
    rows = []
    for start in dict.fromkeys(name.rpartition("/")[0] for name in table):
        _, optimizer, hidden, samples = start.split("/")
        cells = [written(table[f"{start}/{count}"]["milliseconds"], ".3g") for count in counts]
        rows.append([name_of(optimizer), hidden, f"{int(samples):,}", *cells])
    return markdown(["optimizer", "$h$", "$N$", *(f"$P = {count}$, ms" for count in counts)], rows)


def overhead_block(tables: Tables) -> str:
    labels = {
        "iterations": "iterations of the optimizers",
        "evaluation": "evaluation after each iteration",
        "notebooks": "the rest of the notebooks: kernels, imports, data, figures",
        "everything-else": "everything else: starting processes, images, timing, figures, Snakemake",
        "wall": "wall time",
    }
    table = tables["overhead"]
    rows = [[label, f"{table[k]['seconds']:.0f}", f"{table[k]['share']:.0%}"] for k, label in labels.items()]
    return markdown(["part", "s", "of all"], rows)
