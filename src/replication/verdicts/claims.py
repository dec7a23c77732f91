"""The poster's claims, each with its tests, and what the runs say of them: results/claims.json."""

from dataclasses import asdict, dataclass, field, replace
from itertools import product
from pathlib import Path

import torch

from nonsmooth import bregman, proximal
from replication.files import read_json
from replication.methods import judged
from replication.results import Results
from replication.seeds import generator
from replication.statements import experiments_of, rivals
from replication.verdicts.effects import (
    DOES_NOT_HOLD,
    HOLDS,
    NEAR,
    REACHING,
    UNTIMED,
    Effect,
    compare,
    finite,
    holm,
    outcome,
)


@dataclass(frozen=True)
class Outcome:
    """A test on one experiment. Numbers are None where they are not finite.

    effect, interval, seeds, lost, p: as in effects.Effect. outcome: of effects.OUTCOMES. baseline: the method that
    stands for the baseline. exact: the same with iterations to the very loss that both reach, without the slack of
    effects.NEAR; None for quantities that have none. removed: whether Holm's correction removes the outcome.
    """

    effect: float | None
    interval: list[float | None]
    seeds: list[int]
    lost: list[list[int]]
    outcome: str
    p: float | None = None
    baseline: str | None = None
    exact: "Outcome | None" = None
    removed: bool = False

    @classmethod
    def of(cls, effect: Effect, outcome: str, **more) -> "Outcome":
        interval = [finite(bound) for bound in effect.interval]
        return cls(finite(effect.value), interval, effect.seeds, list(effect.lost), outcome, finite(effect.p), **more)

    @classmethod
    def read(cls, values: dict) -> "Outcome":
        """From the values of a file."""
        return cls(**values | {"exact": values["exact"] and cls.read(values["exact"])})

    @property
    def slack_decides(self) -> bool:
        """Whether the outcome without slack is another one."""
        return self.exact is not None and self.exact.outcome != self.outcome


@dataclass(frozen=True)
class Judgement:
    """One test of a statement: a quantity of a method against a baseline of one kind, on its own experiment and others.

    suffix: that of the kind, which the names of its experiments end in. The claim of the gradient has no kind, method,
    baseline or experiment.
    """

    statement: str
    claim: str
    source: str
    quantity: str
    own: Outcome
    experiment: str | None = None
    method: str | None = None
    against: str | None = None
    kind: str | None = None
    suffix: str = ""
    elsewhere: dict[str, Outcome] = field(default_factory=dict)

    @property
    def id(self) -> str:
        names = [self.statement + self.suffix, self.against, self.quantity, self.method]
        return "/".join(names) if self.method else self.statement

    @property
    def verdict(self) -> str:
        """The outcome on its own experiment, one of effects.OUTCOMES."""
        return self.own.outcome

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """By experiment, its own first."""
        return {self.experiment: self.own} | self.elsewhere

    @property
    def agreeing(self) -> list[str]:
        """The other experiments with the same outcome, without suffix."""
        same = (name for name, other in self.elsewhere.items() if other.outcome == self.verdict)
        return [self.without_suffix(name) for name in same]

    def without_suffix(self, experiment: str) -> str:
        return experiment.removesuffix(self.suffix)


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


def judge(results: Results, settings: dict) -> list[Judgement]:
    """Every claim with each kind of baseline: every quantity, baseline and method.

    settings: the configuration's section "claims". The records of the study "tuning" say which methods take part.
    """
    optimizers: dict[str, list[str]] = {}
    for _, experiment, method in (name.split("/") for name in results.names("tuning/*")):
        optimizers.setdefault(experiment, []).append(method)
    judgements = []
    for statement in settings["statements"]:
        if "experiment" not in statement:
            judgements.append(_judge_gradient(statement, settings["seeds"]))
            continue
        claim = statement["id"], statement["claim"], statement["source"]
        for kind in settings["kinds"]:
            own, *others = experiments_of(statement, kind, optimizers)
            outcomes = {}  # of the whole family, by baseline, quantity, method and experiment
            for test in product(statement["against"], statement["quantities"], judged(optimizers[own])):
                for experiment in (own, *(name for name in others if test[-1] in optimizers[name])):
                    names = rivals(kind, test[0], optimizers[experiment])
                    outcomes[*test, experiment] = _test(results, settings, statement, experiment, names, *test[1:])
            outcomes = corrected(outcomes, 1 - settings["level"])
            for test in dict.fromkeys(key[:-1] for key in outcomes):
                against, quantity, method = test
                tested = {key[-1]: result for key, result in outcomes.items() if key[:-1] == test}
                names = own, method, against, kind["name"], kind["suffix"]
                judgements.append(Judgement(*claim, quantity, tested.pop(own), *names, tested))
    return judgements


def _judge_gradient(statement: dict, seeds: list[int]) -> Judgement:
    effect = gradient(seeds)
    word = HOLDS if effect.value <= statement["threshold"] * (1 + 1e-12) else DOES_NOT_HOLD
    claim = statement["id"], statement["claim"], statement["source"]
    return Judgement(*claim, "gradient", Outcome.of(effect, word))


def _test(
    results: Results,
    settings: dict,
    statement: dict,
    experiment: str,
    candidates: list[str],
    quantity: str,
    method: str,
) -> Outcome:
    """The outcome on one experiment, against the candidate with the smallest score of its search."""
    criterion = statement["criterion"]
    baseline = candidates[0]
    if len(candidates) > 1:
        tuned = {name: results.tuned(f"tuning/{experiment}/{name}") for name in candidates}
        baseline = min(candidates, key=lambda name: tuned[name].score(criterion))
    names = method, baseline
    timed = quantity.startswith("seconds")
    clocks = tuple(results.clock(f"claims/timing/{experiment}", name) for name in names) if timed else UNTIMED
    runs = [results.tuned(f"tuning/{experiment}/{name}").choice(criterion).runs for name in names]

    def told(near: float, **more) -> Outcome:
        effect = compare(quantity, *runs, clocks, settings["level"], near)
        word = outcome(effect, quantity, settings["margins"], statement.get("threshold"))
        return Outcome.of(effect, word, baseline=baseline, **more)

    return told(NEAR, exact=told(1.0) if quantity in REACHING else None)


def corrected(family: dict[tuple, Outcome], alpha: float) -> dict[tuple, Outcome]:
    """The outcomes of a family, with those marked that Holm's correction removes at the familywise level `alpha`.

    A test with fewer than two pairs has no p value and no part in the correction.
    """
    tested = {name: result.p for name, result in family.items() if result.p is not None}
    rejected = dict(zip(tested, holm(list(tested.values()), alpha), strict=True))
    sided = HOLDS, DOES_NOT_HOLD
    return {
        name: replace(result, removed=result.outcome in sided and not rejected[name]) for name, result in family.items()
    }


def collect(results: Results, config: dict) -> list[dict]:
    """Every judgement, as `read` reads it."""
    return [asdict(judgement) for judgement in judge(results, config["claims"])]


def read(path: str | Path) -> list[Judgement]:
    """The judgements of the file of `collect`."""
    judgements = []
    for values in read_json(path):
        elsewhere = {name: Outcome.read(result) for name, result in values["elsewhere"].items()}
        judgements.append(Judgement(**values | {"own": Outcome.read(values["own"]), "elsewhere": elsewhere}))
    return judgements
