"""The search that chooses settings, the same for every optimizer: as many trials of the same quasi-random sequence."""

import json
import math
import statistics
from pathlib import Path

import torch
import yaml

from nonsmooth import networks, optimizers, placement, problems
from nonsmooth.config import SELECTIONS
from nonsmooth.files import replacing
from nonsmooth.mnist import Sample
from nonsmooth.training import Training, train

HEAD = "# Chosen by `snakemake tune` and copied here by `make tuned`.\n"
EVERY = 50  # iterations between evaluations where only the last one counts (and divergence)


def trials(ranges: dict[str, dict], count: int) -> list[dict]:
    """`count` settings, spread over the ranges by a scrambled Sobol sequence that depends on their names alone.

    A range is {"log": [low, high]} or {"linear": [low, high]}, with the sequence uniform in the logarithm or the
    value. Values have three significant digits.
    """
    from scipy.stats import qmc  # imported late: it takes a second

    points = qmc.Sobol(len(ranges), rng=0).random(count)
    found = []
    for point in points.tolist():
        settings = {}
        for (name, scale), share in zip(sorted(ranges.items()), point, strict=True):
            ((kind, (low, high)),) = scale.items()
            value = low * (high / low) ** share if kind == "log" else low + share * (high - low)
            settings[name] = float(f"{value:.3g}")
        found.append(settings)
    return found


def _mean_log(losses: list[float]) -> float:
    return statistics.fmean(math.log10(max(loss, 1e-300)) for loss in losses)


STATISTICS = {"last": lambda losses: losses[-1], "mean_log": _mean_log}


def run(parameters: dict, sample: Sample | None, **loop) -> tuple[torch.nn.Sequential, problems.Problem, Training]:
    """Network, problem and training of one run; `parameters` as from config.parameters, `loop` goes to `train`."""
    torch.set_num_threads(parameters["threads"])
    common = {"seed": parameters["seed"], "dtype": parameters["dtype"]}
    place = placement.device(parameters["device"])
    problem = problems.build(sample, **parameters["problem"], **common).at(place)
    network = networks.build(problem.sizes, **parameters["network"], **common).to(place)
    optimizer = optimizers.build(
        parameters["optimizer"], network, *problem.training, seed=parameters["seed"], **parameters["settings"]
    )
    return network, problem, train(network, optimizer, problem, parameters["iterations"], **loop)


def tune(parameters: dict, ranges: dict, count: int, statistic: str, samples: dict[int, Sample | None]) -> dict:
    """Train once for each trial and seed, and tell what came of them.

    `parameters` are those of a run (config.parameters) of any seed; `samples` the images by seed, None for problems
    without. A trial has a score for each of SELECTIONS, the mean over seeds of the column's `statistic`: "last" is its
    last value, "mean_log" the mean of its decimal logarithm over the iterations.
    One that diverges with any seed has none.
    """
    every = EVERY if statistic == "last" else 1
    told = []
    for number, settings in enumerate(trials(ranges, count), 1):
        scores: dict[str, list[float]] = {column: [] for column in SELECTIONS}
        status = "finished"
        for seed, sample in samples.items():
            asked = parameters | {"seed": seed, "settings": parameters["settings"] | settings}
            _, _, training = run(asked, sample, every=every)
            if training.status == "diverged":
                status = "diverged"
                break
            for column in SELECTIONS:
                if column in training.history:
                    scores[column].append(STATISTICS[statistic](training.history[column]))
        trial = {"settings": settings, "status": status}
        if status == "finished":
            trial["scores"] = {column: statistics.fmean(values) for column, values in scores.items() if values}
        told.append(trial)
        print(
            f"[tune {parameters['experiment']}/{parameters['optimizer']}] {number}/{count} {json.dumps(trial)}",
            flush=True,
        )
    names = {name: parameters[name] for name in ("experiment", "optimizer")}
    return names | {"seeds": list(samples), "statistic": statistic, "trials": told}


def choose(report: dict, column: str) -> dict:
    """The settings with the smallest score. Raises ValueError, naming the optimizer, where every trial diverged."""
    finished = [trial for trial in report["trials"] if column in trial.get("scores", {})]
    if not finished:
        raise ValueError(f"every trial of {report['experiment']}/{report['optimizer']} diverged: move its ranges")
    return min(finished, key=lambda trial: trial["scores"][column])["settings"]


def collect(paths: list[str | Path], select_by: dict[str, str], output: str | Path) -> None:
    """Choose settings from the reports of `tune` and write them in the form of config/tuned.yaml.

    Of each experiment "tuned_on" has the choice by each column, and "optimizers" the one by the column that
    `select_by` names, which the experiment's own runs use (references are no part of them).
    """
    experiments: dict = {}
    for report in (json.loads(Path(path).read_text()) for path in paths):
        experiment, optimizer = report["experiment"], report["optimizer"]
        section = experiments.setdefault(experiment, {"optimizers": {}, "tuned_on": {}})
        for column in SELECTIONS:
            section["tuned_on"].setdefault(column, {})[optimizer] = choose(report, column)
        if not report["reference"]:
            section["optimizers"][optimizer] = section["tuned_on"][select_by[experiment]][optimizer]
    with replacing(output) as path:
        path.write_text(HEAD + yaml.dump({"experiments": experiments}, sort_keys=False, Dumper=_Plain))


class _Plain(yaml.SafeDumper):
    """Writes what is the same twice twice, without anchors."""

    def ignore_aliases(self, data: object) -> bool:
        return True
