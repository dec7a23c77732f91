"""How fast and how large: an iteration of each optimizer on the poster's autoencoder, beside its own matrix products.

Everything is measured in one process, evaluation off the clock, the optimizers in turn. Data are random: time and
memory do not depend on the values.
"""

import ctypes
import gc
import json
import math
import multiprocessing
import statistics
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from nonsmooth import optimizers, placement
from nonsmooth.files import replacing
from nonsmooth.runs import Results, provenance
from nonsmooth.seeds import generator
from nonsmooth.timing import clock, ratio, take_turns

PIXELS = 784
# torch's implementations of one and the same algorithm: the fastest is the one that others are compared with.
VARIANTS = {
    "sgd": {"learning_rate": 1.0, "momentum": 0.9},
    "adam": {"learning_rate": 0.001},
}
IMPLEMENTATIONS: dict[str, dict[str, bool]] = {
    "for-loop": {"foreach": False},
    "foreach": {"foreach": True},
    "fused": {"fused": True},
}
LIFTED = ("badmm", "badmm-ls")
# Iterations before those of the table: the weight of the start, 2^-k, is lost in float32's rounding after some 26
# (optimizers/lifting.py), and the products that it costs end.
EARLY = 30


def autoencoder(samples: int, hidden: int, device: torch.device) -> tuple[nn.Sequential, Tensor, Tensor]:
    """A network and data of the poster's shapes: clean images and noisy ones."""
    draw = generator(0, "benchmark")
    clean = torch.rand(samples, PIXELS, generator=draw)
    noisy = torch.randn(samples, PIXELS, generator=draw).mul_(0.3).add_(clean)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(PIXELS, hidden), nn.ReLU(), nn.Linear(hidden, PIXELS))
    return network.to(device), noisy.to(device), clean.to(device)


def products(name: str, samples: int, hidden: int, device: torch.device) -> Callable[[], None]:
    """The matrix products of one iteration of `badmm` or `badmm-ls` alone, on operands and results of their shapes."""

    def matrix(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.ones(shape, dtype=dtype, device=device)

    N, h = samples, hidden
    inputs, targets, X, X_double = matrix(N, PIXELS), matrix(N, PIXELS), matrix(N, h), matrix(N, h, dtype=torch.float64)
    W_in, W_out, narrow, wide = matrix(h, PIXELS), matrix(PIXELS, h), matrix(N, h), matrix(N, PIXELS)
    gram, gram_with_ones, V = matrix(h, h), matrix(h + 1, h + 1), matrix(PIXELS, h + 1)
    gram_double = matrix(h, h, dtype=torch.float64)
    descent_in, descent_out, change = matrix(h, PIXELS), matrix(PIXELS, h), matrix(PIXELS, h + 1)

    def shared() -> None:
        torch.mm(narrow.T, inputs, out=descent_in)  # W_1: R^T X_0, or R^T times the solved inputs
        torch.mm(targets.T, X, out=descent_out)  # W_2
        torch.mm(W_out.T, W_out, out=gram)  # X: the norm, and in place of A
        torch.mm(targets, W_out, out=narrow)  # X
        torch.mm(X, gram, out=narrow)  # X
        torch.mm(inputs, W_in.T, out=narrow)  # M: A_1

    def gradient() -> None:
        shared()
        torch.mm(X.T, X, out=gram)  # W_2: the norm, and in place of A
        torch.mm(W_out, gram, out=descent_out)

    def least_squares() -> None:
        shared()
        torch.mm(X, W_out.T, out=wide)  # W_2: A_2
        torch.mm(X_double.T, X_double, out=gram_double)
        torch.mm(V, gram_with_ones, out=change)

    return {"badmm": gradient, "badmm-ls": least_squares}[name]


def time_cell(samples: int, hidden: int, threads: int, rounds: int, device: torch.device) -> list[dict]:
    """One row for each contender at one size: seconds and ratios (median, lower and upper quartile over rounds).

    "to_adam" is the ratio to the fastest implementation of Adam, "floor_share" what part of the iteration's time its
    own matrix products take when they run by themselves, "early" the mean time of the first EARLY iterations over
    that of those that follow.
    """
    torch.set_num_threads(threads)
    steps: dict[str, Callable[[], None]] = {}
    for name, settings in VARIANTS.items():
        for implementation, choice in IMPLEMENTATIONS.items():
            built = optimizers.build(name, *autoencoder(samples, hidden, device), seed=0, **settings, **choice)
            steps[f"{name} {implementation}"] = built.step
    early = {}
    for name in LIFTED:
        steps[name] = step = optimizers.build(name, *autoencoder(samples, hidden, device), seed=0).step
        step()  # not counted: what libraries take once
        start = clock(device)
        for _ in range(EARLY - 1):
            step()
        early[name] = (clock(device) - start) / (EARLY - 1)
        steps[f"products of {name}"] = products(name, samples, hidden, device)
    seconds = take_turns(steps, rounds, device)
    adam = min((name for name in seconds if name.startswith("adam")), key=lambda name: statistics.median(seconds[name]))
    rows = []
    for name, times in seconds.items():
        row = {"samples": samples, "hidden": hidden, "threads": threads, "name": name}
        row |= {"seconds": statistics.median(times), "to_adam": ratio(times, seconds[adam])}
        if name in LIFTED:
            row["floor_share"] = ratio(seconds[f"products of {name}"], times)
            row["early"] = early[name] / row["seconds"]
        rows.append(row)
    return rows


def _status(key: str) -> int:
    """A line of /proc/self/status, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(key))


def _memory(queue, name: str, samples: int, hidden: int) -> None:
    torch.set_num_threads(1)
    cpu = torch.device("cpu")
    for size in (2, samples):  # the small one first, for what libraries take once
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        before = _status("VmRSS")
        optimizer = optimizers.build(name, *autoencoder(size, hidden, cpu), seed=0, **VARIANTS.get(name.split()[0], {}))
        for _ in range(3):
            optimizer.step()
        peak = _status("VmHWM") - before
        del optimizer
    queue.put(peak)


def measure_memory(name: str, samples: int, hidden: int) -> dict:
    """Peak memory of data, network and three iterations in a process of its own, over the size of the lifted state.

    The state are the noisy and the clean images and Z, X, M and A of both layers, in float32: N (5 * 784 + 4 h)
    numbers. On Linux alone.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["nonsmooth.benchmark"])
    queue = context.Queue()
    process = context.Process(target=_memory, args=(queue, name, samples, hidden))
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError(f"measuring {name} ended with {process.exitcode}")
    peak, state = queue.get(), 4 * samples * (5 * PIXELS + 4 * hidden)
    return {"samples": samples, "hidden": hidden, "name": name, "peak": peak, "state": state, "ratio": peak / state}


def measure(settings: dict, device: str, output: str | Path) -> None:
    """Time every size of the configuration's section "benchmark", measure memory, and write both to `output` (JSON)."""
    place = placement.device(device)
    largest = max(settings["samples"])
    report: dict = {"device": _name(place), **provenance(), "iterations": [], "memory": []}
    if place.type == "cpu" and Path("/proc/self/clear_refs").exists():
        for samples in settings["samples"]:
            for hidden in settings["hidden"]:
                report["memory"] += [measure_memory(name, samples, hidden) for name in ("adam", *LIFTED)]
                print(f"[memory N={samples} h={hidden}] badmm {report['memory'][-2]['ratio']:.2f} x the state")
    for samples in settings["samples"]:
        rounds = settings["rounds"] // 3 if samples == largest else settings["rounds"]
        for hidden in settings["hidden"]:
            for threads in settings["threads"] if place.type == "cpu" else [1]:
                rows = time_cell(samples, hidden, threads, rounds, place)
                report["iterations"] += rows
                told = [f"{row['name']} {1e3 * row['seconds']:.2f} ms" for row in rows if row["name"] in LIFTED]
                print(f"[time N={samples} h={hidden} threads={threads}] {', '.join(told)}", flush=True)
    with replacing(output) as path:
        path.write_text(json.dumps(report, indent=1) + "\n")


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


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
