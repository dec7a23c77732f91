"""The grid that chooses learning rates: every combination of the values in the configuration is one trial."""

import itertools
import json
from pathlib import Path

import torch
import yaml

from nonsmooth import networks, optimizers, problems
from nonsmooth.files import replacing
from nonsmooth.mnist import Sample
from nonsmooth.training import train

HEAD = "# Chosen by `snakemake tune` and copied here by `make tuned`.\n"


def trials(grid: dict[str, list]) -> list[dict]:
    """Every combination of the grid's values, as settings."""
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def tune(parameters: dict, grid: dict[str, list], select_by: str, sample: Sample | None, output: str | Path) -> None:
    """Train once for each trial and write what came of them to `output` (JSON), the chosen settings first.

    `parameters` are those of a run (config.parameters). Chosen is the trial with the smallest last value of the column
    `select_by`, among those that did not diverge; null when all did.
    """
    torch.set_num_threads(parameters["threads"])
    common = {"seed": parameters["seed"], "dtype": parameters["dtype"]}
    problem = problems.build(sample, **parameters["problem"], **common)
    name = f"{parameters['experiment']}/{parameters['optimizer']}"
    results = []
    for number, settings in enumerate(trials(grid), 1):
        network = networks.build(problem.sizes, **parameters["network"], **common)
        optimizer = optimizers.build(
            parameters["optimizer"],
            network,
            *problem.training,
            seed=parameters["seed"],
            **(parameters["settings"] | settings),
        )
        training = train(network, optimizer, problem, parameters["iterations"])
        last = {column: training.history[column][-1] for column in ("train_loss", "validation_loss")}
        finished = training.status == "finished"
        results.append({"settings": settings, "status": training.status} | (last if finished else {}))
        value = f"{select_by} {last[select_by]:.4g}" if finished else "diverged"
        print(f"[tune {name}] trial {number}/{len(trials(grid))} {settings}: {value}", flush=True)
    finished = [result for result in results if result["status"] == "finished"]
    best = min(finished, key=lambda result: result[select_by])["settings"] if finished else None
    report = {"experiment": parameters["experiment"], "optimizer": parameters["optimizer"], "chosen": best}
    with replacing(output) as path:
        path.write_text(json.dumps(report | {"select_by": select_by, "trials": results}, indent=2) + "\n")


def collect(reports: list[str | Path], output: str | Path) -> None:
    """Gather the chosen settings into a file of the form of config/tuned.yaml.

    Raises ValueError, naming the optimizer, where every trial diverged.
    """
    experiments: dict = {}
    for report in (json.loads(Path(path).read_text()) for path in reports):
        if report["chosen"] is None:
            raise ValueError(f"every trial of {report['experiment']}/{report['optimizer']} diverged: widen its grid")
        section = experiments.setdefault(report["experiment"], {"optimizers": {}})
        section["optimizers"][report["optimizer"]] = report["chosen"]
    with replacing(output) as path:
        path.write_text(HEAD + yaml.safe_dump({"experiments": experiments}, sort_keys=False))
