"""Verdicts on the claims, from runs made for the purpose."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from made_runs import SEEDS, diverged, made_run, made_runs, without

from nonsmooth import bregman
from replication.files import write_json
from replication.methods import baselines, compared, judged
from replication.parameters import SELECTIONS
from replication.paths import ResultFiles
from replication.studies.seeds import SeedRun
from replication.verdicts import claims
from replication.verdicts.claims import ELSEWHERE_ONLY, FAILED, HERE_ONLY, Judgement, verdict
from replication.verdicts.effects import HOLDS, NO_DIFFERENCE, NO_VERDICT, OPEN, OUTCOMES, REVERSED

ROOT = Path(__file__).parents[2]
EXPERIMENTS = "autoencoder", "other"
SETTINGS = {
    "seeds": list(range(SEEDS)),
    "level": 0.95,
    "margins": {"ratio": 1.02, "psnr": 0.1, "ssim": 0.005},
    "statements": [
        {"id": "gradient", "claim": "It is 1-Lipschitz", "source": "s", "threshold": 1.0},
        {"id": "faster", "claim": "Faster", "source": "s", "experiment": "autoencoder", "elsewhere": ["other"]}
        | {"selected_by": "train_loss", "against": ["sgd"], "quantities": ["final", "seconds"]},
        {"id": "images", "claim": "Better", "source": "s", "experiment": "autoencoder"}
        | {"selected_by": "validation_loss", "against": ["adam"], "quantities": ["unseen_psnr"]},
    ],
}
OPTIMIZERS = {experiment: sorted(compared()) for experiment in EXPERIMENTS}


def write_runs(files: ResultFiles, experiment: str, selection: str, name: str, runs: list[SeedRun]) -> None:
    write_json(files.seeds(experiment, selection, name), {"result": {"runs": [vars(run) for run in runs]}})


def write_clocks(files: ResultFiles, clocks: dict[str, tuple[float, float]]) -> None:
    """The same setup and seconds an iteration for both experiments."""
    timed = {name: {"setup": setup, "seconds": seconds} for name, (setup, seconds) in clocks.items()}
    for experiment in EXPERIMENTS:
        write_json(files.timing(experiment), {"optimizers": timed})


@pytest.fixture
def judge(tmp_path):
    """A function of the judged methods' runs on both experiments that gives the judgements by id.

    The baselines' runs are `made_runs()`.
    """

    def judge(*runs: list[SeedRun]) -> dict[str, Judgement]:
        files = ResultFiles(str(tmp_path))
        for experiment, own in zip(EXPERIMENTS, runs, strict=True):
            for selection, name in itertools.product(SELECTIONS, compared()):
                write_runs(files, experiment, selection, name, own if name in judged() else made_runs())
        write_clocks(files, dict.fromkeys(compared(), (0.0, 1.0)))
        return {judgement.id: judgement for judgement in claims.judge(files, SETTINGS, OPTIMIZERS)}

    return judge


FASTER = "faster/sgd/final/badmm"


def test_every_test_takes_the_runs_and_the_times_that_it_names(tmp_path):
    """Each file has a loss and a PSNR of its own, and each optimizer a time of its own."""
    files = ResultFiles(str(tmp_path))
    loss, psnr = {}, {}
    for number, key in enumerate(itertools.product(EXPERIMENTS, SELECTIONS, compared())):
        loss[key], psnr[key] = 0.9 / (2 + number), 20.0 + number
        write_runs(files, *key, [made_run(seed, [1.0, loss[key]], psnr[key]) for seed in range(SEEDS)])
    clocks = {name: (10.0 * number, 1.0 + number) for number, name in enumerate(compared())}
    write_clocks(files, clocks)
    judgements = claims.judge(files, SETTINGS, OPTIMIZERS)[1:]
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
OPEN_RUNS = [*made_runs(0.1)[:1], *made_runs(2.0)[1:]]  # far better with one seed, worse with the others
LOST = without(GOOD, 0, 1, 2)


@pytest.mark.parametrize(
    ("own", "other", "expected"),
    [
        (GOOD, GOOD, HOLDS),
        (GOOD, EQUAL, HERE_ONLY),
        (GOOD, OPEN_RUNS, HERE_ONLY),
        (GOOD, BAD, HERE_ONLY),
        (GOOD, LOST, HERE_ONLY),
        (EQUAL, GOOD, f"{ELSEWHERE_ONLY}: other"),
        (OPEN_RUNS, GOOD, f"{ELSEWHERE_ONLY}: other"),
        (BAD, GOOD, f"{ELSEWHERE_ONLY}: other"),
        (EQUAL, BAD, NO_DIFFERENCE),
        (OPEN_RUNS, EQUAL, FAILED),
        (BAD, BAD, FAILED),
        (LOST, GOOD, NO_VERDICT),
    ],
)
def test_the_verdict_says_where_a_claim_holds(judge, own, other, expected):
    judgement = judge(own, other)[FASTER]
    assert judgement.verdict == expected
    assert judgement.word in claims.VERDICTS


@pytest.mark.parametrize("own", OUTCOMES)
def test_a_claim_without_other_experiments_holds_by_its_own(own):
    assert verdict(own, {}) == {HOLDS: HOLDS, NO_DIFFERENCE: NO_DIFFERENCE, NO_VERDICT: NO_VERDICT}.get(own, FAILED)


def test_the_verdict_names_every_experiment_where_a_claim_holds_and_no_other():
    assert verdict(OPEN, {"a": HOLDS, "b": REVERSED, "c": HOLDS}) == "holds elsewhere only: a, c"


def test_the_answer_has_each_verdict_with_the_outcomes_behind_it(judge):
    judgements = judge(BAD, GOOD)
    own = [judgement for judgement in judgements.values() if judgement.method == "badmm"][:2]
    assert claims.answer(own).splitlines()[:4] == [
        "BADMM (gradient) - holds elsewhere only (2)",
        "    final training loss against SGD: holds elsewhere only: other",
        "        autoencoder: reversed, 2 (2 to 2)",
        "        other: holds, 0.5 (0.5 to 0.5)",
    ]
    assert claims.answer([judgements["gradient"]]).startswith(
        "It is 1-Lipschitz - holds: largest difference quotient 1"
    )


def test_the_answer_names_the_lost_runs_by_method(judge):
    judgement = judge(without(GOOD, 2, 4), without(GOOD, 0, made=diverged))[FASTER]
    assert (judgement.own.lost, judgement.elsewhere["other"].lost) == ([[2, 4], []], [[0], []])
    assert "autoencoder: holds, 0.5 (0.5 to 0.5); lost: BADMM (gradient) with seed 2, 4" in claims.answer([judgement])


def test_an_experiment_without_the_method_has_no_part(tmp_path, judge):
    judge(made_runs(0.5, 21.0), made_runs(0.5))  # writes the runs
    fewer = OPTIMIZERS | {"other": [*baselines(), "badmm-ls"]}
    judgements = claims.judge(ResultFiles(str(tmp_path)), SETTINGS, fewer)
    places = {judgement.id: list(judgement.elsewhere) for judgement in judgements}
    assert (places[FASTER], places["faster/sgd/final/badmm-ls"]) == ([], ["other"])


def test_a_threshold_of_the_claim_takes_the_place_of_the_usual_one(tmp_path, judge):
    judge(made_runs(0.5, 21.0), made_runs(0.5))
    for threshold, expected in ((0.6, HOLDS), (0.4, FAILED)):
        statement = SETTINGS["statements"][1] | {"threshold": threshold, "quantities": ["final"]}
        settings = SETTINGS | {"statements": [statement]}
        judgements = claims.judge(ResultFiles(str(tmp_path)), settings, OPTIMIZERS)
        assert {judgement.verdict for judgement in judgements} == {expected}


def test_judgements_survive_their_file(judge, tmp_path):
    """Also where nothing is finite: every run of a baseline diverged."""
    lost = [diverged(seed) for seed in range(SEEDS)]
    judgements = [*judge(made_runs(0.5, 21.0), lost).values()]
    assert judgements[1].elsewhere["other"].effect is None
    claims.write(judgements, tmp_path / "claims.json")
    assert claims.read(tmp_path / "claims.json") == judgements


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
    (judgement,) = claims.judge(ResultFiles(), settings, {})
    assert (judgement.verdict, judgement.method) == (FAILED, None)
    assert "It is 1-Lipschitz - does not hold: largest difference quotient 1.1" in claims.answer([judgement])


def test_every_claim_names_its_place_in_the_poster():
    statements = yaml.safe_load((ROOT / "config" / "claims.yaml").read_text())["claims"]["statements"]
    assert all(statement["source"].startswith("poster, ") for statement in statements)
    assert len({statement["id"] for statement in statements}) == len(statements)
