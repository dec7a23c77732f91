"""Several processes that share the samples give the iterates of one process, and send what does not depend on N."""

import gc
import subprocess
import sys
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import distributed, multiprocessing, nn

from nonsmooth import Problem, Split, processes
from replication.constructors import accepted, build
from replication.methods import METHODS
from replication.run import load

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "sgd": {"learning_rate": 0.3, "momentum": 0.9},
    "adam": {"learning_rate": 0.01},
    "adamw": {"learning_rate": 0.01},
    "adam-minibatch": {"learning_rate": 0.01},
    "muon": {"learning_rate": 0.01},
    "nesterov": {"learning_rate": 0.3, "momentum": 0.9},
    "badmm-momentum": {"momentum": 0.5},
}
GENERAL = {"delta": 0.7, "tau_m": 0.9, "ridge": 0.2, "order": "zxwm"}
# name of the method, settings: every method that can share samples, and what BADMM computes in other ways
SHARED = {name: (name, SETTINGS.get(name, {})) for name in METHODS if "group" in accepted(name)}
SHARED |= {
    "badmm, general": ("badmm", GENERAL),
    "badmm, plain": ("badmm", {"fast": False}),
    "badmm-ls, ridge": ("badmm-ls", {"ridge": 0.2}),
    "badmm-ls, plain": ("badmm-ls", GENERAL | {"fast": False}),
}
CASES = [(case, dtype) for case in SHARED for dtype in ("float32", "float64")]
SAMPLES, ITERATIONS = 47, 10  # 47 rows: uneven for two processes and for three


def start(case: str, dtype: str, samples: int, group: processes.Group = None):
    name, settings = SHARED[case]
    draw = torch.Generator().manual_seed(4)
    modules = [nn.Linear(9, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 9)]
    network = nn.Sequential(*modules).to(getattr(torch, dtype))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0, 0.5, generator=draw)
    inputs = torch.randn(samples, 9, generator=draw).to(getattr(torch, dtype))
    targets = torch.rand(samples, 9, generator=draw).to(getattr(torch, dtype))
    problem = Problem(Split(inputs, targets)).at(torch.device("cpu"), group)
    return network, build(name, network, *problem.training, seed=0, group=group, **settings)


def numbers(network, optimizer) -> dict[str, torch.Tensor]:
    """All weights and diagnostics."""
    diagnostics = {key: torch.tensor(value) for key, value in optimizer.diagnostics().items()}
    return {key: value.clone() for key, value in network.state_dict().items()} | diagnostics


def one_of_several(rank: int, size: int, folder: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=size)
    sent = []
    all_reduce = distributed.all_reduce

    def counting(tensor, *args, **kwargs):
        sent.append(tensor.numel() * tensor.element_size())
        return all_reduce(tensor, *args, **kwargs)

    distributed.all_reduce = counting
    for case, dtype in CASES:
        result = {}
        for samples in (SAMPLES, 3 * SAMPLES):
            network, optimizer = start(case, dtype, samples, distributed.group.WORLD)
            sent.clear()
            optimizer.step()
            result[f"bytes/{samples}"] = torch.tensor(sum(sent))
            if samples == SAMPLES:
                for _ in range(ITERATIONS - 1):
                    optimizer.step()
                result |= numbers(network, optimizer)
        save_file(result, f"{folder}/{case}-{dtype}-{rank}.safetensors")
    del network, optimizer
    gc.collect()  # nothing may hold the group any more: a thread of its would meet the interpreter's end
    distributed.destroy_process_group()


@pytest.fixture(scope="module", params=[2, pytest.param(3, marks=pytest.mark.slow)], ids=["two", "three"])
def several(request, tmp_path_factory):
    """(number of processes, folder with what each of them computed)."""
    folder = tmp_path_factory.mktemp("processes")
    multiprocessing.set_forkserver_preload(["torch._dynamo", "replication.run"])  # imported once, not by each process
    arguments = (request.param, str(folder))
    multiprocessing.start_processes(one_of_several, arguments, nprocs=request.param, start_method="forkserver")
    return request.param, folder


@pytest.mark.parametrize(("case", "dtype"), CASES)
def test_the_iterates_are_those_of_one_process(case, dtype, several):
    size, folder = several
    network, optimizer = start(case, dtype, SAMPLES)
    for _ in range(ITERATIONS):
        optimizer.step()
    tolerance = {"float32": 1e-5, "float64": 1e-11}[dtype]
    first, *others = (load_file(folder / f"{case}-{dtype}-{rank}.safetensors") for rank in range(size))
    for key, value in numbers(network, optimizer).items():
        assert (first[key] - value).norm() <= tolerance * value.norm(), key
        assert all((other[key] == first[key]).all() for other in others), key


@pytest.mark.parametrize(("case", "dtype"), CASES)
def test_bytes_sent_do_not_depend_on_the_number_of_samples(case, dtype, several):
    _, folder = several
    result = load_file(folder / f"{case}-{dtype}-0.safetensors")
    assert result[f"bytes/{SAMPLES}"] == result[f"bytes/{3 * SAMPLES}"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", ["sgd", "adam", "badmm", "badmm, general", "badmm-ls", "badmm-ls, ridge"])
def test_bytes_sent_are_those_of_the_cost_model(case, dtype, several):
    """A gradient, or for BADMM the sums of the weight step and the Gram matrices of all layers but the first."""
    _, folder = several
    weights = (9 + 1) * 5 + (5 + 1) * 4 + (4 + 1) * 9
    grams = (5 + 1) ** 2 + (4 + 1) ** 2 if case.startswith("badmm") else 0
    width = {"float32": 4, "float64": 8}[dtype]
    expected = width * weights + (8 if "ls" in case else width) * grams
    assert load_file(folder / f"{case}-{dtype}-0.safetensors")[f"bytes/{SAMPLES}"] == expected


def test_methods_and_settings_for_one_process_alone_are_refused(tmp_path):
    network, data = nn.Sequential(nn.Linear(2, 1), nn.ReLU()), (torch.ones(4, 2), torch.ones(4, 1))
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    try:
        group = distributed.group.WORLD
        with pytest.raises(ValueError, match="gradient-d runs in one process alone"):
            build("gradient-d", network, *data, seed=0, group=group)
        with pytest.raises(ValueError, match="batch_size = 2"):
            build("sgd", network, *data, seed=0, group=group, learning_rate=0.1, batch_size=2)
    finally:
        distributed.destroy_process_group()


@pytest.mark.parametrize("count", [1, 5, 6, 7])
def test_rows_are_shared_out_once_and_evenly(count, monkeypatch):
    monkeypatch.setattr(distributed, "get_world_size", lambda group: 3)
    parts = []
    for rank in range(3):
        monkeypatch.setattr(distributed, "get_rank", lambda group, rank=rank: rank)
        parts.append(list(range(count))[processes.rows(count, object())])
    assert list(chain(*parts)) == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_one_process_is_first_has_all_rows_and_sends_nothing(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with processes.processes(torch.device("cpu")) as group:
        assert group is None
    assert processes.is_first(None)
    assert list(range(5))[processes.rows(5, None)] == list(range(5))
    sums = torch.ones(3)
    assert processes.summed(sums, None) is sums


@pytest.mark.parametrize(("available", "kind"), [(False, "cpu"), (True, "cuda")])
def test_auto_is_cuda_where_there_is_one(available, kind, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    assert processes.device("cpu") == torch.device("cpu")
    assert processes.device("auto").type == kind


def test_each_process_of_a_machine_has_its_own_cuda_device(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("LOCAL_RANK", "2")
    assert processes.device("cuda") == torch.device("cuda", 2)


def test_a_cuda_device_that_is_absent_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="device = cuda"):
        processes.device("cuda")


def train(folder: Path, *launcher: str, optimizer: str) -> subprocess.CompletedProcess:
    command = [sys.executable, *launcher, "-m", "replication", "train", "--experiment", "autoencoder"]
    command += ["--optimizer", optimizer, "--seed", "0", "--configfile", "config/smoke.yaml"]
    command += ["--run-folder", str(folder)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_torchrun_gives_the_run_of_one_process(tmp_path):
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for folder, arguments in (("one", []), ("two", launcher)):
        done = train(tmp_path / folder, *arguments, optimizer="badmm-ls")
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count("finished after 12 iterations") == 1
    one, two = (load(tmp_path / folder) for folder in ("one", "two"))
    assert (one.record["processes"], two.record["processes"]) == (1, 2)
    for column, values in one.history.items():
        np.testing.assert_allclose(two.history[column], values, rtol=1e-4, atol=1e-7, err_msg=column)
    for name, value in one.record["final"].items():
        assert two.record["final"][name] == pytest.approx(value, rel=1e-4)


@pytest.mark.slow
def test_train_refuses_what_the_configuration_does_not_name(tmp_path):
    done = train(tmp_path, optimizer="newton")
    assert done.returncode == 1
    assert "optimizer = newton: must be one of adam, " in done.stderr
    assert "Traceback" not in done.stderr
