"""The claims: their tests, times and references, as tables and on pages."""

import statistics
from collections.abc import Iterator

from replication.compute.seeds import finished
from replication.methods import METHODS, baselines, judged, label
from replication.paths import slug
from replication.report.cells import name_of, spread, spread_of, under, written
from replication.report.rows import Row, Tables, markdown
from replication.results import Results
from replication.verdicts.claims import Judgement, read
from replication.verdicts.effects import QUANTITIES, effect_text

NEEDS = {
    "claims_table": {"target": "claims", "needs": ["claims"]},
    "timings_table": {"target": "claims", "needs": ["claims", "claims:timed"]},
    "references_table": {"target": "claims", "needs": ["claims:shown"]},
    "trained_table": {"target": "claims", "needs": ["claims:judged"]},
}


def judgements(results: Results) -> list[Judgement]:
    """The verdicts on every claim."""
    return read(results.path("claims"))


def claims_table(results: Results) -> Iterator[Row]:
    """A row for each test of a claim, with each kind of baseline, on each experiment that it is put to.

    experiment: without the kind's suffix. outcome: of effects.OUTCOMES. verdict: the same, with the claim's own
    experiment; beside it how many of the other experiments agree, and which. baseline: the method that stands for it.
    lost, baseline_lost: the seeds with which the run of the method or of the baseline diverged or learned nothing.
    exact: without the slack of "the loss that both reach". holm: whether Holm's correction removes the outcome.
    """
    for judgement in judgements(results):
        if judgement.method is None:
            own = judgement.own
            row: Row = {"id": judgement.id, "claim": judgement.claim, "verdict": own.outcome}
            yield row | _interval("effect", own.effect, own.interval) | {"seeds": len(own.seeds)}
            continue
        for experiment in judgement.outcomes:
            yield _test(judgement, experiment)


def _test(judgement: Judgement, experiment: str) -> Row:
    outcome, exact = judgement.outcomes[experiment], judgement.outcomes[experiment].exact
    row: Row = {"id": "/".join([experiment, judgement.against, judgement.quantity, judgement.method])}
    row |= {"statement": judgement.statement, "claim": judgement.claim, "kind": judgement.kind}
    row |= {"experiment": judgement.without_suffix(experiment), "baseline": outcome.baseline}
    if experiment == judgement.experiment:
        row["verdict"] = judgement.verdict
        if judgement.elsewhere:
            row["agree"] = f"{len(judgement.agreeing)} of {len(judgement.elsewhere)}"
            row["agree_at"] = ", ".join(judgement.agreeing) or None
    row |= {"outcome": outcome.outcome, **_interval("effect", outcome.effect, outcome.interval)}
    row |= {"seeds": len(outcome.seeds), **_lost(outcome.lost)}
    row |= {"p": outcome.p, "holm": "removed" if outcome.removed else None}
    if exact:
        row |= _interval("exact_effect", exact.effect, exact.interval, "exact_")
        row["exact_outcome"] = exact.outcome
    return row


def _interval(column: str, effect: float | None, interval: list[float | None], start: str = "") -> Row:
    return dict(zip((column, f"{start}low", f"{start}high"), (effect, *interval), strict=True))


def _lost(lost: list[list[int]]) -> Row:
    """The seeds of the lost runs of the method and of the baseline."""
    seeds = [" ".join(map(str, either)) or None for either in lost]
    return dict(zip(("lost", "baseline_lost"), seeds, strict=True))


def timings_table(results: Results) -> Iterator[Row]:
    """The time of an iteration and of the setup of each optimizer whose wall time is compared: in ms, and the setup in
    iterations of the same optimizer as well."""
    timed = [j for j in judgements(results) if j.quantity.startswith("seconds")]
    compared = {(e, n) for j in timed for e, one in j.outcomes.items() for n in (j.against, one.baseline, j.method)}
    for experiment, optimizer in sorted(compared):
        clock = results.clock(f"claims/timing/{experiment}", optimizer)
        row: Row = {"id": f"{experiment}/{optimizer}", "milliseconds": 1e3 * clock.step}
        yield row | {"setup_milliseconds": 1e3 * clock.setup, "setup_iterations": clock.setup / clock.step}


def references_table(results: Results) -> Iterator[Row]:
    """Medians over the claims' seeds: of what needs no training, and of every optimizer.

    Settings were chosen on validation images; "fitted_train_loss" is of runs with settings chosen by the training loss.
    "stopped...": at the iteration with the smallest validation loss.
    """
    columns = ["train_loss", "unseen_loss", "train_psnr", "unseen_psnr", "train_ssim", "unseen_ssim"]
    columns += ["active", "always_active", "unseen_accuracy"]

    def medians(entries: list[dict]) -> Row:
        numbers = {column: [entry[column] for entry in entries if column in entry] for column in columns}
        return {column: statistics.median(values) for column, values in numbers.items() if values}

    named = [name.split("/")[1:] for name in results.names("tuning/*")]
    for experiment in dict.fromkeys(name for name, _ in named):
        tuned = {method: results.tuned(f"tuning/{experiment}/{method}") for name, method in named if name == experiment}
        judged_by = {method: record.chosen["validation_loss"].runs for method, record in tuned.items() if record.chosen}
        seeds = [run.seed for runs in judged_by.values() for run in runs]
        if f"maps/{experiment}" in results.files and seeds:
            for name, entries in results.maps(experiment, seeds).items():
                yield {"id": f"{experiment}/{slug(name)}", "name": name} | medians(entries)
        for optimizer in sorted(tuned, key=list(METHODS).index):
            if not judged_by.get(optimizer):
                continue
            row: Row = {"id": f"{experiment}/{optimizer}", "name": label(optimizer)}
            runs = finished(judged_by[optimizer])
            row |= medians([run.final for run in runs])
            if kept := finished(tuned[optimizer].chosen["train_loss"].runs):
                row["fitted_train_loss"] = statistics.median([run.final["train_loss"] for run in kept])
            if runs:
                row["stopped_at"] = statistics.median([run.stopped_at for run in runs])
                row["stopped_unseen_loss"] = statistics.median([run.stopped["unseen_loss"] for run in runs])
            yield row


def trained_table(results: Results) -> Iterator[Row]:
    """With how many of the claims' seeds a perceptron trains: its training loss comes below half of the initial one.

    And its squared errors at the end: medians over seeds, with the smallest and the largest. "mean_loss": the median
    of what the mean of the targets has on the training data.
    """
    named = [name.split("/")[1:] for name in results.names("tuning/perceptron*")]
    for experiment, name in sorted(named, key=lambda names: (names[0], list(METHODS).index(names[1]))):
        runs = results.tuned(f"tuning/{experiment}/{name}").choice("train_loss").runs
        if not runs:
            continue
        low = [run for run in finished(runs) if run.train_loss[-1] < run.train_loss[0] / 2]
        row: Row = {"id": f"{experiment}/{name}", "trained": len(low), "seeds": len(runs)}
        for column in ("train_loss", "unseen_loss"):
            row |= spread_of(column, [run.final[column] for run in finished(runs)])
        known = [run.mean_loss for run in runs if run.mean_loss is not None]
        yield row | ({"mean_loss": statistics.median(known)} if known else {})


def _effect(row: Row, quantity: str, start: str = "") -> str:
    """The effect with its interval, and the outcome. start: "exact_" for those without slack."""
    effect, *interval, word = (row[f"{start}{column}"] for column in ("effect", "low", "high", "outcome"))
    return f"{effect_text(quantity, effect, interval)}, {word}"


def _marks(row: Row) -> str:
    """What docs/claims.md explains of an outcome: lost seeds, the slack, Holm's correction."""
    seeds = " ".join(str(row[column]) for column in ("lost", "baseline_lost") if row[column] is not None).split()
    marks = [f"lost {' '.join(sorted(set(seeds), key=int))}"] if seeds else []
    marks += ["slack"] if row["exact_outcome"] not in (None, row["outcome"]) else []
    marks += ["Holm"] if row["holm"] else []
    return f" [{'; '.join(marks)}]" if marks else ""


def _tests(tables: Tables) -> dict[tuple, Row]:
    """The rows of the claims that have a baseline, by experiment, kind of baseline, baseline, quantity and method."""
    rows = {name: row for name, row in tables["claims"].items() if "/" in name}
    return {(row["experiment"], row["kind"], *name.split("/")[1:]): row for name, row in rows.items()}


def claims_block(tables: Tables, experiment: str, *quantities: str) -> str:
    """The tests of one experiment, by some quantities, against each kind of baseline.

    Quantities that have a slack have a second line without it.
    """
    tests, rows = _tests(tables), []
    columns = [(kind, against) for against in baselines() for kind in dict.fromkeys(key[1] for key in tests)]
    for method in judged():
        for quantity, words in QUANTITIES.items():
            results = [tests.get((experiment, kind, against, quantity, method)) for kind, against in columns]
            if any(results) and quantity in quantities:
                cells = [f"{_effect(row, quantity)}{_marks(row)}" if row else "-" for row in results]
                rows.append([name_of(method), words, *cells])
                if quantity == "iterations":
                    exact = [_effect(row, quantity, "exact_") if row else "-" for row in results]
                    rows.append([name_of(method), f"{words}, no slack", *exact])
    if not rows:
        raise KeyError(f"{experiment}/.../{' or '.join(quantities)}")
    head = [f"{name_of(against)}, {kind}" for kind, against in columns]
    return markdown(["method", "measured by", *head], rows)


def verdicts_block(tables: Tables, statement: str, method: str, *quantities: str) -> str:
    """The verdicts on a claim for a method, by some quantities.

    With each kind of baseline it has the word, and the experiments that agree.
    """
    own = {
        (kind, quantity, against): row
        for (_, kind, against, quantity, name), row in _tests(tables).items()
        if row["statement"] == statement and row["verdict"] and name == method and quantity in quantities
    }
    if not own:
        raise KeyError(f"{statement}/{method}/{' or '.join(quantities)}")
    kinds = list(dict.fromkeys(kind for kind, *_ in own))
    rows = []
    for quantity, against in dict.fromkeys((quantity, against) for _, quantity, against in own):
        cells = []
        for row in (own.get((kind, quantity, against)) for kind in kinds):
            agree = ": ".join(row[column] for column in ("agree", "agree_at") if row[column]) if row else "-"
            cells += [f"{row['verdict']}{_marks(row)}" if row else "-", agree]
        rows.append([QUANTITIES[quantity], name_of(against), *cells])
    head = [text for kind in kinds for text in (kind, "others that agree")]
    return markdown(["measured by", "against", *head], rows)


def references_block(tables: Tables, *experiments: str) -> str:
    """What each optimizer and each closed form comes to."""
    rows = []
    for experiment in experiments:
        for row in under(tables["references"], experiment).values():
            losses = [written(row[column]) for column in ("train_loss", "unseen_loss")]
            quality = [written(row["unseen_psnr"], ".1f"), written(row["unseen_ssim"], ".3f")]
            active = "-" if row["active"] is None else f"{row['active']:.0%}"
            rows.append([row["name"], *losses, *quality, active])
    head = ["", "training loss", "unseen loss", "unseen PSNR, dB", "unseen SSIM", "active units"]
    return markdown(head, rows)


def trained_block(tables: Tables, experiment: str) -> str:
    """With how many seeds a perceptron trains, and its squared errors."""
    rows = []
    for name, row in under(tables["trained"], experiment).items():
        losses = [spread(row, column) for column in ("train_loss", "unseen_loss")]
        rows.append([name_of(name), f"{row['trained']} of {row['seeds']}", *losses])
    return markdown(["optimizer", "seeds with which it trains", "training squared error", "unseen squared error"], rows)
