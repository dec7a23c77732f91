"""An iteration of BADMM beside one of Adam on this machine's device: a table, and a JSON file named after the device.

    python -m nonsmooth.device_times

It needs torch and this package alone, so that it runs on a borrowed machine. The network is the poster's autoencoder
with several numbers of images N and hidden units h, in float32. Data are random: time does not depend on the values.
"""

import argparse
import json
import statistics
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from nonsmooth import processes
from nonsmooth.badmm import Badmm
from nonsmooth.baselines import TorchOptimizer
from nonsmooth.lifting import check_range
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
# First iterations, which are not in the tables: the weight of the start, 2^-k, is lost in float32's rounding after some
# 26 (_badmm_fast.py), and the products that it costs end.
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


def time_size(samples: int, hidden: int, device: torch.device, rounds: int, turn: int) -> list[dict]:
    """Milliseconds of an iteration of each, the median over rounds, and their ratio to the fastest Adam's.

    The optimizers take turns of `turn` iterations.
    """
    steps: dict[str, Callable[[], None]] = {}
    for name, choice in IMPLEMENTATIONS.items():
        data = autoencoder(samples, hidden, device)
        generator = torch.Generator().manual_seed(0)
        adam = TorchOptimizer(*data, generator=generator, algorithm="adam", learning_rate=0.001, **choice)
        steps[f"adam {name}"] = adam.step
    for name, weight_step in WEIGHT_STEPS.items():
        steps[name] = Badmm(*autoencoder(samples, hidden, device), weight_step=weight_step).step
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
    fastest = min((name for name in steps if name.startswith("adam")), key=medians.__getitem__)
    rows = []
    for name, values in times.items():
        ratio = statistics.median(a / b for a, b in zip(values, times[fastest], strict=True))
        row = {"samples": samples, "hidden": hidden, "optimizer": name, "milliseconds": 1e3 * medians[name]}
        rows.append(row | {"to_adam": ratio, "goal": GOALS.get((name, samples, hidden))})
    return rows


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m nonsmooth.device_times", description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--rounds", type=int, default=15, help="turns of each optimizer at each size")
    parser.add_argument("--turn", type=int, default=20, help="iterations of a turn")
    parser.add_argument("--folder", type=Path, default=Path("."), help="where the JSON file goes")
    given = parser.parse_args(arguments)
    for option, value in (("--rounds", given.rounds), ("--turn", given.turn)):
        check_range(option, value, value >= 1, "{} >= 1")
    device = processes.device(given.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    path = given.folder / f"times-{name.replace(' ', '-')}.json"
    given.folder.mkdir(parents=True, exist_ok=True)
    torch.backends.cuda.matmul.allow_tf32 = False
    rows: list[dict] = []
    print(f"{name}, torch {torch.__version__}, float32\n\n| N | h | optimizer | ms | its time / Adam's | goal |")
    print("| --- | --- | --- | --- | --- | --- |", flush=True)
    for samples, hidden in SIZES:
        for row in time_size(samples, hidden, device, given.rounds, given.turn):
            goal = "-" if row["goal"] is None else f"{row['goal']:g}"
            cells = samples, hidden, row["optimizer"], f"{row['milliseconds']:.3f}", f"{row['to_adam']:.2f}", goal
            print("| " + " | ".join(map(str, cells)) + " |", flush=True)
            rows.append(row)
        unfinished = path.with_suffix(".part")
        unfinished.write_text(json.dumps({"device": name, "torch": torch.__version__, "rows": rows}, indent=1) + "\n")
        unfinished.replace(path)
    print(f"\n{path}")


if __name__ == "__main__":
    main()
