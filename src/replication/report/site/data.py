"""The data of the site's interactive parts: files of JavaScript, which a page opened from disk can read, as it cannot
read JSON. Each puts one value into `siteData` under its name."""

import json
import math
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from replication.compute import seeds
from replication.files import read_json
from replication.limit_settings import Limits
from replication.limit_settings import Setting as Planned
from replication.methods import METHODS, label
from replication.parameters import SELECTIONS
from replication.paths import ResultFiles
from replication.records import read_keys
from replication.report.looks import look_of
from replication.report.rows import Row, Tables
from replication.run import load
from replication.search import Report, best_so_far
from replication.verdicts.effects import IMAGES, QUANTITIES, effect_text

CHOSEN_BY = dict(zip(SELECTIONS, ("the training loss", "the validation loss"), strict=True))
POINTS = 125  # of a curve, beside the first 20


def write(root: Path, static: Path, config: dict, tables: Tables, runs: list[str]) -> None:
    """Write every data file to static/data, and the records that they lead to, to static/records."""
    folders = {"limits": root / config["limits"]["published"], "published": root / config["published"]}
    for name, folder in folders.items():
        shutil.copytree(folder, static / "records" / name)
    limits = Limits(config, read_keys(folders["limits"]), ResultFiles())

    def write_one(name: str, value: object) -> None:
        path = static / "data" / f"{name}.js"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"siteData[{json.dumps(name)}] = {json.dumps(value, separators=(',', ':'))};\n")

    published = {slug: s for slug, s in limits.settings.items() if all(map(os.path.exists, s.files))}
    for slug, setting in published.items():
        write_one(f"curves/{slug}", curves_of_setting(setting))
    for experiment in config["experiments"]:
        write_one(f"curves/run/{experiment}", curves_of_experiment(folders["published"], experiment, runs, tables))
    write_one("settings", [[slug, _title(setting)] for slug, setting in published.items()])
    write_one("limits", {"cells": limit_cells(tables), "runs": limit_runs(published)})
    write_one("searches", searches(folders["published"], config))
    write_one("denoised", denoised(folders["published"]))
    write_one("claims", claim_rows(tables, folders["published"]))
    write_one("records", record_rows(static))


# Curves


def curves_of_setting(setting: Planned) -> dict:
    """The curves of one setting of the limits: for each way to choose settings, every optimizer and seed."""
    choices = {}
    for selection, words in CHOSEN_BY.items():
        choices[words] = []
        for method, path in setting.studies.items():
            chosen = read_json(path)["result"]["chosen"][selection]
            timing = read_json(setting.timings[method])["result"]["optimizers"][method]
            runs = [seeds.SeedRun(**run) for run in chosen["runs"]]
            choices[words].append(_curves(method, chosen["settings"], runs, timing["seconds"]))
    return {"title": _title(setting), "choices": choices}


def _title(setting: Planned) -> str:
    return setting.name if setting.name == setting.group else f"{setting.group}: {setting.name}"


def curves_of_experiment(published: Path, experiment: str, runs: list[str], tables: Tables) -> dict:
    """The curves of one experiment: of the claims' published records, and of the runs that are on this machine."""
    choices: dict[str, list] = {}
    for selection, words in CHOSEN_BY.items():
        folder = published / "claims" / experiment / selection
        for path in (folder / f"{method}.json" for method in METHODS):
            if path.exists():
                timing = tables["timings"].get(f"{experiment}/{path.stem}")
                seconds = timing and timing["milliseconds"] / 1e3
                settings = read_json(path)["result"]["settings"]
                choices.setdefault(words, []).append(_curves(path.stem, settings, seeds.read(path), seconds))
    own: dict[str, list[seeds.SeedRun]] = {}
    settings, seconds = {}, {}
    for run in map(load, runs):
        if run.parameters.experiment == experiment:
            method, losses = run.parameters.optimizer, run.history["train_loss"].tolist()
            iteration = run.history["iteration"].tolist()
            own.setdefault(method, []).append(
                seeds.SeedRun(run.parameters.seed, run.record["status"], iteration, losses)
            )
            settings[method] = run.parameters.settings
            seconds[method] = run.record["optimizer_seconds"] / max(iteration[-1], 1)
    if own:
        choices["the runs on this machine"] = [
            _curves(method, settings[method], own[method], seconds[method]) for method in METHODS if method in own
        ]
    return {"title": experiment, "choices": choices}


def _curves(method: str, settings: dict, runs: Iterable[seeds.SeedRun], seconds: float | None) -> dict:
    """What the page draws of one optimizer. seconds: of an iteration; None where none are published."""
    curves = []
    for run in runs:
        step = math.ceil(len(run.iteration) / POINTS)
        kept = [i for i in range(len(run.train_loss)) if i < 20 or i % step == 0 or i == len(run.train_loss) - 1]
        points = [[run.iteration[i], _rounded(run.train_loss[i])] for i in kept]
        curves.append({"seed": run.seed, "status": run.status, "points": points})
    return _named(method) | {"settings": _settings(settings), "seconds": seconds and _rounded(seconds), "runs": curves}


def _named(method: str) -> dict:
    """What is shown of a method wherever it is drawn."""
    look = look_of(method)
    return {"method": method, "label": label(method), "color": look.color, "dash": look.linestyle}


def _rounded(number: float | None) -> float | None:
    return float(f"{number:.5g}") if number is not None and math.isfinite(number) else None


def _settings(settings: dict) -> str:
    return ", ".join(f"{key} {value}" for key, value in settings.items() if value is not None)


# The search and the images

# What a trial is scored by, by the search's statistic.
SCORES = {"last": "loss after the last iteration", "mean_log": "geometric mean of the loss over the iterations"}


def searches(published: Path, config: dict) -> list[dict]:
    """Every experiment with a published search: how trials are scored, and each optimizer's best loss so far."""
    found = []
    for experiment in config["experiments"]:
        paths = (published / "tuning" / experiment / f"{method}.json" for method in METHODS)
        reports = [Report.read(path) for path in paths if path.exists()]
        if reports:
            score = SCORES[reports[0].statistic]
            found.append({"experiment": experiment, "score": score, "searches": list(map(_search, reports))})
    return found


def _search(report: Report) -> dict:
    diverged = sum(trial.status == "diverged" for trial in report.trials)
    best = {
        column: [[number, _rounded(loss), _settings(chosen)] for number, loss, chosen in best_so_far(report, column)]
        for column in SELECTIONS
    }
    return _named(report.optimizer) | {"trials": len(report.trials), "diverged": diverged, "best": best}


def denoised(published: Path) -> dict:
    """The pictures of the published record (studies.denoised), of each run with its method's name and settings."""
    record = read_json(published / "denoised.json")
    shown = record["result"] | {"seed": record["keys"][0]["seeds"][0]}
    for run in shown["runs"]:
        run |= _named(run["method"]) | {"settings": _settings(run["settings"])}
    return shown


# Verdicts


def limit_cells(tables: Tables) -> list[dict]:
    """A cell for each test at each setting, as the picture and the table show it."""
    cells = []
    for name, row in tables["limits"].items():
        slug, method, against, quantity = name.split("/")
        quantity = quantity.replace("-", "_")
        cells.append(
            {
                **{"slug": slug, "group": row["group"], "setting": str(row["setting"])},
                **{"method": label(method), "against": label(against.replace("-", " ")), "quantity": quantity},
                **{"measured": QUANTITIES[quantity], "verdict": row["verdict"], "effect": row["effect"]},
                **{"text": _effect(quantity, row), "seeds": row["seeds"]},
                **{"lost": row["lost"], "baselineLost": row["baseline_lost"], "mostlyLost": _mostly_lost(row)},
                **{"bracketed": row["bracketed"], "chosenBy": _selection(quantity), "pair": [method, against]},
            }
        )
    return cells


def _selection(quantity: str) -> str:
    return SELECTIONS[quantity in IMAGES]


def _mostly_lost(row: Row) -> list[bool]:
    """Whether most runs of the method are lost, and most of the baseline's."""
    lost = ("" if row[column] is None else str(row[column]) for column in ("lost", "baseline_lost"))
    return [2 * len(seeds.split()) > row["seeds"] for seeds in lost]


def _effect(quantity: str, row: Row, start: str = "") -> str:
    numbers = [row[f"{start}{column}"] for column in ("effect", "low", "high")]
    if any(not isinstance(number, int | float) for number in numbers):
        return "-"
    return effect_text(quantity, numbers[0], numbers[1:])


def limit_runs(settings: dict[str, Planned]) -> dict:
    """Behind the cells: by setting, optimizer and choice, its settings, the numbers of each seed, and the record."""
    runs: dict = {}
    for slug, setting in settings.items():
        for method, path in setting.studies.items():
            record = read_json(path)
            for selection in SELECTIONS:
                chosen = record["result"]["chosen"][selection]
                finals = [[run["seed"], run["status"], _finals(run["final"])] for run in chosen["runs"]]
                behind = {"settings": _settings(chosen["settings"]), "runs": finals, "record": _record(path)}
                behind |= {"commit": record["git_commit"], "processor": record["processor"]}
                runs.setdefault(slug, {}).setdefault(method, {})[selection] = behind
    return runs


def _finals(final: dict | None) -> dict:
    columns = ("train_loss", "train_psnr", "train_ssim", "unseen_psnr", "unseen_ssim")
    return {column: _rounded(final[column]) for column in columns if final and column in final}


def _record(path: str) -> str:
    """Where the site has a record of the limits."""
    return f"_static/records/limits/{'/'.join(Path(path).parts[-2:])}"


def claim_rows(tables: Tables, published: Path) -> list[dict]:
    """A row for each test of a claim on each experiment."""
    rows = []
    for name, row in tables["claims"].items():
        experiment, *test = name.split("/")
        if not test:  # the claim of the gradient has no baseline
            continue
        _, quantity, method = test
        own = [f"claims/{experiment}/{_selection(quantity)}/{of}.json" for of in (method, row["baseline"])]
        exact = row["exact_outcome"] and f"{row['exact_outcome']}, {_effect(quantity, row, 'exact_')}"
        rows.append(
            {
                **{"experiment": experiment, "claim": row["claim"], "method": label(method)},
                **{"against": label(row["baseline"]), "kind": row["kind"]},
                **{"measured": QUANTITIES[quantity], "outcome": row["outcome"], "verdict": row["verdict"] or ""},
                **{"effect": row["effect"], "text": _effect(quantity, row), "seeds": row["seeds"]},
                **{"lost": row["lost"], "baselineLost": row["baseline_lost"]},
                **{"exact": exact, "removed": row["holm"] is not None},
                **{"agree": row["agree"], "agreeAt": row["agree_at"]},
                "records": [
                    f"_static/records/published/claims/{p}" for p in own if (published / "claims" / p).exists()
                ],
            }
        )
    return rows


# Provenance


def record_rows(static: Path) -> list[dict]:
    """Every published record: what it is of, what it took, and where it was computed."""
    rows = []
    for path in sorted((static / "records").rglob("*.json")):
        record = read_json(path)
        rows.append(
            {
                **{"record": str(path.relative_to(static / "records")), "kind": record["keys"][0]["kind"]},
                **{"seconds": record["seconds"] and round(record["seconds"], 1), "commit": record["git_commit"]},
                **{"processor": record["processor"], "torch": record["versions"]["torch"]},
                "href": str(path.relative_to(static.parent)),
            }
        )
    return rows
