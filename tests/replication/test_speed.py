"""Speed and size: what is measured, and that a goal can come out missed."""

import copy
import json
import math
from itertools import pairwise

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode
from workflow import jobs, output, snakemake

from replication import methods as optimizers, run as runs
from replication.report import pages, rows as tables
from replication.speed import clock as timing, goals, iterations as benchmark, pipeline as overhead, processes as scaling
from nonsmooth.training import Training

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", benchmark.LIFTED)
def test_the_floor_is_the_products_of_an_iteration(name):
    """A later iteration spends the floor's floating-point operations on matrix products of any size that matters."""
    N, h = 400, 16
    optimizer = optimizers.build(name, *benchmark.autoencoder(N, h, CPU), seed=0)
    for _ in range(benchmark.EARLY):
        optimizer.step()

    def in_place(total, left, right, **_):
        return 2 * left[0] * left[1] * right[1]

    counts = []
    for run in (optimizer.step, benchmark.products(name, N, h, CPU)):
        with FlopCounterMode(display=False, custom_mapping={torch.ops.aten.addmm_: in_place}) as counter:
            run()
        counts.append(counter.get_total_flops())
    assert counts[0] == pytest.approx(counts[1], rel=0.02)


@pytest.mark.parametrize("name", benchmark.LIFTED)
def test_a_step_moves_nothing_between_host_and_device(name):
    class Watch(TorchDispatchMode):
        def __init__(self):
            super().__init__()
            self.seen = []

        def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
            told = str(function)
            if "_local_scalar_dense" in told or "nonzero" in told:  # what waits for a device
                self.seen.append(told)
            if "_to_copy" in told and (keywords or {}).get("device") is not None:
                self.seen.append(told)
            return function(*arguments, **(keywords or {}))

    optimizer = optimizers.build(name, *benchmark.autoencoder(50, 4, CPU), seed=0)
    with Watch() as watch:
        for _ in range(3):
            optimizer.step()
        assert watch.seen == []
        torch.ones(()).item()
        assert watch.seen == ["aten._local_scalar_dense.default"]


def test_the_lifted_state_takes_the_memory_that_the_benchmark_says():
    if not benchmark.Path("/proc/self/clear_refs").exists():
        pytest.skip("peak memory is read from Linux's /proc")
    row = benchmark.measure_memory("adam", 5000, 16)
    data = 4 * 5000 * 2 * benchmark.PIXELS
    assert row["state"] == 4 * 5000 * (5 * benchmark.PIXELS + 4 * 16)
    assert data < row["peak"] < 6 * data
    assert row["ratio"] == row["peak"] / row["state"]


def measured() -> tuple[dict, dict, dict]:
    """What was measured and meets every goal: time proportional to N, one message of a latency of 1 ms."""
    cells = [(N, h, threads) for N in (100, 1000) for h in (8, 16) for threads in (1, 2)]
    report = {"device": "cpu", "processor": "made up", "versions": {"torch": "0"}, "iterations": [], "memory": []}
    for N, h, threads in cells:
        size = {"samples": N, "hidden": h, "threads": threads}
        for name in ("sgd fused", "adam fused", "adam for-loop"):
            report["iterations"].append(size | {"name": name, "seconds": 1e-5 * N, "to_adam": [1.0] * 3})
        for name in benchmark.LIFTED:
            row = {"name": name, "seconds": 8e-6 * N, "to_adam": [0.8] * 3, "floor_share": [0.9] * 3, "early": 1.1}
            report["iterations"].append(size | row)
    report["memory"] = [
        {"name": name, "samples": 100, "hidden": 8, "peak": 2**20, "state": 2**20, "ratio": 1.0}
        for name in ("adam", *benchmark.LIFTED)
    ]
    quality = {"badmm": {"ratio": [0.4] * 3}, "badmm-ls": {"ratio": [0.05] * 3}}
    spent = {"wall": 100.0, "allowed": 120.0, "count": 7}
    return report, quality, spent


def test_goals_are_met_where_every_figure_is_within_its_bound():
    table = goals.goals(*measured())
    assert all(row["met"] for row in table.values())
    assert table["exponent_of_time"]["value"] == pytest.approx(1.0)
    assert table["floor_share"]["goal"] == "at least 0.75"


@pytest.mark.parametrize(
    ("key", "spoil"),
    [
        ("badmm_to_adam", lambda report, quality, spent: report["iterations"][3].update(to_adam=[1.01] * 3)),
        ("badmm_ls_to_adam", lambda report, quality, spent: report["iterations"][4].update(to_adam=[1.21] * 3)),
        ("floor_share", lambda report, quality, spent: report["iterations"][-1].update(floor_share=[0.7] * 3)),
        ("memory_to_state", lambda report, quality, spent: report["memory"][1].update(ratio=1.6)),
        ("exponent_of_time", lambda report, quality, spent: report["iterations"][-1].update(seconds=0.01)),
        ("badmm_time_to_quality", lambda report, quality, spent: quality["badmm"].update(ratio=[None] * 3)),
        ("badmm_ls_time_to_quality", lambda report, quality, spent: quality["badmm-ls"].update(ratio=[0.07] * 3)),
        ("wall_time_to_allowed", lambda report, quality, spent: spent.update(wall=121.0)),
    ],
)
def test_each_goal_can_be_missed_by_itself(key, spoil):
    everything = copy.deepcopy(measured())
    spoil(*everything)
    table = goals.goals(*everything)
    assert [name for name, row in table.items() if not row["met"]] == [key]


def test_the_smallest_size_on_one_thread_is_the_one_compared_with_adam():
    report, quality, spent = measured()
    for row in report["iterations"][5:]:
        row["to_adam"] = [9.0] * 3
    assert goals.goals(report, quality, spent)["badmm_to_adam"]["value"] == 0.8


def test_time_to_quality_is_setup_and_iterations_times_seconds_against_adams(tmp_path):
    losses = {"adam": [1.0, 0.5, 0.4, 0.3, 0.2], "badmm": [1.0, 0.3, 0.15, 0.2, 0.1], "sgd": [1.0, 0.9, 0.8, 0.7, 0.6]}
    for name, values in losses.items():
        history = {"iteration": list(range(5)), "train_loss": values}
        folder = tmp_path / "runs" / "autoencoder" / name / "seed-0"
        runs.save(folder, torch.nn.Linear(1, 1), Training(history, "finished", 1.0, 2.0), {})
    results = runs.Results(str(tmp_path), {"autoencoder": [0]}, {"autoencoder": sorted(losses)})
    clocks = {"adam": (0.5, 2.0), "badmm": (3.0, 1.0), "sgd": (0.0, 1.0)}
    timing = {"optimizers": {name: {"setup": setup, "seconds": step} for name, (setup, step) in clocks.items()}}
    (tmp_path / "timing").mkdir()
    (tmp_path / "timing" / "autoencoder.json").write_text(json.dumps(timing))
    table = goals.time_to_quality(results)
    assert table["adam"]["ratio"][0] == 1.0
    assert (table["badmm"]["iterations"], table["badmm"]["ratio"][0]) == ([2], (3 + 2 * 1.0) / (0.5 + 4 * 2.0))
    assert (table["sgd"]["iterations"], table["sgd"]["ratio"]) == ([None], [None] * 3)


def test_the_cost_model_recovers_the_constants_that_it_was_given():
    fixed, sample, latency, bandwidth = 1e-3, 2e-6, 1e-4, 1e9
    report = {
        "iterations": [
            {"name": "badmm", "hidden": 8, "threads": 1, "samples": N, "seconds": fixed + sample * N}
            for N in (1000, 10_000, 60_000)
        ]
    }
    told = {"messages": [{"bytes": b, "seconds": latency + (b - 4) / bandwidth} for b in (4, 1024, 2**22)]}
    found = scaling.constants(report, told, "badmm", 8)
    expected = {"fixed": fixed, "sample": sample, "latency": latency, "bandwidth": bandwidth}
    assert found == pytest.approx(expected)
    sent = scaling.messages("badmm", [784, 8, 784])
    assert scaling.predict(sent, found, 1000, 1) == pytest.approx(fixed + 1000 * sample)
    two = fixed + 500 * sample + 2 * latency + sum(sent) / bandwidth
    assert scaling.predict(sent, found, 1000, 2) == pytest.approx(two)


def test_accounts_of_the_wall_time_add_up(tmp_path):
    for seed, (loop, steps, duration) in enumerate([(3.0, 1.0, 5.0), (4.0, 2.0, 5.5)]):
        run = tmp_path / "results" / "runs" / "e" / "o" / f"seed-{seed}"
        run.mkdir(parents=True)
        (run / "run.json").write_text(json.dumps({"loop_seconds": loop, "optimizer_seconds": steps}))
        notebook = tmp_path / "results" / "notebooks" / "e" / "o" / f"seed-{seed}.ipynb"
        notebook.parent.mkdir(parents=True, exist_ok=True)
        notebook.write_text(json.dumps({"metadata": {"papermill": {"duration": duration}}}))
    told = overhead.account(tmp_path, 8.0)
    assert (told["count"], told["training"], told["optimizer"], told["notebooks"]) == (2, 7.0, 3.0, 10.5)
    assert told["allowed"] == pytest.approx(1.3 * 7.0 / 2 + 2.5 * 2)


def test_times_of_the_smallest_size_are_seconds_of_a_step():
    rows = {row["name"]: row for row in benchmark.time_cell(60, 4, 1, 3, CPU)}
    assert set(rows) == {
        *(f"{name} {kind}" for name in benchmark.VARIANTS for kind in benchmark.IMPLEMENTATIONS),
        *(f"{start}{name}" for name in benchmark.LIFTED for start in ("", "products of ")),
    }
    fastest = min((row for name, row in rows.items() if name.startswith("adam")), key=lambda row: row["seconds"])
    assert fastest["to_adam"] == [1.0] * 3
    for name in benchmark.LIFTED:
        middle, low, high = rows[name]["floor_share"]
        assert 0 < low <= middle <= high
        assert math.isfinite(rows[name]["early"])


def test_ratios_are_of_the_same_round():
    assert timing.ratio([2.0, 4.0, 8.0], [1.0, 2.0, 4.0]) == [2.0, 2.0, 2.0]


@pytest.mark.slow
def test_the_benchmark_on_the_smoke_configuration(tmp_path):
    done = snakemake(tmp_path, "benchmark", "--cores", "2", "--config", "seeds=[0]")
    assert done.returncode == 0, output(done)
    assert jobs(done)["measure_overhead"] == 1
    summary = json.loads((tmp_path / "results/benchmark/summary.json").read_text())
    assert set(summary["goals"]) == set(goals.goals(*measured()))
    for row in summary["goals"].values():
        assert row.keys() == {"value", "goal", "met", "where"}
    written = tables.read(tmp_path / "results/tables")
    assert {name: row["goal"] for name, row in written["goals"].items()} == {
        name: row["goal"] for name, row in summary["goals"].items()
    }
    for block in pages.SPEED:
        assert block(written).count("\n") > 2
    spent = json.loads((tmp_path / "results/benchmark/overhead.json").read_text())
    assert spent["count"] == 17
    assert 0 < spent["optimizer"] < spent["training"] < spent["notebooks"]
    told = json.loads((tmp_path / "results/benchmark/scaling.json").read_text())
    assert all(row[kind] > 0 for row in told["iterations"] for kind in ("one", "beside", "strong", "weak"))
    sizes = [row["bytes"] for row in told["messages"]]
    assert all(a < b for a, b in pairwise(sizes))
    for ending in ("pdf", "png"):
        assert (tmp_path / f"figures/benchmark.{ending}").stat().st_size > 1000


@pytest.mark.slow
def test_all_of_mnist_on_the_smoke_configuration(tmp_path):
    done = snakemake(tmp_path, "full_mnist", "--cores", "2")
    assert done.returncode == 0, output(done)
    assert jobs(done)["run_notebook"] == 5
    results = runs.Results(str(tmp_path / "results"), {"autoencoder-full": [0]}, {"autoencoder-full": ["adam"]})
    (run,) = results.runs("autoencoder-full", "adam")
    assert len(run.history["train_loss"]) == 7
    assert "validation_loss" not in run.history
    assert (tmp_path / "figures/full_mnist.png").stat().st_size > 1000
