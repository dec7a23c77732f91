import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio
from torch import nn

from nonsmooth import training
from replication import methods as optimizers
from nonsmooth.training import train


class Scripted:
    """An optimizer whose steps are whatever the test says."""

    def __init__(self, *actions):
        self.actions = list(actions)

    def step(self):
        self.actions.pop(0)()

    def diagnostics(self):
        return {"left": float(len(self.actions))}


def nothing():
    pass


def test_row_k_is_the_state_after_k_iterations(denoising, make_network):
    network = make_network(denoising.sizes, hidden=[4])
    optimizer = optimizers.build("badmm", network, *denoising.training, seed=0)
    expected = []

    def evaluate():
        with torch.no_grad():
            parts = (denoising.training, denoising.validation, denoising.unseen)
            return [nn.functional.mse_loss(network(part.inputs), part.targets).item() for part in parts]

    other = make_network(denoising.sizes, hidden=[4])
    result = train(other, optimizers.build("badmm", other, *denoising.training, seed=0), denoising, 5)
    for iteration in range(6):
        if iteration:
            optimizer.step()
        expected.append(evaluate())
    columns = ("train_loss", "validation_loss", "unseen_loss")
    found = np.array([result.history[column] for column in columns]).T
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert result.history["iteration"] == list(range(6))
    assert result.status == "finished"
    assert {"feasibility", "lagrangian", "lifted_loss"} <= result.history.keys()
    assert "train_d" not in result.history


def test_perceptrons_are_also_judged_by_d(teacher, make_network):
    network = make_network(teacher.sizes, output_activation="relu")
    result = train(network, optimizers.build("gradient-d", network, *teacher.training, seed=0), teacher, 3)
    # what gradient descent on D itself reports of its own objective
    np.testing.assert_allclose(result.history["train_d"], result.history["lifted_loss"], rtol=1e-10)


@pytest.mark.parametrize("fault", [math.nan, math.inf, 1e9])
def test_divergence_ends_the_history_where_it_is_found(fault, teacher, make_network):
    network = make_network(teacher.sizes)

    def spoil():
        with torch.no_grad():
            network[0].bias.fill_(fault)

    result = train(network, Scripted(nothing, spoil, nothing), teacher, 3)
    assert result.status == "diverged"
    assert result.history["iteration"] == [0, 1, 2]
    assert result.history["left"] == [3.0, 2.0, 1.0]


def test_an_optimizer_that_diverges_is_found_out(denoising, make_network):
    network = make_network(denoising.sizes, hidden=[4])
    optimizer = optimizers.build("sgd", network, *denoising.training, seed=0, learning_rate=1e6)
    assert train(network, optimizer, denoising, 50).status == "diverged"


def test_badmm_outside_its_safe_region_is_recorded_as_diverged(denoising, make_network):
    network = make_network(denoising.sizes, hidden=[4])
    settings = {"tau_z": 0.1, "tau_w": 1.99}
    optimizer = optimizers.build("badmm", network, *denoising.training, seed=0, **settings)
    assert train(network, optimizer, denoising, 500).status == "diverged"


def test_a_step_that_finds_no_eigenvalues_is_divergence(teacher, make_network):
    def broken():
        torch.linalg.eigvalsh(torch.full((3, 3), float("nan")))

    result = train(make_network(teacher.sizes), Scripted(nothing, broken, nothing), teacher, 3)
    assert (result.status, result.history["iteration"]) == ("diverged", [0, 1, 2])


def test_only_steps_are_on_the_clock(teacher, make_network, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(training.time, "perf_counter", lambda: now[0])

    def work():
        now[0] += 2.0

    evaluate = training.mean_squared_error

    def slowly(*args):
        now[0] += 100.0
        return evaluate(*args)

    monkeypatch.setattr(training, "mean_squared_error", slowly)
    result = train(make_network(teacher.sizes), Scripted(work, work, work), teacher, 3)
    assert result.seconds == 6.0


def test_progress_is_told_now_and_then_and_at_the_end(teacher, make_network):
    told = []
    train(make_network(teacher.sizes), Scripted(*[nothing] * 4), teacher, 4, told.append, report_every=0)
    assert [line.split(",")[0] for line in told] == [
        "iteration 1/4",
        "iteration 2/4",
        "iteration 3/4",
        "finished after 4 iterations",
    ]
    told.clear()
    train(make_network(teacher.sizes), Scripted(*[nothing] * 4), teacher, 4, told.append)
    assert len(told) == 1


def test_psnr_is_that_of_scikit_image(denoising):
    noisy, clean = denoising.unseen
    theirs = [peak_signal_noise_ratio(b.numpy(), a.numpy(), data_range=1) for a, b in zip(noisy, clean, strict=True)]
    np.testing.assert_allclose(training.psnr(noisy, clean).numpy(), theirs)
