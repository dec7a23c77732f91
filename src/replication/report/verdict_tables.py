"""The verdicts on claims and limits as tables, from what the pipeline has computed."""

from collections.abc import Iterator

from replication.report.rows import Row, slug
from replication.results import Results
from replication.verdicts import claims as verdicts
from replication.verdicts import limits as limit_verdicts
from replication.verdicts.claims import Judgement
from replication.verdicts.effects import OUTCOMES
from replication.verdicts.limits import Setting


def claims(results: Results) -> Iterator[Row]:
    """A row for each test of a claim, with each kind of baseline, on each experiment that it is put to.

    experiment: without the kind's suffix. outcome: of effects.OUTCOMES. verdict: the same, with the claim's own
    experiment; beside it how many of the other experiments agree, and which. baseline: the method that stands for it.
    lost, baseline_lost: the seeds with which the run of the method or of the baseline diverged or learned nothing.
    exact: without the slack of "the loss that both reach". holm: whether Holm's correction removes the outcome.
    """
    for judgement in verdicts.read(results.files.claims):
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


def timings(results: Results) -> Iterator[Row]:
    """The time of an iteration and of the setup of each optimizer whose wall time is compared: in ms, and the setup in
    iterations of the same optimizer as well."""
    timed = [j for j in verdicts.read(results.files.claims) if j.quantity.startswith("seconds")]
    compared = {(e, n) for j in timed for e, one in j.outcomes.items() for n in (j.against, one.baseline, j.method)}
    for experiment, optimizer in sorted(compared):
        clock = results.clock(experiment, optimizer)
        row: Row = {"id": f"{experiment}/{optimizer}", "milliseconds": 1e3 * clock.step}
        yield row | {"setup_milliseconds": 1e3 * clock.setup, "setup_iterations": clock.setup / clock.step}


def limits(results: Results) -> Iterator[Row]:
    """A row for each cell of the figure of the limits: setting, method, baseline and quantity."""
    for setting in limit_verdicts.read(results.files.limits):
        for verdict in setting.verdicts:
            names = verdict.method, verdict.against, verdict.quantity
            yield {
                "id": "/".join([_name(setting), *map(slug, names)]),
                "group": setting.group,
                "setting": setting.name,
                "verdict": verdict.verdict,
                **_interval("effect", verdict.effect, verdict.interval),
                **{"seeds": verdict.seeds, **_lost(verdict.lost)},
                **{"diverged": verdict.diverged[0], "baseline_diverged": verdict.diverged[1]},
                "bracketed": verdict.bracketed,
            }


def _name(setting: Setting) -> str:
    return slug(f"{setting.group} {setting.name}")


def limits_active(results: Results) -> Iterator[Row]:
    """The median share of active hidden units of the first layer, by setting and optimizer."""
    for setting in limit_verdicts.read(results.files.limits):
        for optimizer, share in setting.active.items():
            yield {"id": f"{_name(setting)}/{optimizer}", "active": share}


def limits_where(results: Results) -> Iterator[Row]:
    """At how many settings each word stands for a method against a baseline, and at which.

    A row for each test over all settings, with the settings' names, and one for each group of settings. "lost": where
    most of the method's runs diverged or learned nothing. The row "count" has the number of settings. "bracketed": at
    how many of them every search ended between worse values.
    """
    settings = limit_verdicts.read(results.files.limits)
    tests = [(v.method, v.against, v.quantity) for v in settings[0].verdicts]
    groups = list(dict.fromkeys(setting.group for setting in settings))
    bracketed = sum(all(verdict.bracketed for verdict in setting.verdicts) for setting in settings)
    yield {"id": "count", "settings": len(settings), "bracketed": bracketed}
    for test in tests:
        listed = {key: {word: [] for word in (*OUTCOMES, "lost")} for key in ("", *groups)}
        for setting in settings:
            name, group = setting.name, setting.group
            whole = name if name == group else f"{group} {name}"
            (cell,) = (v for v in setting.verdicts if (v.method, v.against, v.quantity) == test)
            for word in (cell.verdict, *(["lost"] if cell.mostly_lost[0] else [])):
                listed[""][word].append(whole)
                listed[group][word].append(name)
        for key, words in listed.items():
            row: Row = {"id": "/".join([*map(slug, test), *([slug(key)] if key else [])])}
            for word, names in words.items():
                column = word.replace(" ", "_")
                row |= {column: len(names), f"{column}_at": _listed(names) if key else "; ".join(names) or "none"}
            yield row


def _listed(names: list[str]) -> str:
    """A list in words, "none" for an empty one."""
    *first, last = names or ["none"]
    return f"{', '.join(first)} and {last}" if first else last
