"""The field as a table, as figures and on pages."""

from collections.abc import Iterator

from replication.methods import METHODS
from replication.report.cells import spread_of
from replication.report.rows import Row
from replication.results import Results
from replication.studies.field import CRITERION

NEEDS = {
    "field_table": {"target": "field", "needs": ["field/*"]},
}


def field_table(results: Results) -> Iterator[Row]:
    """A row for each task and row of the field: medians over seeds, with the smallest and the largest."""
    for name in results.names("field/*"):
        tuned = results.tuned(name)
        chosen = tuned.choice(CRITERION)
        kept = [run for run in chosen.runs if run.status == "finished"]
        row: Row = {"id": name.removeprefix("field/"), "method": METHODS[tuned.optimizer].label}
        row |= {"seeds": len(chosen.runs), "diverged": len(chosen.runs) - len(kept)}
        row |= spread_of("loss", [run.train_loss[-1] for run in kept])
        yield row | {"settings": " ".join(f"{key}={value:g}" for key, value in chosen.settings.items())}
