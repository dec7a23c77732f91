"""What bounds the picture, against independent solvers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import linalg, optimize
from skimage.metrics import peak_signal_noise_ratio

from replication import config, data as problems
from replication.studies import maps as references, seeds as evidence
from replication.data import Split


@pytest.fixture
def data():
    draw = torch.Generator().manual_seed(0)
    X = torch.randn(40, 6, generator=draw, dtype=torch.float64)
    Y = X @ torch.randn(6, 5, generator=draw, dtype=torch.float64) + 0.3 * torch.randn(40, 5, generator=draw).double()
    return Split(X, Y + 1.0)


def objective(data, B, b, ridge):
    return ((data.targets - data.inputs @ B - b) ** 2).sum() + ridge * (B**2).sum()


def parts(network):
    return (network[1].weight @ network[0].weight).T.detach(), network[1].bias.detach()


@pytest.mark.parametrize("ridge", [0.01, 3.0])
def test_of_full_rank_it_is_ridge_regression(data, ridge):
    B, b = parts(references.reduced_rank_ridge(data, 5, ridge))
    X, Y = (part - part.mean(0) for part in data)
    expected = linalg.lstsq(np.vstack([X, ridge**0.5 * np.eye(6)]), np.vstack([Y, np.zeros((6, 5))]))[0]
    np.testing.assert_allclose(B, expected, atol=1e-10)
    np.testing.assert_allclose(b, data.targets.mean(0) - data.inputs.mean(0) @ B, atol=1e-10)


@pytest.mark.parametrize(("rank", "ridge"), [(1, 0.01), (2, 3.0)])
def test_of_lower_rank_no_local_search_finds_a_better_one(data, rank, ridge):
    """L-BFGS-B over factors of that rank, from several starts, as an independent solver."""
    B, b = parts(references.reduced_rank_ridge(data, rank, ridge))
    assert torch.linalg.matrix_rank(B, rtol=1e-9) == rank
    mine = objective(data, B, b, ridge).item()

    def loss(values):
        values = torch.tensor(values, requires_grad=True)
        U, V, b = values.split([6 * rank, 5 * rank, 5])
        total = objective(data, U.view(6, rank) @ V.view(rank, 5), b, ridge)
        total.backward()
        return total.item(), values.grad.numpy()

    draw = np.random.default_rng(0)
    found = [
        optimize.minimize(loss, draw.normal(size=11 * rank + 5), jac=True, method="L-BFGS-B", options={"maxiter": 5000})
        for _ in range(5)
    ]
    assert mine == pytest.approx(min(result.fun for result in found), rel=1e-6)


def test_the_ridge_is_the_one_with_the_smallest_validation_error(denoising):
    network, ridge = references.linear_map(denoising, 4)
    errors = {}
    for candidate in references.RIDGES:
        other = references.reduced_rank_ridge(denoising.training, 4, candidate)
        with torch.no_grad():
            errors[candidate] = (
                (other(denoising.validation.inputs) - denoising.validation.targets).square().mean().item()
            )
    assert errors[ridge] == min(errors.values())
    with torch.no_grad():
        mine = (network(denoising.validation.inputs) - denoising.validation.targets).square().mean().item()
    assert mine == pytest.approx(errors[ridge])


def test_the_mean_image_is_the_best_constant(denoising):
    with torch.no_grad():
        image = references.mean_image(denoising)(denoising.unseen.inputs)
    assert (image == image[0]).all()
    torch.testing.assert_close(image[0], denoising.training.targets.mean(0))


def test_quality_of_the_noisy_input_is_that_of_the_noise(denoising):
    numbers = evidence.quality(references.noisy_input(), denoising)
    noise = denoising.unseen.inputs - denoising.unseen.targets
    assert numbers["unseen_loss"] == pytest.approx(noise.square().mean().item())
    pairs = zip(denoising.unseen.targets.numpy(), denoising.unseen.inputs.numpy(), strict=True)
    expected = np.mean([peak_signal_noise_ratio(clean, noisy, data_range=1.0) for clean, noisy in pairs])
    assert numbers["unseen_psnr"] == pytest.approx(expected, rel=1e-6)
    assert 0 < numbers["unseen_ssim"] < 1
    assert "active" not in numbers


@pytest.mark.parametrize("hidden", [4, 30])
def test_the_linear_map_is_there_with_next_to_no_penalty_as_well(sample, smoke_config, hidden):
    parameters = config.parameters(smoke_config, "autoencoder", "sgd", 0) | {"network": {"hidden": [hidden]}}
    told = evidence.bounds(parameters, {0: sample}, ssim=False)["references"]
    chosen, unpenalised = told[evidence.LINEAR_MAP][0], told[evidence.UNPENALISED][0]
    assert (unpenalised["train_loss"] < chosen["train_loss"]) == (chosen["ridge"] > references.RIDGES[0])
    problem = problems.build(sample, **parameters["problem"], seed=0, dtype=parameters["dtype"])
    penalties = {r: references.reduced_rank_ridge(problem.training, hidden, r) for r in references.RIDGES}
    with torch.no_grad():
        losses = {
            r: (n(problem.training.inputs) - problem.training.targets).square().mean() for r, n in penalties.items()
        }
    assert unpenalised["train_loss"] == pytest.approx(min(losses.values()).item(), rel=1e-5)


def test_without_validation_images_no_ridge_can_be_chosen(sample, smoke_config):
    parameters = config.parameters(smoke_config, "autoencoder", "sgd", 0)
    nothing = replace(sample, validation=sample.validation[:0], validation_digits=sample.validation_digits[:0])
    told = evidence.bounds(parameters, {0: sample, 1: sample}, ssim=False)["references"]
    without = evidence.bounds(parameters, {0: nothing, 1: nothing}, ssim=False)["references"]
    assert list(told) == ["noisy input", evidence.MEAN_IMAGE, evidence.LINEAR_MAP, evidence.UNPENALISED]
    assert without == {name: entries for name, entries in told.items() if name != evidence.LINEAR_MAP}


def test_active_units_are_counted(denoising, make_network):
    network = make_network(denoising.sizes, hidden=[4])
    with torch.no_grad():
        network[0].bias.copy_(torch.tensor([100.0, 100.0, -100.0, -100.0]))
    numbers = evidence.quality(network, denoising)
    assert (numbers["active"], numbers["always_active"]) == (0.5, 0.5)


def test_runs_of_a_claim_have_every_seed_and_stop_at_the_best_validation_loss(smoke_config, sample):
    parameters = config.parameters(smoke_config, "autoencoder", "badmm-ls", 0, "validation_loss")
    told = evidence.train_seeds(parameters | {"iterations": 15}, {0: sample, 5: sample})
    assert [run["seed"] for run in told["runs"]] == [0, 5]
    for run in told["runs"]:
        assert len(run["train_loss"]) == 16
        assert run["final"]["train_loss"] == pytest.approx(run["train_loss"][-1])
        assert run["stopped"]["train_loss"] == pytest.approx(run["train_loss"][run["stopped_at"]])


def test_weights_shrunk_to_nothing_are_zero_and_never_subnormal():
    """An output whose target is zero for every sample: its weights vanish, and each step goes on at full speed."""
    from torch import nn

    from nonsmooth import Badmm

    draw = torch.Generator().manual_seed(0)
    inputs, targets = torch.rand(30, 6, generator=draw), torch.rand(30, 4, generator=draw)
    targets[:, 2] = 0
    network = nn.Sequential(nn.Linear(6, 3), nn.ReLU(), nn.Linear(3, 4))
    optimizer = Badmm(network, inputs, targets, weight_step="least_squares")
    for _ in range(80):
        optimizer.step()
    for parameter in network.parameters():
        assert (parameter.abs() >= torch.finfo(torch.float32).tiny).logical_or(parameter == 0).all()
    assert (network(inputs)[:, 2] == 0).all()
