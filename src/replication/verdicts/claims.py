"""The poster's claims, each with its tests, and what the runs say of them: results/claims.json."""

import math
from collections import Counter
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
    NO_DIFFERENCE,
    NO_VERDICT,
    QUANTITIES,
    UNTIMED,
    Effect,
    compare,
    effect_text,
    outcome,
)

HERE_ONLY, ELSEWHERE_ONLY, FAILED = "holds here only", "holds elsewhere only", "does not hold"
VERDICTS = HOLDS, HERE_ONLY, ELSEWHERE_ONLY, NO_DIFFERENCE, FAILED, NO_VERDICT


@dataclass(frozen=True)
class Outcome:
    """A test on one experiment. effect and the bounds of the interval are None where they are not finite.

    lost: as in effects.Effect. outcome: of effects.OUTCOMES; None for the claim of the gradient.
    """

    effect: float | None
    interval: list[float | None]
    seeds: list[int]
    lost: list[list[int]]
    outcome: str | None = None

    @classmethod
    def of(cls, effect: Effect, outcome: str | None = None) -> "Outcome":
        def finite(number: float) -> float | None:
            return number if math.isfinite(number) else None

        interval = [finite(bound) for bound in effect.interval]
        return cls(finite(effect.value), interval, effect.seeds, list(effect.lost), outcome)


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
    def word(self) -> str:
        """The verdict, one of VERDICTS, without names of experiments."""
        return self.verdict.partition(":")[0]

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
    return Effect(max(largest), (min(largest), max(largest)), list(seeds), ([], []))


def verdict(own: str, elsewhere: dict[str, str]) -> str:
    """What follows from a test's outcome on its own experiment, and by name from those on other experiments.

    One of VERDICTS; ELSEWHERE_ONLY is followed by the experiments where it holds.
    """
    holding = [experiment for experiment, outcome in elsewhere.items() if outcome == HOLDS]
    if own == NO_VERDICT:
        return NO_VERDICT
    if own == HOLDS:
        return HOLDS if len(holding) == len(elsewhere) else HERE_ONLY
    if holding:
        return f"{ELSEWHERE_ONLY}: {', '.join(holding)}"
    return NO_DIFFERENCE if own == NO_DIFFERENCE else FAILED


def judge(files: ResultFiles, settings: dict, optimizers: dict[str, list[str]]) -> list[Judgement]:
    """Every claim, quantity, baseline and method.

    settings: the configuration's section "claims". optimizers: by experiment, those that take part.
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
    word = HOLDS if effect.value <= statement["threshold"] * (1 + 1e-12) else FAILED
    claim = statement["id"], statement["claim"], statement["source"]
    return Judgement(*claim, word, "gradient", Outcome.of(effect))


def _judge(
    files: ResultFiles,
    settings: dict,
    statement: dict,
    elsewhere: list[str],
    against: str,
    quantity: str,
    method: str,
) -> Judgement:
    def test(experiment: str) -> Outcome:
        names = method, against
        clocks = UNTIMED
        if quantity == "seconds":
            clocks = tuple(clock.read(files.timing(experiment), name) for name in names)
        runs, baseline = (seed_runs.read(files.seeds(experiment, statement["selected_by"], name)) for name in names)
        effect = compare(quantity, runs, baseline, clocks, settings["level"])
        return Outcome.of(effect, outcome(effect, quantity, settings["margins"], statement.get("threshold")))

    own = test(statement["experiment"])
    other = {experiment: test(experiment) for experiment in elsewhere}
    follows = verdict(own.outcome, {experiment: result.outcome for experiment, result in other.items()})
    name = "/".join([statement["id"], against, quantity, method])
    claim = name, statement["claim"], statement["source"]
    return Judgement(*claim, follows, quantity, own, statement["experiment"], method, against, other)


def _line(judgement: Judgement, experiment: str, result: Outcome) -> str:
    """The outcome on one experiment, and the seeds whose pairs are no part of it."""
    owners = zip(result.lost, (judgement.method, judgement.against), strict=True)
    lost = [f"; lost: {label(name)} with seed {', '.join(map(str, seeds))}" for seeds, name in owners if seeds]
    effect = effect_text(judgement.quantity, result.effect, result.interval)
    return "".join([f"{experiment}: {result.outcome}, {effect}", *lost])


def answer(judgements: list[Judgement]) -> str:
    """The verdicts of one claim for each method, how many there are of each, and what each rests on."""
    lines = []
    for method in dict.fromkeys(judgement.method for judgement in judgements):
        own = [judgement for judgement in judgements if judgement.method == method]
        if method is None:
            text = effect_text(own[0].quantity, own[0].own.effect, own[0].own.interval)
            lines.append(f"{own[0].claim} - {own[0].verdict}: largest difference quotient {text}")
            continue
        counts = Counter(judgement.word for judgement in own)
        lines.append(f"{label(method)} - {', '.join(f'{word} ({counts[word]})' for word in VERDICTS if counts[word])}")
        for judgement in own:
            test = f"{QUANTITIES[judgement.quantity]} against {label(judgement.against)}"
            lines.append(f"    {test}: {judgement.verdict}")
            lines += [f"        {_line(judgement, *item)}" for item in judgement.outcomes.items()]
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
