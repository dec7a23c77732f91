"""The poster's claims, each with its tests, and what the runs say of them: results/claims.json."""

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from nonsmooth import bregman, proximal
from replication.files import read_json, write_json
from replication.methods import judged, label
from replication.paths import ResultFiles
from replication.seeds import generator
from replication.speed import clock
from replication.studies import seeds as seed_runs
from replication.verdicts.effects import (
    HOLDS,
    QUANTITIES,
    REVERSED,
    UNTIMED,
    Effect,
    compare,
    effect_text,
    outcome,
    side,
)

VERDICTS = REPLICATED, CONDITIONAL, FAILED = "replicated", "conditional", "not replicated"


@dataclass(frozen=True)
class Outcome:
    """A test on one experiment. effect and the bounds of the interval are None where they are not finite."""

    effect: float | None
    interval: list[float | None]
    p: float
    seeds: list[int]
    diverged: list[int]
    outcome: str | None = None  # of effects.OUTCOMES; None for the claim of the gradient

    @classmethod
    def of(cls, effect: Effect, outcome: str | None = None) -> "Outcome":
        def finite(number: float) -> float | None:
            return number if math.isfinite(number) else None

        interval = [finite(bound) for bound in effect.interval]
        return cls(finite(effect.value), interval, effect.p, effect.seeds, list(effect.diverged), outcome)


@dataclass(frozen=True)
class Judgement:
    """One test of a claim: a quantity of a method against a baseline, on the claim's own experiment and elsewhere.

    The claim of the gradient has no method, baseline or experiment.
    """

    id: str
    claim: str
    source: str
    verdict: str
    quantity: str
    own: Outcome
    experiment: str | None = None
    method: str | None = None
    against: str | None = None
    elsewhere: dict[str, Outcome] = field(default_factory=dict)

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """By experiment, its own first."""
        return {self.experiment: self.own} | self.elsewhere


def gradient(seeds: list[int], count: int = 2000) -> Effect:
    """Of the loss D of ReLU: the largest quotient |grad D(z) - grad D(z')| / |z - z'| over random pairs.

    The gradient is sigma(z) - y, which asks for values of the activation alone. Raises ArithmeticError where it is not
    the derivative of D, by central differences, to 1e-6.
    """
    relu = proximal.of(torch.nn.ReLU())
    largest = []
    for seed in seeds:
        draw = generator(seed, "claims")
        z, other, y = torch.randn(3, count, generator=draw, dtype=torch.float64)
        y, step = y.abs(), 1e-6
        slope = (bregman.distance(relu, y, z + step) - bregman.distance(relu, y, z - step)) / (2 * step)
        wrong = (slope - bregman.gradient(relu, y, z)).abs().max().item()
        if wrong > 1e-6:
            raise ArithmeticError(f"sigma(z) - y is not the derivative of D: they differ by {wrong:.1e}")
        largest.append(((relu.prox(z) - relu.prox(other)) / (z - other)).abs().max().item())
    return Effect(max(largest), (min(largest), max(largest)), 1.0, list(seeds), (0, 0))


def judge(files: ResultFiles, settings: dict, optimizers: dict[str, list[str]]) -> list[Judgement]:
    """Every claim, quantity, baseline and method.

    settings: the configuration's section "claims". optimizers: by experiment, those that take part.

    A test is "replicated" where the interval lies wholly beyond the threshold in the claim's own experiment,
    "conditional" where it does not and does in one of those named as `elsewhere`, else "not replicated".
    """
    judgements = []
    for statement in settings["statements"]:
        if "experiment" not in statement:
            judgements.append(_judge_gradient(statement, settings["seeds"]))
            continue
        elsewhere = statement.get("elsewhere", [])
        for against in statement["against"]:
            for quantity in statement["quantities"]:
                for method in judged(optimizers[statement["experiment"]]):
                    taking_part = [experiment for experiment in elsewhere if method in optimizers[experiment]]
                    judgements.append(_judge(files, settings, statement, taking_part, against, quantity, method))
    return judgements


def _judge_gradient(statement: dict, seeds: list[int]) -> Judgement:
    effect = gradient(seeds)
    verdict = REPLICATED if effect.value <= statement["threshold"] * (1 + 1e-12) else FAILED
    claim = statement["id"], statement["claim"], statement["source"]
    return Judgement(*claim, verdict, "gradient", Outcome.of(effect))


def _judge(
    files: ResultFiles,
    settings: dict,
    statement: dict,
    elsewhere: list[str],
    against: str,
    quantity: str,
    method: str,
) -> Judgement:
    direction, threshold = side(quantity)
    threshold = statement.get("threshold", threshold)

    def test(experiment: str) -> Outcome:
        names = method, against
        clocks = UNTIMED
        if quantity == "seconds":
            clocks = tuple(clock.read(files.timing(experiment), name) for name in names)
        runs, baseline = (seed_runs.read(files.seeds(experiment, statement["selected_by"], name)) for name in names)
        effect = compare(quantity, runs, baseline, clocks, settings["level"], settings["resamples"])
        return Outcome.of(effect, outcome(effect, direction, threshold))

    own = test(statement["experiment"])
    other = {experiment: test(experiment) for experiment in elsewhere}
    verdict = FAILED
    if own.outcome == HOLDS:
        verdict = REPLICATED
    elif HOLDS in [result.outcome for result in other.values()]:
        verdict = CONDITIONAL
    name = "/".join([statement["id"], against, quantity, method])
    claim = name, statement["claim"], statement["source"]
    return Judgement(*claim, verdict, quantity, own, statement["experiment"], method, against, other)


def _text(quantity: str, result: Outcome) -> str:
    owners = zip(result.diverged, ("its own", "the baseline's"), strict=True)
    lost = [f"; {count} of {whose} runs diverged" for count, whose in owners if count]
    return "".join([effect_text(quantity, result.effect, result.interval), *lost])


def _cell(judgement: Judgement) -> str:
    quantity, own = judgement.quantity, judgement.own
    parts = [f"{judgement.verdict}{', reversed here' if own.outcome == REVERSED else ''}: {_text(quantity, own)}"]
    for name, result in judgement.elsewhere.items():
        parts.append(f"{result.outcome} on {name}: {_text(quantity, result)}")
    return "; ".join(parts)


def answer(judgements: list[Judgement]) -> str:
    """The verdicts of one claim in a sentence for each method, and what each rests on."""
    lines = []
    for method in sorted({judgement.method or "" for judgement in judgements}):
        own = [judgement for judgement in judgements if (judgement.method or "") == method]
        counts = [f"{verdict}: {sum(j.verdict == verdict for j in own)}" for verdict in VERDICTS]
        lines.append(f"{label(method) if method else own[0].claim} - {', '.join(counts)}")
        for judgement in own:
            what = QUANTITIES.get(judgement.quantity, "largest difference quotient")
            against = f" against {label(judgement.against)}" if method else ""
            lines.append(f"    {what}{against}: {_cell(judgement)}")
    return "\n".join(lines)


def write(judgements: list[Judgement], output: str | Path) -> None:
    """Write `output` (JSON, one object for each test)."""
    write_json(output, [asdict(judgement) for judgement in judgements])


def read(path: str | Path) -> list[Judgement]:
    """The judgements of a file that `write` has written."""
    judgements = []
    for values in read_json(path):
        elsewhere = {name: Outcome(**result) for name, result in values["elsewhere"].items()}
        judgements.append(Judgement(**values | {"own": Outcome(**values["own"]), "elsewhere": elsewhere}))
    return judgements
