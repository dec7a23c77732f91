"""A method tuned and run at one setting of the limits."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from replication.methods import compared
from replication.parameters import SELECTIONS, of_run
from replication.run import train_blind
from replication.studies import limits, maps
from replication.studies.limits import Chosen, Search, measure_maps, study, time_methods, walk
from replication.studies.seeds import train_seeds

DATA = Path(__file__).parents[2] / "data" / "excerpt"
RATES = {"learning_rate": {"log": [1e-6, 1.0]}}


def search(starts: tuple[float, float], ranges: dict = RATES, **changes) -> Search:
    """A search that begins with these learning rates, by either column."""
    rates = {column: {"learning_rate": rate} for column, rate in zip(SELECTIONS, starts, strict=True)}
    values = {"trials": 3, "shift": 0.4, "tuning_seed": 1000, "seeds": [0, 1], "every": 1} | changes
    return Search(rates, ranges, **values)


@pytest.fixture(scope="module")
def parameters(smoke_config):
    """Of a run of SGD, without the learning rate that is searched."""
    run = of_run(smoke_config, "autoencoder", "sgd", 0)
    images = {"training_images": 40, "validation_images": 20}
    return replace(run, settings={"momentum": 0.5, "batch_size": None}, iterations=4, images=images)


def rates(trials: list) -> list[float]:
    return [settings["learning_rate"] for settings, _ in trials]


def test_steps_are_tuned_anew_and_nothing_is_trained_twice(parameters, monkeypatch):
    trained = []
    monkeypatch.setattr(limits, "train_seeds", lambda *a, **k: trained.append(a[0]) or train_seeds(*a, **k))
    result = study(parameters, search((1e-3, 1e-3)), DATA)
    assert len(trained) == 1
    by_training, by_validation = (Chosen.read(result["chosen"][column]) for column in SELECTIONS)
    assert by_training == by_validation
    assert by_training.settings == parameters.settings | {"learning_rate": 0.251}  # the larger step: 1e-3 * 1e6^0.4
    assert by_training.optimizer == "sgd"
    assert [run.seed for run in by_training.runs] == [0, 1]
    assert by_training.runs[0].iteration == [0, 1, 2, 3, 4]


def test_a_search_without_ranges_keeps_the_better_of_the_starts(parameters):
    result = study(parameters, search((1e-3, 0.1), {}), DATA)
    chosen = [Chosen.read(result["chosen"][column]) for column in SELECTIONS]
    assert [choice.settings["learning_rate"] for choice in chosen] == [0.1, 0.1]
    assert all(choice.bracketed for choice in chosen)
    first, second = result["trials"]
    assert (first["settings"], second["settings"]) == ({"learning_rate": 1e-3}, {"learning_rate": 0.1})
    assert second["train_loss"] < first["train_loss"]


def test_trials_are_losses_at_the_end_with_the_seed_of_the_search(parameters):
    result = study(parameters, search((1e-3, 0.1), {}, seeds=[0]), DATA)
    images = limits.mnist.draw(DATA, 1000, **parameters.images, sources=[])
    for trial in result["trials"]:
        _, training = train_blind(parameters.but(seed=1000, settings=trial["settings"]), images)
        for column in SELECTIONS:
            assert trial[column] == training.history[column][-1]


def test_a_trial_that_diverges_has_no_loss_and_is_not_chosen(parameters):
    """No loss stands for it, so that the record can be JSON."""
    result = study(parameters, search((1e9, 0.1), {}, seeds=[0]), DATA)
    assert result["trials"][0] == {"settings": {"learning_rate": 1e9}}
    assert result["chosen"]["train_loss"]["settings"]["learning_rate"] == 0.1


@pytest.mark.parametrize(("best", "steps"), [(1e-5, [1e-2, 1e-3, 1e-4, 1e-5, 1e-6]), (1e-2, [1e-2, 1e-3, 1e-1])])
def test_trials_walk_on_while_the_outermost_is_the_best(best, steps):
    """A loss whose smallest value is far from the start is reached, and no more trials are made than needed."""

    def ends(settings):
        return dict.fromkeys(SELECTIONS, abs(math.log10(settings["learning_rate"] / best)))

    trials = walk(ends, [{"learning_rate": 1e-2}] * 2, search((1e-2, 1e-2), trials=5, shift=1 / 6))
    assert rates(trials) == pytest.approx(steps)


def test_trials_follow_either_loss():
    """The training loss asks for larger steps and the validation loss for smaller ones."""

    def ends(settings):
        rate = math.log10(settings["learning_rate"])
        return {"train_loss": -rate, "validation_loss": rate}

    trials = walk(ends, [{"learning_rate": 1e-3}], search((1e-3, 1e-3), trials=6, shift=1 / 6))
    assert len(trials) == 6
    assert min(rates(trials)) < 1e-4 < 1e-2 < max(rates(trials))


def test_trials_walk_out_of_divergence_by_smaller_steps():
    """Of two starts that diverge the one with smaller steps is gone on from, until something trains."""

    def ends(settings):
        rate = settings["learning_rate"]
        return dict.fromkeys(SELECTIONS, -rate if rate < 2e-4 else math.inf)

    trials = walk(ends, [{"learning_rate": 1e-1}, {"learning_rate": 1e-2}], search((0, 0), trials=9, shift=1 / 6))
    assert rates(trials) == pytest.approx([1e-1, 1e-2, 1e-3, 1e-4, 1e-5])


def test_where_everything_diverged_nothing_is_bracketed(parameters):
    result = study(parameters, search((1e9, 1e9), {"learning_rate": {"log": [1e9, 1e10]}}, shift=1.0, seeds=[0]), DATA)
    assert len(result["trials"]) == 2
    assert not any(choice["bracketed"] for choice in result["chosen"].values())


def test_settings_are_bracketed_where_all_their_neighbours_were_tried(parameters):
    """The larger step is tried and the smaller one is not, for want of trials."""
    result = study(parameters, search((0.5, 0.5), {"learning_rate": {"log": [0.1, 1.0]}}, trials=2, seeds=[0]), DATA)
    assert len(result["trials"]) == 2
    assert not result["chosen"]["train_loss"]["bracketed"]


def test_methods_are_timed_side_by_side(smoke_config, parameters):
    runs = [of_run(smoke_config, "autoencoder", name, 0).but(images=parameters.images) for name in compared()]
    report = time_methods(runs, 2, DATA)
    assert (report["rounds"], list(report["optimizers"])) == (2, list(compared()))
    assert all(entry["seconds"] > 0 for entry in report["optimizers"].values())


def test_maps_are_measured_with_every_seed(parameters, monkeypatch):
    """With two ridges: eight of each seed take seconds."""
    monkeypatch.setattr(maps, "RIDGES", maps.RIDGES[::4])
    measured = measure_maps(parameters.but(network=parameters.network | {"hidden": [3]}), [0, 1], DATA)
    assert measured["rank"] == 3
    assert [entry["seed"] for entry in measured["maps"][maps.LINEAR_MAP]] == [0, 1]
    assert {"unseen_psnr", "unseen_ssim", "train_loss"} <= measured["maps"][maps.LINEAR_MAP][0].keys()
