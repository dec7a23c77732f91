"""The reference maps, against independent solvers."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import linalg, optimize

from nonsmooth.problem import Problem, Split
from nonsmooth.training import mean_squared_error
from replication import config
from replication.compute import maps
from replication.compute.maps import LINEAR_MAP, MEAN_IMAGE, NOISY_INPUT, RIDGES, UNPENALISED, reduced_rank_ridge
from replication.parameters import of_run
from replication.quality import quality
from replication.run import build_problem, train_blind

ROOT = Path(__file__).parents[2]


@pytest.fixture
def data():
    draw = torch.Generator().manual_seed(0)
    X = torch.randn(40, 6, generator=draw, dtype=torch.float64)
    Y = X @ torch.randn(6, 5, generator=draw, dtype=torch.float64) + 0.3 * torch.randn(40, 5, generator=draw).double()
    return Split(X, Y + 1.0)


@pytest.fixture(scope="module")
def parameters(smoke_config):
    """Images under so much noise that a ridge helps."""
    return of_run(smoke_config, "autoencoder", "sgd", 0).but(problem={"noise_level": 2.0})


def measured_on(parameters, *samples) -> dict:
    """What is measured of runs of seeds 0, 1, ... on these images."""
    given = dict(enumerate(samples))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(maps, "RIDGES", FEWER)
        patch.setattr(maps, "draw", lambda root, seed, run: given[seed])
        return maps.answer(asdict(parameters), list(given), root="", published=[])


FEWER = RIDGES[::3]  # of each seed: eight take seconds


def objective(data, B, b, ridge):
    return ((data.targets - data.inputs @ B - b) ** 2).sum() + ridge * (B**2).sum()


def parts(network):
    """The matrix and the bias of the linear map that the network is."""
    return (network[1].weight @ network[0].weight).T.detach(), network[1].bias.detach()


@pytest.mark.parametrize("ridge", [0.01, 3.0])
def test_the_map_of_full_rank_is_ridge_regression(data, ridge):
    B, b = parts(reduced_rank_ridge(data, 5, ridge))
    X, Y = (part - part.mean(0) for part in data)
    expected = linalg.lstsq(np.vstack([X, ridge**0.5 * np.eye(6)]), np.vstack([Y, np.zeros((6, 5))]))[0]
    np.testing.assert_allclose(B, expected, atol=1e-10)
    np.testing.assert_allclose(b, data.targets.mean(0) - data.inputs.mean(0) @ B, atol=1e-10)


@pytest.mark.parametrize(("rank", "ridge"), [(1, 0.01), (2, 3.0)])
def test_no_local_search_gets_below_the_map_of_lower_rank(data, rank, ridge):
    """L-BFGS-B over factors of that rank, from several starts, as an independent solver."""
    B, b = parts(reduced_rank_ridge(data, rank, ridge))
    assert torch.linalg.matrix_rank(B, rtol=1e-9) == rank

    def loss(values):
        values = torch.tensor(values, requires_grad=True)
        U, V, b = values.split([6 * rank, 5 * rank, 5])
        total = objective(data, U.view(6, rank) @ V.view(rank, 5), b, ridge)
        total.backward()
        return total.item(), values.grad.numpy()

    draw = np.random.default_rng(0)
    options = {"jac": True, "method": "L-BFGS-B", "options": {"maxiter": 5000}}
    ends = [optimize.minimize(loss, draw.normal(size=11 * rank + 5), **options).fun for _ in range(5)]
    assert objective(data, B, b, ridge).item() == pytest.approx(min(ends), rel=1e-6)


def test_the_ridge_is_the_one_with_the_smallest_validation_error(denoising):
    """On a few pixels: eight ridges of 784 inputs take seconds."""
    middle = slice(350, 430)
    few = Problem(
        *(Split(*(part[:, middle] for part in split)) for split in (denoising.training, denoising.validation))
    )
    network, ridge = maps.linear_map(few, 4)
    networks = {candidate: reduced_rank_ridge(few.training, 4, candidate) for candidate in RIDGES}
    errors = {candidate: mean_squared_error(network, few.validation) for candidate, network in networks.items()}
    assert RIDGES[0] < ridge < RIDGES[-1]
    assert errors[ridge] == min(errors.values())
    assert mean_squared_error(network, few.validation) == pytest.approx(errors[ridge])


def test_the_mean_image_is_the_best_constant(denoising):
    with torch.no_grad():
        image = maps.mean_image(denoising)(denoising.unseen.inputs)
    assert (image == image[0]).all()
    torch.testing.assert_close(image[0], denoising.training.targets.mean(0))


@pytest.fixture(scope="module")
def measured(parameters, sample):
    """The maps beside a network whose smallest layer has 30 units."""
    return measured_on(replace(parameters, network=parameters.network | {"hidden": [50, 30]}), sample)


def test_the_linear_map_has_the_rank_of_the_smallest_layer(measured, parameters, sample):
    (entry,) = measured["maps"][LINEAR_MAP]
    assert (measured["rank"], entry["ridge"] in FEWER) == (30, True)
    problem = build_problem(parameters, sample)
    expected = quality(reduced_rank_ridge(problem.training, 30, entry["ridge"]), problem)
    assert entry == {"seed": 0, **expected, "ridge": entry["ridge"]}


@pytest.mark.parametrize(("experiment", "hidden", "rank"), [("student", 8, 2), ("digits", 50, 10), ("digits", 8, 8)])
def test_the_rank_is_at_most_the_number_of_outputs(smoke_config, sample, experiment, hidden, rank):
    parameters = of_run(smoke_config, experiment, "sgd", 0)
    wide = parameters.but(network=parameters.network | {"hidden": [hidden]})
    measured = measured_on(wide, sample)
    assert (measured["rank"], list(measured["maps"])) == (rank, [MEAN_IMAGE, LINEAR_MAP, UNPENALISED])
    mean, linear = (measured["maps"][name][0] for name in (MEAN_IMAGE, LINEAR_MAP))
    assert linear["train_loss"] < mean["train_loss"]
    assert ("unseen_accuracy" in linear) == (experiment == "digits")


def test_a_student_needs_its_hidden_layer():
    parameters = of_run(config.project(ROOT), "student", "adam", 0)
    student, _ = train_blind(parameters, None, every=100)
    linear, _ = maps.linear_map(student.problem, 5)
    losses = [mean_squared_error(network, student.problem.unseen) for network in (linear, student.network)]
    assert losses[0] > 2 * losses[1]


def test_next_to_no_penalty_gives_the_smallest_training_loss(measured, parameters, sample):
    chosen, unpenalised = (measured["maps"][name][0] for name in (LINEAR_MAP, UNPENALISED))
    assert chosen["ridge"] > RIDGES[0]
    assert unpenalised["train_loss"] < chosen["train_loss"]
    assert unpenalised["unseen_loss"] > chosen["unseen_loss"]  # of 60 images every detail is learned
    training = build_problem(parameters, sample).training
    losses = [mean_squared_error(reduced_rank_ridge(training, 30, ridge), training) for ridge in FEWER]
    assert unpenalised["train_loss"] == pytest.approx(losses[0])
    assert losses == sorted(losses)


def test_without_validation_images_no_ridge_can_be_chosen(measured, parameters, sample):
    nothing = replace(sample, validation=sample.validation[:0], validation_digits=sample.validation_digits[:0])
    same = replace(parameters, network=parameters.network | {"hidden": [30]})
    without = measured_on(same, nothing)["maps"]
    assert list(measured["maps"]) == [NOISY_INPUT, MEAN_IMAGE, LINEAR_MAP, UNPENALISED]
    assert without == {name: entries for name, entries in measured["maps"].items() if name != LINEAR_MAP}


def test_every_seed_has_its_own_noise(parameters, sample):
    """Without validation images, so that one linear map is computed for each seed."""
    nothing = replace(sample, validation=sample.validation[:0], validation_digits=sample.validation_digits[:0])
    entries = measured_on(parameters, nothing, nothing)["maps"][NOISY_INPUT]
    assert [entry["seed"] for entry in entries] == [0, 1]
    assert entries[0]["unseen_loss"] != entries[1]["unseen_loss"]
