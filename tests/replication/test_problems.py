from dataclasses import replace

import pytest
import torch

from nonsmooth.problem import Problem, Split
from replication import data
from replication.seeds import generator

DENOISING = {
    "name": "denoising",
    "seed": 0,
    "dtype": "float32",
    "noise": "gaussian",
    "noise_level": 0.3,
    "unseen_images": 20,
}
DIGIT = {"name": "digit", "seed": 0, "dtype": "float64", "digit": 3, "unseen_images": 20}
DIGITS = {"name": "digits", "seed": 0, "dtype": "float64", "unseen_images": 20}
STUDENT = {"name": "student", "seed": 0, "dtype": "float64"}
STUDENT |= {"inputs": 6, "teacher_hidden": 4, "outputs": 3, "samples": 48}
TEACHER = {"name": "teacher", "seed": 0, "dtype": "float64", "inputs": 8, "samples": 20000, "label_noise": 0.1}


def denoise(sample, **settings) -> Problem:
    return data.build(sample, **(DENOISING | settings))


def test_targets_are_the_clean_images_and_noise_is_gaussian(sample):
    problem = denoise(sample)
    torch.testing.assert_close(problem.training.targets, sample.training.float() / 255)
    noise = problem.training.inputs - problem.training.targets
    assert noise.std().item() == pytest.approx(0.3, rel=0.02)
    assert noise.mean().abs().item() < 0.01
    assert problem.training.inputs.min() < 0  # not clipped
    assert problem.sizes == (784, 784)


def test_salt_and_pepper_sets_a_share_of_the_pixels_to_black_or_white_alike(sample):
    noisy, clean = denoise(sample, noise="salt-and-pepper").training
    grey = (clean > 0) & (clean < 1)
    assert (noisy[grey] == 0).double().mean().item() == pytest.approx(0.15, abs=0.02)
    assert (noisy[grey] == 1).double().mean().item() == pytest.approx(0.15, abs=0.02)
    kept = (noisy != 0) & (noisy != 1)
    assert (noisy[kept] == clean[kept]).all()


def test_masking_sets_a_share_of_the_pixels_to_black(sample):
    noisy, clean = denoise(sample, noise="masking").training
    assert (noisy[clean > 0] == 0).double().mean().item() == pytest.approx(0.3, abs=0.02)
    assert (noisy[noisy > 0] == clean[noisy > 0]).all()


def test_noise_of_one_part_does_not_move_with_the_size_of_another(sample):
    whole, fewer = denoise(sample), denoise(sample, unseen_images=10)
    assert (whole.validation.inputs == fewer.validation.inputs).all()
    assert (whole.unseen.inputs[:10] == fewer.unseen.inputs).all()
    assert (whole.test.inputs[:20] == whole.unseen.inputs).all()


def test_no_two_parts_have_the_same_noise(sample):
    problem = denoise(sample)
    parts = [problem.training, problem.validation, problem.test]
    first, second, third = (split.inputs[:20] - split.targets[:20] for split in parts)
    assert not any(torch.allclose(*pair) for pair in ((first, second), (first, third), (second, third)))


def test_noise_is_the_same_in_both_precisions_and_differs_between_seeds(sample):
    single, double, other = denoise(sample), denoise(sample, dtype="float64"), denoise(sample, seed=1)
    torch.testing.assert_close(single.training.inputs.double(), double.training.inputs, atol=1e-6, rtol=0)
    assert (single.training.inputs != other.training.inputs).any()


@pytest.mark.parametrize(
    "settings", [DENOISING, DIGIT | {"condition_number": None}, DIGITS], ids=lambda settings: settings["name"]
)
class TestProblemsOfImages:
    def test_more_unseen_images_than_there_are_is_refused(self, sample, settings):
        with pytest.raises(ValueError, match="unseen_images = 101 is more than the 100"):
            data.build(sample, **(settings | {"unseen_images": 101}))

    def test_without_validation_images_there_is_no_validation_data(self, sample, settings):
        none = {"validation": sample.validation[:0], "validation_digits": sample.validation_digits[:0]}
        whole, without = data.build(sample, **settings), data.build(replace(sample, **none), **settings)
        assert without.validation is None
        assert (without.training.inputs == whole.training.inputs).all()


def test_digit_has_target_one_for_the_digit_alone(sample):
    problem = data.build(sample, **DIGIT, condition_number=None)
    torch.testing.assert_close(problem.training.inputs, sample.training.double() / 255)
    assert (problem.training.targets[:, 0] == (sample.training_digits == 3)).all()
    assert 0 < problem.training.targets.sum() < len(sample.training)


@pytest.mark.parametrize("condition_number", [1.0, 100.0, 1e8])
def test_inputs_of_digits_have_the_condition_number_and_span_the_same_space(sample, condition_number):
    plain, mapped = (data.build(sample, **DIGIT, condition_number=number) for number in (None, condition_number))
    values = torch.linalg.eigvalsh(torch.cov(mapped.training.inputs.T)).flip(0)
    rank = int(torch.linalg.matrix_rank(plain.training.inputs - plain.training.inputs.mean(0)))
    assert values[0].item() == pytest.approx(1)
    assert values[rank - 1].item() >= (1 - 1e-6) / condition_number
    assert values[rank:].abs().max() < 1e-12
    if condition_number < 1e8:  # more than that of the pixels, which then stay as they are
        assert values[rank - 1].item() == pytest.approx(1 / condition_number)
    w = torch.randn(784, 1, generator=generator(0, "test"), dtype=torch.float64)
    z = plain.training.inputs @ w
    inputs = torch.cat([mapped.training.inputs, torch.ones_like(z)], 1)
    fitted = torch.linalg.lstsq(inputs, z, rcond=1e-10, driver="gelsd").solution
    torch.testing.assert_close(inputs @ fitted, z, atol=1e-6, rtol=0)


@pytest.mark.parametrize("condition_number", [1.0, 100.0])
def test_inputs_of_the_teacher_have_the_condition_number(condition_number):
    problem = data.build(None, **TEACHER, condition_number=condition_number)
    values = torch.linalg.eigvalsh(torch.cov(problem.training.inputs.T))
    assert (values[-1] / values[0]).item() == pytest.approx(condition_number, rel=0.1)


def test_labels_of_the_teacher_can_be_trained_with_d_and_carry_the_noise():
    noisy = data.build(None, **TEACHER, condition_number=10.0)
    exact = data.build(None, **(TEACHER | {"label_noise": 0.0}), condition_number=10.0)
    assert (noisy.training.targets >= 0).all()
    on = (exact.training.targets > 0.5) & (noisy.training.targets > 0)
    assert (noisy.training.targets - exact.training.targets)[on].std().item() == pytest.approx(0.1, rel=0.05)
    assert not (noisy.training.inputs == noisy.validation.inputs).any()


def test_digits_are_one_hot(sample):
    problem = data.build(sample, **DIGITS)
    assert problem.sizes == (784, 10)
    for split, images, digits in (
        (problem.training, sample.training, sample.training_digits),
        (problem.validation, sample.validation, sample.validation_digits),
        (problem.unseen, sample.test[:20], sample.test_digits[:20]),
        (problem.test, sample.test, sample.test_digits),
    ):
        torch.testing.assert_close(split.inputs, images.double() / 255)
        assert (split.targets.argmax(1) == digits).all()
        assert set(split.targets.unique().tolist()) == {0, 1}
        assert (split.targets.sum(1) == 1).all()


def parts_of(problem: Problem) -> list[Split]:
    return [problem.training, problem.validation, problem.unseen]


def test_a_student_has_the_shapes_of_its_settings_and_data_of_its_seed_alone():
    one, again, other = (data.build(None, **STUDENT | {"seed": seed}) for seed in (0, 0, 1))
    assert one.sizes == (6, 3)
    for split, same, different in zip(*map(parts_of, (one, again, other)), strict=True):
        assert len(split.inputs) == len(split.targets) == 48
        for part in range(2):
            assert (split[part] == same[part]).all()
            assert (split[part] != different[part]).any()


def test_the_splits_of_a_student_are_drawn_apart_from_one_teacher():
    """More samples move neither inputs nor teacher, and another teacher moves no input.

    torch draws 16 numbers at a time: the numbers of samples and inputs have a multiple of it as product.
    """
    few, more = (data.build(None, **STUDENT | {"samples": samples}) for samples in (48, 80))
    wider = data.build(None, **STUDENT | {"teacher_hidden": 5})
    for split, longer, elsewhere in zip(*map(parts_of, (few, more, wider)), strict=True):
        assert (longer.inputs[:48] == split.inputs).all()
        torch.testing.assert_close(longer.targets[:48], split.targets)
        assert (elsewhere.inputs == split.inputs).all()
        assert (elsewhere.targets != split.targets).any()
    first, second, third = (split.inputs for split in parts_of(few))
    assert not any((one == two).any() for one, two in ((first, second), (first, third), (second, third)))


@pytest.mark.parametrize(("teacher_hidden", "off"), [(1, 0.03), (12, 0.03), ([12, 12], 0.1)])
def test_each_target_of_a_student_has_variance_one(teacher_hidden, off):
    many = {"inputs": 30, "teacher_hidden": teacher_hidden, "samples": 100_000}
    targets = data.build(None, **STUDENT | many).training.targets
    torch.testing.assert_close(targets.var(0), torch.ones(3, dtype=torch.float64), atol=off, rtol=0)


def test_targets_of_a_student_are_the_teachers_but_for_a_factor_each():
    inputs, targets = data.build(None, **STUDENT).training
    draw = generator(0, "data")
    A, B = (torch.randn(*shape, generator=draw, dtype=torch.float64) for shape in ((6, 4), (4, 3)))
    outputs = torch.relu(inputs @ A) @ B
    torch.testing.assert_close(targets, outputs * targets.norm(dim=0) / outputs.norm(dim=0))


def test_a_teacher_with_two_hidden_layers_is_their_product_of_activations():
    inputs, targets = data.build(None, **STUDENT | {"teacher_hidden": [4, 5]}).training
    draw = generator(0, "data")
    A, B, C = (torch.randn(*shape, generator=draw, dtype=torch.float64) for shape in ((6, 4), (4, 5), (5, 3)))
    outputs = torch.relu(torch.relu(inputs @ A) @ B) @ C
    torch.testing.assert_close(targets, outputs * targets.norm(dim=0) / outputs.norm(dim=0))


def test_an_unknown_problem_is_an_error_that_names_it(sample):
    with pytest.raises(KeyError, match="typo"):
        data.build(sample, name="typo")
