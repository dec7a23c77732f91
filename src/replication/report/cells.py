"""How pages and tables write their cells."""

import statistics

from replication.methods import METHODS
from replication.methods import label as label_of
from replication.report.rows import Row


def spread_of(column: str, values: list[float]) -> Row:
    """The median of the values with the smallest and the largest; nothing where there are none."""
    if not values:
        return {}
    return {column: statistics.median(values), f"{column}_low": min(values), f"{column}_high": max(values)}


def ranked(column: str, values: list[float]) -> Row:
    """A median with its quartiles, or with what else stands behind it."""
    return dict(zip((column, f"{column}_low", f"{column}_high"), values, strict=True))


def under(table: dict[str, Row], *start: str) -> dict[str, Row]:
    """The rows whose id starts so, by what follows."""
    prefix = "/".join(start) + "/"
    return {name.removeprefix(prefix): row for name, row in table.items() if name.startswith(prefix)}


def name_of(optimizer: str) -> str:
    return label_of(optimizer) if optimizer in METHODS else f"the {optimizer.replace('-', ' ')}"


def written(value: float | None, form: str = ".3g") -> str:
    return "-" if value is None else f"{value:{form}}"


def spread(row: Row, column: str, form: str = ".3g") -> str:
    if row.get(column) is None:
        return "-"
    return f"{row[column]:{form}} ({row[f'{column}_low']:{form}} to {row[f'{column}_high']:{form}})"
