"""The numbers of the evidence as tables, from what the pipeline has computed. Each function of TABLES makes one."""

import csv
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from replication.data.perceptron import ABSENT
from replication.files import read_json
from replication.methods import ANCHOR, METHODS, compared, judged, label
from replication.parameters import AUTOENCODER, SELECTIONS
from replication.report.rows import Row, slug, write
from replication.report.verdict_tables import claims, limits, limits_active, limits_where, timings
from replication.results import Results
from replication.speed import clock
from replication.studies import seeds as seed_runs
from replication.studies.seeds import SeedRun, finished
from replication.verdicts.effects import IMAGES, QUANTITIES, compare


def _spread(column: str, values: list[float]) -> Row:
    """The median of the values with the smallest and the largest; nothing where there are none."""
    if not values:
        return {}
    return {column: statistics.median(values), f"{column}_low": min(values), f"{column}_high": max(values)}


def _ranked(column: str, values: list[float]) -> Row:
    """A median with its quartiles, or with what else stands behind it."""
    return dict(zip((column, f"{column}_low", f"{column}_high"), values, strict=True))


def references(results: Results) -> Iterator[Row]:
    """Medians over the claims' seeds: of what needs no training, and of every optimizer.

    Settings were chosen on validation images; "fitted_train_loss" is of runs with settings chosen by the training loss.
    "stopped...": at the iteration with the smallest validation loss.
    """
    columns = ["train_loss", "unseen_loss", "train_psnr", "unseen_psnr", "train_ssim", "unseen_ssim"]
    columns += ["active", "always_active", "unseen_accuracy"]

    def medians(entries: list[dict]) -> Row:
        numbers = {column: [entry[column] for entry in entries if column in entry] for column in columns}
        return {column: statistics.median(values) for column, values in numbers.items() if values}

    for experiment, optimizers in results.optimizers.items():
        maps = Path(results.files.maps("claims", experiment))
        for name, entries in read_json(maps)["maps"].items() if maps.exists() else ():
            yield {"id": f"{experiment}/{slug(name)}", "name": name} | medians(entries)
        for optimizer in sorted(optimizers, key=list(METHODS).index):
            row: Row = {"id": f"{experiment}/{optimizer}", "name": label(optimizer)}
            runs = finished(seed_runs.read(results.files.seeds(experiment, "validation_loss", optimizer)))
            row |= medians([run.final for run in runs])
            fitted = Path(results.files.seeds(experiment, "train_loss", optimizer))
            if fitted.exists() and (kept := finished(seed_runs.read(fitted))):
                row["fitted_train_loss"] = statistics.median([run.final["train_loss"] for run in kept])
            if runs:
                row["stopped_at"] = statistics.median([run.stopped_at for run in runs])
                row["stopped_unseen_loss"] = statistics.median([run.stopped["unseen_loss"] for run in runs])
            yield row


def trained(results: Results) -> Iterator[Row]:
    """With how many of the claims' seeds a perceptron trains: its training loss comes below half of the initial one.

    And its squared errors at the end: medians over seeds, with the smallest and the largest. "mean_loss": the median
    of what the mean of the targets has on the training data.
    """
    paths = Path(results.folder, "claims").glob("perceptron*/train_loss/*.json")
    for path in sorted(paths, key=lambda path: (path.parts[-3], list(METHODS).index(path.stem))):
        runs = seed_runs.read(path)
        low = [run for run in finished(runs) if run.train_loss[-1] < run.train_loss[0] / 2]
        experiment, _, name = path.with_suffix("").parts[-3:]
        row: Row = {"id": f"{experiment}/{name}", "trained": len(low), "seeds": len(runs)}
        for column in ("train_loss", "unseen_loss"):
            row |= _spread(column, [run.final[column] for run in finished(runs)])
        known = [run.mean_loss for run in runs if run.mean_loss is not None]
        yield row | ({"mean_loss": statistics.median(known)} if known else {})


# The runs of the default target


def runs(results: Results) -> Iterator[Row]:
    """Each optimizer after its last iteration: medians over seeds, with the smallest and the largest."""
    for experiment, optimizers in results.optimizers.items():
        for optimizer in sorted(optimizers, key=list(METHODS).index):
            seeds = results.runs(experiment, optimizer)
            kept = [run for run in seeds if not run.diverged]
            row: Row = {"id": f"{experiment}/{optimizer}", "name": label(optimizer)}
            row |= {"seeds": len(seeds), "diverged": len(seeds) - len(kept)}
            for column in ("train_loss", "unseen_loss", "train_d"):
                row |= _spread(column, [run.history[column][-1] for run in kept if column in run.history])
            for column in ("train_psnr", "unseen_psnr"):
                numbers = [run.final for run in kept]
                row |= _spread(column, [final[column] for final in numbers if column in final])
            yield row


# Studies


def conditioning(results: Results) -> Iterator[Row]:
    """The perceptron's gap to the optimum after the last iteration by the condition number of its inputs: medians.

    "off": the share of the remaining squared error on samples with a positive target on which the unit is off.
    """
    for path in sorted(Path(results.folder, "conditioning").glob("*.json")):
        for entry in read_json(path):
            ends = [gaps[-1] for gaps in entry["gaps"]]
            row: Row = {"id": f"{path.stem}/{entry['condition_number']:g}/{entry['optimizer']}"}
            if None not in ends:
                row |= {"gap": statistics.median(ends), "off": statistics.median(entry["off"])}
            yield row | {"seeds": len(ends), "diverged": ends.count(None)}


def pixels(results: Results) -> Iterator[Row]:
    """The condition number of the covariance of MNIST's pixels, over the directions in which they vary."""
    images = results.sample(results.seeds[AUTOENCODER][0]).training.double() / 255
    values = torch.linalg.eigvalsh(torch.cov(images.T))
    values = values[values > ABSENT * values[-1]]
    yield {"id": "mnist", "condition_number": (values[-1] / values[0]).item(), "directions": len(values)}


def ablation(results: Results) -> Iterator[Row]:
    """Both weight steps with their own settings and with each other's: the loss that the settings were chosen for."""
    for column, measured in (("train_loss", "train_loss"), ("validation_loss", "unseen_loss")):
        for variant in read_json(results.files.ablation(column)):
            taken = variant["taken"]
            losses = [run.final[measured] for run in finished([SeedRun(**run) for run in variant["runs"]])]
            row: Row = {"id": f"{measured}/{variant['method']}/{slug(taken) if taken else 'own'}"}
            row["value"] = variant["settings"].get(taken) if taken else None
            yield (
                row
                | {"seeds": len(variant["runs"]), "diverged": len(variant["runs"]) - len(losses)}
                | _spread("loss", losses)
            )


def ladder(results: Results) -> Iterator[Row]:
    """A row for each method of the ladder: medians over seeds, of the end with the smallest and the largest.

    "loss_10" and so on: the training loss after so many iterations. "active": the share of hidden units that are on at
    the end, where it is known. "to_badmm", "to_lifted": its last training loss over that of gradient BADMM and of the
    lifted loss alone, on the same experiment, with Student's interval.
    """
    entries = read_json(results.files.ladder)
    runs: dict[tuple[str, str], list[SeedRun]] = {}
    for entry in entries:
        losses = {int(row): loss for row, loss in entry["train_loss"].items()}
        run = SeedRun(entry["seed"], entry["status"], list(losses), list(losses.values()))
        runs.setdefault((entry["experiment"], entry["method"]), []).append(run)
    for (experiment, method), every in runs.items():
        same = [entry for entry in entries if (entry["experiment"], entry["method"]) == (experiment, method)]
        kept = finished(every)
        row: Row = {"id": f"{experiment}/{method}", "name": same[0]["label"]}
        row |= {"seeds": len(every), "diverged": len(every) - len(kept)}
        for number, iteration in enumerate(every[0].iteration):
            row |= _spread(f"loss_{iteration}", [run.train_loss[number] for run in kept])
        for column in ("unseen_loss", "unseen_psnr", "active"):
            row |= _spread(column, [entry[column] for entry in same if entry[column] is not None])
        for other in ("badmm", "lifted"):
            if (experiment, other) in runs and other != method:
                effect = compare("final", every, runs[experiment, other])
                if len(effect.seeds) > 1:
                    row |= _ranked(f"to_{other}", [effect.value, *effect.interval])
        yield row | {"settings": " ".join(f"{name}={value:g}" for name, value in same[0]["settings"].items())}


# Today's optimizers


def optimizers(results: Results) -> Iterator[Row]:
    """Every optimizer of an experiment, and each judged method against each of the others.

    A row for an optimizer: medians over seeds, of training with settings chosen by the training loss and of images with
    those chosen by the validation loss, and the time of an iteration. A row for a pair and a quantity: the effect as
    for claims, with the seeds of both.
    """
    for experiment, names in results.optimizers.items():
        names = sorted(names, key=list(METHODS).index)
        runs = {c: {n: seed_runs.read(results.files.seeds(experiment, c, n)) for n in names} for c in SELECTIONS}
        timing = results.files.timing(experiment, "-compared")
        clocks, unit = {name: clock.read(timing, name) for name in names}, clock.read(timing, ANCHOR).step
        for name in names:
            row: Row = {"id": f"{experiment}/{name}", "name": label(name)}
            fitted, chosen = (finished(runs[column][name]) for column in SELECTIONS)
            row |= {"seeds": len(runs["train_loss"][name]), "diverged": len(runs["train_loss"][name]) - len(fitted)}
            row |= _spread("train_loss", [run.train_loss[-1] for run in fitted])
            for column in ("unseen_loss", "unseen_psnr"):
                row |= _spread(column, [run.final[column] for run in chosen if column in run.final])
            counts = [run.gradient_evaluations for run in fitted if run.gradient_evaluations is not None]
            row |= {"gradient_evaluations": statistics.median(counts)} if counts else {}
            yield row | {"milliseconds": 1e3 * clocks[name].step, "to_adam": clocks[name].step / unit}
        for method in judged(names):
            for other in (name for name in names if name != method):
                for quantity in QUANTITIES:
                    column = "validation_loss" if quantity in IMAGES else "train_loss"
                    if quantity in IMAGES and not all(quantity in run.final for run in finished(runs[column][other])):
                        continue
                    pair = runs[column][method], runs[column][other]
                    effect = compare(quantity, *pair, (clocks[method], clocks[other]))
                    if len(effect.seeds) > 1:
                        row = {"id": "/".join([experiment, other, quantity, method]), "seeds": len(effect.seeds)}
                        yield row | _ranked("effect", [effect.value, *effect.interval])


# What it takes


def time_of(target: str, times: list[str | Path]) -> Iterator[Row]:
    """What the jobs of a target took, in minutes: one row.

    times: the jobs' files from Snakemake's directive `benchmark`, or their records (records.record). The sum is over
    jobs, so that a target which was stopped and resumed tells the same. "untimed": jobs whose records have no time.
    """
    minutes, recorded, untimed = [], [], 0
    for path in map(Path, times):
        if path.suffix == ".json":
            seconds = read_json(path)["seconds"]
            if seconds is None:
                untimed += 1
            else:
                recorded.append(seconds / 60)
        else:
            row = next(csv.DictReader(path.read_text().splitlines(), delimiter="\t"))
            minutes.append(float(row["s"]) / 60)
    every = [*minutes, *recorded]
    row: Row = {"id": target, "jobs": len(every) + untimed, "minutes": sum(every), "longest": max(every, default=None)}
    yield row | {"records": len(recorded) + untimed, "minutes_of_records": sum(recorded), "untimed": untimed}


def goals(results: Results) -> Iterator[Row]:
    """Every goal of speed and size with what was measured."""
    for name, row in read_json(results.files.benchmark("goals"))["goals"].items():
        yield {"id": name, **row}


def iterations(results: Results) -> Iterator[Row]:
    """The time of an iteration in ms by size and threads. SGD and Adam: the fastest of torch's implementations."""
    rows = read_json(results.files.benchmark("iterations"))["iterations"]
    for size in sorted({(row["samples"], row["hidden"], row["threads"]) for row in rows}):
        cell = [row for row in rows if (row["samples"], row["hidden"], row["threads"]) == size]
        for name in compared({row["name"].split()[0] for row in cell}):
            same = [row for row in cell if row["name"].split()[0] == name]
            fastest = min(same, key=lambda row: row["seconds"])
            row: Row = {"id": "/".join(map(str, (*size, name))), "milliseconds": 1e3 * fastest["seconds"]}
            row["implementation"] = fastest["name"].partition(" ")[2] or None
            row |= _ranked("to_adam", fastest["to_adam"])
            if "early" in fastest:
                share = fastest["floor_share"][0] if "floor_share" in fastest else None
                row |= {"share_of_floor": share, "early": fastest["early"]}
            if "delta" in fastest:
                row |= _ranked("with_another_delta", fastest["delta"])
            yield row


def memory(results: Results) -> Iterator[Row]:
    """Peak memory of a process, and over the size of the lifted state, by size."""
    for row in read_json(results.files.benchmark("iterations"))["memory"]:
        name = "/".join(map(str, (row["samples"], row["hidden"], row["name"])))
        yield {"id": name, "mebibytes": row["peak"] / 2**20, "to_state": row["ratio"]}


def setup(results: Results) -> Iterator[Row]:
    """Setup time in ms and in iterations, by N, widths and method."""
    for row in read_json(results.files.benchmark("iterations"))["setup"]:
        name = "/".join(map(str, (row["samples"], *row["widths"], row["name"])))
        yield {"id": name, "setup_milliseconds": 1e3 * row["setup"], "iterations": row["iterations"]}


def quality(results: Results) -> Iterator[Row]:
    """Iterations and optimizer time to the training loss that tuned Adam ends at; empty where it is not reached."""
    for name, row in read_json(results.files.benchmark("goals"))["time_to_quality"].items():
        reached = [count for count in row["iterations"] if count is not None]
        cells: Row = {"id": name, "name": label(name), "seeds": len(row["iterations"]), "reached": len(reached)}
        yield cells | _spread("iterations", reached) | _ranked("time_to_adam", row["ratio"])


def processes(results: Results) -> Iterator[Row]:
    """An iteration in one process and in two, in ms; efficiencies are medians with quartiles."""
    report = read_json(results.files.benchmark("processes"))
    for row in report["iterations"]:
        cells: Row = {"id": f"{row['name']}/{row['hidden']}", "samples": report["samples"]}
        cells |= {kind: 1e3 * row[kind] for kind in ("one", "strong", "weak")}
        for key in ("strong_speed_up", "weak_efficiency", "beside_efficiency"):
            cells |= _ranked(key, row[key])
        yield cells


def cost_model(results: Results) -> Iterator[Row]:
    """The cost model's constants, and what it says of the two processes that were measured."""
    for entry in read_json(results.files.benchmark("goals"))["scaling"]:
        constants = entry["constants"]
        yield {
            "id": f"{entry['name']}/{entry['hidden']}",
            "fixed_milliseconds": 1e3 * constants["fixed"],
            "sample_microseconds": 1e6 * constants["sample"],
            "latency_microseconds": 1e6 * constants["latency"],
            "bandwidth_gibibytes": constants["bandwidth"] / 2**30,
            **{key: entry[key] for key in ("messages", "bytes")},
            **{f"two_{key}": 1e3 * entry["strong"][key] for key in ("predicted", "measured")},
        }


def predictions(results: Results) -> Iterator[Row]:
    """What the cost model predicts: seconds of an iteration, and the efficiency against one process."""
    for entry in read_json(results.files.benchmark("goals"))["scaling"]:
        for cell in entry["predicted"]:
            one = next(
                c["seconds"] for c in entry["predicted"] if (c["samples"], c["processes"]) == (cell["samples"], 1)
            )
            size = (entry["name"], entry["hidden"], cell["samples"], cell["processes"])
            efficiency = one / (cell["processes"] * cell["seconds"])
            yield {"id": "/".join(map(str, size)), "seconds": cell["seconds"], "efficiency": efficiency}


def devices(results: Results) -> Iterator[Row]:
    """An iteration of BADMM on devices of other machines, beside the fastest of torch's Adams and a recorded one."""
    for row in read_json(results.files.benchmark("devices"))["iterations"]:
        columns = ("milliseconds", "to_adam", "to_recorded_adam", "goal", "launched", "setup_in_iterations")
        name = "/".join(map(str, (slug(row["device"]), row["samples"], row["hidden"], row["optimizer"])))
        yield {"id": name, "device": row["device"], "torch": row["torch"], **{c: row[c] for c in columns}}


def device_predictions(results: Results) -> Iterator[Row]:
    """What the cost model predicts for several such devices: milliseconds of an iteration, and of its messages."""
    report = read_json(results.files.benchmark("devices"))
    for row in report["predictions"]:
        size = (slug(row["device"]), row["name"], row["hidden"], row["samples"], row["processes"])
        yield {
            "id": "/".join(map(str, size)),
            "milliseconds": 1e3 * row["seconds"],
            **{f"{key}_milliseconds": 1e3 * row[key] for key in ("work", "messages")},
            "latency_microseconds": 1e6 * report["link"]["latency"],
            "bandwidth_gigabytes": 1e-9 * report["link"]["bandwidth"],
        }


def overhead(results: Results) -> Iterator[Row]:
    """Where the wall time of the default target goes, in seconds of all cores together."""
    report = read_json(results.files.benchmark("pipeline"))
    cores, wall = report["cores"], report["wall"]
    training, notebooks = report["training"] / cores, report["notebooks"] / cores
    parts = {
        "iterations": report["optimizer"] / cores,
        "evaluation": training - report["optimizer"] / cores,
        "notebooks": notebooks - training,
        "everything-else": wall - notebooks,
        "wall": wall,
    }
    for name, seconds in parts.items():
        yield {"id": name, "seconds": seconds, "share": seconds / wall, "cores": cores, "notebooks": report["count"]}


def machine(results: Results) -> Iterator[Row]:
    """What the benchmark ran on."""
    report, measured = (read_json(results.files.benchmark(name)) for name in ("iterations", "processes"))
    name = report["processor"] if report["device"] == "cpu" else report["device"]
    yield {"id": "benchmark", "processor": name, "cores": measured["cores"], "torch": report["versions"]["torch"]}


TABLES: dict[str, Callable[[Results], Iterator[Row]]] = {
    "claims": claims,
    "timings": timings,
    "references": references,
    "trained": trained,
    "runs": runs,
    "limits": limits,
    "limits_active": limits_active,
    "limits_where": limits_where,
    "conditioning": conditioning,
    "pixels": pixels,
    "ablation": ablation,
    "ladder": ladder,
    "optimizers": optimizers,
    "goals": goals,
    "iterations": iterations,
    "memory": memory,
    "setup": setup,
    "quality": quality,
    "processes": processes,
    "cost_model": cost_model,
    "predictions": predictions,
    "overhead": overhead,
    "devices": devices,
    "device_predictions": device_predictions,
    "machine": machine,
}


def make(name: str, results: Results, output: str | Path) -> None:
    """Write the table `name` to `output` (CSV)."""
    write(output, TABLES[name](results))
