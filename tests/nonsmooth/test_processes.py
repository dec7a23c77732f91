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

from nonsmooth import processes as placement
from replication import methods as optimizers, run as runs
from replication.data import Problem, Split

ROOT = Path(__file__).parents[1]
SETTINGS = {
    "badmm": {},
    "badmm-general": {"delta": 0.7, "tau_m": 0.9, "ridge": 0.2, "order": "zxwm"},
    "badmm-ls": {},
    "badmm-ls-ridge": {"ridge": 0.2},
    "sgd": {"learning_rate": 0.3, "momentum": 0.9},
    "adam": {"learning_rate": 0.01},
}
CASES = [(name, dtype) for name in SETTINGS for dtype in ("float32", "float64")]
SAMPLES, ITERATIONS = 47, 20  # 47 rows: uneven for two processes and for three


def start(name: str, dtype: str, samples: int, group: placement.Group = None):
    draw = torch.Generator().manual_seed(4)
    modules = [nn.Linear(9, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 9)]
    network = nn.Sequential(*modules).to(getattr(torch, dtype))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0, 0.5, generator=draw)
    inputs = torch.randn(samples, 9, generator=draw).to(getattr(torch, dtype))
    targets = torch.rand(samples, 9, generator=draw).to(getattr(torch, dtype))
    data = Problem(Split(inputs, targets), None, Split(inputs, targets)).at(torch.device("cpu"), group)
    algorithm = next(known for known in ("badmm-ls", "badmm", "sgd", "adam") if name.startswith(known))
    return network, optimizers.build(algorithm, network, *data.training, seed=0, group=group, **SETTINGS[name])


def one_of_several(rank: int, size: int, folder: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=size)
    sent = []
    all_reduce = distributed.all_reduce

    def counting(tensor, *args, **kwargs):
        sent.append(tensor.numel() * tensor.element_size())
        return all_reduce(tensor, *args, **kwargs)

    distributed.all_reduce = counting
    for name, dtype in CASES:
        told = {}
        for samples in (SAMPLES, 3 * SAMPLES):
            network, optimizer = start(name, dtype, samples, distributed.group.WORLD)
            sent.clear()
            optimizer.step()
            told[f"bytes/{samples}"] = torch.tensor(sum(sent))
            if samples == SAMPLES:
                for _ in range(ITERATIONS - 1):
                    optimizer.step()
                told |= {key: value.clone() for key, value in network.state_dict().items()}
                told |= {key: torch.tensor(value) for key, value in optimizer.diagnostics().items()}
        save_file(told, f"{folder}/{name}-{dtype}-{rank}.safetensors")
    del network, optimizer
    gc.collect()  # nothing may hold the group any more: a thread of its would meet the interpreter's end
    distributed.destroy_process_group()


@pytest.fixture(scope="module", params=[2, 3])
def several(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    multiprocessing.spawn(one_of_several, (request.param, str(folder)), nprocs=request.param)
    return request.param, folder


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_the_iterates_are_those_of_one_process(name, dtype, several):
    size, folder = several
    network, optimizer = start(name, dtype, SAMPLES)
    for _ in range(ITERATIONS):
        optimizer.step()
    expected = network.state_dict() | {key: torch.tensor(value) for key, value in optimizer.diagnostics().items()}
    tolerance = {"float32": 1e-5, "float64": 1e-11}[dtype]
    found = [load_file(folder / f"{name}-{dtype}-{rank}.safetensors") for rank in range(size)]
    for key, value in expected.items():
        assert (found[0][key] - value).norm() <= tolerance * value.norm(), key
        assert all((other[key] == found[0][key]).all() for other in found[1:]), key


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_bytes_sent_are_those_of_the_cost_model_for_any_number_of_samples(name, dtype, several):
    _, folder = several
    told = load_file(folder / f"{name}-{dtype}-0.safetensors")
    assert told[f"bytes/{SAMPLES}"] == told[f"bytes/{3 * SAMPLES}"]
    weights = (9 + 1) * 5 + (5 + 1) * 4 + (4 + 1) * 9
    grams = (5 + 1) ** 2 + (4 + 1) ** 2 if name.startswith("badmm") else 0
    width = {"float32": 4, "float64": 8}[dtype]
    assert told[f"bytes/{SAMPLES}"] == width * weights + (8 if "ls" in name else width) * grams


def test_what_does_not_run_in_several_processes_is_refused(tmp_path):
    network, data = nn.Sequential(nn.Linear(2, 1), nn.ReLU()), (torch.ones(4, 2), torch.ones(4, 1))
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    try:
        group = distributed.group.WORLD
        with pytest.raises(ValueError, match="gradient-d runs in one process alone"):
            optimizers.build("gradient-d", network, *data, seed=0, group=group)
        with pytest.raises(ValueError, match="batch_size = 2"):
            optimizers.build("sgd", network, *data, seed=0, group=group, learning_rate=0.1, batch_size=2)
    finally:
        distributed.destroy_process_group()


@pytest.mark.parametrize("count", [1, 5, 6, 7])
def test_rows_are_shared_out_once_and_evenly(count, monkeypatch):
    monkeypatch.setattr(distributed, "get_world_size", lambda group: 3)
    parts = []
    for rank in range(3):
        monkeypatch.setattr(distributed, "get_rank", lambda group, rank=rank: rank)
        parts.append(list(range(count))[placement.rows(count, object())])
    assert list(chain(*parts)) == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_device_that_is_not_there_is_refused():
    assert placement.device("cpu") == torch.device("cpu")
    if torch.cuda.is_available():
        assert placement.device("auto").type == "cuda"
    else:
        assert placement.device("auto") == torch.device("cpu")
        with pytest.raises(ValueError, match="device = cuda"):
            placement.device("cuda")


def train(folder: Path, *launcher: str, optimizer: str = "badmm") -> subprocess.CompletedProcess:
    command = [sys.executable, *launcher, "-m", "nonsmooth", "train", "--experiment", "autoencoder"]
    command += ["--optimizer", optimizer, "--seed", "0", "--configfile", "config/smoke.yaml"]
    command += ["--run-folder", str(folder)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["badmm-ls"])
def test_torchrun_keeps_the_run_of_one_process(optimizer, tmp_path):
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "3"]
    for folder, arguments in (("one", []), ("three", launcher)):
        done = train(tmp_path / folder, *arguments, optimizer=optimizer)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count("finished after 12 iterations") == 1
    one, three = (runs.load(tmp_path / folder) for folder in ("one", "three"))
    assert (one.record["processes"], three.record["processes"]) == (1, 3)
    for column, values in one.history.items():
        np.testing.assert_allclose(three.history[column], values, rtol=1e-4, atol=1e-7, err_msg=column)
    for name, value in one.record["final"].items():
        assert three.record["final"][name] == pytest.approx(value, rel=1e-4)


def test_train_refuses_what_the_configuration_does_not_name(tmp_path):
    done = train(tmp_path, optimizer="newton")
    assert done.returncode == 1
    known = "adam, adam-minibatch, adamw, badmm, badmm-ls, lbfgs, sgd"
    assert f"optimizer = newton: must be one of {known}" in done.stderr
    assert "Traceback" not in done.stderr
