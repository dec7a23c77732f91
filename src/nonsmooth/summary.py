"""The numbers behind the figures, as a page of tables (Markdown) that the README repeats."""

import json
from pathlib import Path

import numpy as np

from nonsmooth.drawing import OPTIMIZERS
from nonsmooth.files import replacing
from nonsmooth.runs import Results, Run
from nonsmooth.tables import table

LOSSES, DECIBELS = ("train_loss", "unseen_loss"), ("train_psnr", "unseen_psnr")


def _median(values: list[float], digits: int = 3) -> str:
    """Median over seeds, with the smallest and the largest; a dash where there is none."""
    if not values:
        return "-"
    low, middle, high = np.min(values), np.median(values), np.max(values)
    return f"{middle:.{digits}g} ({low:.{digits}g} to {high:.{digits}g})"


def _rows(results: Results, experiment: str) -> list[tuple[str, str, list[Run]]]:
    """Name, optimizer and runs, in the order of the figures."""
    chosen = [name for name in OPTIMIZERS if name in results.optimizers[experiment]]
    return [(OPTIMIZERS[name].name, name, results.runs(experiment, name)) for name in chosen]


def _state(runs: list[Run]) -> str:
    diverged = sum(run.diverged for run in runs)
    return f"{diverged} of {len(runs)} diverged" if diverged else ""


def _autoencoder(results: Results) -> list[str]:
    timing = json.loads((Path(results.folder) / "timing" / "autoencoder.json").read_text())
    iterations = results.run("autoencoder", "badmm", results.seeds["autoencoder"][0]).record["iterations"]
    head = ["optimizer", "training loss", "unseen loss", "training PSNR, dB", "unseen PSNR, dB"]
    head += ["unseen loss, stopped", "stopped at", "time of an iteration, Adam = 1", ""]
    rows = []
    for name, optimizer, runs in _rows(results, "autoencoder"):
        finished = [run for run in runs if not run.diverged]
        last = [[run.history[column][-1] for run in finished] for column in LOSSES]
        decibels = [[run.record["final"][key] for run in finished] for key in DECIBELS]
        ratio = timing["optimizers"][optimizer]["ratio_to_adam"][0]
        stops = [int(np.argmin(run.history["validation_loss"])) for run in finished]
        stopped = [run.history["unseen_loss"][stop] for run, stop in zip(finished, stops, strict=True)]
        cells = [_median(values) for values in last] + [_median(values, 4) for values in decibels]
        cells += [_median(stopped), _median(stops)]
        rows.append([name, *cells, f"{ratio:.2f}", _state(runs)])
    bounds = json.loads((Path(results.folder) / "bounds" / "figures" / "autoencoder.json").read_text())
    for name, entries in bounds["references"].items():
        found = [[entry[column] for entry in entries] for column in (*LOSSES, *DECIBELS)]
        rows.append(
            [name, *(_median(values, digits) for values, digits in zip(found, (3, 3, 4, 4), strict=True)), *"---", ""]
        )
    lines = [
        f"Denoising autoencoder after {iterations} iterations, {_over(results, 'autoencoder')}. Stopped: at the "
        "iteration with the smallest validation loss. The last rows are references without iterations; the linear map "
        f"has rank {bounds['rank']}, in closed form, with the ridge that validation images choose or next to none.",
        "",
        table(head, rows),
        "",
    ]
    for other in ("adam", "sgd"):
        lines += _comparison(results, "badmm", other) + _comparison(results, "badmm-ls", other)
    machine = f"Timed side by side on {timing['processor']}, {timing['threads']} thread"
    return [*lines, "", f"{machine}{'s' if timing['threads'] > 1 else ''}."]


def _comparison(results: Results, mine: str, other: str, start: int = 10) -> list[str]:
    """How one optimizer stands to another, seed by seed, over the seeds with which neither diverged."""
    names = OPTIMIZERS[mine].name, OPTIMIZERS[other].name
    pairs = [
        (results.run("autoencoder", mine, seed), results.run("autoencoder", other, seed))
        for seed in results.seeds["autoencoder"]
    ]
    histories = [(a.history, b.history) for a, b in pairs if not (a.diverged or b.diverged)]
    if not histories:
        return [f"- {names[0]} against {names[1]}: with every seed one of the two diverged."]
    below = sum(bool((a["train_loss"][start:] < b["train_loss"][start:]).all()) for a, b in histories)
    training, unseen = ([a[c][-1] / b[c][-1] for a, b in histories] for c in ("train_loss", "unseen_loss"))
    lost = len(pairs) - len(histories)
    return [
        f"- {names[0]} against {names[1]}: training loss lower at every iteration from {start} on for {below} of "
        f"{len(histories)} seeds; in the end {_median(training)} times as large on training images and "
        f"{_median(unseen)} times on unseen ones."
        + (f" With {lost} more seeds one of the two diverged." if lost else "")
    ]


def _perceptron(results: Results, experiment: str, title: str) -> list[str]:
    head = ["optimizer", "training squared loss", "training D", "unseen squared loss", ""]
    rows = []
    for name, _, runs in _rows(results, experiment):
        columns = ("train_loss", "train_d", "unseen_loss")
        rows.append(
            [
                name,
                *(_median([run.history[column][-1] for run in runs if not run.diverged]) for column in columns),
                _state(runs),
            ]
        )
    iterations = results.run(experiment, "badmm", results.seeds[experiment][0]).record["iterations"]
    return [
        f"Perceptron, {title}, after {iterations} iterations, {_over(results, experiment)}.",
        "",
        table(head, rows),
    ]


def _over(results: Results, experiment: str) -> str:
    seeds = results.seeds[experiment]
    count = len(seeds)
    return f"median (smallest to largest) over {count} seeds" if count > 1 else f"seed {seeds[0]}"


def write(results: Results, output: str) -> None:
    """Write the page. Losses are means over samples and outputs, of the networks' own forward pass."""
    parts = [
        _autoencoder(results),
        _perceptron(results, "perceptron", "one digit of MNIST"),
        _perceptron(results, "perceptron-teacher", "noisy teacher"),
    ]
    with replacing(output) as path:
        path.write_text("\n\n".join("\n".join(part) for part in parts) + "\n")
