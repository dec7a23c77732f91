import pytest
import torch

from replication import data as problems

DENOISING = {
    "name": "denoising",
    "seed": 0,
    "dtype": "float32",
    "noise": "gaussian",
    "noise_level": 0.3,
    "unseen_images": 20,
}
DIGIT = {"name": "digit", "seed": 0, "dtype": "float64", "digit": 3, "unseen_images": 20}
TEACHER = {"name": "teacher", "seed": 0, "dtype": "float64", "inputs": 8, "samples": 20000, "label_noise": 0.1}


def test_targets_are_the_clean_images_and_noise_is_gaussian(sample):
    problem = problems.build(sample, **DENOISING)
    torch.testing.assert_close(problem.training.targets, sample.training.float() / 255)
    noise = problem.training.inputs - problem.training.targets
    assert noise.std().item() == pytest.approx(0.3, rel=0.02)
    assert noise.mean().abs().item() < 0.01
    assert problem.training.inputs.min() < 0  # not clipped
    assert problem.sizes == (784, 784)


def test_noise_of_one_part_does_not_move_with_the_size_of_another(sample):
    whole = problems.build(sample, **DENOISING)
    fewer = problems.build(sample, **(DENOISING | {"unseen_images": 10}))
    assert (whole.validation.inputs == fewer.validation.inputs).all()
    assert (whole.unseen.inputs[:10] == fewer.unseen.inputs).all()
    assert (whole.test.inputs[:20] == whole.unseen.inputs).all()


def test_noise_is_the_same_in_both_precisions_and_differs_between_seeds(sample):
    single = problems.build(sample, **DENOISING)
    double = problems.build(sample, **(DENOISING | {"dtype": "float64"}))
    other = problems.build(sample, **(DENOISING | {"seed": 1}))
    torch.testing.assert_close(single.training.inputs.double(), double.training.inputs, atol=1e-6, rtol=0)
    assert (single.training.inputs != other.training.inputs).any()


def test_more_unseen_images_than_there_are_is_refused(sample):
    with pytest.raises(ValueError, match="unseen_images = 101 is more than the 100"):
        problems.build(sample, **(DENOISING | {"unseen_images": 101}))


def test_digit_has_target_one_for_the_digit_alone(sample):
    problem = problems.build(sample, **DIGIT, condition_number=None)
    torch.testing.assert_close(problem.training.inputs, sample.training.double() / 255)
    assert (problem.training.targets[:, 0] == (sample.training_digits == 3)).all()
    assert 0 < problem.training.targets.sum() < len(sample.training)


@pytest.mark.parametrize("condition_number", [1.0, 100.0, 1e8])
def test_digits_inputs_have_the_condition_number_and_say_the_same(sample, condition_number):
    plain, given = (problems.build(sample, **DIGIT, condition_number=number) for number in (None, condition_number))
    values = torch.linalg.eigvalsh(torch.cov(given.training.inputs.T)).flip(0)
    rank = int(torch.linalg.matrix_rank(plain.training.inputs - plain.training.inputs.mean(0)))
    assert values[0].item() == pytest.approx(1)
    assert values[rank - 1].item() >= (1 - 1e-6) / condition_number
    assert values[rank:].abs().max() < 1e-12
    if condition_number < 1e8:  # more than that of the pixels, which then stay as they are
        assert values[rank - 1].item() == pytest.approx(1 / condition_number)
    w = torch.randn(784, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    z = plain.training.inputs @ w
    inputs = torch.cat([given.training.inputs, torch.ones_like(z)], 1)
    fitted = torch.linalg.lstsq(inputs, z, rcond=1e-10, driver="gelsd").solution
    torch.testing.assert_close(inputs @ fitted, z, atol=1e-6, rtol=0)


@pytest.mark.parametrize("condition_number", [1.0, 100.0])
def test_teachers_inputs_have_the_condition_number(condition_number):
    problem = problems.build(None, **TEACHER, condition_number=condition_number)
    values = torch.linalg.eigvalsh(torch.cov(problem.training.inputs.T))
    assert (values[-1] / values[0]).item() == pytest.approx(condition_number, rel=0.1)


def test_teachers_labels_can_be_trained_with_d_and_carry_the_noise():
    noisy = problems.build(None, **TEACHER, condition_number=10.0)
    exact = problems.build(None, **(TEACHER | {"label_noise": 0.0}), condition_number=10.0)
    assert (noisy.training.targets >= 0).all()
    on = (exact.training.targets > 0.5) & (noisy.training.targets > 0)
    assert (noisy.training.targets - exact.training.targets)[on].std().item() == pytest.approx(0.1, rel=0.05)
    assert not (noisy.training.inputs == noisy.validation.inputs).any()
