"""What the records of each study took."""

from collections.abc import Iterator

from replication import records
from replication.report.cells import written
from replication.report.rows import Row, Tables, markdown
from replication.results import Results

NEEDS = {"times_table": {"target": "claims", "needs": ["published/*"]}}


def times_table(results: Results) -> Iterator[Row]:
    """What the published records of each study took, and all of them, in minutes of one core.

    "untimed": records that have no time.
    """
    every: list[float | None] = []
    for name in results.names("published/*"):
        seconds = [head["seconds"] for head, _ in records.heads(results.path(name))]
        every += seconds
        yield _row(name.split("/")[-1], seconds)
    yield _row("all", every)


def _row(name: str, seconds: list[float | None]) -> Row:
    minutes = [value / 60 for value in seconds if value is not None]
    row: Row = {"id": name, "records": len(seconds), "untimed": len(seconds) - len(minutes)}
    return row | {"minutes": sum(minutes), "longest": max(minutes, default=None)}


def times_block(tables: Tables) -> str:
    """The same, with the command that computes what is not published."""
    commands = {
        "tuning": "make tuned, make claims, make optimizers",
        "limits": "make limits",
        "ladder": "make ladder",
        "field": "make field",
        "conditioning": "make limits",
        "ablation": "make limits",
        "maps": "make claims",
        "all": "",
    }
    rows = []
    for study, command in commands.items():
        if row := tables["times"].get(study):
            least = "at least " if row["untimed"] else ""
            minutes = f"{least}{row['minutes']:.0f}"
            rows.append([study, command, str(row["records"]), minutes, written(row["longest"], ".1f")])
    return markdown(["study", "commands", "records", "minutes of one core", "of the longest record"], rows)
