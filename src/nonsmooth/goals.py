"""What was measured of speed and size, held against its goals: results/benchmark/summary.json."""

import json
import math
import statistics
from pathlib import Path

from nonsmooth import scaling
from nonsmooth.benchmark import LIFTED, PIXELS
from nonsmooth.files import replacing
from nonsmooth.overhead import CORES, SECONDS_A_NOTEBOOK, TRAINING_FACTOR
from nonsmooth.runs import Results


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
    size = {"N": "samples", "h": "hidden", "threads": "threads"}
    return ", ".join([row["name"], *(f"{name} = {row[key]}" for name, key in size.items() if key in row)])


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
        slopes[f"{name}, h = {hidden}, threads = {threads}"] = _slope(same)
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


def summarise(folder: str | Path, results: Results, output: str | Path) -> None:
    """Hold measurements.json, scaling.json and overhead.json of `folder` against the goals, and `results` as well.

    Writes `output` (JSON): "goals", "time_to_quality" and "scaling" (`predictions`).
    """
    report, measured, overhead = (
        json.loads((Path(folder) / f"{name}.json").read_text()) for name in ("measurements", "scaling", "overhead")
    )
    quality = time_to_quality(results)
    whole = {"goals": goals(report, quality, overhead), "time_to_quality": quality}
    whole["scaling"] = predictions(report, measured)
    with replacing(output) as path:
        path.write_text(json.dumps(whole, indent=1) + "\n")
