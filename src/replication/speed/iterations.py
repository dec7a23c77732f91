"""How fast and how large: an iteration of each optimizer on the poster's autoencoder, beside its own matrix products.

Everything is measured in one process, evaluation off the clock, the optimizers in turn. Data are random: time and
memory do not depend on the values.
"""

import ctypes
import gc
import multiprocessing
import statistics
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from nonsmooth import processes
from nonsmooth.device_times import EARLY, IMPLEMENTATIONS, PIXELS, autoencoder
from nonsmooth.training import clock
from replication import constructors
from replication.methods import ANCHOR, POSTER, baselines, judged, of_role
from replication.provenance import provenance
from replication.speed.clock import ratio, take_turns

# Settings of the baselines: time does not depend on the values, but momentum is work.
BASELINE_SETTINGS = {"sgd": {"learning_rate": 1.0, "momentum": 0.9}, "adam": {"learning_rate": 0.001}}
ANOTHER_DELTA = 0.3  # delta = 1 has a shorter Z block than all others
WIDE = (100, 4000, 16, 10)  # fewer samples than inputs: N and the widths of X_0, X_1 and X_2


def products(name: str, samples: int, hidden: int, device: torch.device) -> Callable[[], None] | None:
    """The matrix products of one iteration alone, on operands and results of their shapes; None for other methods."""

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

    return {"badmm": gradient, "badmm-ls": least_squares}.get(name)


def time_cell(samples: int, hidden: int, threads: int, rounds: int, device: torch.device) -> list[dict]:
    """One row for each contender at one size: seconds and ratios (median, lower and upper quartile over rounds).

    "to_adam" is the ratio to the fastest implementation of Adam, "floor_share" what part of the iteration's time its
    own matrix products take when they run by themselves, "delta" the ratio of an iteration with ANOTHER_DELTA to it,
    "early" the mean time of the first EARLY iterations over that of those that follow.
    """
    torch.set_num_threads(threads)
    steps: dict[str, Callable[[], None]] = {}
    for name in baselines():
        for implementation, choice in IMPLEMENTATIONS.items():
            settings = BASELINE_SETTINGS[name] | choice
            built = constructors.build(name, *autoencoder(samples, hidden, device), seed=0, **settings)
            steps[f"{name} {implementation}"] = built.step
    early = {}
    for name in of_role(POSTER):
        data = autoencoder(samples, hidden, device)
        steps[f"delta of {name}"] = constructors.build(name, *data, seed=0, delta=ANOTHER_DELTA).step
    for name in judged():
        steps[name] = step = constructors.build(name, *autoencoder(samples, hidden, device), seed=0).step
        step()  # not counted: what libraries take once
        start = clock(device)
        for _ in range(EARLY - 1):
            step()
        early[name] = (clock(device) - start) / (EARLY - 1)
        if alone := products(name, samples, hidden, device):
            steps[f"products of {name}"] = alone
    seconds = take_turns(steps, rounds, device)
    implementations = [name for name in seconds if name.split()[0] == ANCHOR]
    fastest = min(implementations, key=lambda name: statistics.median(seconds[name]))
    rows = []
    for name, times in seconds.items():
        row = {"samples": samples, "hidden": hidden, "threads": threads, "name": name}
        row |= {"seconds": statistics.median(times), "to_adam": ratio(times, seconds[fastest])}
        if f"products of {name}" in seconds:
            row["floor_share"] = ratio(seconds[f"products of {name}"], times)
        if f"delta of {name}" in seconds:
            row["delta"] = ratio(seconds[f"delta of {name}"], times)
        if name in early:
            row["early"] = early[name] / row["seconds"]
        rows.append(row)
    return rows


def time_setup(samples: int, widths: tuple[int, int, int], device: torch.device) -> list[dict]:
    """Setup time of the poster's methods on random data, in seconds and in iterations: medians of five, one thread."""
    torch.set_num_threads(1)
    draw = torch.Generator().manual_seed(0)
    inputs, targets = (torch.rand(samples, width, generator=draw).to(device) for width in (widths[0], widths[-1]))
    rows = []
    for name in of_role(POSTER):
        setups, steps = [], []
        for number in range(6):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                network = nn.Sequential(nn.Linear(*widths[:2]), nn.ReLU(), nn.Linear(*widths[1:])).to(device)
            start = clock(device)
            optimizer = constructors.build(name, network, inputs, targets, seed=0)
            built = clock(device)
            for _ in range(3):
                optimizer.step()
            if number:  # the first takes what libraries take once
                setups.append(built - start)
                steps.append((clock(device) - built) / 3)
        setup, step = statistics.median(setups), statistics.median(steps)
        row = {"samples": samples, "widths": list(widths), "name": name, "setup": setup, "step": step}
        rows.append(row | {"iterations": setup / step})
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
        settings = BASELINE_SETTINGS.get(name, {})
        optimizer = constructors.build(name, *autoencoder(size, hidden, cpu), seed=0, **settings)
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
    context.set_forkserver_preload(["replication.speed.iterations"])
    queue = context.Queue()
    process = context.Process(target=_memory, args=(queue, name, samples, hidden))
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError(f"measuring {name} ended with {process.exitcode}")
    peak, state = queue.get(), 4 * samples * (5 * PIXELS + 4 * hidden)
    return {"samples": samples, "hidden": hidden, "name": name, "peak": peak, "state": state, "ratio": peak / state}


def measure(settings: dict, device: str) -> dict:
    """Time every size of the configuration's section "benchmark" and measure memory: "iterations" and "memory"."""
    where = processes.device(device)
    largest = max(settings["samples"])
    report: dict = {"device": _name(where), **provenance(), "iterations": [], "memory": [], "setup": []}
    if where.type == "cpu" and Path("/proc/self/clear_refs").exists():
        for samples in settings["samples"]:
            for hidden in settings["hidden"]:
                rows = [measure_memory(name, samples, hidden) for name in (ANCHOR, *judged())]
                report["memory"] += rows
                shares = [f"{row['name']} {row['ratio']:.2f}" for row in rows]
                print(f"[memory N={samples} h={hidden}] over the state: {', '.join(shares)}", flush=True)
    shapes = [(N, PIXELS, h, PIXELS) for N in settings["samples"] for h in settings["hidden"]]
    for count, *widths in [*shapes, WIDE]:
        rows = time_setup(count, tuple(widths), where)
        report["setup"] += rows
        times = [f"{row['name']} {row['iterations']:.1f} iterations" for row in rows]
        print(f"[setup N={count} widths={widths}] {', '.join(times)}", flush=True)
    for samples in settings["samples"]:
        rounds = settings["rounds"] // 3 if samples == largest else settings["rounds"]
        for hidden in settings["hidden"]:
            for threads in settings["threads"] if where.type == "cpu" else [1]:
                rows = time_cell(samples, hidden, threads, rounds, where)
                report["iterations"] += rows
                times = [f"{row['name']} {1e3 * row['seconds']:.2f} ms" for row in rows if row["name"] in judged()]
                print(f"[time N={samples} h={hidden} threads={threads}] {', '.join(times)}", flush=True)
    return report


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
