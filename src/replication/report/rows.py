"""Tables as the project keeps them: CSV files with one row for each "id", and in Markdown."""

import csv
import re
from collections.abc import Iterable
from pathlib import Path

from replication.files import replacing

Value = str | float | None
Row = dict[str, Value]
Tables = dict[str, dict[str, Row]]  # by the table's name and the row's id


def write(path: str | Path, rows: Iterable[Row]) -> None:
    """Write `rows` as CSV. Each row has an "id", a different one; numbers get six digits, None is an empty cell.

    Raises ValueError for two rows with the same id, and for no row.
    """
    rows = list(rows)
    names = [row["id"] for row in rows]
    if len(set(names)) < len(names) or not names:
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"{path}: rows must have different ids, and there must be one: {twice or 'no row'}")
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with replacing(path) as temporary, open(temporary, "w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([[_cell(row.get(column)) for column in columns] for row in rows])


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def read(folder: str | Path) -> Tables:
    """The CSV files in `folder` by their names. A cell that reads as a number is one, and an empty cell is None."""
    tables: Tables = {}
    for path in sorted(Path(folder).glob("*.csv")):
        with open(path, newline="") as stream:
            tables[path.stem] = {
                row["id"]: {column: _value(text) if column != "id" else text for column, text in row.items()}
                for row in csv.DictReader(stream)
            }
    return tables


def _value(text: str) -> Value:
    if re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    try:
        return float(text)
    except ValueError:
        return text or None


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows))
