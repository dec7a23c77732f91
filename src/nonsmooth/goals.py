"""What was measured of speed and size, held against its goals: results/benchmark/summary.json and its page."""

import json
import math
import statistics
from pathlib import Path

from nonsmooth import scaling
from nonsmooth.benchmark import LIFTED, PIXELS, VARIANTS
from nonsmooth.files import replacing
from nonsmooth.runs import Results


def _iterations_to(history: dict, loss: float) -> float:
    """The first iteration with a training loss of at most `loss`; infinite where there is none."""
    return next((k for k, value in enumerate(history["train_loss"]) if value <= loss), math.inf)


def time_to_quality(results: Results, seconds: dict[str, float]) -> dict[str, dict]:
    """Optimizer time until each reaches the training loss of tuned Adam's last iteration, as parts of Adam's own time.

    Iterations come from the runs of each seed, `seconds` an iteration from the timing side by side. "ratio": median,
    smallest and largest over seeds.
    """
    table = {}
    for name in results.optimizers["autoencoder"]:
        iterations, ratios = [], []
        for seed in results.seeds["autoencoder"]:
            adam = results.run("autoencoder", "adam", seed).history["train_loss"]
            count = _iterations_to(results.run("autoencoder", name, seed).history, adam[-1])
            iterations.append(count)
            ratios.append(count * seconds[name] / ((len(adam) - 1) * seconds["adam"]))
        reached = [count if math.isfinite(count) else None for count in iterations]
        ranked = [statistics.median(ratios), min(ratios), max(ratios)]
        table[name] = {
            "iterations": reached,
            "seconds_an_iteration": seconds[name],
            "ratio": [value if math.isfinite(value) else None for value in ranked],
        }
    return table


def _slope(rows: list[dict]) -> float:
    """Exponent of the time against N, by least squares between their logarithms."""
    x, y = ([math.log(row[key]) for row in rows] for key in ("samples", "seconds"))
    return statistics.linear_regression(x, y).slope


def goals(report: dict, quality: dict[str, dict]) -> dict[str, dict]:
    """Every goal of speed and size with what was measured, by name: value, bound, whether it is met, and where."""
    rows = [row for row in report["iterations"] if row["name"] in LIFTED]
    smallest = min(rows, key=lambda row: (row["samples"], row["hidden"], row["threads"]))
    where = {key: smallest[key] for key in ("samples", "hidden", "threads")}

    def at_smallest(name: str) -> dict:
        return next(row for row in rows if row["name"] == name and all(row[key] == where[key] for key in where))

    def place(row: dict) -> str:
        return ", ".join(f"{key} {row[key]}" for key in ("name", "samples", "hidden", "threads") if key in row)

    worst = min(rows, key=lambda row: row["floor_share"][0])
    found = {
        "badmm_to_adam": (at_smallest("badmm")["to_adam"][0], "at most", 1.0, place(at_smallest("badmm"))),
        "badmm_ls_to_adam": (at_smallest("badmm-ls")["to_adam"][0], "at most", 1.2, place(at_smallest("badmm-ls"))),
        "floor_share": (worst["floor_share"][0], "at least", 0.75, f"the lowest: {place(worst)}"),
    }
    memory = [row for row in report["memory"] if row["name"] in LIFTED]
    if memory:
        heaviest = max(memory, key=lambda row: row["ratio"])
        found["memory_to_state"] = (heaviest["ratio"], "at most", 1.5, f"the highest: {place(heaviest)}")
    slopes = {}
    for name, hidden, threads in sorted({(row["name"], row["hidden"], row["threads"]) for row in rows}):
        same = [r for r in rows if (r["name"], r["hidden"], r["threads"]) == (name, hidden, threads)]
        slopes[f"name {name}, hidden {hidden}, threads {threads}"] = _slope(same)
    steepest = max(slopes, key=slopes.get)
    found["exponent_of_time"] = (slopes[steepest], "at most", 1.05, f"the highest: {steepest}")
    for name, bound in (("badmm", 1 / 2), ("badmm-ls", 1 / 15)):
        value = quality[name]["ratio"][0]
        key = f"{name.replace('-', '_')}_time_to_quality"
        found[key] = (value, "at most", bound, "median over seeds, of Adam's time to its own last loss")
    table = {}
    for key, (value, sense, bound, at) in found.items():
        met = value is not None and (value <= bound if sense == "at most" else value >= bound)
        table[key] = {"value": value, "goal": f"{sense} {bound:.4g}", "met": met, "where": at}
    return table


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows))


def _page(report: dict, table: dict[str, dict], quality: dict[str, dict]) -> str:
    """The figures as a page of tables."""
    goal_rows = []
    for key, row in table.items():
        value = "-" if row["value"] is None else f"{row['value']:.3g}"
        goal_rows.append([key, value, row["goal"], "yes" if row["met"] else "no", row["where"]])
    sizes = sorted({(row["samples"], row["hidden"], row["threads"]) for row in report["iterations"]})
    time_rows = []
    for size in sizes:
        cell = {
            row["name"]: row for row in report["iterations"] if (row["samples"], row["hidden"], row["threads"]) == size
        }
        fastest = {
            name: min((row for key, row in cell.items() if key.startswith(name)), key=lambda row: row["seconds"])
            for name in VARIANTS
        }
        lifted = []
        for name in LIFTED:
            middle, low, high = cell[name]["to_adam"]
            lifted += [f"{1e3 * cell[name]['seconds']:.2f}", f"{middle:.2f} ({low:.2f} to {high:.2f})"]
            lifted.append(f"{100 * cell[name]['floor_share'][0]:.0f}%")
        plain = [f"{1e3 * fastest[name]['seconds']:.2f} ({fastest[name]['name'].split()[1]})" for name in VARIANTS]
        time_rows.append([*map(str, size), *plain, *lifted])
    head = ["N", "h", "threads", "SGD, ms", "Adam, ms"]
    head += [f"{name}{what}" for name in LIFTED for what in (", ms", " to Adam", ", of its floor")]
    memory_rows = [
        [str(row["samples"]), str(row["hidden"]), row["name"], f"{row['peak'] / 2**20:.0f}", f"{row['ratio']:.2f}"]
        for row in report["memory"]
    ]
    quality_rows = []
    for name, row in quality.items():
        reached = ", ".join("-" if count is None else str(count) for count in row["iterations"])
        values = ["never" if value is None else f"{value:.3f}" for value in row["ratio"]]
        quality_rows.append([name, reached, f"{values[0]} ({values[1]} to {values[2]})"])
    machine = report["processor"] if report["device"] == "cpu" else report["device"]
    parts = [
        f"Measured on {machine} with torch {report['versions']['torch']}, float32. Ratios are medians over rounds "
        "(lower to upper quartile).",
        _markdown(["figure", "measured", "goal", "met", "where"], goal_rows),
        "Time of an iteration. The floor are the iteration's own matrix products run by themselves.",
        _markdown(head, time_rows),
        "Peak memory, and over the size of the state (Z, X, M, A and the data).",
        _markdown(["N", "h", "optimizer", "MiB", "to the state"], memory_rows),
        "Optimizer time to the training loss of tuned Adam's last iteration, Adam's time = 1.",
        _markdown(["optimizer", "iterations, by seed", "time, median (smallest to largest)"], quality_rows),
    ]
    return "\n\n".join(parts) + "\n"


def summarise(report_path: str | Path, timing_path: str | Path, results: Results, summary: str, page: str) -> None:
    """Hold what was measured against the goals: `summary` (JSON) and `page` (Markdown)."""
    report = json.loads(Path(report_path).read_text())
    timing = json.loads(Path(timing_path).read_text())["optimizers"]
    quality = time_to_quality(results, {name: row["seconds"] for name, row in timing.items()})
    table = goals(report, quality)
    with replacing(summary) as path:
        path.write_text(json.dumps({"goals": table, "time_to_quality": quality}, indent=1) + "\n")
    with replacing(page) as path:
        path.write_text(_page(report, table, quality))
