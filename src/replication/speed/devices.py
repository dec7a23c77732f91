"""Times that nonsmooth.device_times took on devices of other machines (data/devices), and what follows for many."""

from collections.abc import Iterable
from pathlib import Path

from nonsmooth.device_times import ADAM_GRAPH, PIXELS, WEIGHT_STEPS
from replication.files import read_json
from replication.speed import processes as scaling

LINK = {"latency": 20e-6, "bandwidth": 50e9}  # assumed, not measured: seconds and bytes a second from device to device
PREDICTED = {"hidden": [64, 256], "samples": [60_000, 1_000_000, 10_000_000], "processes": [8, 64, 512]}


def collect(paths: Iterable[str | Path]) -> dict:
    """What the files say of BADMM: "iterations", a row a size and method, "predictions" and the assumed "link"."""
    report: dict = {"iterations": [], "predictions": [], "link": LINK}
    for path in paths:
        measured = read_json(path)
        of = {"device": measured["device"], "torch": measured["torch"]}
        report["iterations"] += [row | of for row in _beside(measured)]
        report["predictions"] += [row | of for row in _predictions(measured)]
    return report


def _beside(measured: dict) -> list[dict]:
    """The rows of BADMM, each beside Adam as a CUDA graph too where that was recorded."""
    adam = {(row["samples"], row["hidden"]): row for row in measured["rows"] if row["optimizer"] == ADAM_GRAPH}
    rows = []
    for row in measured["rows"]:
        if row["optimizer"] in WEIGHT_STEPS:
            recorded = adam.get((row["samples"], row["hidden"]))
            ratio = recorded and row["milliseconds"] / recorded["milliseconds"]
            rows.append(row | {"to_recorded_adam": ratio, "setup_in_iterations": row["setup"] / row["milliseconds"]})
    return rows


def _predictions(measured: dict) -> list[dict]:
    """Seconds of an iteration on several devices by the cost model of `processes`.

    Work on the device: the line through the times of the smallest and the largest N. In a group of processes the host
    launches it piece by piece, which takes as long as it does with the smallest N: an iteration takes the longer of
    the two, and then the messages.
    """
    rows = []
    for name in WEIGHT_STEPS:
        for hidden in PREDICTED["hidden"]:
            cells = [row for row in measured["rows"] if (row["optimizer"], row["hidden"]) == (name, hidden)]
            work = scaling.line([{"samples": row["samples"], "seconds": 1e-3 * row["milliseconds"]} for row in cells])
            launched = 1e-3 * min(cells, key=lambda row: row["samples"])["launched"]
            sent = scaling.messages(name, [PIXELS, hidden, PIXELS])
            for samples in PREDICTED["samples"]:
                for count in PREDICTED["processes"]:
                    device = scaling.predict([], work | LINK, samples, count)
                    talk = scaling.predict(sent, {"fixed": 0.0, "sample": 0.0} | LINK, samples, count)
                    seconds = max(device, launched) + talk
                    row = {"name": name, "hidden": hidden, "samples": samples, "processes": count}
                    rows.append(row | {"seconds": seconds, "work": device, "messages": talk})
    return rows
