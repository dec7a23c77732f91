"""Today's optimizers beside BADMM."""

import statistics
from collections.abc import Iterator

from replication.compute.seeds import finished
from replication.methods import ANCHOR, METHODS, judged, label
from replication.parameters import CRITERIA
from replication.report.cells import name_of, ranked, spread_of, under, written
from replication.report.rows import Row, Tables, markdown
from replication.results import Results
from replication.verdicts.effects import IMAGES, QUANTITIES, compare, effect_text

NEEDS = {"optimizers_table": {"target": "optimizers", "needs": ["optimizers:all"]}}


def optimizers_table(results: Results) -> Iterator[Row]:
    """Every optimizer of an experiment, and each judged method against each of the others.

    A row for an optimizer: medians over seeds, of training with settings chosen by the training loss and of images with
    those chosen by the validation loss, and the time of an iteration. A row for a pair and a quantity: the effect as
    for claims, with the seeds of both.
    """
    for timing in results.names("optimizers/timing/*"):
        experiment = timing.split("/")[-1]
        names = [name for name in METHODS if name in results.record(timing)["result"]["optimizers"]]
        tuned = {name: results.tuned(f"tuning/{experiment}/{name}") for name in names}
        runs = {c: {name: record.choice(c).runs for name, record in tuned.items()} for c in CRITERIA}
        clocks, unit = {name: results.clock(timing, name) for name in names}, results.clock(timing, ANCHOR).step
        for name in names:
            row: Row = {"id": f"{experiment}/{name}", "name": label(name)}
            fitted, chosen = (finished(runs[criterion][name]) for criterion in CRITERIA)
            row |= {"seeds": len(runs["train_loss"][name]), "diverged": len(runs["train_loss"][name]) - len(fitted)}
            row |= spread_of("train_loss", [run.train_loss[-1] for run in fitted])
            for column in ("unseen_loss", "unseen_psnr"):
                row |= spread_of(column, [run.final[column] for run in chosen if column in run.final])
            counts = [run.gradient_evaluations for run in fitted if run.gradient_evaluations is not None]
            row |= {"gradient_evaluations": statistics.median(counts)} if counts else {}
            yield row | {"milliseconds": 1e3 * clocks[name].step, "to_adam": clocks[name].step / unit}
        for method in judged(names):
            for other in (name for name in names if name != method):
                for quantity in QUANTITIES:
                    criterion = "validation_loss" if quantity in IMAGES else "train_loss"
                    if quantity in IMAGES and not all(
                        quantity in run.final for run in finished(runs[criterion][other])
                    ):
                        continue
                    pair = runs[criterion][method], runs[criterion][other]
                    effect = compare(quantity, *pair, (clocks[method], clocks[other]))
                    if len(effect.seeds) > 1:
                        row = {"id": "/".join([experiment, other, quantity, method]), "seeds": len(effect.seeds)}
                        yield row | ranked("effect", [effect.value, *effect.interval])


def optimizers_block(tables: Tables, experiment: str) -> str:
    """Every optimizer of an experiment, with what gradient BADMM is to it."""
    table, rows = under(tables["optimizers"], experiment), []
    for name in (name for name in table if "/" not in name):
        row = table[name]
        cells = [written(row["train_loss"], ".4g"), written(row["unseen_psnr"], ".2f"), written(row["to_adam"], ".2f")]
        for quantity in ("final", "unseen_psnr"):
            effect = table.get(f"{name}/{quantity}/badmm")
            bounds = effect and (effect["effect_low"], effect["effect_high"])
            cells.append(effect_text(quantity, effect["effect"], bounds) if effect else "-")
        rows.append([name_of(name), *cells])
    head = ["optimizer", "training loss", "unseen PSNR, dB", "an iteration / Adam's"]
    return markdown([*head, "BADMM's loss / its", "BADMM's PSNR - its"], rows)
