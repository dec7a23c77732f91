"""The training loop: what it records, when it stops, and what is on the clock."""

import math
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from nonsmooth import Badmm, GradientD, Problem, Split, TorchOptimizer, train, training


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
    network, copy = (make_network(denoising.sizes, hidden=[4]) for _ in range(2))
    result = train(network, Badmm(network, *denoising.training), denoising, 5, validate_every=1)
    optimizer = Badmm(copy, *denoising.training)
    parts = {"train_loss": denoising.training, "validation_loss": denoising.validation, "unseen_loss": denoising.unseen}
    for iteration in range(6):
        if iteration:
            optimizer.step()
        for column, part in parts.items():
            with torch.no_grad():
                expected = nn.functional.mse_loss(copy(part.inputs), part.targets).item()
            assert result.history[column][iteration] == pytest.approx(expected, rel=1e-12)
        for column, value in optimizer.diagnostics().items():
            assert result.history[column][iteration] == pytest.approx(value, rel=1e-12)
    assert result.history["iteration"] == list(range(6))
    assert result.status == "finished"
    assert result.history.keys() == {"iteration", *parts, *optimizer.diagnostics()}


def test_data_that_is_not_given_has_no_column(teacher, make_network):
    result = train(make_network(teacher.sizes), Scripted(nothing), Problem(teacher.training), 1)
    assert result.history.keys() == {"iteration", "train_loss", "left"}


def test_perceptrons_are_also_judged_by_d(teacher, make_network):
    network = make_network(teacher.sizes, output_activation="relu")
    result = train(network, GradientD(network, *teacher.training), teacher, 3, validate_every=1)
    # gradient descent on D reports its own objective
    np.testing.assert_allclose(result.history["train_d"], result.history["lifted_loss"], rtol=1e-10)


def test_the_mean_squared_error_is_that_of_all_samples():
    """They are evaluated 1024 at a time."""
    torch.manual_seed(0)
    network = nn.Linear(3, 2)
    split = Split(torch.randn(2500, 3), torch.randn(2500, 2))
    expected = nn.functional.mse_loss(network(split.inputs), split.targets).item()
    assert training.mean_squared_error(network, split) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("every", "rows"), [(1, [0, 1, 2, 3, 4, 5]), (2, [0, 2, 4, 5]), (10, [0, 5])])
def test_rows_come_after_every_so_many_iterations_and_the_last(every, rows, teacher, make_network):
    network, optimizer = make_network(teacher.sizes), Scripted(*[nothing] * 5)
    result = train(network, optimizer, teacher, 5, every=every, validate_every=1)
    assert result.history["iteration"] == rows
    assert result.history["left"] == [5.0 - row for row in rows]


def test_the_first_iterations_have_a_row_each_and_later_ones_every_so_many(teacher, make_network):
    network, optimizer = make_network(teacher.sizes), Scripted(*[nothing] * 14)
    history = train(network, optimizer, teacher, 14, first=3, every=5).history
    assert history["iteration"] == [0, 1, 2, 3, 5, 10, 14]
    held_out = [row for row, left in zip(history["iteration"], history["left"], strict=True) if left == left]
    assert held_out == [0, 5, 10, 14]


@pytest.mark.parametrize(("every", "validated"), [(1, [0, 5, 10, 12]), (3, [0, 6, 12]), (10, [0, 10, 12])])
def test_held_out_data_is_evaluated_at_rows_five_iterations_apart(every, validated, denoising, make_network):
    network = make_network(denoising.sizes, hidden=[4])
    history = train(network, Scripted(*[nothing] * 12), denoising, 12, every=every).history
    rows = [at for at, loss in zip(history["iteration"], history["validation_loss"], strict=True) if loss == loss]
    assert rows == validated
    for column in ("unseen_loss", "left"):
        np.testing.assert_array_equal(np.isnan(history[column]), np.isnan(history["validation_loss"]))
    assert np.isfinite(history["train_loss"]).all()


@pytest.mark.parametrize("keep_best", [True, False])
def test_the_weights_of_the_best_row_on_validation_data_are_kept_if_asked(keep_best, denoising, make_network):
    network = make_network(denoising.sizes, hidden=[4])
    bias = network[-1].bias

    def move(value):
        def action():
            with torch.no_grad():
                bias.fill_(value)

        return action

    # images are between 0 and 1: the middle one fits best
    optimizer = Scripted(*map(move, [-3.0, 0.2, 4.0]))
    result = train(network, optimizer, denoising, 3, validate_every=1, keep_best=keep_best)
    if keep_best:
        assert np.argmin(result.history["validation_loss"]) in (0, 2)
        assert bias[0] == 4.0
        network.load_state_dict(result.best)
        loss = training.mean_squared_error(network, denoising.validation)
        assert loss == min(result.history["validation_loss"])
    else:
        assert result.best is None


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e9])
def test_divergence_ends_the_history_at_its_row(value, teacher, make_network):
    network = make_network(teacher.sizes)

    def spoil():
        with torch.no_grad():
            network[0].bias.fill_(value)

    result = train(network, Scripted(nothing, spoil, nothing), teacher, 3, validate_every=1)
    assert result.status == "diverged"
    assert result.history["iteration"] == [0, 1, 2]
    assert result.history["left"] == [3.0, 2.0, 1.0]


@pytest.mark.parametrize("every", [1, 10])
def test_a_step_without_eigenvalues_is_divergence(every, teacher, make_network):
    def broken():
        torch.linalg.eigvalsh(torch.full((3, 3), float("nan")))

    result = train(make_network(teacher.sizes), Scripted(nothing, broken, nothing), teacher, 3, every=every)
    assert result.status == "diverged"
    assert result.history["iteration"][-1] == 2


def test_sgd_with_too_large_a_learning_rate_is_recorded_as_diverged(denoising, make_network):
    network = make_network(denoising.sizes, hidden=[4])
    optimizer = TorchOptimizer(network, *denoising.training, algorithm="sgd", learning_rate=1e6)
    assert train(network, optimizer, denoising, 50).status == "diverged"


@pytest.mark.parametrize("fast", [False, True], ids=["plain", "fast"])
def test_badmm_outside_its_safe_region_is_recorded_as_diverged(fast, teacher, make_network):
    network = make_network(teacher.sizes, hidden=[8])
    optimizer = Badmm(network, *teacher.training, tau_z=0.1, tau_w=1.99, fast=fast)
    assert train(network, optimizer, teacher, 500, every=20).status == "diverged"


@pytest.mark.parametrize(
    ("settings", "drifts"),
    [({"weight_step": "least_squares"}, True), ({"weight_step": "least_squares", "ridge": 1.0}, False), ({}, False)],
)
def test_a_network_that_drifts_from_the_lifted_variables_is_warned_of_once(settings, drifts):
    """Exact weight updates on random data: constraints hold better and better, and the network's own loss rises."""
    draw = torch.Generator().manual_seed(0)
    split = Split(torch.randn(200, 20, generator=draw), torch.randn(200, 3, generator=draw))
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 3))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = train(network, Badmm(network, *split, **settings), Problem(split), 300).history
    assert [str(warning.message).startswith("iteration ") for warning in caught] == [True] * drifts
    assert history["feasibility"][-1] < 1e-3
    assert (history["train_loss"][-1] > history["train_loss"][0]) == drifts


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
    result = train(make_network(teacher.sizes), Scripted(work, work, work), Problem(teacher.training), 3)
    assert result.seconds == 6.0
    assert result.loop_seconds == 306.0  # the initial row comes before the loop


def test_the_callback_sees_every_row_and_stops_the_training(denoising, make_network):
    rows = []

    def stop(row):
        rows.append(row)
        return row["iteration"] == 7

    network = make_network(denoising.sizes, hidden=[4])
    lines = []
    result = train(network, Scripted(*[nothing] * 9), denoising, 9, lines.append, callback=stop)
    assert (result.status, result.history["iteration"]) == ("stopped", list(range(8)))
    assert [row["train_loss"] for row in rows] == result.history["train_loss"][1:]
    assert [row["iteration"] for row in rows if not math.isnan(row["validation_loss"])] == [5]
    assert lines == [f"stopped after 7 iterations, training loss {rows[-1]['train_loss']:.4g}"]


def test_best_weights_without_validation_data_are_refused(teacher, make_network):
    with pytest.raises(ValueError, match="keep_best = True needs validation data"):
        train(make_network(teacher.sizes), Scripted(), Problem(teacher.training), 1, keep_best=True)


def test_an_optimizer_of_another_network_is_refused(teacher, make_network):
    network, other = make_network(teacher.sizes), make_network(teacher.sizes)
    optimizer = TorchOptimizer(other, *teacher.training, algorithm="adam", learning_rate=0.1)
    with pytest.raises(ValueError, match="optimizer trains another network"):
        train(network, optimizer, teacher, 1)


@pytest.mark.parametrize(
    ("part", "targets", "named"),
    [
        ("validation", (20, 1), r"validation.targets must have shape \(N, 3\) .* not \(20, 1\)"),
        ("unseen", (19, 3), r"unseen.targets must have shape \(N, 3\) with the N of its inputs, not \(19, 3\)"),
    ],
)
def test_parts_of_a_problem_have_the_same_columns(part, targets, named):
    split = Split(torch.zeros(20, 4), torch.zeros(*targets))
    with pytest.raises(ValueError, match=named):
        Problem(Split(torch.zeros(30, 4), torch.zeros(30, 3)), **{part: split})


def test_progress_has_the_time_left(teacher, make_network, monkeypatch):
    now, lines = [0.0], []
    monkeypatch.setattr(training.time, "perf_counter", lambda: now[0])

    def work():
        now[0] += 6.0

    train(make_network(teacher.sizes), Scripted(*[work] * 4), Problem(teacher.training), 4, lines.append)
    assert [line.rpartition(", ")[2] for line in lines[:-1]] == ["18 s left", "12 s left", "6 s left"]


def test_progress_is_reported_now_and_then_and_at_the_end(teacher, make_network):
    lines = []
    train(make_network(teacher.sizes), Scripted(*[nothing] * 4), teacher, 4, lines.append, report_every=0)
    assert [line.split(",")[0] for line in lines] == [
        "iteration 1/4",
        "iteration 2/4",
        "iteration 3/4",
        "finished after 4 iterations",
    ]
    lines.clear()
    train(make_network(teacher.sizes), Scripted(*[nothing] * 4), teacher, 4, lines.append)
    assert len(lines) == 1


def test_losses_that_are_as_good_as_zero_drift_nowhere():
    losses = (1, 9e-15, 1.4e-14)
    rows = [{"iteration": k, "train_loss": loss, "lifted_loss": 1.0 - k / 9} for k, loss in enumerate(losses)]
    assert not training._warn_of_drift(rows)
    with pytest.warns(UserWarning, match="iteration 2"):
        assert training._warn_of_drift([row | {"train_loss": row["train_loss"] ** 0.5} for row in rows])
