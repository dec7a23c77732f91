"""What the jobs of each target take."""

import csv
from collections.abc import Iterator
from pathlib import Path

from replication.files import read_json
from replication.report.cells import number
from replication.report.rows import Row, Tables, markdown


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


def times_block(tables: Tables) -> str:
    """What the jobs of the targets take."""
    rows = []
    for target, command in (
        ("tune", "make tuned"),
        ("claims", "make claims"),
        ("limits", "make limits"),
        ("ladder", "make ladder"),
        ("optimizers", "make optimizers"),
    ):
        row = tables[f"time_{target}"][target]
        least = "at least " if row.get("untimed") else ""
        rows.append([f"`{command}`", str(row["jobs"]), f"{least}{row['minutes']:.0f}", number(row["longest"], ".1f")])
    return markdown(["command", "jobs", "minutes of one core", "minutes of the longest job"], rows)
