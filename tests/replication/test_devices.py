"""Times on devices of other machines: how they are read, and what the cost model predicts from them."""

from pathlib import Path

import pytest

from nonsmooth.device_times import ADAM_GRAPH, GOALS
from replication.files import read_json, write_json
from replication.paths import DEVICES
from replication.speed.devices import LINK, PREDICTED, collect

PUBLISHED = sorted((Path(__file__).parents[2] / DEVICES).glob("*.json"))


def timed(optimizer, samples, hidden, milliseconds, **more):
    row = {"samples": samples, "hidden": hidden, "optimizer": optimizer, "milliseconds": milliseconds}
    return row | {"to_adam": 0.5, "goal": None, "setup": 6.0} | more


@pytest.fixture
def report(tmp_path):
    """Work of 1 ms and 1 us a sample; the host launches it in 3 ms. Adam is recorded with the smaller N alone."""
    rows = [timed(ADAM_GRAPH, 1000, hidden, 0.5) for hidden in PREDICTED["hidden"]]
    for name in ("badmm", "badmm-ls"):
        for hidden in PREDICTED["hidden"]:
            rows += [timed(name, N, hidden, 1 + 1e-3 * N, launched=max(3, 1 + 1e-3 * N)) for N in (1000, 10000)]
    write_json(tmp_path / "device.json", {"device": "a device", "torch": "2", "rows": rows})
    return collect([tmp_path / "device.json"])


def test_badmm_is_told_beside_recorded_adam_too(report):
    first, second = report["iterations"][:2]
    assert (first["optimizer"], first["device"]) == ("badmm", "a device")
    assert first["to_recorded_adam"] == pytest.approx(2 / 0.5)
    assert first["setup_in_iterations"] == pytest.approx(6 / 2)
    assert second["to_recorded_adam"] is None


def test_an_iteration_of_many_devices_takes_work_or_launches_and_then_the_messages(report):
    cells = {(r["name"], r["hidden"], r["samples"], r["processes"]): r for r in report["predictions"]}
    few, many = cells["badmm", 64, 60_000, 64], cells["badmm", 64, 10_000_000, 8]
    numbers = 65 * 784 + 785 * 64 + 65**2
    latency, bandwidth = LINK["latency"], LINK["bandwidth"]
    assert few["seconds"] == pytest.approx(3e-3 + 2 * latency * 63 + 4 * numbers * 2 * 63 / 64 / bandwidth)
    assert many["seconds"] == pytest.approx(1e-3 + 1e-6 * 10_000_000 / 8 + many["messages"])


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_a_published_file_has_every_size_with_its_goal_and_recorded_iterations(path):
    rows = [row for row in read_json(path)["rows"] if row["optimizer"].startswith("badmm")]
    assert {(row["optimizer"], row["samples"], row["hidden"]): row["goal"] for row in rows if row["goal"]} == GOALS
    assert all(row["recorded"] for row in rows if row["samples"] > row["hidden"])
