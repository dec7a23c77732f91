"""The defaults of LiftedTargets: chosen on some small tasks, judged on others against the best of three Adams.

Both kinds of task are full-batch. A network learns what a random teacher gives, or small images without their noise.
Adam has its best training loss of all iterations and rates, LiftedTargets its last one.
"""

import math
import statistics
from itertools import pairwise

import pytest
import torch
from torch import nn

from nonsmooth import LiftedTargets

RATES = 0.001, 0.01, 0.03
ITERATIONS = 300
FLOOR = 1e-12  # losses below it are rounding


def student(activation=nn.ReLU, sizes=(30, 40, 5), teacher=(12,), samples=400, noise=0.0, ends=False, wave=False):
    """A task: from a seed to a network, inputs and targets of variance 1. wave: sin in place of the teacher's ReLU."""

    def made(seed):
        draw = torch.Generator().manual_seed(seed)
        inputs = torch.randn(samples, sizes[0], generator=draw, dtype=torch.float64)
        targets = inputs
        for layer, (ins, outs) in enumerate(pairwise((sizes[0], *teacher, sizes[-1]))):
            targets = targets @ torch.randn(ins, outs, generator=draw, dtype=torch.float64) / ins**0.5
            if layer < len(teacher):
                targets = torch.sin(targets) if wave else torch.relu(targets)
        targets = targets / targets.std()
        targets = targets + noise * torch.randn(targets.shape, generator=draw, dtype=torch.float64)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            modules = [module for pair in pairwise(sizes) for module in (nn.Linear(*pair), activation())]
        network = nn.Sequential(*(modules if ends else modules[:-1])).double()
        return network, inputs, activation()(targets) if ends else targets

    return made


def shrink():
    return nn.Softshrink(0.1)


def ramp():
    return nn.Hardtanh(0.0, 1.0)


CHOSEN_ON = {
    "relu": student(),
    "two layers": student(sizes=(30, 40, 40, 5), teacher=(12, 12)),
    "noise": student(samples=600, noise=0.3),
    "tanh": student(nn.Tanh, (30, 20, 20, 5), wave=True),
    "ramp": student(ramp, (10, 30, 5)),
    "four layers": student(sizes=(10, *[20] * 4, 5)),
    "eight layers": student(sizes=(10, *[20] * 8, 5)),
    "soft-thresholds": student(shrink, (10, 30, 30, 5)),
    "relu at the end": student(sizes=(30, 30, 5), ends=True),
}
HELD_BACK = {
    "more inputs": student(sizes=(50, 60, 3), teacher=(20,), samples=800),
    "three layers": student(sizes=(20, *[30] * 3, 4), teacher=(10, 10)),
    "six layers": student(sizes=(15, *[24] * 6, 3), teacher=(8,)),
    "little noise": student(sizes=(12, 25, 2), teacher=(6,), noise=0.1),
    "a wave": student(sizes=(8, 40, 40, 2), teacher=(10,), wave=True),
    "tanh, three layers": student(nn.Tanh, (20, *[25] * 3, 4), teacher=(8,)),
    "hard tanh": student(nn.Hardtanh, (15, 25, 25, 3), wave=True),
    "ramp at the end": student(ramp, (15, 30, 3), teacher=(8,), ends=True),
    "few samples": student(sizes=(20, 40, 5), samples=100),
}
LOST = {"hard tanh"}  # of those held back, where Adam ends below, and by less than a factor of two


def loss(network, inputs, targets):
    return nn.functional.mse_loss(network(inputs), targets)


def best_of_adams(task, seed):
    best = math.inf
    for rate in RATES:
        network, *data = task(seed)
        optimizer = torch.optim.Adam(network.parameters(), lr=rate)
        for _ in range(ITERATIONS):
            optimizer.zero_grad()
            value = loss(network, *data)
            best = min(best, value.item())
            value.backward()
            optimizer.step()
        best = min(best, loss(network, *data).item())
    return best


def ratio(task, seed, adam=None, **settings):
    """log10 of the last training loss over the best of three Adams."""
    network, *data = task(seed)
    optimizer = LiftedTargets(network, *data, **settings)
    for _ in range(ITERATIONS):
        optimizer.step()
    return math.log10(max(loss(network, *data).item(), FLOOR) / (adam or best_of_adams(task, seed)))


@pytest.mark.slow
@pytest.mark.parametrize("name", HELD_BACK)
def test_the_defaults_end_below_the_best_of_three_adams_on_tasks_held_back(name):
    """In the median of five seeds."""
    ratios = [ratio(HELD_BACK[name], seed) for seed in range(200, 205)]
    assert statistics.median(ratios) < (math.log10(2) if name in LOST else 0)


@pytest.mark.slow
def test_small_images_without_their_noise(denoising):
    """A task of another kind, with 784 inputs and 60 samples in float64."""

    def made(seed):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = nn.Sequential(nn.Linear(784, 16), nn.ReLU(), nn.Linear(16, 784)).double()
        return network, *denoising.training

    assert ratio(made, 200) < 0


@pytest.mark.slow
def test_no_neighbour_of_the_defaults_is_much_better_where_they_were_chosen():
    """By the mean of log10 of the ratio, each down to -4. The defaults are below Adam in this mean as well."""
    seeds = (11, 12)
    adams = {(name, seed): best_of_adams(task, seed) for name, task in CHOSEN_ON.items() for seed in seeds}

    def mean(**settings):
        return statistics.mean(
            max(ratio(CHOSEN_ON[name], seed, adam, **settings), -4) for (name, seed), adam in adams.items()
        )

    neighbours = [
        {"tau": 0.2},
        {"tau": 1.5},
        {"eta": 0.03},
        {"eta": 0.3},
        {"momentum": 0.9},
        {"damping": 0.01},
        {"damping": 0.5},
    ]
    usual, others = mean(), [mean(**changed) for changed in neighbours]
    assert usual < -1
    assert usual < min(others) + 0.25
