"""What stands around a call, for every method of METHODS: it changes no bit, or it is refused by its name."""

import contextlib
import copy
import math

import numpy as np
import pytest
import torch
from test_optimizers import CASES, NETWORKS, SETTINGS
from torch import nn

from nonsmooth.problem import Problem, Split
from nonsmooth.training import train
from replication.constructors import build
from replication.methods import METHODS

every_method = pytest.mark.parametrize("case", CASES)


@contextlib.contextmanager
def default_dtype():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextlib.contextmanager
def lower_precision():
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision("highest")


@contextlib.contextmanager
def precision_of_a_backend():
    torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    try:
        yield
        assert torch.backends.mkldnn.matmul.fp32_precision == "bf16"
    finally:
        torch.backends.mkldnn.matmul.fp32_precision = "none"


@contextlib.contextmanager
def deterministic():
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


SURROUNDINGS = {
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "default device": lambda: torch.device("meta"),
    "default dtype": default_dtype,
    "inference mode": torch.inference_mode,
    "no autograd": torch.no_grad,
    "lower precision": lower_precision,
    "precision of a backend": precision_of_a_backend,
    "deterministic algorithms": deterministic,
}


def made(case, network_of, problem, dtype=torch.float32):
    name, settings = CASES[case]
    network = network_of(problem.sizes, **NETWORKS.get(name, {"output_activation": "relu"})).to(dtype)
    split = Split(*(part.to(dtype) for part in problem.training))
    return network, split, lambda: build(name, network, *split, seed=0, **settings)


def iterates(network, make, surroundings, count=4):
    """Weights and diagnostics after each iteration, the history of two more, and the state where there is one."""
    network, split, construct = network, *make
    with surroundings():
        optimizer = construct()
        rows = []
        for _ in range(count):
            optimizer.step()
            numbers = list(optimizer.diagnostics().values())
            rows.append([*(value.detach().clone() for value in network.parameters()), *numbers])
        history = train(network, optimizer, Problem(split, validation=split), 2).history
        state = optimizer.state_dict() if hasattr(optimizer, "state_dict") else {}
    with torch.inference_mode(False):
        return rows, history, {name: value.clone() for name, value in state.items()}


def same(one, other):
    if isinstance(one, torch.Tensor):
        return one.device == other.device and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other or (math.isnan(one) and math.isnan(other))


@every_method
@pytest.mark.parametrize("name", SURROUNDINGS)
def test_what_is_open_around_a_call_changes_no_bit(name, case, make_network, teacher):
    network, *make = made(case, make_network, teacher)
    usual = iterates(network, make, contextlib.nullcontext)
    network, *make = made(case, make_network, teacher)
    assert same(iterates(network, make, SURROUNDINGS[name]), usual)


def test_what_was_open_is_open_again(make_network, teacher):
    construct = made("badmm", make_network, teacher)[-1]
    with torch.autocast("cpu", dtype=torch.bfloat16), default_dtype(), torch.device("meta"), torch.no_grad():
        construct().step()
        assert torch.is_autocast_enabled("cpu")
        assert torch.get_default_dtype() == torch.float64
        assert torch.get_default_device().type == "meta"
        assert not torch.is_grad_enabled()


@every_method
@pytest.mark.parametrize("transform", ["grad", "vmap"])
def test_a_transform_of_functions_is_refused_by_its_name_and_changes_nothing(transform, case, make_network, teacher):
    network, _, construct = made(case, make_network, teacher)
    optimizer = construct()
    before = [value.detach().clone() for value in network.parameters()]

    def function(x):
        optimizer.step()
        return x.sum()

    with pytest.raises(RuntimeError, match=r"torch\.func"):
        getattr(torch.func, transform)(function)(torch.ones(3))
    assert same(before, [value.detach() for value in network.parameters()])


# Data


@every_method
@pytest.mark.parametrize("which", ["inputs", "targets"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_data_that_is_not_finite_is_refused_by_its_name(which, value, case, make_network, teacher):
    name, settings = CASES[case]
    network = make_network(teacher.sizes, **NETWORKS.get(name, {"output_activation": "relu"}))
    before = [parameter.detach().clone() for parameter in network.parameters()]
    data = Split(*(part.clone() for part in teacher.training))
    getattr(data, which)[3, 0] = value
    with pytest.raises(ValueError, match=rf"{which} must be finite"):
        build(name, network, *data, seed=0, **settings, initial_scale=0.5)
    assert same(before, [parameter.detach() for parameter in network.parameters()])


@every_method
@pytest.mark.parametrize("which", ["inputs", "targets"])
@pytest.mark.parametrize("change", ["refilled", "rows in another order"])
def test_data_that_numpy_changes_is_noticed_by_each_method_that_keeps_what_it_computed_from_it(
    which, change, case, make_network, teacher
):
    name, settings = CASES[case]
    arrays = {part: value.numpy().copy() for part, value in teacher.training._asdict().items()}
    network = make_network(teacher.sizes, **NETWORKS.get(name, {"output_activation": "relu"}))
    optimizer = build(name, network, *map(torch.from_numpy, arrays.values()), seed=0, **settings)
    optimizer.step()
    draw = np.random.default_rng(0)
    order = draw.permutation(len(arrays[which]))
    arrays[which][:] = np.abs(draw.normal(size=arrays[which].shape)) if change == "refilled" else arrays[which][order]
    if getattr(optimizer, "keeps_data", False):
        with pytest.raises(RuntimeError, match=f"{which} changed since the last step"):
            optimizer.step()
    else:
        optimizer.step()


def test_only_optimizers_of_torch_read_their_data_anew(make_network, teacher):
    free = set()
    for name in METHODS:
        network = make_network(teacher.sizes, **NETWORKS.get(name, {"output_activation": "relu"}))
        optimizer = build(name, network, *teacher.training, seed=0, **SETTINGS.get(name, {}))
        if not getattr(optimizer, "keeps_data", False):
            free.add(type(optimizer).__name__)
    assert free <= {"TorchOptimizer", "WarmupCosine", "SolvedFirst", "SolvedAdam", "SolvedLbfgs", "UnitsOnAdam"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"validation": lambda x, y: (x[:0], y[:0])}, "validation.inputs has no rows"),
        ({"validation": lambda x, y: (x * math.nan, y)}, "validation.inputs must be finite"),
        ({"unseen": lambda x, y: (x, y / 0)}, "unseen.targets must be finite"),
        ({"unseen": lambda x, y: (x.float(), y)}, "unseen.inputs must be of training's dtype"),
        ({"test": lambda x, y: (x, y[:, :0])}, "test.targets must have shape"),
    ],
)
def test_data_held_out_is_checked_as_training_data_is(change, words, teacher):
    parts = {name: Split(*made(*teacher.training)) for name, made in change.items()}
    with pytest.raises(ValueError, match=words):
        Problem(teacher.training, **parts)


def test_held_out_data_that_is_no_tensor_is_refused(teacher):
    with pytest.raises(TypeError, match=r"validation\.inputs must be one torch\.Tensor"):
        Problem(teacher.training, Split(teacher.training.inputs.numpy(), teacher.training.targets))


# The loop


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"iterations": -1}, ValueError),
        ({"iterations": 2.5}, TypeError),
        ({"iterations": True}, TypeError),
        ({"every": 0}, ValueError),
        ({"validate_every": 0}, ValueError),
        ({"first": -1}, ValueError),
        ({"report_every": math.nan}, ValueError),
        ({"report_every": "5"}, TypeError),
    ],
)
def test_numbers_of_the_loop_are_refused_by_their_names_before_a_step(settings, error, make_network, teacher):
    network, split, construct = made("badmm", make_network, teacher)
    before = nn.utils.parameters_to_vector(network.parameters()).detach().clone()
    (name,) = settings
    with pytest.raises(error, match=f"^{name} = "):
        train(network, construct(), Problem(split), **{"iterations": 3} | settings)
    assert torch.equal(before, nn.utils.parameters_to_vector(network.parameters()))


@pytest.mark.parametrize("answer", [True, 1, np.True_, torch.tensor(True), np.float64(3)])
def test_a_callback_stops_training_by_any_true_answer(answer, make_network, teacher):
    network, split, construct = made("badmm", make_network, teacher)
    training = train(network, construct(), Problem(split), 9, callback=lambda row: row["iteration"] == 4 and answer)
    assert (training.status, training.history["iteration"][-1]) == ("stopped", 4)


@every_method
def test_settings_are_numbers_and_true_is_none(case, make_network, teacher):
    """Each number among the settings of a case, as a bool and as text."""
    name, settings = CASES[case]
    numbers = [key for key, value in settings.items() if isinstance(value, float | int) and not isinstance(value, bool)]
    for key in numbers:
        for wrong in (True, "0.1"):
            network = make_network(teacher.sizes, **NETWORKS.get(name, {"output_activation": "relu"}))
            with pytest.raises((TypeError, ValueError), match=key):
                build(name, network, *teacher.training, seed=0, **settings | {key: wrong})


@every_method
def test_the_loop_refuses_an_optimizer_of_another_network(case, make_network, teacher):
    network, split, construct = made(case, make_network, teacher)
    other = copy.deepcopy(network)
    with pytest.raises(ValueError, match="optimizer trains another network"):
        train(other, construct(), Problem(split), 2)


def test_the_loop_refuses_targets_that_torch_would_stretch(make_network, teacher):
    network, split, construct = made("badmm", make_network, teacher)
    with pytest.raises(ValueError, match=r"the network's outputs, \(1,\), not \(3,\)"):
        train(network, construct(), Problem(Split(split.inputs, split.targets.repeat(1, 3))), 2)
