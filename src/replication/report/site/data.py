"""The data of the site's interactive parts: files of JavaScript, which a page opened from disk can read, as it cannot
read JSON. Each puts one value into `siteData` under its name."""

import json
import math
import shutil
from collections.abc import Iterable
from pathlib import Path

from replication.compute import seeds
from replication.compute.training import Tuned
from replication.methods import METHODS, label
from replication.parameters import AUTOENCODER, CRITERIA
from replication.records import heads
from replication.report.looks import look_of
from replication.report.rows import Row, Tables
from replication.results import Results
from replication.run import load
from replication.search import best_so_far
from replication.studies import limits
from replication.studies.catalogue import jobs
from replication.studies.study import Studies
from replication.verdicts.effects import IMAGES, QUANTITIES, effect_text

CHOSEN_BY = dict(zip(CRITERIA, ("the training loss", "the validation loss"), strict=True))
POINTS = 125  # of a curve, beside the first 20


def write(root: Path, static: Path, config: dict, tables: Tables, runs: list[str]) -> None:
    """Write every data file to static/data, and the records that they lead to, to static/records."""
    folder = root / config["published"]
    shutil.copytree(folder, static / "records")
    studies = Studies(jobs(config), str(folder), "")
    results = Results({n: files for n, files in studies.records("*").items() if files[0] in studies.published})

    def write_one(name: str, value: object) -> None:
        path = static / "data" / f"{name}.js"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"siteData[{json.dumps(name)}] = {json.dumps(value, separators=(',', ':'))};\n")

    settings = [setting for setting in limits.settings(config) if results.names(f"limits/{setting.slug}/timing")]
    for setting in settings:
        write_one(f"curves/{setting.slug}", curves_of_setting(results, setting))
    for experiment in config["experiments"]:
        write_one(f"curves/run/{experiment}", curves_of_experiment(results, experiment, runs, tables))
    write_one("settings", [[setting.slug, setting.title] for setting in settings])
    write_one("limits", {"cells": limit_cells(tables), "runs": limit_runs(results, settings)})
    write_one("searches", searches(results, config))
    write_one("denoised", denoised(results))
    write_one("claims", claim_rows(tables, results))
    write_one("records", record_rows(folder))


# Curves


def curves_of_setting(results: Results, setting: limits.Setting) -> dict:
    """The curves of one setting of the limits: for each way to choose settings, every optimizer and seed."""
    choices = {}
    for criterion, words in CHOSEN_BY.items():
        choices[words] = []
        for method, tuned in methods_of(results, setting).items():
            seconds = results.clock(f"limits/{setting.slug}/timing", method).step
            choices[words].append(_curves(method, tuned.settings(criterion), tuned.choice(criterion).runs, seconds))
    return {"title": setting.title, "choices": choices}


def methods_of(results: Results, setting: limits.Setting) -> dict[str, Tuned]:
    """The record of each method at a setting of the limits."""
    names = [name for name in results.names(f"limits/{setting.slug}/*") if name.split("/")[-1] in METHODS]
    return {name.split("/")[-1]: results.tuned(name) for name in names}


def curves_of_experiment(results: Results, experiment: str, runs: list[str], tables: Tables) -> dict:
    """The curves of one experiment: of the claims' published records, and of the runs that are on this machine."""
    choices: dict[str, list] = {}
    tuned = {method: f"tuning/{experiment}/{method}" for method in METHODS}
    for criterion, words in CHOSEN_BY.items():
        for method, record in ((m, results.tuned(name)) for m, name in tuned.items() if name in results.files):
            if criterion in record.chosen and record.chosen[criterion].runs:
                timing = tables["timings"].get(f"{experiment}/{method}")
                seconds = timing and timing["milliseconds"] / 1e3
                curves = _curves(method, record.settings(criterion), record.chosen[criterion].runs, seconds)
                choices.setdefault(words, []).append(curves)
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


def searches(results: Results, config: dict) -> list[dict]:
    """Every experiment with a published search: how trials are scored, and each optimizer's best loss so far."""
    found = []
    for experiment in config["experiments"]:
        names = [f"tuning/{experiment}/{method}" for method in METHODS]
        tuned = [record for record in (results.tuned(n) for n in names if n in results.files) if record.trials]
        if tuned:
            score = SCORES[tuned[0].statistic]
            found.append({"experiment": experiment, "score": score, "searches": list(map(_search, tuned))})
    return found


def _search(tuned: Tuned) -> dict:
    diverged = sum(trial.status == "diverged" for trial in tuned.trials)
    best = {
        criterion: [
            [number, _rounded(loss), _settings(chosen)]
            for number, loss, chosen in best_so_far(tuned.trials, criterion, tuned.statistic)
        ]
        for criterion in CRITERIA
    }
    return _named(tuned.optimizer) | {"trials": len(tuned.trials), "diverged": diverged, "best": best}


def denoised(results: Results) -> dict:
    """The pictures of the published record (compute.pictures), of each run with its method's name and settings."""
    record = results.record(f"pictures/{AUTOENCODER}")
    kept = record["result"] | {"seed": record["key"]["seed"]}
    for run in kept["runs"]:
        run |= _named(run["method"]) | {"settings": _settings(run["settings"])}
    return kept


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
    return CRITERIA[quantity in IMAGES]


def _mostly_lost(row: Row) -> list[bool]:
    """Whether most runs of the method are lost, and most of the baseline's."""
    lost = ("" if row[column] is None else str(row[column]) for column in ("lost", "baseline_lost"))
    return [2 * len(seeds.split()) > row["seeds"] for seeds in lost]


def _effect(quantity: str, row: Row, start: str = "") -> str:
    numbers = [row[f"{start}{column}"] for column in ("effect", "low", "high")]
    if any(not isinstance(number, int | float) for number in numbers):
        return "-"
    return effect_text(quantity, numbers[0], numbers[1:])


def limit_runs(results: Results, settings: list[limits.Setting]) -> dict:
    """Behind the cells: by setting, optimizer and choice, its settings, the numbers of each seed, and the record."""
    runs: dict = {}
    for setting in settings:
        for method, tuned in methods_of(results, setting).items():
            record = results.record(f"limits/{setting.slug}/{method}")
            for criterion in CRITERIA:
                finals = [[run.seed, run.status, _finals(run.final)] for run in tuned.choice(criterion).runs]
                behind = {"settings": _settings(tuned.settings(criterion)), "runs": finals}
                behind |= {"record": _record("limits"), "commit": record["git_commit"]}
                runs.setdefault(setting.slug, {}).setdefault(method, {})[criterion] = behind | {
                    "processor": record["processor"]
                }
    return runs


def _finals(final: dict | None) -> dict:
    columns = ("train_loss", "train_psnr", "train_ssim", "unseen_psnr", "unseen_ssim")
    return {column: _rounded(final[column]) for column in columns if final and column in final}


def _record(study: str) -> str:
    """Where the site has the records of a study."""
    return f"_static/records/{study}.jsonl"


def claim_rows(tables: Tables, results: Results) -> list[dict]:
    """A row for each test of a claim on each experiment."""
    rows = []
    for name, row in tables["claims"].items():
        experiment, *test = name.split("/")
        if not test:  # the claim of the gradient has no baseline
            continue
        _, quantity, method = test
        own = [f"tuning/{experiment}/{of}" for of in (method, row["baseline"])]
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
                "records": [_record("tuning") for name in own if name in results.files][:1],
            }
        )
    return rows


# Provenance


def record_rows(folder: Path) -> list[dict]:
    """Every published record: what it is of, what it took, and where it was computed."""
    rows = []
    for path in sorted(folder.glob("*.jsonl")):
        for record, _ in heads(path):
            rows.append(
                {
                    **{"record": record["name"], "kind": record["key"]["kind"]},
                    **{"seconds": record["seconds"] and round(record["seconds"], 1), "commit": record["git_commit"]},
                    **{"processor": record["processor"], "torch": record["versions"]["torch"]},
                    "href": _record(path.stem),
                }
            )
    return rows
