"""The numbers of a trained network, against other libraries and by hand."""

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from nonsmooth import training
from nonsmooth.problem import Problem, Split
from replication import data
from replication.quality import SIDE, off_share, quality, summary


def test_quality_of_the_noisy_input_is_that_of_the_noise(denoising):
    numbers = quality(torch.nn.Identity(), denoising)
    for name, split in (("train", denoising.training), ("unseen", denoising.unseen)):
        assert numbers[f"{name}_loss"] == pytest.approx((split.inputs - split.targets).square().mean().item())
        pairs = list(zip(split.targets.numpy(), split.inputs.numpy(), strict=True))
        psnr = [peak_signal_noise_ratio(clean, noisy, data_range=1.0) for clean, noisy in pairs]
        assert numbers[f"{name}_psnr"] == pytest.approx(np.mean(psnr), rel=1e-6)
        images = [(clean.reshape(SIDE, SIDE), noisy.reshape(SIDE, SIDE)) for clean, noisy in pairs]
        ssim = [structural_similarity(*pair, data_range=1.0) for pair in images]
        assert numbers[f"{name}_ssim"] == pytest.approx(np.mean(ssim))
    assert "active" not in numbers


def test_ssim_is_left_out_where_it_is_not_wanted_and_nothing_else(denoising):
    everything = quality(torch.nn.Identity(), denoising)
    fewer = quality(torch.nn.Identity(), denoising, with_ssim=False)
    assert everything.keys() - fewer.keys() == {"train_ssim", "unseen_ssim"}
    assert fewer.items() <= everything.items()


def test_a_perceptron_has_losses_and_no_images(teacher, make_network):
    network = make_network(teacher.sizes, output_activation="relu")
    assert quality(network, teacher).keys() == {"train_loss", "unseen_loss"}


@pytest.fixture(scope="module")
def digits(sample) -> Problem:
    return data.build(sample, name="digits", seed=0, dtype="float64", unseen_images=20)


def test_accuracy_is_the_share_of_samples_whose_largest_output_is_the_right_one(digits, make_network):
    network = make_network(digits.sizes, hidden=[8])
    numbers = quality(network, digits)
    assert numbers.keys() == {
        *("train_loss", "unseen_loss", "train_accuracy", "unseen_accuracy"),
        *("active", "always_active"),
    }
    for name, split in (("train", digits.training), ("unseen", digits.unseen)):
        right = 0
        for image, target in zip(*split, strict=True):
            outputs = network(image).tolist()
            right += target[outputs.index(max(outputs))].item() == 1
        assert numbers[f"{name}_accuracy"] == pytest.approx(right / len(split.inputs))
    assert 0 < numbers["train_accuracy"] < 1


def test_the_summary_has_the_accuracies_of_the_quality(digits, make_network):
    network = make_network(digits.sizes)
    names = {"train_accuracy", "unseen_accuracy"}
    assert summary(network, digits).keys() == {"test_loss", *names}
    assert {name: summary(network, digits)[name] for name in names}.items() <= quality(network, digits).items()


def test_outputs_that_are_not_finite_have_no_accuracy(digits, make_network):
    network = make_network(digits.sizes)
    with torch.no_grad():
        network[0].bias[3] = torch.nan
    assert set(summary(network, digits).values()) == {None}


@pytest.mark.parametrize(
    "targets", [[[1.0], [1.0]], [[1, 0], [0, 2.0]], [[1, 0], [1.0, 1]], [[1, 0], [0.0, 0]], [[1, 0], [0.5, 0.5]]]
)
def test_targets_are_classes_only_where_every_row_of_several_columns_is_one_hot(targets):
    split = Split(torch.ones(2, 3), torch.tensor(targets))
    problem = Problem(split, unseen=split)
    network = torch.nn.Linear(*problem.sizes)
    assert quality(network, problem).keys() == {"train_loss", "unseen_loss"}
    assert summary(network, problem) == {}


def test_the_rows_of_every_process_decide_whether_targets_are_classes(digits, make_network, monkeypatch):
    """Another process has one row, which is not one-hot."""
    monkeypatch.setattr(training, "summed", lambda sums, group: sums + torch.tensor([0.0, 1.0]))
    assert summary(make_network(digits.sizes), digits).keys() == {"test_loss"}


def test_active_units_are_counted(denoising, make_network):
    network = make_network(denoising.sizes, hidden=[4])
    with torch.no_grad():
        network[0].bias.copy_(torch.tensor([100.0, 100.0, -100.0, -100.0]))
    numbers = quality(network, denoising, with_ssim=False)
    assert (numbers["active"], numbers["always_active"]) == (0.5, 0.5)


def test_the_off_share_is_the_error_that_the_gradient_of_the_squared_error_does_not_see():
    network = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.ReLU())
    with torch.no_grad():
        network[0].weight.fill_(1.0)
        network[0].bias.fill_(0.0)
    split = Split(torch.tensor([[-1.0], [-1.0], [3.0], [0.5]]), torch.tensor([[2.0], [0.0], [1.0], [0.5]]))
    assert off_share(network, split) == 2.0**2 / (2.0**2 + 2.0**2)
    (network(split.inputs) - split.targets)[:2].square().sum().backward()
    assert network[0].weight.grad == 0


def test_the_off_share_of_a_perfect_fit_is_zero():
    network = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.ReLU())
    inputs = torch.tensor([[-1.0], [2.0]])
    assert off_share(network, Split(inputs, network(inputs).detach())) == 0.0
