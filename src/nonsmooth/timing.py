"""Seconds an iteration, side by side: the optimizers take turns, so that the machine's drift hits them alike."""

import json
import statistics
import time
from pathlib import Path

import torch

from nonsmooth import networks, optimizers, problems
from nonsmooth.files import replacing
from nonsmooth.mnist import Sample
from nonsmooth.runs import provenance

STEPS = 5  # iterations in a turn


def time_iterations(runs: list[dict], sample: Sample | None, rounds: int, output: str | Path) -> None:
    """Time the optimizers of one experiment and write the medians to `output` (JSON).

    `runs` are the parameters of one run of each (config.parameters), of one seed. In each of `rounds` rounds, after
    one that is not counted, every optimizer makes STEPS iterations in turn; evaluation is not part of them.
    "seconds" is the median over rounds of the time of one iteration, "ratio_to_adam" the median, lowest and highest
    quartile over rounds of its ratio to Adam's in the same round.
    """
    first = runs[0]
    torch.set_num_threads(first["threads"])
    common = {"seed": first["seed"], "dtype": first["dtype"]}
    problem = problems.build(sample, **first["problem"], **common)
    steps = {}
    for run in runs:
        network = networks.build(problem.sizes, **run["network"], **common)
        built = optimizers.build(run["optimizer"], network, *problem.training, seed=first["seed"], **run["settings"])
        steps[run["optimizer"]] = built.step
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds + 1):
        for name, step in steps.items():
            start = time.perf_counter()
            for _ in range(STEPS):
                step()
            if number:
                seconds[name].append((time.perf_counter() - start) / STEPS)
    report: dict = {"experiment": first["experiment"], "rounds": rounds, "optimizers": {}, **provenance()}
    for name, times in seconds.items():
        report["optimizers"][name] = {"seconds": statistics.median(times)}
        if "adam" in seconds:
            ratios = [mine / adams for mine, adams in zip(times, seconds["adam"], strict=True)]
            quartiles = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
            report["optimizers"][name]["ratio_to_adam"] = [quartiles[1], quartiles[0], quartiles[2]]
        ratio = report["optimizers"][name].get("ratio_to_adam", [float("nan")])[0]
        print(f"[time {first['experiment']}/{name}] {1e3 * statistics.median(times):.2f} ms, {ratio:.2f} x adam")
    with replacing(output) as path:
        path.write_text(json.dumps(report, indent=2) + "\n")
