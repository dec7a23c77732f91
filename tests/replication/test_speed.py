"""Speed and size: what is measured, and that a goal can come out missed."""

import copy
import math
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from made_results import Made
from torch.utils.flop_counter import FlopCounterMode

from nonsmooth.training import Training
from replication import constructors
from replication.files import write_json
from replication.methods import ANCHOR, BASELINE, POSTER, baselines, judged, of_role
from replication.parameters import of_run
from replication.personal import WORKFLOW
from replication.speed import clock, goals, iterations, pipeline, processes
from replication.speed.clock import MOST, SETUPS, Clock
from replication.speed.iterations import BASELINE_SETTINGS, EARLY, IMPLEMENTATIONS, PIXELS
from replication.studies import claims

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")


# A clock


def test_wall_time_is_setup_and_iterations_times_the_time_of_one():
    adam = clock.of_report({"optimizers": {"adam": {"setup": 0.5, "seconds": 2.0}}}, "adam")
    assert adam == Clock(setup=0.5, step=2.0)
    assert (adam.after(0), adam.after(3)) == (0.5, 6.5)


def test_ratios_are_of_the_same_round():
    assert clock.ratio([2.0, 4.0, 8.0], [1.0, 2.0, 4.0]) == [2.0, 2.0, 2.0]
    assert clock.ratio([3.0], [2.0]) == [1.5, 1.5, 1.5]


def test_a_ratio_comes_with_its_quartiles():
    middle, low, high = clock.ratio([1.0, 2.0, 3.0, 4.0], [1.0, 1.0, 1.0, 1.0])
    assert low < middle == 2.5 < high


LENGTHS = {"sgd": 1 / 256, "adam": 1 / 64, "badmm": 3 / 128}


@pytest.fixture
def made_clock(monkeypatch):
    """A clock that moves by LENGTHS when a step is made, and by ten times as much when an optimizer is.

    The names of the steps in their order.
    """
    now, order = [0.0], []

    class Step:
        def __init__(self, name):
            self.name = name
            now[0] += 10 * LENGTHS[name]

        def step(self):
            now[0] += LENGTHS[self.name]
            order.append(self.name)

    monkeypatch.setattr(clock, "clock", lambda device: now[0])
    monkeypatch.setattr(clock, "build_optimizer", lambda parameters, problem, network: Step(parameters.optimizer))
    return order


def test_optimizers_take_turns_of_the_same_length(smoke_config, made_clock):
    runs = [of_run(smoke_config, "perceptron-teacher", name, 0) for name in LENGTHS]
    report = clock.answer(list(map(asdict, runs)), 3, root="", published=[])
    assert report["rounds"] == 3
    for name, length in LENGTHS.items():
        assert clock.of_report(report, name) == Clock(10 * length, length)
        assert report["optimizers"][name]["ratio_to_adam"] == [length / LENGTHS[ANCHOR]] * 3
    turns = ["sgd"] * MOST + ["adam"] * 4 + ["badmm"] * 3
    assert made_clock == ["sgd", "adam", "badmm"] + turns * 3


def test_without_the_anchor_there_are_seconds_and_no_ratios(smoke_config, made_clock):
    run = asdict(of_run(smoke_config, "perceptron-teacher", "badmm", 0))
    (entry,) = clock.answer([run], 2, root="", published=[])["optimizers"].values()
    assert entry == {"setup": 10 * LENGTHS["badmm"], "seconds": LENGTHS["badmm"]}


def test_setup_is_timed_again_and_again_and_a_step_of_every_method_takes_time(smoke_config, monkeypatch):
    built = []
    build = clock.build_optimizer
    monkeypatch.setattr(clock, "build_optimizer", lambda p, *a: built.append(p.optimizer) or build(p, *a))
    names = sorted(smoke_config["experiments"]["perceptron-teacher"]["optimizers"])
    runs = [of_run(smoke_config, "perceptron-teacher", name, 0) for name in names]
    report = clock.answer(list(map(asdict, runs)), 1, root="", published=[])
    assert built == names * (SETUPS + 1)
    assert all(entry["setup"] > 0 and entry["seconds"] > 0 for entry in report["optimizers"].values())


def test_one_run_of_every_method_of_the_claims_is_timed(smoke_config):
    for job in claims.jobs(smoke_config):
        experiment = job.name.split("/")[-1]
        runs = job.arguments["runs"]
        if smoke_config["experiments"][experiment].get("target") in (None, "claims"):
            assert [run["optimizer"] for run in runs] == claims.methods_of(smoke_config, experiment)
        assert {run["seed"] for run in runs} == {smoke_config["seeds"][0]}
        assert job.alone


# An iteration


def test_every_baseline_has_settings_to_be_timed_with():
    assert BASELINE_SETTINGS.keys() == set(of_role(BASELINE))


@pytest.mark.parametrize("name", of_role(POSTER))
def test_the_floor_is_the_products_of_an_iteration(name):
    """A later iteration spends the floor's floating-point operations on matrix products of any size that matters."""
    N, h = 400, 16
    optimizer = constructors.build(name, *iterations.autoencoder(N, h, CPU), seed=0)
    for _ in range(EARLY):
        optimizer.step()

    def in_place(total, left, right, **_):
        return 2 * left[0] * left[1] * right[1]

    counts = []
    for step in (optimizer.step, iterations.products(name, N, h, CPU)):
        with FlopCounterMode(display=False, custom_mapping={torch.ops.aten.addmm_: in_place}) as counter:
            step()
        counts.append(counter.get_total_flops())
    assert counts[0] == pytest.approx(counts[1], rel=0.02)


def test_the_products_of_other_methods_are_not_known():
    assert iterations.products("adam", 10, 4, CPU) is None


def test_every_contender_of_a_size_has_its_row(monkeypatch):
    monkeypatch.setattr(iterations, "EARLY", 3)
    rows = {row["name"]: row for row in iterations.time_cell(60, 4, 1, 3, CPU)}
    assert rows.keys() == {
        *(f"{name} {implementation}" for name in baselines() for implementation in IMPLEMENTATIONS),
        *judged(),
        *(f"{kind} of {name}" for kind in ("products", "delta") for name in of_role(POSTER)),
    }
    adams = [row for name, row in rows.items() if name.startswith(f"{ANCHOR} ")]
    assert min(adams, key=lambda row: row["seconds"])["to_adam"] == [1.0] * 3
    for name in of_role(POSTER):
        middle, low, high = rows[name]["floor_share"]
        assert 0 < low <= middle <= high
        assert math.isfinite(rows[name]["early"])
        assert len(rows[name]["delta"]) == 3


def test_setup_is_told_in_iterations():
    rows = iterations.time_setup(20, (30, 4, 3), CPU)
    assert [row["name"] for row in rows] == list(of_role(POSTER))
    for row in rows:
        assert (row["samples"], row["widths"]) == (20, [30, 4, 3])
        assert row["iterations"] == row["setup"] / row["step"] > 0


@pytest.mark.slow
def test_the_lifted_state_takes_the_memory_that_the_report_says():
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("peak memory is read from Linux's /proc")
    row = iterations.measure_memory("adam", 5000, 16)
    data = 4 * 5000 * 2 * PIXELS
    assert row["state"] == 4 * 5000 * (5 * PIXELS + 4 * 16)
    assert data < row["peak"] < 6 * data
    assert row["ratio"] == row["peak"] / row["state"]


# Goals


def reports() -> tuple[dict, dict, dict, dict]:
    """Reports that meet every goal: iterations (time proportional to N), processes, time to quality, the pipeline."""
    cells = [(N, h, threads) for N in (100, 1000) for h in (8, 16) for threads in (1, 2)]
    report = {"device": "cpu", "processor": "made up", "versions": {"torch": "0"}, "iterations": [], "memory": []}
    for N, h, threads in cells:
        size = {"samples": N, "hidden": h, "threads": threads}
        for name in ("sgd fused", "adam fused", "adam for-loop"):
            report["iterations"].append(size | {"name": name, "seconds": 1e-5 * N, "to_adam": [1.0] * 3})
        for name in of_role(POSTER):
            row = {"name": name, "seconds": 8e-6 * N, "to_adam": [0.8] * 3, "floor_share": [0.9] * 3, "early": 1.1}
            report["iterations"].append(size | row | {"delta": [1.2] * 3})
    report["setup"] = [{"name": "badmm", "samples": 100, "widths": [3, 2, 3], "iterations": 5.0}]
    report["memory"] = [
        {"name": name, "samples": 100, "hidden": 8, "peak": 2**20, "state": 2**20, "ratio": 1.0}
        for name in (ANCHOR, *of_role(POSTER))
    ]
    measured = {"samples": 100, "iterations": [{"name": "badmm", "hidden": 8, "strong_speed_up": [1.8] * 3}]}
    quality = {"badmm": {"ratio": [0.3] * 3}, "badmm-ls": {"ratio": [0.04] * 3}}
    return report, measured, quality, {"wall": 100.0, "count": 7}


def test_goals_are_met_where_every_number_is_within_its_bound():
    table = goals.goals(*reports())
    assert all(row["met"] for row in table.values())
    assert table["exponent_of_time"]["value"] == pytest.approx(1.0)
    assert table["floor_share"]["goal"] == "at least 0.8"


SPOILED = {  # report of iterations, of processes, time to quality, pipeline
    "badmm_to_adam": lambda r, p, q, o: r["iterations"][3].update(to_adam=[0.81] * 3),
    "badmm_wide_to_adam": lambda r, p, q, o: r["iterations"][18].update(to_adam=[1.11] * 3),
    "badmm_ls_to_adam": lambda r, p, q, o: r["iterations"][4].update(to_adam=[1.21] * 3),
    "badmm_ls_wide_to_adam": lambda r, p, q, o: r["iterations"][19].update(to_adam=[1.46] * 3),
    "delta_price": lambda r, p, q, o: r["iterations"][3].update(delta=[1.31] * 3),
    "floor_share": lambda r, p, q, o: r["iterations"][-1].update(floor_share=[0.7] * 3),
    "setup_in_iterations": lambda r, p, q, o: r["setup"][0].update(iterations=20.1),
    "memory_to_state": lambda r, p, q, o: r["memory"][1].update(ratio=1.6),
    "exponent_of_time": lambda r, p, q, o: r["iterations"][-1].update(seconds=0.01),
    "two_processes": lambda r, p, q, o: p["iterations"][0].update(strong_speed_up=[1.6] * 3),
    "badmm_time_to_quality": lambda r, p, q, o: q["badmm"].update(ratio=[None] * 3),
    "badmm_ls_time_to_quality": lambda r, p, q, o: q["badmm-ls"].update(ratio=[0.07] * 3),
    "wall_time": lambda r, p, q, o: o.update(wall=201.0),
}


@pytest.mark.parametrize("goal", goals.goals(*reports()))
def test_each_goal_can_be_missed_by_itself(goal):
    spoiled = copy.deepcopy(reports())
    SPOILED[goal](*spoiled)
    table = goals.goals(*spoiled)
    assert [name for name, row in table.items() if not row["met"]] == [goal]


def test_the_smallest_size_on_one_thread_is_the_one_compared_with_adam():
    report, *others = reports()
    for row in report["iterations"][5:]:
        row["to_adam"] = [9.0] * 3
    assert goals.goals(report, *others)["badmm_to_adam"]["value"] == 0.8


def test_memory_is_no_goal_where_it_was_not_measured():
    report, *others = reports()
    assert "memory_to_state" not in goals.goals(report | {"memory": []}, *others)


def test_time_to_quality_is_setup_and_iterations_times_seconds_against_adams(smoke_config, tmp_path):
    losses = {"adam": [1.0, 0.5, 0.4, 0.3, 0.2], "badmm": [1.0, 0.3, 0.15, 0.2, 0.1], "sgd": [1.0, 0.9, 0.8, 0.7, 0.6]}
    clocks = {"adam": (0.5, 2.0), "badmm": (3.0, 1.0), "sgd": (0.0, 1.0)}
    made = Made(tmp_path)
    for name, values in losses.items():
        training = Training({"iteration": [0, 1, 2, 3, 5], "train_loss": values}, "finished", 1.0, 2.0)
        parameters = of_run(smoke_config, "autoencoder", name, 0)
        made.run(parameters, training, {})
    made.timing("claims/timing/autoencoder", clocks)
    table = goals.time_to_quality(made.results)
    assert table["adam"]["ratio"] == [1.0] * 3
    assert table["badmm"]["iterations"] == [2]
    assert table["badmm"]["ratio"] == [(3 + 2 * 1.0) / (0.5 + 5 * 2.0)] * 3
    assert (table["sgd"]["iterations"], table["sgd"]["ratio"]) == ([None], [None] * 3)


# Several processes


FIXED, SAMPLE, LATENCY, BANDWIDTH = 1e-3, 2e-6, 1e-4, 1e9


def test_the_cost_model_adds_up_work_and_messages():
    constants = {"fixed": FIXED, "sample": SAMPLE, "latency": LATENCY, "bandwidth": BANDWIDTH}
    sent = processes.messages("badmm", [784, 8, 784])
    assert processes.predict(sent, constants, 1000, 1) == pytest.approx(FIXED + 1000 * SAMPLE)
    two = FIXED + 500 * SAMPLE + len(sent) * LATENCY + sum(sent) / BANDWIDTH
    assert processes.predict(sent, constants, 1000, 2) == pytest.approx(two)


# The pipeline


def test_accounts_of_the_wall_time_add_up(tmp_path):
    for seed, (loop, steps, duration) in enumerate([(3.0, 1.0, 5.0), (4.0, 2.0, 5.5)]):
        results = tmp_path / "results"
        record = {"loop_seconds": loop, "optimizer_seconds": steps}
        write_json(results / "runs" / "e" / "o" / f"seed-{seed}" / "run.json", record)
        notebook = {"metadata": {"papermill": {"duration": duration}}}
        write_json(results / "notebooks" / "e" / f"o{seed}.ipynb", notebook)
    account = pipeline.account(tmp_path, 8.0)
    assert (account["count"], account["training"], account["optimizer"], account["notebooks"]) == (2, 7.0, 3.0, 10.5)


@pytest.mark.slow
def test_the_pipeline_is_measured_as_from_a_shell_and_its_failure_is_reported(tmp_path, monkeypatch):
    """Variables that a job of a workflow has must not reach the workflow that is timed."""
    monkeypatch.setenv(WORKFLOW, "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    snakefile = tmp_path / "Snakefile"
    snakefile.write_text(
        "import os\n"
        f"assert not {{'{WORKFLOW}', 'OMP_NUM_THREADS'}} & os.environ.keys()\n"
        "rule all:\n    shell: 'echo {config[word]} && exit 3'\n"
    )
    with pytest.raises(RuntimeError, match="snakemake ended with 1") as failure:
        pipeline.measure(snakefile, {"word": "from-the-configuration"})
    assert "from-the-configuration" in str(failure.value)
