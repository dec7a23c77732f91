"""Verdicts on the claims, from runs made for the purpose."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from made_runs import SEEDS, diverged, made_run, made_runs

from nonsmooth import bregman
from replication.files import write_json
from replication.methods import baselines, compared, judged
from replication.parameters import SELECTIONS
from replication.paths import ResultFiles
from replication.studies.seeds import SeedRun
from replication.verdicts import claims
from replication.verdicts.claims import CONDITIONAL, FAILED, REPLICATED, Judgement
from replication.verdicts.effects import HOLDS, OPEN, REVERSED

ROOT = Path(__file__).parents[2]
EXPERIMENTS = "autoencoder", "other"
SETTINGS = {
    "seeds": list(range(SEEDS)),
    "level": 0.95,
    "resamples": 999,
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
    write_json(files.seeds(experiment, selection, name), {"runs": [vars(run) for run in runs]})


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
            times = [sum(clocks[name]) for name in names]  # setup and one iteration
            expected = {
                "final": loss[own] / loss[other],
                "unseen_psnr": psnr[own] - psnr[other],
                "seconds": times[0] / times[1],
            }
            assert outcome.effect == pytest.approx(expected[judgement.quantity])


def test_a_claim_that_holds_is_replicated(judge):
    judgements = judge(made_runs(0.5, 21.0), made_runs())
    assert {judgement.verdict for judgement in judgements.values()} == {REPLICATED}
    assert judgements[FASTER].own.seeds == SETTINGS["seeds"]
    assert "replicated: 0.5 (0.5 to 0.5)" in claims.answer([judgements[FASTER]])


def test_a_claim_fails_on_runs_made_to_be_bad(judge):
    judgements = judge(made_runs(2.0, 19.0), made_runs(2.0, 19.0))
    assert judgements.pop("gradient").verdict == REPLICATED
    assert {judgement.verdict for judgement in judgements.values()} == {FAILED}
    assert {judgement.own.outcome for judgement in judgements.values()} == {REVERSED}
    assert "not replicated, reversed here: 2 (2 to 2)" in claims.answer([judgements[FASTER]])


def test_a_draw_is_no_replication(judge):
    judgement = judge(made_runs(), made_runs())[FASTER]
    assert (judgement.verdict, judgement.own.outcome) == (FAILED, OPEN)


def test_a_claim_that_holds_elsewhere_alone_is_conditional_and_says_where(judge):
    judgement = judge(made_runs(2.0, 19.0), made_runs(0.5))[FASTER]
    assert (judgement.verdict, judgement.elsewhere["other"].outcome) == (CONDITIONAL, HOLDS)
    text = claims.answer([judgement])
    assert "conditional, reversed here: 2 (2 to 2); holds on other: 0.5 (0.5 to 0.5)" in text


def test_a_claim_that_holds_and_fails_elsewhere_says_so(judge):
    judgement = judge(made_runs(0.5, 21.0), made_runs(2.0))[FASTER]
    assert (judgement.verdict, judgement.elsewhere["other"].outcome) == (REPLICATED, REVERSED)
    assert "replicated: 0.5 (0.5 to 0.5); reversed on other: 2 (2 to 2)" in claims.answer([judgement])


def test_the_answer_counts_the_runs_that_diverged(judge):
    runs = made_runs(0.5, 21.0)
    runs[2] = diverged(2)
    judgement = judge(runs, runs)[FASTER]
    assert judgement.verdict == FAILED
    assert "not replicated: 0.5 (0.5 to 0.5); 1 of its own runs diverged" in claims.answer([judgement])


def test_an_experiment_without_the_method_has_no_part(tmp_path, judge):
    judge(made_runs(0.5, 21.0), made_runs(0.5))  # writes the runs
    fewer = OPTIMIZERS | {"other": [*baselines(), "badmm-ls"]}
    judgements = claims.judge(ResultFiles(str(tmp_path)), SETTINGS, fewer)
    places = {judgement.id: list(judgement.elsewhere) for judgement in judgements}
    assert (places[FASTER], places["faster/sgd/final/badmm-ls"]) == ([], ["other"])


def test_a_threshold_of_the_claim_takes_the_place_of_the_usual_one(tmp_path, judge):
    judge(made_runs(0.5, 21.0), made_runs(0.5))
    for threshold, verdict in ((0.6, REPLICATED), (0.4, FAILED)):
        statement = SETTINGS["statements"][1] | {"threshold": threshold, "quantities": ["final"]}
        settings = SETTINGS | {"statements": [statement]}
        judgements = claims.judge(ResultFiles(str(tmp_path)), settings, OPTIMIZERS)
        assert {judgement.verdict for judgement in judgements} == {verdict}


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


def test_a_gradient_that_is_steeper_than_the_threshold_is_not_replicated(monkeypatch):
    steeper = replace(claims.gradient([0]), value=1.1)
    monkeypatch.setattr(claims, "gradient", lambda seeds: steeper)
    settings = SETTINGS | {"statements": SETTINGS["statements"][:1]}
    (judgement,) = claims.judge(ResultFiles(), settings, {})
    assert (judgement.verdict, judgement.method) == (FAILED, None)
    assert "It is 1-Lipschitz - replicated: 0" in claims.answer([judgement])


def test_every_claim_names_its_place_in_the_poster():
    statements = yaml.safe_load((ROOT / "config" / "claims.yaml").read_text())["claims"]["statements"]
    assert all(statement["source"].startswith("poster, ") for statement in statements)
    assert len({statement["id"] for statement in statements}) == len(statements)
