"""The contract that every optimizer keeps. One that is added to OPTIMIZERS is found here, and held to it."""

import copy
import math
from itertools import chain

import pytest
import torch
from torch import nn

from nonsmooth import GradientD, TorchOptimizer
from replication import methods as optimizers

SETTINGS = {
    "sgd": {"learning_rate": 0.3},
    "adam": {"learning_rate": 0.03},
    "adamw": {"learning_rate": 0.03},
    "adam-minibatch": {"learning_rate": 0.01, "batch_size": 30},
}
every_optimizer = pytest.mark.parametrize("name", optimizers.OPTIMIZERS)


@pytest.fixture
def build(make_network, teacher):
    """(network, optimizer) for a perceptron: what every optimizer can train."""

    def make(name, **settings):
        network = make_network(teacher.sizes, output_activation="relu")
        settings = SETTINGS.get(name, {}) | settings
        return network, optimizers.build(name, network, *teacher.training, seed=0, **settings)

    return make


def loss(network, split):
    with torch.no_grad():
        return nn.functional.mse_loss(network(split.inputs), split.targets).item()


@every_optimizer
def test_trains_the_network_in_place(name, build, teacher):
    network, optimizer = build(name)
    parameters = list(network.parameters())
    before = loss(network, teacher.training)
    for _ in range(30):
        optimizer.step()
    assert all(mine is now for mine, now in zip(parameters, network.parameters(), strict=True))
    assert loss(network, teacher.training) < 0.3 * before


@every_optimizer
def test_the_same_start_gives_the_same_bits(name, build):
    (first, one), (second, other) = build(name), build(name)
    for _ in range(5):
        one.step()
        other.step()
    assert all((a == b).all() for a, b in zip(first.parameters(), second.parameters(), strict=True))


@every_optimizer
def test_leaves_the_data_and_the_global_generator_alone(name, build, teacher):
    data = copy.deepcopy(teacher.training)
    state = torch.get_rng_state()
    _, optimizer = build(name)
    for _ in range(5):
        optimizer.step()
    assert (torch.get_rng_state() == state).all()
    assert (data.inputs == teacher.training.inputs).all()
    assert (data.targets == teacher.training.targets).all()


@every_optimizer
def test_diagnostics_are_finite_numbers_and_change_nothing(name, build):
    (first, one), (second, other) = build(name), build(name)
    for _ in range(4):
        one.step()
        assert all(isinstance(value, float) and math.isfinite(value) for value in one.diagnostics().values())
        other.step()
    assert all((a == b).all() for a, b in zip(first.parameters(), second.parameters(), strict=True))


@pytest.mark.parametrize("name", ["badmm", "badmm-ls", "gradient-d"])
def test_settings_outside_the_bounds_are_refused(name, build):
    setting = "tau_w" if name != "badmm-ls" else "tau_z"
    with pytest.raises(ValueError, match=f"0 < {setting} < 2"):
        build(name, **{setting: 2.0})


class TestTorchOptimizer:
    def test_full_batch_steps_are_those_of_torch(self, make_network, teacher):
        ours, theirs = make_network(teacher.sizes, output_activation="relu"), None
        theirs = copy.deepcopy(ours)
        adapter = TorchOptimizer(ours, *teacher.training, algorithm="sgd", learning_rate=0.1, momentum=0.9)
        plain = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9)
        for _ in range(5):
            adapter.step()
            plain.zero_grad()
            nn.functional.mse_loss(theirs(teacher.training.inputs), teacher.training.targets).backward()
            plain.step()
        assert (ours[0].weight == theirs[0].weight).all()

    def batches(self, teacher, make_network, **settings):
        """The rows that each step has seen."""
        network = make_network(teacher.sizes, output_activation="relu")
        adapter = optimizers.build("sgd", network, *teacher.training, seed=3, learning_rate=0.1, **settings)
        rows = {tuple(row.tolist()): number for number, row in enumerate(teacher.training.inputs)}
        seen = []
        network.register_forward_pre_hook(lambda _, args: seen.append([rows[tuple(r.tolist())] for r in args[0]]))
        return adapter, seen

    def test_an_epoch_sees_every_sample_once_and_the_next_in_another_order(self, teacher, make_network):
        adapter, seen = self.batches(teacher, make_network, batch_size=30, epochs=True)
        adapter.step()
        first = list(seen)
        assert [len(batch) for batch in first] == [30, 30, 20]
        assert sorted(chain(*first)) == list(range(80))
        adapter.step()
        assert sorted(chain(*seen[3:])) == list(range(80))
        assert seen[3:] != first

    def test_a_step_without_epochs_is_one_batch_of_the_same_stream(self, teacher, make_network):
        adapter, seen = self.batches(teacher, make_network, batch_size=30)
        whole, epoch = self.batches(teacher, make_network, batch_size=30, epochs=True)
        for _ in range(3):
            adapter.step()
        whole.step()
        assert seen == epoch

    @pytest.mark.parametrize("settings", [{"learning_rate": 0.0}, {"learning_rate": 1.0, "batch_size": 81}])
    def test_refuses_what_is_outside_its_range(self, settings, make_network, teacher):
        with pytest.raises(ValueError, match="is outside its range"):
            TorchOptimizer(make_network(teacher.sizes), *teacher.training, algorithm="adam", **settings)


@pytest.mark.parametrize("settings", [{"hidden": [3], "output_activation": "relu"}, {"output_activation": None}])
def test_gradient_d_refuses_networks_that_are_no_perceptron(settings, make_network, teacher):
    with pytest.raises(TypeError, match="GradientD trains one"):
        GradientD(make_network(teacher.sizes, **settings), *teacher.training)
