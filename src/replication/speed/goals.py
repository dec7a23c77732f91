"""What was measured of speed and size, held against its goals: results/benchmark/goals.json."""

import math
import statistics

from replication.methods import ANCHOR, POSTER, of_role
from replication.parameters import AUTOENCODER
from replication.results import Results
from replication.speed import processes as scaling
from replication.speed.iterations import PIXELS
from replication.speed.pipeline import CORES
from replication.verdicts.effects import iterations_to

WALL_TIME = 200  # seconds of the default target on CORES cores


def time_to_quality(results: Results) -> dict[str, dict]:
    """Optimizer time until each reaches the training loss of tuned Adam's last iteration, as parts of Adam's own time.

    Iterations come from the runs of each seed, the seconds of the set-up and of an iteration from the timing side by
    side. "ratio": median, smallest and largest over seeds.
    """
    table = {}
    adams = results.clock(AUTOENCODER, ANCHOR)
    for name in results.optimizers[AUTOENCODER]:
        iterations, ratios = [], []
        clock = results.clock(AUTOENCODER, name)
        for seed in results.seeds[AUTOENCODER]:
            adam = results.run(AUTOENCODER, ANCHOR, seed).history
            history = results.run(AUTOENCODER, name, seed).history
            count = iterations_to(adam["train_loss"][-1], history["iteration"], history["train_loss"])
            iterations.append(count)
            ratios.append((math.inf if count is None else clock.after(count)) / adams.after(adam["iteration"][-1]))
        ranked = [statistics.median(ratios), min(ratios), max(ratios)]
        table[name] = {
            "iterations": iterations,
            "setup": clock.setup,
            "seconds_an_iteration": clock.step,
            "ratio": [value if math.isfinite(value) else None for value in ranked],
        }
    return table


def _slope(rows: list[dict]) -> float:
    """Exponent of the time against N, by least squares between their logarithms."""
    x, y = ([math.log(row[key]) for row in rows] for key in ("samples", "seconds"))
    return statistics.linear_regression(x, y).slope


def _where(row: dict) -> str:
    size = {"N": "samples", "widths": "widths", "h": "hidden", "threads": "threads"}
    return ", ".join([row["name"], *(f"{name} = {row[key]}" for name, key in size.items() if key in row)])


def goals(report: dict, measured: dict, quality: dict[str, dict], overhead: dict) -> dict[str, dict]:
    """Every goal of speed and size with what was measured, by name: value, bound, whether it is met, and where.

    report: of iterations.measure; measured: of processes.measure; quality: of `time_to_quality`; overhead: of
    pipeline.measure.
    """
    rows = [row for row in report["iterations"] if row["name"] in of_role(POSTER)]
    values: dict[str, tuple[float | None, str, float, str]] = {}

    def hold(key: str, row: dict, value: float, bound: float, which: str = "", sense: str = "at most") -> None:
        values[key] = value, sense, bound, which + _where(row)

    for name, narrow, wide in (("badmm", 0.8, 1.1), ("badmm-ls", 1.0, 1.45)):
        key = name.replace("-", "_")
        cells = [row for row in rows if row["name"] == name]
        first = min(cells, key=lambda row: (row["samples"], row["hidden"], row["threads"]))
        hold(f"{key}_to_adam", first, first["to_adam"][0], narrow)
        widest = (min(row["samples"] for row in cells), max(row["hidden"] for row in cells))
        worst = max((r for r in cells if (r["samples"], r["hidden"]) == widest), key=lambda row: row["to_adam"][0])
        hold(f"{key}_wide_to_adam", worst, worst["to_adam"][0], wide, "the highest: ")
        if name == "badmm":
            hold("delta_price", first, first["delta"][0], 1.3)
    worst = min(rows, key=lambda row: row["floor_share"][0])
    hold("floor_share", worst, worst["floor_share"][0], 0.8, "the lowest: ", "at least")
    longest = max(report["setup"], key=lambda row: row["iterations"])
    hold("setup_in_iterations", longest, longest["iterations"], 20, "the highest: ")
    memory = [row for row in report["memory"] if row["name"] in of_role(POSTER)]
    if memory:
        heaviest = max(memory, key=lambda row: row["ratio"])
        hold("memory_to_state", heaviest, heaviest["ratio"], 1.5, "the highest: ")
    slopes = {}
    for name, hidden, threads in sorted({(row["name"], row["hidden"], row["threads"]) for row in rows}):
        same = [r for r in rows if (r["name"], r["hidden"], r["threads"]) == (name, hidden, threads)]
        slopes[f"{name}, h = {hidden}, threads = {threads}"] = _slope(same)
    steepest = max(slopes, key=slopes.get)
    values["exponent_of_time"] = (slopes[steepest], "at most", 1.05, f"the highest: {steepest}")
    slowest = min(measured["iterations"], key=lambda row: row["strong_speed_up"][0])
    hold(
        "two_processes",
        slowest | {"samples": measured["samples"]},
        slowest["strong_speed_up"][0],
        1.7,
        "the lowest: ",
        "at least",
    )
    for name, bound in (("badmm", 0.38), ("badmm-ls", 0.05)):
        key = f"{name.replace('-', '_')}_time_to_quality"
        value = quality[name]["ratio"][0]
        values[key] = (value, "at most", bound, "of Adam's time to its own last loss, median over seeds")
    values["wall_time"] = (overhead["wall"], "at most", WALL_TIME, f"snakemake --cores {CORES}, in seconds")
    table = {}
    for key, (value, sense, bound, at) in values.items():
        met = value is not None and (value <= bound if sense == "at most" else value >= bound)
        table[key] = {"value": value, "goal": f"{sense} {bound:.3g}", "met": met, "where": at}
    return table


def predictions(report: dict, measured: dict) -> list[dict]:
    """The cost model's constants for each optimizer and hidden size, what it says of the two processes that were
    measured, and what it predicts for more; `measured`: of processes.measure.
    """
    table = []
    for row in measured["iterations"]:
        name, hidden = row["name"], row["hidden"]
        sent = scaling.messages(name, [PIXELS, hidden, PIXELS])
        fitted = scaling.constants(report, measured, name, hidden)
        two = scaling.predict(sent, fitted, measured["samples"], measured["processes"])
        entry = {"name": name, "hidden": hidden, "messages": len(sent), "bytes": sum(sent), "constants": fitted}
        entry["strong"] = {"measured": row["strong"], "predicted": two}
        entry["predicted"] = [
            {"samples": samples, "processes": count, "seconds": scaling.predict(sent, fitted, samples, count)}
            for samples in scaling.PREDICTED["samples"]
            for count in scaling.PREDICTED["processes"]
        ]
        table.append(entry)
    return table


def judge(iterations: dict, processes: dict, pipeline: dict, results: Results) -> dict:
    """The reports of speed.iterations, speed.processes and speed.pipeline, and `results`, held against the goals.

    "goals", "time_to_quality" and "scaling" (`predictions`).
    """
    quality = time_to_quality(results)
    judged = goals(iterations, processes, quality, pipeline)
    return {"goals": judged, "time_to_quality": quality, "scaling": predictions(iterations, processes)}
