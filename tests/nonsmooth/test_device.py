"""What a device beside the host asks for, seen on a CPU: no iteration waits, and its work can be recorded."""

import copy
import json

import numpy as np
import pytest
import torch
from test_badmm import NETWORKS, random_problem
from torch.utils._python_dispatch import TorchDispatchMode

from nonsmooth import Badmm, _fast_layers, _sums, contract, device_times, graphs, linear
from nonsmooth.linear import eigenvalue_bound, inversion, pseudo_inverse

WAITING = (
    "_local_scalar_dense",
    "eigh",
    "eigvals",
    "svd",
    "nonzero",
    "masked_select",
    "unique",
    "equal",
    "_linalg_check",
)


class Watch(TorchDispatchMode):
    """Refuses operations after which the host must look at a result."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = str(function)
        empty = all(value.numel() == 0 for value in args if isinstance(value, torch.Tensor))
        if any(word in name for word in WAITING) and not empty:
            raise AssertionError(f"the host waits for {name}")
        return function(*args, **(kwargs or {}))


@pytest.fixture
def beside_the_host(monkeypatch):
    for module in (linear, _fast_layers, _sums, contract):
        monkeypatch.setattr(module, "on_host", lambda X: False)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("kind", ["gradient", "least_squares"])
@pytest.mark.parametrize(
    "settings",
    [{}, {"delta": 0.6, "ridge": 0.3}, {"tau_m": 0.8}, {"momentum": 0.5}],
    ids=lambda settings: str(settings),
)
def test_no_iteration_waits_for_the_device(name, kind, settings, beside_the_host):
    badmm = Badmm(*random_problem(name), weight_step=kind, **settings)
    with Watch():
        for _ in range(60):  # more than the start of float64 lasts
            badmm.step()
    assert all(np.isfinite(value) for value in badmm.diagnostics().values())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("kind", ["gradient", "least_squares"])
def test_no_iteration_waits_for_a_cuda_device(kind, recorded):
    badmm = Badmm(*device_times.autoencoder(1000, 64, torch.device("cuda")), weight_step=kind)
    badmm._iteration.can_record = recorded
    for _ in range(60):
        badmm.step()
    assert (badmm._iteration.graph is not None) == recorded
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(20):
            badmm.step()
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("word", [torch.Tensor.item, torch.linalg.eigvalsh, torch.nonzero, lambda X: bool(X.sum() > 0)])
def test_the_watch_sees_what_waits(word):
    X = torch.ones(1, 1)
    with pytest.raises(AssertionError, match="the host waits"), Watch():
        word(X)


def test_inputs_of_deficient_rank_keep_the_solution_of_minimum_norm(beside_the_host):
    """Three samples and four hidden units: then eigenvalues are needed, and the host waits for them."""
    network, inputs, targets = random_problem("autoencoder", samples=3)
    plain = Badmm(copy.deepcopy(network), inputs, targets, weight_step="least_squares", fast=False)
    fast = Badmm(network, inputs, targets, weight_step="least_squares")
    assert fast.lifted.grams[1].invert is pseudo_inverse
    for _ in range(3):
        plain.step()
        fast.step()
    torch.testing.assert_close(fast.lifted.linear[2].weight, plain.lifted.linear[2].weight, rtol=0.1, atol=0.01)


def spectra(generator, size):
    """Eigenvalues of Gram matrices: spread, clustered, singular, of rank one, over many scales, and zero."""
    spread = generator.uniform(size=size)
    yield from (spread, 1 + 1e-6 * spread, np.where(spread < 0.5, 0, spread), np.eye(1, size)[0])
    yield from (10 ** (-12 * spread), 1e-30 * spread, 1e25 * spread, np.ones(size), np.zeros(size))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_bound_is_above_the_largest_eigenvalue_and_close_to_it(dtype):
    """10,000 matrices. So the step stays within the poster's bound, at most n^(1/128) times too short."""
    generator, count = np.random.default_rng(0), 0
    while count < 5000:
        size = int(generator.integers(1, 40))
        vectors, _ = np.linalg.qr(generator.normal(size=(size, size)))
        for values in spectra(generator, size):
            gram = torch.from_numpy((vectors * values) @ vectors.T).to(dtype)
            exact, bound = values.max(), eigenvalue_bound(gram).item()
            rounding = 1 + 20 * size * torch.finfo(dtype).eps
            assert exact <= bound * (1 + 4 * torch.finfo(dtype).eps)
            assert bound <= exact * size ** (1 / 128) * rounding
            count += 1


def test_the_bound_of_what_is_not_finite_is_not_finite():
    for value in (float("nan"), float("inf")):
        assert not eigenvalue_bound(torch.full((3, 3), value)).isfinite()


@pytest.mark.parametrize("name", ["autoencoder", "wide", "deep"])
@pytest.mark.parametrize("kind", ["gradient", "least_squares"])
def test_with_exact_norms_the_iterates_are_those_of_a_cpu(name, kind, beside_the_host, monkeypatch):
    network, *data = random_problem(name)
    beside = Badmm(copy.deepcopy(network), *data, weight_step=kind)
    monkeypatch.setattr(linear, "eigenvalue_bound", lambda gram: torch.linalg.eigvalsh(gram)[-1])
    for _ in range(5):
        beside.step()
    monkeypatch.setattr(linear, "on_host", lambda X: True)
    cpu = Badmm(network, *data, weight_step=kind)
    for _ in range(5):
        cpu.step()
    for one, other in zip(beside.lifted.linear.values(), cpu.lifted.linear.values(), strict=True):
        torch.testing.assert_close(one.weight, other.weight, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", ["gradient", "least_squares"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_gram_matrix_by_blocks_of_its_upper_triangle_is_the_whole_one(kind, dtype, beside_the_host, monkeypatch):
    monkeypatch.setattr(_sums, "DEVICE_COLUMNS", 3)
    monkeypatch.setattr(linear, "DEVICE_ROWS", 7)
    network, inputs, targets = random_problem("deep")
    network, inputs, targets = network.to(dtype), inputs.to(dtype), targets.to(dtype)
    badmm = Badmm(network, inputs, targets, weight_step=kind)
    badmm.step()
    grams = badmm.lifted.grams if kind == "least_squares" else [sums.gram for sums in badmm.lifted.sums]
    for products in filter(None, grams):
        products.compute()
        Xb = linear.with_ones(products.X.to(products.matrix.dtype))
        torch.testing.assert_close(products.matrix, Xb.T @ Xb)


@pytest.mark.parametrize("name", ["full", "deficient"])
def test_the_way_to_invert_is_chosen_by_rank(name):
    X = torch.randn(30, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    if name == "deficient":
        X[:, 3] = X[:, 1] + X[:, 2]
    X[:, 5] = 0  # a unit that is off is no deficiency: it stays apart
    hessian = X.T @ X
    invert = inversion(hessian, torch.float32)
    assert (invert is pseudo_inverse) == (name == "deficient")
    np.testing.assert_allclose(invert(hessian, torch.float32), np.linalg.pinv(hessian, hermitian=True), atol=1e-9)


class Recording:
    """Stands for torch's graph: it is recorded without running, and runs the same again."""

    def __init__(self, iteration):
        self.replay = iteration


@pytest.fixture
def recorded(monkeypatch):
    """As on a CUDA device: how often an iteration has been recorded."""
    recordings = []

    def record(iteration, device):
        recordings.append(Recording(iteration))
        return recordings[-1]

    monkeypatch.setattr(graphs, "record", record)
    monkeypatch.setattr(graphs, "is_cuda", lambda X: True)
    return recordings


@pytest.mark.parametrize(("delta", "iteration"), [(1.0, 60), (0.6, 1)])
def test_an_iteration_is_recorded_once_it_repeats(delta, iteration, recorded):
    badmm = Badmm(*random_problem("autoencoder"), delta=delta)
    number = 0
    while not recorded:
        badmm.step()
        number += 1
    assert number <= iteration
    assert delta != 1 or badmm.lifted.of_layer[-1].weight_of_start == 0
    for _ in range(3):
        badmm.step()
    assert len(recorded) == 1


def test_weights_that_are_put_elsewhere_are_recorded_anew(recorded):
    network, *data = random_problem("autoencoder")
    badmm = Badmm(network, *data, delta=0.6)
    badmm.step()
    network[0].weight.data = network[0].weight.data.clone()
    badmm.step()
    assert len(recorded) == 2


def test_what_cannot_be_recorded_runs_as_it_is(recorded, monkeypatch):
    network, *data = random_problem("autoencoder")
    plain, badmm = (Badmm(copy.deepcopy(network), *data, delta=0.6) for _ in range(2))
    plain.step()
    monkeypatch.setattr(graphs, "record", lambda iteration, device: None)
    for _ in range(2):
        badmm.step()
    plain.step()
    torch.testing.assert_close(badmm.lifted.linear[1].weight, plain.lifted.linear[1].weight, rtol=0, atol=0)


def test_the_command_prints_a_table_and_writes_it(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(device_times, "SIZES", [(40, 3)])
    device_times.main(["--device", "cpu", "--rounds", "2", "--turn", "1", "--folder", str(tmp_path)])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    rows = json.loads((tmp_path / "times-CPU.json").read_text())["rows"]
    assert len(lines) == len(rows) + 2 == 7
    assert min(row["to_adam"] for row in rows if row["optimizer"].startswith("adam")) <= 1
    assert all(row["goal"] is None and row["setup"] > 0 for row in rows)
    assert [row["recorded"] for row in rows if row["optimizer"].startswith("badmm")] == [False, False]
