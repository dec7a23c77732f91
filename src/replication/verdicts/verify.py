"""What the default runs come to, held against what they came to before: tests/expected/default.json."""

import math
from pathlib import Path

import numpy as np

from replication.files import read_json
from replication.results import Results
from replication.studies.limits import Chosen
from replication.studies.seeds import finished

# Another processor or another torch moves last digits, and iterations carry them on: what counts as the same. Kernels
# for AVX2 in place of AVX-512 (MKL_CBWR=AVX2 ATEN_CPU_CAPABILITY=avx2) moved losses by 6e-6 and all else by 2e-4 at
# most, and by up to a third what is below 1e-6.
RELATIVE, ABSOLUTE, ROUNDING = 0.005, 1e-6, 100
COLUMNS = ("train_loss", "unseen_loss", "train_d", "feasibility", "lagrangian")
ITERATIONS = (0, 10, 100, "last")


def numbers(results: Results) -> dict[str, float | None]:
    """Medians over seeds of the columns of every experiment and optimizer at some iterations; None where it diverged.

    Left out is the unseen loss of runs whose training loss is below ABSOLUTE: of the networks that fit all data it is
    chance which one is found.
    """
    medians: dict[str, float | None] = {}
    for experiment in results.seeds:
        for optimizer in results.optimizers[experiment]:
            runs = results.runs(experiment, optimizer)
            rows = {int(iteration): row for row, iteration in enumerate(runs[0].history["iteration"])} | {"last": -1}
            for column in (name for name in COLUMNS if name in runs[0].history):
                for iteration in ITERATIONS:
                    key = f"{experiment}/{optimizer}/{column}/{iteration}"
                    if any(run.diverged for run in runs):
                        medians[key] = None
                    elif iteration in rows:
                        at = rows[iteration]
                        fits = np.median([run.history["train_loss"][at] for run in runs]) < ABSOLUTE
                        if not (fits and column == "unseen_loss"):
                            medians[key] = float(np.median([run.history[column][at] for run in runs]))
    return medians


def _same(before: float, now: float) -> bool:
    """Within RELATIVE, or where both are below ABSOLUTE, and so mostly rounding, within a factor of ROUNDING."""
    if max(abs(before), abs(now)) < ABSOLUTE:
        low, high = sorted((abs(before), abs(now)))
        return high <= ROUNDING * low or high < np.finfo(float).eps ** 2
    return math.isclose(before, now, rel_tol=RELATIVE)


def of_records(paths: list[str | Path]) -> dict[str, float | None]:
    """Medians over seeds of the last training loss in records of studies.limits.study; None where a run diverged."""
    medians: dict[str, float | None] = {}
    for path in paths:
        for column, values in read_json(path)["result"]["chosen"].items():
            chosen = Chosen.read(values)
            losses = [run.train_loss[-1] for run in finished(chosen.runs)]
            median = float(np.median(losses)) if len(losses) == len(chosen.runs) else None
            medians[f"limits/{chosen.optimizer}/by {column}/train_loss/last"] = median
    return medians


def moved(numbers: dict[str, float | None], expected: dict[str, float | None]) -> list[str]:
    """One line for each number that is not what it was, and by how much it moved; no line where all are."""
    lines = [f"{key}: expected, and not there" for key in expected.keys() - numbers.keys()]
    lines += [f"{key}: there, and not expected" for key in numbers.keys() - expected.keys()]
    for key in expected.keys() & numbers.keys():
        before, now = expected[key], numbers[key]
        if before is None or now is None:
            if before is not now:
                lines.append(f"{key}: {before} before, {now} now (null: diverged)")
        elif not _same(before, now):
            share = f"{100 * (now / before - 1):+.1f}%" if before else "from zero"
            lines.append(f"{key}: {before:.4g} before, {now:.4g} now ({share})")
    return sorted(lines)


def verify(numbers: str | Path, expected: str | Path, again: list[str], records: list[str]) -> None:
    """Hold the file `numbers` against `expected`, and the records `again` against the published `records`.

    Raises ValueError with one line for each number that moved.
    """
    now = read_json(numbers) | of_records(again)
    before = read_json(expected) | of_records(records)
    if lines := moved(now, before):
        raise ValueError("\n".join([f"{len(lines)} of {len(before)} numbers moved:", *lines]))
    print(f"all {len(before)} numbers are as expected")
