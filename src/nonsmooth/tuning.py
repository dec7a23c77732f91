"""The search that chooses settings, the same for every optimizer: as many trials of the same quasi-random sequence."""

import json
import math
import statistics
from dataclasses import replace
from pathlib import Path

import torch
import yaml

from nonsmooth import networks, optimizers, placement, problems
from nonsmooth.config import SELECTIONS
from nonsmooth.files import replacing
from nonsmooth.mnist import Sample
from nonsmooth.training import Training, train

HEAD = "# Chosen by `snakemake tune` and copied here by `make tuned`.\n"


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
EVERY = {"last": 50, "mean_log": 5}  # iterations between evaluations; more of them only tell of divergence sooner


def run(parameters: dict, sample: Sample | None, **loop) -> tuple[torch.nn.Sequential, problems.Problem, Training]:
    """Network, problem and training of one run; `parameters` as from config.parameters, `loop` goes to `train`.

    The history has no unseen losses: the loop is not given that data, so that it can choose nothing.
    """
    torch.set_num_threads(parameters["threads"])
    common = {"seed": parameters["seed"], "dtype": parameters["dtype"]}
    place = placement.device(parameters["device"])
    problem = problems.build(sample, **parameters["problem"], **common).at(place)
    network = networks.build(problem.sizes, **parameters["network"], **common).to(place)
    optimizer = optimizers.build(
        parameters["optimizer"], network, *problem.training, seed=parameters["seed"], **parameters["settings"]
    )
    known = replace(problem, unseen=None, test=None)
    return network, problem, train(network, optimizer, known, parameters["iterations"], **loop)


def tune(
    parameters: dict, ranges: dict, count: int, finalists: int, statistic: str, samples: dict[int, Sample | None]
) -> dict:
    """Train once for each trial with the first seed, once more for the best ones with each other seed, and tell.

    `parameters` are those of a run (config.parameters) of any seed; `samples` the images by seed, None for problems
    without. A trial has scores for each of SELECTIONS, one for each seed that it was trained with, of the column's
    `statistic`: "last" is its last value, "mean_log" the mean of its decimal logarithm over the iterations. The
    `finalists` with the smallest score of either column go on to the other seeds. One that diverges has no scores.
    """
    first, *others = samples
    told = [{"settings": settings, "status": "finished", "scores": {}} for settings in trials(ranges, count)]

    def score(number: int, seed: int) -> None:
        trial = told[number]
        asked = parameters | {"seed": seed, "settings": parameters["settings"] | trial["settings"]}
        _, _, training = run(asked, samples[seed], every=EVERY[statistic])
        if training.status == "diverged":
            trial["status"], trial["scores"] = "diverged", {}
        else:
            for column in (column for column in SELECTIONS if column in training.history):
                trial["scores"].setdefault(column, []).append(STATISTICS[statistic](training.history[column]))
        name = f"{parameters['experiment']}/{parameters['optimizer']}/seed-{seed}"
        print(f"[tune {name}] trial {number + 1} of {count}: {json.dumps(trial)}", flush=True)

    for number in range(count):
        score(number, first)
    best = set()
    for column in SELECTIONS:
        ranked = [n for n, trial in enumerate(told) if column in trial["scores"]]
        best |= set(sorted(ranked, key=lambda n: told[n]["scores"][column][0])[:finalists])
    for number in sorted(best):
        for seed in others:
            if told[number]["status"] == "finished":
                score(number, seed)
    names = {name: parameters[name] for name in ("experiment", "optimizer")}
    return names | {"seeds": list(samples), "statistic": statistic, "trials": told}


def choose(report: dict, column: str) -> dict:
    """The settings with the smallest score, mean over all seeds, of the trials that were trained with every one.

    Raises ValueError, naming the optimizer, where every such trial diverged.
    """
    finished = [t for t in report["trials"] if len(t["scores"].get(column, [])) == len(report["seeds"])]
    if not finished:
        raise ValueError(f"every finalist of {report['experiment']}/{report['optimizer']} diverged: move its ranges")
    return min(finished, key=lambda trial: statistics.fmean(trial["scores"][column]))["settings"]


def neighbours(settings: dict, ranges: dict[str, dict], share: float) -> list[dict]:
    """`settings` with what sets the length of a step made smaller, and made larger, by `share` of its range.

    That are the settings searched on a logarithmic scale (learning rates), or where there are none all that are
    searched (step sizes of BADMM), together; then each of the rest alone (momentum). Values are kept inside their
    ranges.
    """
    rates = [name for name, scale in ranges.items() if "log" in scale] or list(ranges)
    moved = []
    for names in (rates, *([name] for name in ranges if name not in rates)):
        for step in (-share, share):
            other = dict(settings)
            for name in names:
                ((kind, (low, high)),) = ranges[name].items()
                value = settings[name] * (high / low) ** step if kind == "log" else settings[name] + step * (high - low)
                other[name] = float(f"{min(max(value, low), high):.3g}")
            moved.append(other)
    return moved


def collect(paths: list[str | Path], select_by: dict[str, str], output: str | Path) -> None:
    """Choose settings from the reports of `tune` and write them in the form of config/tuned.yaml.

    Of each experiment "tuned_on" has the choice by each column, and "optimizers" the one by the column that
    `select_by` names, which the experiment's own runs use.
    """
    experiments: dict = {}
    for report in (json.loads(Path(path).read_text()) for path in paths):
        experiment, optimizer = report["experiment"], report["optimizer"]
        section = experiments.setdefault(experiment, {"optimizers": {}, "tuned_on": {}})
        for column in SELECTIONS:
            section["tuned_on"].setdefault(column, {})[optimizer] = choose(report, column)
        section["optimizers"][optimizer] = section["tuned_on"][select_by[experiment]][optimizer]
    with replacing(output) as path:
        path.write_text(HEAD + yaml.dump({"experiments": experiments}, sort_keys=False, Dumper=_Plain))


class _Plain(yaml.SafeDumper):
    """Writes what is the same twice twice, without anchors."""

    def ignore_aliases(self, data: object) -> bool:
        return True
