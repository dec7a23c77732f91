"""Many runs in one process leave no memory behind, and a processor without AVX computes what any other does."""

import copy
import gc
import itertools
import json
import os
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from test_fingerprints import AFFINE_ALONE, NETWORK, PERCEPTRON_ALONE, SETTINGS

from nonsmooth.training import train
from replication import constructors, data
from replication.data import networks
from replication.methods import METHODS
from replication.verdicts.verify import moved

RUNS, TRACED = 10_000, 800  # the traced ones are slower
OLD_PROCESSOR = {
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    "MKL_CBWR": "COMPATIBLE",
    "OPENBLAS_CORETYPE": "Nehalem",
}


@pytest.fixture(scope="module")
def make_runs():
    """A function that makes as many tiny runs as it is told, of every method in turn; every tenth by the loop."""
    settings = {"inputs": 3, "samples": 16, "condition_number": 2.0, "label_noise": 0.1}
    whole = data.build(None, name="teacher", seed=0, dtype="float32", **settings)
    problem = replace(whole, validation=None, unseen=None)
    usual = NETWORK | {"seed": 0, "dtype": "float32", "output_activation": "relu"}
    hidden, none = (networks.build(problem.sizes, hidden=sizes, **usual) for sizes in ([2], []))
    affine = networks.build(problem.sizes, hidden=[2], **usual | {"output_activation": None})
    every = itertools.cycle(METHODS)

    def make(count: int) -> None:
        for number in range(count):
            name = next(every)
            kinds = dict.fromkeys(PERCEPTRON_ALONE, none) | dict.fromkeys(AFFINE_ALONE, affine)
            network = copy.deepcopy(kinds.get(name, hidden))
            own = SETTINGS.get(name, [{}])[0]
            optimizer = constructors.build(name, network, *problem.training, seed=0, **own)
            if number % 10:
                optimizer.step()
            else:
                train(network, optimizer, problem, 1)
        gc.collect()

    make(RUNS // 10)  # until every cache is full
    return make


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's own count of pages")
def test_ten_thousand_runs_leave_no_memory_behind(make_runs):
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    before = resident()
    make_runs(RUNS)
    assert resident() - before < 10 * 2**20


@pytest.mark.slow
def test_runs_leave_no_object_of_python_behind(make_runs):
    tracemalloc.start()
    try:
        make_runs(TRACED)
        before, _ = tracemalloc.get_traced_memory()
        make_runs(TRACED)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 20 * TRACED  # bytes: less than the smallest object for each run


FINGERPRINTS = """
import json, sys, torch
sys.path.insert(0, sys.argv[1])
from test_fingerprints import METHODS, fingerprint
losses = {f"{name}/{k}": loss for name in METHODS for k, loss in enumerate(fingerprint(name)["losses"])}
print(json.dumps({"capability": torch.backends.cpu.get_cpu_capability(), "losses": losses}))
"""


@pytest.mark.slow
def test_a_processor_without_avx_stays_within_the_bounds_of_verify():
    """Every method, 20 iterations, with the bounds that `make verify` has for other processors."""

    def computed(**environment: str) -> dict:
        command = [sys.executable, "-c", FINGERPRINTS, str(Path(__file__).parent)]
        done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    old, usual = computed(**OLD_PROCESSOR), computed()
    assert old["capability"] in ("NO AVX", "DEFAULT")
    assert moved(old["losses"], usual["losses"]) == []
