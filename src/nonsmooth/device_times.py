"""An iteration of BADMM beside one of Adam on this machine's device: a table, and a JSON file named after the device.

    python -m nonsmooth.device_times

It needs torch and this package alone, so that it runs on a borrowed machine. The network is the poster's autoencoder
with several numbers of images N and hidden units h, in float32. Data are random: time does not depend on the values.
"""

import argparse
import copy
import json
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from nonsmooth import graphs, processes
from nonsmooth.badmm import Badmm
from nonsmooth.baselines import TorchOptimizer
from nonsmooth.checks import check_count
from nonsmooth.training import clock

PIXELS = 784
SIZES = [(samples, hidden) for samples in (1000, 10000, 60000) for hidden in (64, 256, 1024)]
WEIGHT_STEPS = {"badmm": "gradient", "badmm-ls": "least_squares"}
# On an H100: of the fastest Adam's time. Other sizes have no goal.
GOALS = {("badmm", 1000, 64): 0.7, ("badmm", 10000, 64): 1.0, ("badmm", 60000, 64): 0.8}
GOALS |= {("badmm", 60000, 256): 1.15, ("badmm", 60000, 1024): 1.4}
GOALS |= {("badmm-ls", *size): 1.5 for size in SIZES}
# torch's implementations of one and the same algorithm: the fastest is the one that others are compared with.
IMPLEMENTATIONS: dict[str, dict[str, bool]] = {
    "for-loop": {"foreach": False},
    "foreach": {"foreach": True},
    "fused": {"fused": True},
}
ADAM_GRAPH = "adam graph"  # the fused one as a CUDA graph
# First iterations, which are not in the tables: the weight of the start, 2^-k, is lost in float32's rounding after some
# 26 (_fast_layers.py), and the products that it costs end.
EARLY = 30


def autoencoder(samples: int, hidden: int, device: torch.device) -> tuple[nn.Sequential, Tensor, Tensor]:
    """A network, noisy images and clean ones."""
    draw = torch.Generator().manual_seed(0)
    clean = torch.rand(samples, PIXELS, generator=draw)
    noisy = torch.randn(samples, PIXELS, generator=draw).mul_(0.3).add_(clean)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(PIXELS, hidden), nn.ReLU(), nn.Linear(hidden, PIXELS))
    return network.to(device), noisy.to(device), clean.to(device)


def record_step(optimizer: TorchOptimizer, device: torch.device) -> Callable[[], None] | None:
    """The step of torch's optimizer as a CUDA graph, None where it cannot be recorded."""
    if device.type != "cuda":
        return None
    beside = torch.cuda.Stream(device)
    beside.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(beside):  # what is allocated once
        for _ in range(3):
            optimizer.step()
    torch.cuda.current_stream(device).wait_stream(beside)
    optimizer.optimizer.zero_grad()
    graph = graphs.record(optimizer._iterate, device)
    return None if graph is None else graph.replay


def time_size(samples: int, hidden: int, device: torch.device, rounds: int, turn: int) -> list[dict]:
    """A row for each optimizer: milliseconds of an iteration (median over rounds), and its ratio to the fastest Adam's.

    The optimizers take turns of `turn` iterations. "setup" is the time that making the optimizer takes, once another
    has been made. ADAM_GRAPH is what torch offers and few use: not among those that others are compared with. Of BADMM
    also "recorded", whether its iteration became a CUDA graph, and "launched", the time of one
    whose work the host launches piece by piece, as in a group of processes.
    """
    network, *data = autoencoder(samples, hidden, device)

    def adam(**choice: bool) -> TorchOptimizer:
        generator = torch.Generator().manual_seed(0)
        settings = {"generator": generator, "algorithm": "adam", "learning_rate": 0.001}
        return TorchOptimizer(copy.deepcopy(network), *data, **settings, **choice)

    def badmm(weight_step: str) -> Badmm:
        return Badmm(copy.deepcopy(network), *data, weight_step=weight_step)

    making = {f"adam {name}": partial(adam, **choice) for name, choice in IMPLEMENTATIONS.items()}
    making |= {name: partial(badmm, weight_step) for name, weight_step in WEIGHT_STEPS.items()}
    steps: dict[str, Callable[[], None]] = {}
    setups: dict[str, float] = {}
    recorded: dict[str, graphs.Repeated] = {}
    for name, make in making.items():
        make()
        start = clock(device)
        optimizer = make()
        setups[name] = clock(device) - start
        steps[name] = optimizer.step
        if name in WEIGHT_STEPS:
            recorded[name] = optimizer._iteration
    kept = adam(fused=True, capturable=True)  # a graph does not keep its memory by itself
    if step := record_step(kept, device):
        steps[ADAM_GRAPH] = step
    for name in WEIGHT_STEPS:
        optimizer = making[name]()
        optimizer._iteration.can_record = False
        steps[f"{name} launched"] = optimizer.step
    times: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds + 1):
        for name, step in steps.items():
            count = turn if number else EARLY
            start = clock(device)
            for _ in range(count):
                step()
            if number:
                times[name].append((clock(device) - start) / count)
    medians = {name: statistics.median(values) for name, values in times.items()}
    fastest = min((name for name in making if name.startswith("adam")), key=medians.__getitem__)
    rows = []
    for name in filter(lambda name: not name.endswith("launched"), steps):
        ratio = statistics.median(a / b for a, b in zip(times[name], times[fastest], strict=True))
        row = {"samples": samples, "hidden": hidden, "optimizer": name, "milliseconds": 1e3 * medians[name]}
        row |= {"to_adam": ratio, "goal": GOALS.get((name, samples, hidden))}
        if name in setups:
            row["setup"] = 1e3 * setups[name]
        if name in WEIGHT_STEPS:
            row |= {"recorded": recorded[name].graph is not None, "launched": 1e3 * medians[f"{name} launched"]}
        rows.append(row)
    return rows


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m nonsmooth.device_times", description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--rounds", type=int, default=15, help="turns of each optimizer at each size")
    parser.add_argument("--turn", type=int, default=20, help="iterations of a turn")
    parser.add_argument("--folder", type=Path, default=Path("."), help="where the JSON file goes")
    given = parser.parse_args(arguments)
    for option, value in (("--rounds", given.rounds), ("--turn", given.turn)):
        check_count(option, value)
    device = processes.device(given.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    path = given.folder / f"times-{name.replace(' ', '-')}.json"
    given.folder.mkdir(parents=True, exist_ok=True)
    torch.backends.cuda.matmul.allow_tf32 = False
    rows: list[dict] = []
    print(f"{name}, torch {torch.__version__}, float32\n")
    print("| N | h | optimizer | ms | its time / Adam's | goal | setup, ms |")
    print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
    for samples, hidden in SIZES:
        for row in time_size(samples, hidden, device, given.rounds, given.turn):
            goal = "-" if row["goal"] is None else f"{row['goal']:g}"
            setup = f"{row['setup']:.1f}" if "setup" in row else "-"
            numbers = f"{row['milliseconds']:.3f}", f"{row['to_adam']:.2f}", goal, setup
            print("| " + " | ".join(map(str, (samples, hidden, row["optimizer"], *numbers))) + " |", flush=True)
            rows.append(row)
        unfinished = path.with_suffix(".part")
        unfinished.write_text(json.dumps({"device": name, "torch": torch.__version__, "rows": rows}, indent=1) + "\n")
        unfinished.replace(path)
    print(f"\n{path}")


if __name__ == "__main__":
    main()
