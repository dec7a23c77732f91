"""The grid that chooses learning rates: every combination of the values in the configuration is one trial."""

import itertools
import json
import math
import statistics
from pathlib import Path

import torch
import yaml

from nonsmooth import networks, optimizers, placement, problems
from nonsmooth.files import replacing
from nonsmooth.mnist import Sample
from nonsmooth.training import train

HEAD = "# Chosen by `snakemake tune` and copied here by `make tuned`.\n"


def trials(grid: dict[str, list]) -> list[dict]:
    """Every combination of the grid's values, as settings."""
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def _mean_log(losses: list[float]) -> float:
    return statistics.fmean(math.log10(max(loss, 1e-300)) for loss in losses)


STATISTICS = {"last": lambda losses: losses[-1], "mean_log": _mean_log}


def tune(
    parameters: dict,
    grid: dict[str, list],
    select_by: str,
    statistic: str,
    sample: Sample | None,
    output: str | Path,
) -> None:
    """Train once for each trial and write what came of them to `output` (JSON).

    `parameters` are those of a run (config.parameters). A trial that finishes has a score, the `statistic` of the
    column `select_by` of its history: "last" is the column's last value, "mean_log" the mean of its decimal logarithm
    over the iterations.
    """
    torch.set_num_threads(parameters["threads"])
    common = {"seed": parameters["seed"], "dtype": parameters["dtype"]}
    place = placement.device(parameters["device"])
    problem = problems.build(sample, **parameters["problem"], **common).at(place)
    name = "{experiment}/{optimizer}/seed-{seed}".format(**parameters)
    results = []
    for number, settings in enumerate(trials(grid), 1):
        network = networks.build(problem.sizes, **parameters["network"], **common).to(place)
        optimizer = optimizers.build(
            parameters["optimizer"],
            network,
            *problem.training,
            seed=parameters["seed"],
            **(parameters["settings"] | settings),
        )
        training = train(network, optimizer, problem, parameters["iterations"])
        result = {"settings": settings, "status": training.status}
        if training.status == "finished":
            result["score"] = STATISTICS[statistic](training.history[select_by])
            result |= {column: training.history[column][-1] for column in ("train_loss", "validation_loss")}
        results.append(result)
        told = f"{statistic} {select_by} {result['score']:.4g}" if "score" in result else "diverged"
        print(f"[tune {name}] trial {number}/{len(trials(grid))} {settings}: {told}", flush=True)
    report = {name: parameters[name] for name in ("experiment", "optimizer", "seed")}
    report |= {"select_by": select_by, "statistic": statistic, "trials": results}
    with replacing(output) as path:
        path.write_text(json.dumps(report, indent=2) + "\n")


def choose(reports: list[dict]) -> dict:
    """The settings with the smallest mean score over the reports of one optimizer, one for each seed.

    A trial that diverged with any seed is never chosen. Raises ValueError, naming the optimizer, where all have.
    """
    by_trial = list(zip(*(report["trials"] for report in reports), strict=True))
    candidates = [results for results in by_trial if all("score" in result for result in results)]
    if not candidates:
        raise ValueError(
            f"every trial of {reports[0]['experiment']}/{reports[0]['optimizer']} diverged: widen its grid"
        )
    return min(candidates, key=lambda results: statistics.fmean(result["score"] for result in results))[0]["settings"]


def collect(paths: list[str | Path], output: str | Path) -> None:
    """Choose settings from the reports of `tune` and write them in the form of config/tuned.yaml."""
    by_optimizer: dict[tuple[str, str], list[dict]] = {}
    for report in (json.loads(Path(path).read_text()) for path in paths):
        by_optimizer.setdefault((report["experiment"], report["optimizer"]), []).append(report)
    experiments: dict = {}
    for (experiment, optimizer), reports in by_optimizer.items():
        section = experiments.setdefault(experiment, {"optimizers": {}})
        section["optimizers"][optimizer] = choose(reports)
    with replacing(output) as path:
        path.write_text(HEAD + yaml.safe_dump({"experiments": experiments}, sort_keys=False))
