"""Verdicts on the claims, from runs made for the purpose."""

import itertools
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import yaml
from made_results import Made
from made_runs import SEEDS, diverged, made_run, made_runs, without

from nonsmooth import bregman
from replication.compute.seeds import SeedRun
from replication.methods import baselines, compared, judged
from replication.parameters import CRITERIA
from replication.results import Results
from replication.search import Trial
from replication.statements import experiments_of
from replication.verdicts import claims
from replication.verdicts.claims import Judgement, Outcome
from replication.verdicts.effects import DOES_NOT_HOLD, HOLDS, NO_DIFFERENCE, NO_VERDICT, UNDECIDED

ROOT = Path(__file__).parents[2]
EXPERIMENTS = "autoencoder", "other"
SETTINGS = {
    "seeds": list(range(SEEDS)),
    "level": 0.95,
    "margins": {"ratio": 1.02, "psnr": 0.1, "ssim": 0.005},
    "kinds": [{"name": "rate searched", "suffix": "", "variants": {}}],
    "statements": [
        {"id": "gradient", "claim": "It is 1-Lipschitz", "source": "s", "threshold": 1.0},
        {"id": "faster", "claim": "Faster", "source": "s", "experiment": "autoencoder", "elsewhere": ["other"]}
        | {"criterion": "train_loss", "against": ["sgd"], "quantities": ["final", "seconds"]},
        {"id": "images", "claim": "Better", "source": "s", "experiment": "autoencoder"}
        | {"criterion": "validation_loss", "against": ["adam"], "quantities": ["unseen_psnr"]},
    ],
}


def write_clocks(made: Made, clocks: dict[str, tuple[float, float]], suffix: str = "") -> None:
    """The same setup and seconds an iteration for both experiments."""
    for experiment in EXPERIMENTS:
        made.timing(f"claims/timing/{experiment}{suffix}", clocks)


@pytest.fixture
def made(tmp_path) -> Made:
    return Made(tmp_path)


@pytest.fixture
def judge(made):
    """A function of the judged methods' runs on both experiments that gives the judgements by id.

    The baselines' runs are `made_runs()`.
    """

    def judge(*runs: list[SeedRun]) -> dict[str, Judgement]:
        for experiment, own in zip(EXPERIMENTS, runs, strict=True):
            for name in compared():
                both = dict.fromkeys(CRITERIA, own if name in judged() else made_runs())
                made.tuned(f"tuning/{experiment}/{name}", both)
        write_clocks(made, dict.fromkeys(compared(), (0.0, 1.0)))
        return {judgement.id: judgement for judgement in claims.judge(made.results, SETTINGS)}

    return judge


FASTER = "faster/sgd/final/badmm"


def test_every_test_takes_the_runs_and_the_times_that_it_names(made):
    """Each record has a loss and a PSNR of its own, and each optimizer a time of its own."""
    loss, psnr = {}, {}
    for number, key in enumerate(itertools.product(EXPERIMENTS, CRITERIA, compared())):
        loss[key], psnr[key] = 0.9 / (2 + number), 20.0 + number
    for experiment, name in itertools.product(EXPERIMENTS, compared()):
        keys = {column: (experiment, column, name) for column in CRITERIA}
        runs = {c: [made_run(seed, [1.0, loss[key]], psnr[key]) for seed in range(SEEDS)] for c, key in keys.items()}
        made.tuned(f"tuning/{experiment}/{name}", runs)
    clocks = {name: (10.0 * number, 1.0 + number) for number, name in enumerate(compared())}
    write_clocks(made, clocks)
    judgements = claims.judge(made.results, SETTINGS)[1:]
    assert len(judgements) == 3 * len(judged())
    for judgement in judgements:
        column = "validation_loss" if judgement.id.startswith("images") else "train_loss"
        names = judgement.method, judgement.against
        for experiment, outcome in judgement.outcomes.items():
            own, other = ((experiment, column, name) for name in names)
            times = [clocks[name][1] for name in names]  # one iteration each
            expected = {
                "final": loss[own] / loss[other],
                "unseen_psnr": psnr[own] - psnr[other],
                "seconds": times[0] / times[1],
            }
            assert outcome.effect == pytest.approx(expected[judgement.quantity])


GOOD, EQUAL, BAD = made_runs(0.5, 21.0), made_runs(), made_runs(2.0, 19.0)
MIXED = [*made_runs(0.1)[:1], *made_runs(2.0)[1:]]  # far better with one seed, worse with the others
LOST = without(GOOD, 0, 1, 2)
WORDS = ((GOOD, HOLDS), (EQUAL, NO_DIFFERENCE), (BAD, DOES_NOT_HOLD), (MIXED, UNDECIDED), (LOST, NO_VERDICT))


@pytest.mark.parametrize(("own", "word"), WORDS)
@pytest.mark.parametrize(("other", "beside"), WORDS)
def test_the_verdict_is_the_word_on_the_own_experiment_and_says_which_others_agree(judge, own, word, other, beside):
    judgement = judge(own, other)[FASTER]
    assert (judgement.verdict, judgement.outcomes["other"].outcome) == (word, beside)
    assert judgement.agreeing == (["other"] if word == beside else [])


# Kinds of baseline

EVERY = {"name": "every setting", "suffix": "-every", "variants": {"sgd": ["sgd-cosine"]}}
BOTH = SETTINGS | {"kinds": [*SETTINGS["kinds"], EVERY]}


@pytest.fixture
def judge_both(made, judge):
    """A function of a variant's scores by column that judges both kinds, by id.

    The judged methods are good. The variant's runs are as good as theirs, and it takes part on one experiment.
    """
    judge(GOOD, GOOD)
    columns = {column: [0.2] for column in CRITERIA}

    def judge_both(**scores: float) -> dict[str, Judgement]:
        for experiment, name in itertools.product(EXPERIMENTS, compared()):
            runs = dict.fromkeys(CRITERIA, made_runs() if name in baselines() else GOOD)
            made.tuned(f"tuning/{experiment}-every/{name}", runs, [Trial({}, scores=columns)])
        trial = Trial({}, scores={column: [score] for column, score in scores.items()})
        made.tuned("tuning/autoencoder-every/sgd-cosine", dict.fromkeys(CRITERIA, GOOD), [trial])
        write_clocks(made, dict.fromkeys((*compared(), "sgd-cosine"), (0.0, 1.0)), "-every")
        return {judgement.id: judgement for judgement in claims.judge(made.results, BOTH)}

    return judge_both


def test_a_claim_is_judged_with_each_kind_of_baseline_on_experiments_of_its_own(judge_both):
    judgements = judge_both(train_loss=0.3, validation_loss=0.3)
    kinds = {name: judgements[name] for name in (FASTER, "faster-every/sgd/final/badmm")}
    assert [(j.kind, list(j.outcomes), j.agreeing) for j in kinds.values()] == [
        ("rate searched", ["autoencoder", "other"], ["other"]),
        ("every setting", ["autoencoder-every", "other-every"], ["other"]),
    ]


def test_an_experiment_without_a_second_section_is_judged_against_the_first_kind_alone():
    statement = {"experiment": "a", "elsewhere": ["b", "c"]}
    known = ["a", "b", "c", "a-every", "c-every"]
    assert experiments_of(statement, {"suffix": ""}, known) == ["a", "b", "c"]
    assert experiments_of(statement, {"suffix": "-every"}, known) == ["a-every", "c-every"]
    assert experiments_of(statement, {"suffix": "-free"}, known) == ["a-free"]  # refused by the check


@pytest.mark.parametrize(("score", "baseline", "verdict"), [(0.1, "sgd-cosine", NO_DIFFERENCE), (0.3, "sgd", HOLDS)])
def test_the_variant_with_the_smallest_score_by_the_claims_column_is_the_baseline(judge_both, score, baseline, verdict):
    judgements = judge_both(train_loss=score, validation_loss=0.4 - score)
    own, other = judgements["faster-every/sgd/final/badmm"].outcomes.values()
    assert (own.baseline, own.outcome) == (baseline, verdict)
    assert (other.baseline, other.outcome) == ("sgd", HOLDS)  # the variant has no part in this experiment
    assert judgements["images-every/adam/unseen_psnr/badmm"].own.baseline == "adam"  # nor is it one of Adam
    assert judgements[FASTER].own.baseline == "sgd"


# The slack, and Holm's correction

# Both end at a loss of about one. The method is 5% above it at once, and at it in the end: the baseline the other way.
EARLY = [made_run(seed, [9.0, 1.04, 1.04, 1.04, 1.0]) for seed in range(SEEDS)]
LATE = [made_run(seed, [9.0, 8.0, 0.999, 0.999, 0.999]) for seed in range(SEEDS)]


def test_an_outcome_that_depends_on_the_slack_is_marked(made):
    for name in compared():
        made.tuned(f"tuning/autoencoder/{name}", {"train_loss": EARLY if name in judged() else LATE})
    write_clocks(made, dict.fromkeys(compared(), (4.0, 1.0)))
    quantities = ["iterations", "seconds", "seconds_with_setup", "final"]
    statement = {"id": "faster", "claim": "Faster", "source": "s", "experiment": "autoencoder"}
    statement |= {"criterion": "train_loss", "against": ["sgd"], "quantities": quantities}
    judgements = claims.judge(made.results, SETTINGS | {"statements": [statement]})
    own = {j.quantity: j.own for j in judgements if j.method == "badmm"}
    ratios = {"iterations": (1 / 2, 4 / 2), "seconds": (1 / 2, 4 / 2), "seconds_with_setup": (5 / 6, 8 / 6)}
    for quantity, (near, exact) in ratios.items():
        assert (own[quantity].effect, own[quantity].exact.effect) == pytest.approx((near, exact))
        assert (own[quantity].outcome, own[quantity].exact.outcome) == (HOLDS, DOES_NOT_HOLD)
        assert own[quantity].slack_decides
    assert (own["final"].exact, own["final"].slack_decides) == (None, False)


def test_holms_correction_removes_what_one_of_so_many_tests_would_show_by_chance():
    """Of four tests at 5% the smallest p is held against 1/80, the next one against 1/60, then 1/40, then 1/20."""
    p = {"a": 0.03, "b": 0.012, "c": None, "d": 0.02, "e": 0.015}
    outcomes = {
        (name,): Outcome(0.5, [0.4, 0.6], [0, 1], [[], []], HOLDS if name != "d" else DOES_NOT_HOLD, p=value)
        for name, value in p.items()
        if value is not None
    }
    outcomes["c",] = Outcome(None, [None, None], [], [[0], [1]], UNDECIDED)
    removed = {name for (name,), result in claims.corrected(outcomes, 0.05).items() if result.removed}
    assert removed == set()
    outcomes["e",] = replace(outcomes["e",], p=0.017)  # above 1/60: so are the rest removed, whatever their p
    removed = {name for (name,), result in claims.corrected(outcomes, 0.05).items() if result.removed}
    assert removed == {"a", "d", "e"}


def test_a_family_has_every_experiment_method_baseline_and_quantity_of_a_claim_and_a_kind(judge, monkeypatch):
    sizes = []
    kept = claims.holm
    monkeypatch.setattr(claims, "holm", lambda p, alpha: sizes.append((len(p), alpha)) or kept(p, alpha))
    judge(GOOD, GOOD)
    methods = len(judged())
    assert sizes == [(2 * 2 * methods, pytest.approx(0.05)), (methods, pytest.approx(0.05))]


def test_an_outcome_names_the_lost_runs_of_either_side(judge):
    judgement = judge(without(GOOD, 2, 4), without(GOOD, 0, made=diverged))[FASTER]
    assert (judgement.own.lost, judgement.elsewhere["other"].lost) == ([[2, 4], []], [[0], []])


def test_an_experiment_without_the_method_has_no_part(made, judge):
    judge(made_runs(0.5, 21.0), made_runs(0.5))  # writes the runs
    del made.files["tuning/other/badmm"]
    judgements = claims.judge(made.results, SETTINGS)
    places = {judgement.id: list(judgement.elsewhere) for judgement in judgements}
    assert (places[FASTER], places["faster/sgd/final/badmm-ls"]) == ([], ["other"])


def test_a_threshold_of_the_claim_takes_the_place_of_the_usual_one(made, judge):
    judge(made_runs(0.5, 21.0), made_runs(0.5))
    for threshold, expected in ((0.6, HOLDS), (0.4, DOES_NOT_HOLD)):
        statement = SETTINGS["statements"][1] | {"threshold": threshold, "quantities": ["final"]}
        settings = SETTINGS | {"statements": [statement]}
        judgements = claims.judge(made.results, settings)
        assert {judgement.verdict for judgement in judgements} == {expected}


def test_judgements_survive_their_file(judge, made):
    """Also where nothing is finite: every run of a baseline diverged."""
    lost = [diverged(seed) for seed in range(SEEDS)]
    judgements = [*judge(made_runs(0.5, 21.0), lost).values()]
    assert judgements[1].elsewhere["other"].effect is None
    made.json("claims", [asdict(judgement) for judgement in judgements])
    assert claims.read(made.results.path("claims")) == judgements


def test_the_gradient_of_the_loss_is_measured_and_a_wrong_one_is_noticed(monkeypatch):
    effect = claims.gradient([0, 1])
    assert 0.99 < effect.value <= 1 + 1e-12
    assert effect.interval[0] <= effect.interval[1] == effect.value
    monkeypatch.setattr(bregman, "distance", lambda activation, y, z: (activation.prox(z) - y).square())
    with pytest.raises(ArithmeticError, match="not the derivative"):
        claims.gradient([0])


def test_a_gradient_that_is_steeper_than_the_threshold_does_not_hold(monkeypatch):
    steeper = replace(claims.gradient([0]), value=1.1)
    monkeypatch.setattr(claims, "gradient", lambda seeds: steeper)
    settings = SETTINGS | {"statements": SETTINGS["statements"][:1]}
    (judgement,) = claims.judge(Results({}), settings)
    assert (judgement.verdict, judgement.method) == (DOES_NOT_HOLD, None)


def test_every_claim_names_its_place_in_the_poster():
    statements = yaml.safe_load((ROOT / "config" / "claims.yaml").read_text())["claims"]["statements"]
    assert all(statement["source"].startswith("poster, ") for statement in statements)
    assert len({statement["id"] for statement in statements}) == len(statements)
