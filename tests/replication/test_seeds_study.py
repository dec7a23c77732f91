"""The runs that claims are judged by."""

import pytest

from replication.compute.seeds import SeedRun, finished, train_seeds
from replication.parameters import of_run
from replication.run import build_problem


@pytest.fixture(scope="module")
def parameters(smoke_config):
    return of_run(smoke_config, "autoencoder", "adam", 0, "validation_loss").but(iterations=15)


def test_every_seed_is_trained_and_measured_where_it_ends_and_where_it_would_stop(parameters, sample):
    """Steps of SGD that overshoot: the smallest validation loss is not the last one."""
    overshooting = parameters.but(optimizer="sgd", settings={"learning_rate": 20.0, "momentum": 0.9})
    runs = train_seeds(overshooting, {0: sample, 5: sample})
    assert [run.seed for run in runs] == [0, 5]
    for run in runs:
        assert run.iteration == list(range(16))
        assert run.final["train_loss"] == pytest.approx(run.train_loss[-1])
        assert run.stopped["train_loss"] == pytest.approx(run.train_loss[run.stopped_at])
        assert 0 < run.stopped_at < 15
        assert run.final.keys() - run.stopped.keys() == {"train_ssim", "unseen_ssim"}


def test_losses_are_those_of_the_recorded_iterations(parameters, sample):
    (every,) = train_seeds(parameters, {0: sample}, with_ssim=False)
    (some,) = train_seeds(parameters, {0: sample}, every=4, with_ssim=False)
    assert some.iteration == [0, 4, 8, 12, 15]
    assert some.train_loss == [every.train_loss[number] for number in some.iteration]
    assert (some.final, every.final.keys()) == (every.final, some.stopped.keys())


def test_a_run_knows_the_training_loss_of_the_targets_mean(parameters, sample):
    (run,) = train_seeds(parameters, {0: sample}, with_ssim=False)
    targets = build_problem(parameters, sample).training.targets.double()
    assert run.mean_loss == pytest.approx(targets.var(0, correction=0).mean().item())


def test_a_run_that_diverges_has_finite_losses_alone_and_no_quality(parameters, sample):
    (run,) = train_seeds(parameters.but(optimizer="sgd", settings={"learning_rate": 1e9}), {0: sample})
    assert run.diverged
    assert len(run.iteration) == len(run.train_loss) >= 1
    assert (run.final, run.stopped_at, run.stopped) == (None, None, None)
    assert finished([run, SeedRun(1, "finished")]) == [SeedRun(1, "finished")]


def test_of_the_losses_those_of_some_rows_can_be_kept(parameters, sample):
    (every,) = train_seeds(parameters, {0: sample}, with_ssim=False)
    (some,) = train_seeds(parameters, {0: sample}, every=None, with_ssim=False, rows=[4, 12])
    assert (some.iteration, some.train_loss) == ([4, 12], [every.train_loss[4], every.train_loss[12]])
    assert some.final == every.final
