"""The record of a method: searched in either way, what was chosen, the runs with it, and what is known already."""

import math
from dataclasses import asdict, replace

import pytest

from replication import records, search
from replication.compute import training
from replication.compute.training import Tuned, answer
from replication.parameters import CRITERIA, of_run
from replication.run import draw, train_blind
from replication.search import Trial, Walk, tune
from replication.studies import study

RATES = {"learning_rate": {"log": [1e-6, 1.0]}}
RUNS = {"seeds": [0, 1], "every": 1, "with_ssim": False}


def walk(starts: tuple[float, float], ranges: dict = RATES, **changes) -> dict:
    """A walk that begins with these learning rates, by either column."""
    rates = {column: {"learning_rate": rate} for column, rate in zip(CRITERIA, starts, strict=True)}
    return {"starts": rates, "ranges": ranges, "trials": 3, "shift": 0.4} | changes


@pytest.fixture(scope="module")
def parameters(smoke_config):
    """Of a run of SGD, without the learning rate that is searched."""
    run = of_run(smoke_config, "autoencoder", "sgd", 0)
    images = {"training_images": 40, "validation_images": 20}
    return replace(run, settings={"momentum": 0.5, "batch_size": None}, iterations=4, images=images)


def tuned(parameters, how: dict, root, runs: dict | None = None, published=(), seeds=(1000,)) -> Tuned:
    columns = dict.fromkeys(CRITERIA, runs or RUNS)
    return Tuned.read(answer(asdict(parameters), how, list(seeds), columns, root=root, published=list(published)))


def test_steps_are_tuned_anew_and_nothing_is_trained_twice(parameters, excerpt, monkeypatch):
    trained = []
    kept = training.train_seeds
    monkeypatch.setattr(training, "train_seeds", lambda *a, **k: trained.append(a[1]) or kept(*a, **k))
    made = tuned(parameters, walk((1e-3, 1e-3)), excerpt)
    assert [list(samples) for samples in trained] == [[0], [1]]
    by_training, by_validation = (made.choice(column) for column in CRITERIA)
    assert by_training == by_validation
    assert by_training.settings == {"learning_rate": 0.251}  # the larger step: 1e-3 * 1e6^0.4
    assert made.settings("train_loss") == parameters.settings | by_training.settings
    assert [run.seed for run in by_training.runs] == [0, 1]
    assert by_training.runs[0].iteration == [0, 1, 2, 3, 4]


def test_trials_are_losses_at_the_end_with_the_seed_of_the_search(parameters, excerpt):
    made = tuned(parameters, walk((1e-3, 0.1)), excerpt)
    images = draw(excerpt, 1000, parameters)
    for trial in made.trials:
        _, history = train_blind(parameters.but(seed=1000, settings=trial.settings), images)
        for column in CRITERIA:
            assert trial.scores[column] == [history.history[column][-1]]


def test_a_trial_that_diverges_has_no_loss_and_is_not_chosen(parameters, excerpt):
    made = tuned(parameters, walk((1e9, 0.1), trials=2), excerpt)
    assert (made.trials[0].status, made.trials[0].scores) == ("diverged", {})
    assert made.choice("train_loss").settings["learning_rate"] == 0.1


def test_where_everything_diverged_a_walk_has_runs_that_say_so_and_nothing_is_bracketed(parameters, excerpt):
    how = walk((1e9, 1e9), {"learning_rate": {"log": [1e9, 1e10]}}, shift=1.0)
    made = tuned(parameters, how, excerpt)
    assert len(made.trials) == 2
    assert [made.choice(column).bracketed for column in CRITERIA] == [False, False]
    assert all(run.diverged for run in made.choice("train_loss").runs)


def test_where_every_finalist_diverged_a_choice_names_the_method(parameters, excerpt):
    how = {"ranges": {"learning_rate": {"log": [1e9, 1e10]}}, "trials": 2, "finalists": 1, "statistic": "last"}
    made = tuned(parameters, how, excerpt)
    with pytest.raises(ValueError, match="every finalist of sgd diverged"):
        made.choice("train_loss")


def test_settings_are_bracketed_where_all_their_neighbours_were_tried(parameters, excerpt):
    """The larger step is tried and the smaller one is not, for want of trials."""
    made = tuned(parameters, walk((0.5, 0.5), {"learning_rate": {"log": [0.1, 1.0]}}, trials=2), excerpt)
    assert len(made.trials) == 2
    assert made.choice("train_loss").bracketed is False


def test_a_method_without_ranges_is_run_and_not_searched(parameters, excerpt):
    how = {"ranges": {}, "trials": 0, "finalists": 1, "statistic": "last"}
    fixed = parameters.but(settings={"learning_rate": 0.1})
    made = tuned(fixed, how, excerpt)
    assert made.trials == []
    assert made.settings("train_loss") == fixed.settings
    assert [run.status for run in made.choice("validation_loss").runs] == ["finished"] * 2


# Walks


def rates(trials: list[Trial]) -> list[float]:
    return [trial.settings["learning_rate"] for trial in trials]


def walked(monkeypatch, ends, starts: list[float], **changes) -> list[Trial]:
    """The trials of a walk where a learning rate has these losses at its end, by column; none where it diverges."""

    def tried(parameters, how, trial, *_):
        losses = ends(trial.settings["learning_rate"])
        scores = {column: [loss] for column, loss in losses.items()}
        return replace(trial, status="finished" if scores else "diverged", scores=scores)

    monkeypatch.setattr(search, "_tried", tried)
    monkeypatch.setattr(search, "_tell", lambda *_: None)
    begin = dict(zip(CRITERIA, ({"learning_rate": start} for start in starts), strict=True))
    return tune(None, Walk(begin, RATES, **{"trials": 9, "shift": 1 / 6} | changes), {1000: None})


@pytest.mark.parametrize(("best", "steps"), [(1e-5, [1e-2, 1e-3, 1e-4, 1e-5, 1e-6]), (1e-2, [1e-2, 1e-3, 1e-1])])
def test_trials_walk_on_while_the_outermost_is_the_best(monkeypatch, best, steps):
    """A loss whose smallest value is far from the start is reached, and no more trials are made than needed."""

    def ends(rate):
        return dict.fromkeys(CRITERIA, abs(math.log10(rate / best)))

    assert rates(walked(monkeypatch, ends, [1e-2, 1e-2], trials=5)) == pytest.approx(steps)


def test_trials_follow_either_loss(monkeypatch):
    """The training loss asks for larger steps and the validation loss for smaller ones."""

    def ends(rate):
        return {"train_loss": -math.log10(rate), "validation_loss": math.log10(rate)}

    trials = walked(monkeypatch, ends, [1e-3, 1e-3], trials=6)
    assert len(trials) == 6
    assert min(rates(trials)) < 1e-4 < 1e-2 < max(rates(trials))


def test_trials_walk_out_of_divergence_by_smaller_steps(monkeypatch):
    """Of two starts that diverge the one with smaller steps is gone on from, until something trains."""

    def ends(rate):
        return dict.fromkeys(CRITERIA, -rate) if rate < 2e-4 else {}

    assert rates(walked(monkeypatch, ends, [1e-1, 1e-2])) == pytest.approx([1e-1, 1e-2, 1e-3, 1e-4, 1e-5])


# What is known already


SPREAD = {"ranges": {"learning_rate": {"log": [0.01, 1.0]}}, "finalists": 1, "statistic": "last"}


def record_of(parameters, how: dict, root, path, seeds=(1000, 1001)) -> Tuned:
    """A published record, at `path`."""
    job = study.training("tuning/a/sgd", parameters, how, list(seeds), {"train_loss": RUNS})
    result = answer(**job.arguments, root=root, published=[])
    records.write(path, [{"name": job.name, "key": job.key, "result": result, "seconds": 1.0}])
    return Tuned.read(result)


def test_a_longer_search_and_more_seeds_take_over_what_a_shorter_one_has(parameters, excerpt, tmp_path, monkeypatch):
    """Four trials are extended to eight, and two seeds to three: nothing that is known is trained again."""
    path = str(tmp_path / "tuning.jsonl")
    before = record_of(parameters, SPREAD | {"trials": 4}, excerpt, path)
    trained = []
    for module in (search, training):
        name = "train_blind" if module is search else "train_seeds"
        kept = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *a, kept=kept, **k: trained.append(a[0]) or kept(*a, **k))
    longer = SPREAD | {"trials": 8}
    runs = RUNS | {"seeds": [0, 1, 2]}
    after = tuned(parameters, longer, excerpt, runs, [path], (1000, 1001))
    assert after.trials[0].scores == before.trials[0].scores
    new = [run.settings["learning_rate"] for run in trained if run.seed in (1000, 1001)]
    known = {trial.settings["learning_rate"] for trial in before.trials}
    assert len([rate for rate in new if rate not in known]) >= 4
    anew = tuned(parameters, longer, excerpt, runs, (), (1000, 1001))
    assert [(t.settings, t.scores) for t in after.trials] == [(t.settings, t.scores) for t in anew.trials]
    assert after.chosen == anew.chosen


@pytest.mark.parametrize(
    "change",
    [{"iterations": 5}, {"dtype": "float64"}, {"images": {"training_images": 41, "validation_images": 20}}],
    ids=str,
)
def test_what_was_computed_for_another_question_is_not_taken_over(parameters, excerpt, tmp_path, change):
    path = str(tmp_path / "tuning.jsonl")
    record_of(parameters, SPREAD | {"trials": 2}, excerpt, path)
    assert training.Known(parameters, [path]).score("last")(_first(parameters), 1000) is not None
    other = replace(parameters, **change)
    assert training.Known(other, [path]).score("last")(_first(parameters), 1000) is None


def _first(parameters) -> dict:
    """The settings of the first trial."""
    return parameters.settings | search.trials(SPREAD["ranges"], 2)[0]


def test_a_result_survives_its_file(parameters, excerpt, tmp_path):
    path = tmp_path / "tuning.jsonl"
    made = record_of(parameters, SPREAD | {"trials": 2}, excerpt, path)
    assert Tuned.read(records.read(path)["result"]) == made
