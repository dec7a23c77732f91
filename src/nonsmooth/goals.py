"""What was measured of speed and size, held against its goals: results/benchmark/summary.json and its page."""

import json
import math
import statistics
from pathlib import Path

from nonsmooth import scaling
from nonsmooth.benchmark import EARLY, LIFTED, PIXELS, VARIANTS
from nonsmooth.files import replacing
from nonsmooth.overhead import CORES, SECONDS_A_NOTEBOOK, TRAINING_FACTOR
from nonsmooth.runs import Results
from nonsmooth.tables import table as markdown


def _iterations_to(history: dict, loss: float) -> float:
    """The first iteration with a training loss of at most `loss`; infinite where there is none."""
    return next((k for k, value in enumerate(history["train_loss"]) if value <= loss), math.inf)


def time_to_quality(results: Results) -> dict[str, dict]:
    """Optimizer time until each reaches the training loss of tuned Adam's last iteration, as parts of Adam's own time.

    Iterations come from the runs of each seed, the seconds of the set-up and of an iteration from the timing side by
    side. "ratio": median, smallest and largest over seeds.
    """
    table = {}
    adams_setup, adams_step = results.clock("autoencoder", "adam")
    for name in results.optimizers["autoencoder"]:
        iterations, ratios = [], []
        setup, step = results.clock("autoencoder", name)
        for seed in results.seeds["autoencoder"]:
            adam = results.run("autoencoder", "adam", seed).history["train_loss"]
            count = _iterations_to(results.run("autoencoder", name, seed).history, adam[-1])
            iterations.append(count)
            ratios.append((setup + count * step) / (adams_setup + (len(adam) - 1) * adams_step))
        reached = [count if math.isfinite(count) else None for count in iterations]
        ranked = [statistics.median(ratios), min(ratios), max(ratios)]
        table[name] = {
            "iterations": reached,
            "setup": setup,
            "seconds_an_iteration": step,
            "ratio": [value if math.isfinite(value) else None for value in ranked],
        }
    return table


def _slope(rows: list[dict]) -> float:
    """Exponent of the time against N, by least squares between their logarithms."""
    x, y = ([math.log(row[key]) for row in rows] for key in ("samples", "seconds"))
    return statistics.linear_regression(x, y).slope


def _where(row: dict) -> str:
    return ", ".join(f"{key} {row[key]}" for key in ("name", "samples", "hidden", "threads") if key in row)


def goals(report: dict, quality: dict[str, dict], overhead: dict) -> dict[str, dict]:
    """Every goal of speed and size with what was measured, by name: value, bound, whether it is met, and where.

    report: as benchmark.measure writes it; quality: as from `time_to_quality`; overhead: as overhead.measure writes it.
    """
    rows = [row for row in report["iterations"] if row["name"] in LIFTED]
    first = {
        name: min((row for row in rows if row["name"] == name), key=lambda r: (r["samples"], r["hidden"], r["threads"]))
        for name in LIFTED
    }
    worst = min(rows, key=lambda row: row["floor_share"][0])
    found = {
        "badmm_to_adam": (first["badmm"]["to_adam"][0], "at most", 1.0, _where(first["badmm"])),
        "badmm_ls_to_adam": (first["badmm-ls"]["to_adam"][0], "at most", 1.2, _where(first["badmm-ls"])),
        "floor_share": (worst["floor_share"][0], "at least", 0.75, f"the lowest: {_where(worst)}"),
    }
    memory = [row for row in report["memory"] if row["name"] in LIFTED]
    if memory:
        heaviest = max(memory, key=lambda row: row["ratio"])
        found["memory_to_state"] = (heaviest["ratio"], "at most", 1.5, f"the highest: {_where(heaviest)}")
    slopes = {}
    for name, hidden, threads in sorted({(row["name"], row["hidden"], row["threads"]) for row in rows}):
        same = [r for r in rows if (r["name"], r["hidden"], r["threads"]) == (name, hidden, threads)]
        slopes[f"name {name}, hidden {hidden}, threads {threads}"] = _slope(same)
    steepest = max(slopes, key=slopes.get)
    found["exponent_of_time"] = (slopes[steepest], "at most", 1.05, f"the highest: {steepest}")
    for name, bound in (("badmm", 1 / 2), ("badmm-ls", 1 / 15)):
        key = f"{name.replace('-', '_')}_time_to_quality"
        value = quality[name]["ratio"][0]
        found[key] = (value, "at most", bound, "of Adam's time to its own last loss, median over seeds")
    taken = overhead["wall"] / overhead["allowed"]
    allowed = f"{TRAINING_FACTOR} x training / {CORES} + {SECONDS_A_NOTEBOOK} s for each notebook"
    found["wall_time_to_allowed"] = (taken, "at most", 1.0, f"snakemake --cores {CORES}; allowed: {allowed}")
    table = {}
    for key, (value, sense, bound, at) in found.items():
        met = value is not None and (value <= bound if sense == "at most" else value >= bound)
        table[key] = {"value": value, "goal": f"{sense} {bound:.3g}", "met": met, "where": at}
    return table


def predictions(report: dict, measured: dict) -> list[dict]:
    """The cost model's constants for each optimizer and hidden size, what it says of the two processes that were
    measured, and what it predicts for more; `measured`: as scaling.measure writes it.
    """
    table = []
    for row in measured["iterations"]:
        name, hidden = row["name"], row["hidden"]
        sent = scaling.messages(name, [PIXELS, hidden, PIXELS])
        found = scaling.constants(report, measured, name, hidden)
        two = scaling.predict(sent, found, measured["samples"], measured["processes"])
        entry = {"name": name, "hidden": hidden, "messages": len(sent), "bytes": sum(sent), "constants": found}
        entry["strong"] = {"measured": row["strong"], "predicted": two}
        entry["predicted"] = [
            {"samples": samples, "processes": count, "seconds": scaling.predict(sent, found, samples, count)}
            for samples in scaling.PREDICTED["samples"]
            for count in scaling.PREDICTED["processes"]
        ]
        table.append(entry)
    return table


def _spread(values: list[float | None], digits: int = 2) -> str:
    middle, low, high = ("never" if value is None else f"{value:.{digits}f}" for value in values)
    return f"{middle} ({low} to {high})"


def _time(seconds: float) -> str:
    if seconds < 1:
        return f"{1e3 * seconds:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 1000 else f"{seconds:,.0f} s"


def _goals_table(table: dict[str, dict]) -> str:
    rows = []
    for key, row in table.items():
        value = "never" if row["value"] is None else f"{row['value']:.3g}"
        rows.append([key, value, row["goal"], "yes" if row["met"] else "**no**", row["where"]])
    return markdown(["figure", "measured", "goal", "met", "where"], rows)


def _time_table(report: dict) -> str:
    rows = []
    for size in sorted({(row["samples"], row["hidden"], row["threads"]) for row in report["iterations"]}):
        cell = [row for row in report["iterations"] if (row["samples"], row["hidden"], row["threads"]) == size]
        line = list(map(str, size))
        for name in VARIANTS:
            fastest = min((r for r in cell if r["name"].split()[0] == name), key=lambda r: r["seconds"])
            line.append(f"{1e3 * fastest['seconds']:.2f} ({fastest['name'].split()[1]})")
        for name in LIFTED:
            row = next(row for row in cell if row["name"] == name)
            line += [f"{1e3 * row['seconds']:.2f}", _spread(row["to_adam"]), f"{100 * row['floor_share'][0]:.0f}%"]
            line.append(f"{row['early']:.2f}")
        rows.append(line)
    head = ["N", "h", "threads", "SGD, ms", "Adam, ms"]
    head += [f"{name}{what}" for name in LIFTED for what in (", ms", " / Adam", ", share of floor", ", early")]
    return markdown(head, rows)


def _memory_table(report: dict) -> str:
    rows = [
        [str(row["samples"]), str(row["hidden"]), row["name"], f"{row['peak'] / 2**20:.0f}", f"{row['ratio']:.2f}"]
        for row in report["memory"]
    ]
    return markdown(["N", "h", "optimizer", "MiB", "peak / state"], rows)


def _quality_table(quality: dict[str, dict]) -> str:
    rows = []
    for name, row in quality.items():
        reached = ", ".join("-" if count is None else str(count) for count in row["iterations"])
        rows.append([name, reached, _spread(row["ratio"], 3)])
    return markdown(["optimizer", "iterations, by seed", "time / Adam's, median (smallest to largest)"], rows)


def _scaling_table(measured: dict) -> str:
    rows = []
    for row in measured["iterations"]:
        times = [_time(row[kind]) for kind in ("one", "strong", "weak")]
        ratios = [_spread(row[key]) for key in ("strong_speed_up", "weak_efficiency", "beside_efficiency")]
        rows.append([row["name"], str(row["hidden"]), *times, *ratios])
    head = ["optimizer", "h", "one process", "two, N / 2 each", "two, N each"]
    return markdown([*head, "strong speed-up", "weak efficiency", "efficiency without messages"], rows)


def _prediction_tables(table: list[dict]) -> list[str]:
    rows, times = [], []
    for entry in table:
        head = [entry["name"], str(entry["hidden"])]
        found = entry["constants"]
        numbers = [_time(found["fixed"]), f"{1e6 * found['sample']:.3g} us", str(entry["messages"])]
        numbers += [str(entry["bytes"]), *(_time(entry["strong"][key]) for key in ("predicted", "measured"))]
        rows.append(head + numbers)
        for samples in scaling.PREDICTED["samples"]:
            cells = [cell for cell in entry["predicted"] if cell["samples"] == samples]
            one = cells[0]["seconds"]
            told = [f"{_time(c['seconds'])} ({100 * one / (c['processes'] * c['seconds']):.0f}%)" for c in cells]
            times.append([*head, f"{samples:,}", *told])
    first = ["optimizer", "h", "fixed", "sample", "messages", "bytes", "two processes, predicted", "measured"]
    second = ["optimizer", "h", "N", *(f"P = {count}" for count in scaling.PREDICTED["processes"])]
    return [markdown(first, rows), markdown(second, times)]


def _overhead_table(overhead: dict) -> str:
    cores, wall = overhead["cores"], overhead["wall"]
    training, notebooks = overhead["training"] / cores, overhead["notebooks"] / cores
    parts = {
        "iterations of the optimizers": overhead["optimizer"] / cores,
        "evaluation after each": training - overhead["optimizer"] / cores,
        "the rest of the notebooks: kernels, imports, data, figures": notebooks - training,
        "everything else: starting processes, images, timing, figures, Snakemake": wall - notebooks,
        "wall time": wall,
    }
    return markdown(["part", "s", "of all"], [[k, f"{v:.0f}", f"{100 * v / wall:.0f}%"] for k, v in parts.items()])


def _page(report: dict, table: dict, quality: dict, measured: dict, overhead: dict, predicted: list[dict]) -> str:
    machine = report["processor"] if report["device"] == "cpu" else report["device"]
    constants = predicted[0]["constants"]
    model, future = _prediction_tables(predicted)
    parts = [
        f"Measured on {machine} ({measured['cores']} cores) with torch {report['versions']['torch']}, float32. Ratios "
        "are medians over rounds (lower to upper quartile).",
        "### Goals",
        _goals_table(table),
        "### Time of an iteration",
        "SGD and Adam: the fastest of torch's implementations. The floor: the iteration's own matrix products run by "
        f"themselves. Early: the mean time of the first {EARLY} iterations over that of the later ones, which the "
        "other columns show.",
        _time_table(report),
        "### Memory",
        "Peak memory of a process with data, network and three iterations, and over the size of the lifted state (Z, "
        "X, M, A and the data).",
        _memory_table(report),
        "### Time to quality",
        "Optimizer time, set-up included, until the training loss that tuned Adam has after its last iteration.",
        _quality_table(quality),
        "### Two processes",
        f"N = {measured['samples']}, one thread a process. Efficiency without messages: both processes at work on N "
        "samples each, with nothing to say to each other; what is missing there to 1 is the machine's.",
        _scaling_table(measured),
        "### The cost model",
        f"An all-reduce of a few bytes between two processes takes {1e6 * constants['latency']:.0f} us, large ones "
        f"pass {constants['bandwidth'] / 2**30:.2f} GiB/s. Fixed and sample: the line through the times above of the "
        "smallest and the largest N on one thread. Messages and bytes: of one iteration.",
        model,
        "### Predictions",
        "Nothing in this table was run: time of an iteration by the cost model with the constants above, and the "
        "efficiency against one process.",
        future,
        "### Wall time of the default target",
        f"`snakemake --cores {overhead['cores']}` from nothing but the images' files, {overhead['count']} notebooks: "
        f"{overhead['wall']:.0f} s; the goal allows {overhead['allowed']:.0f} s. A part's time is that of "
        f"{overhead['cores']} cores together.",
        _overhead_table(overhead),
    ]
    return "\n\n".join(parts) + "\n"


def summarise(folder: str | Path, results: Results, summary: str, page: str) -> None:
    """Hold measurements.json, scaling.json and overhead.json of `folder` against the goals, and `results` as well.

    Writes `summary` (JSON) and `page` (Markdown).
    """
    report, measured, overhead = (
        json.loads((Path(folder) / f"{name}.json").read_text()) for name in ("measurements", "scaling", "overhead")
    )
    quality = time_to_quality(results)
    table, predicted = goals(report, quality, overhead), predictions(report, measured)
    whole = {"goals": table, "time_to_quality": quality, "scaling": predicted}
    with replacing(summary) as path:
        path.write_text(json.dumps(whole, indent=1) + "\n")
    with replacing(page) as path:
        path.write_text(_page(report, table, quality, measured, overhead, predicted))
