"""Several processes: how the time of an iteration follows from their number, measured on two, predicted for more.

The cost model (docs/scaling.md): an iteration of P processes with N samples in all takes

    fixed + sample N / P + messages latency (P - 1) + bytes 2 (P - 1) / P / bandwidth

seconds: work on small matrices that every process does for itself, work on its own samples, and an all-reduce for each
message as a ring does it, 2 (P - 1) steps that each pass on 1 / P of the message.
"""

import gc
import json
import os
import statistics
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import torch
from torch import distributed, multiprocessing

from nonsmooth.processes import rows
from replication import constructors
from replication.methods import POSTER, of_role
from replication.provenance import provenance
from replication.speed.clock import ratio, take_turns
from replication.speed.iterations import EARLY, autoencoder

PROCESSES = 2
MESSAGES = [2**exponent for exponent in range(2, 23, 4)]  # bytes
CPU = torch.device("cpu")


def messages(name: str, widths: list[int], number: int = 4) -> list[int]:
    """Bytes of each message of an iteration of `badmm` or `badmm-ls`, for a network with biases; N is not in it.

    widths: of X_0, ..., X_L. number: bytes of a number of the network's dtype. A layer sends its descent, which has
    the shape of its weights and biases, and, but for the first, the Gram matrix of its inputs: with the descent, and
    in float64 and by itself for the exact step.
    """
    sent = []
    for layer, (size, outputs) in enumerate(pairwise(widths)):
        descent, gram = (size + 1) * outputs, (size + 1) ** 2 if layer else 0
        if name == "badmm":
            sent.append(number * (descent + gram))
        else:
            sent += [number * descent, *([8 * gram] if gram else [])]
    return sent


def _alone_and_together(samples: int, hidden: int, name: str, group) -> dict[str, Callable[[], None]]:
    """One step of each kind that is compared; every process calls each as often, and the first one's clock counts."""
    first = distributed.get_rank(group) == 0
    own = rows(samples, group)

    def built(data_of: slice, group=None) -> Callable[[], None]:
        network, noisy, clean = autoencoder(samples, hidden, CPU)
        step = constructors.build(name, network, noisy[data_of], clean[data_of], seed=0, group=group).step
        for _ in range(EARLY):
            step()
        return step

    alone, shared, full = built(slice(None)), built(own, group), built(slice(None), group)

    def one_process() -> None:
        if first:
            alone()
        distributed.barrier(group)

    def beside() -> None:
        alone()
        distributed.barrier(group)

    def together(step: Callable[[], None]) -> Callable[[], None]:
        def both() -> None:
            step()
            distributed.barrier(group)

        return both

    return {"one": one_process, "beside": beside, "strong": together(shared), "weak": together(full)}


def _process(rank: int, settings: dict, folder: str) -> None:
    torch.set_num_threads(1)
    meeting = f"file://{folder}/meeting"
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=PROCESSES)
    report = _measure(settings)
    gc.collect()  # nothing may hold the group any more: a thread of its would meet the interpreter's end
    distributed.barrier()
    distributed.destroy_process_group()
    if rank == 0:
        Path(folder, "report.json").write_text(json.dumps(report))


def _measure(settings: dict) -> dict:
    group = distributed.group.WORLD
    report: dict = {"processes": PROCESSES, "samples": settings["scaling_samples"], "iterations": [], "messages": []}
    for hidden in settings["hidden"]:
        for name in of_role(POSTER):
            steps = _alone_and_together(settings["scaling_samples"], hidden, name, group)
            seconds = take_turns(steps, settings["rounds"], CPU, turn=0)
            row = {"name": name, "hidden": hidden}
            row |= {kind: statistics.median(times) for kind, times in seconds.items()}
            row["strong_speed_up"] = ratio(seconds["one"], seconds["strong"])
            row["weak_efficiency"] = ratio(seconds["one"], seconds["weak"])
            row["beside_efficiency"] = ratio(seconds["one"], seconds["beside"])
            report["iterations"].append(row)
    sent = {str(size): torch.zeros(size // 4) for size in MESSAGES}
    steps = {size: lambda message=message: distributed.all_reduce(message) for size, message in sent.items()}
    for size, times in take_turns(steps, 5 * settings["rounds"], CPU, turn=0).items():
        report["messages"].append({"bytes": int(size), "seconds": statistics.median(times)})
    return report


def measure(settings: dict) -> dict:
    """Strong and weak scaling on two processes of one thread each, and the time of a message by its size.

    For each optimizer and hidden size: one process with N samples while the other waits ("one"), the same in both at
    once without a message ("beside": what the machine itself loses when both cores work), both with half of the
    samples ("strong") and both with N each ("weak"), in turn.
    """
    with tempfile.TemporaryDirectory() as folder:
        multiprocessing.spawn(_process, (settings, folder), nprocs=PROCESSES)
        report = json.loads(Path(folder, "report.json").read_text())
    report["cores"] = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return report | provenance()


def line(cells: list[dict]) -> dict[str, float]:
    """ "fixed" and "sample", in seconds: the line through the "seconds" of the smallest and the largest "samples"."""
    small, large = (choose(cells, key=lambda row: row["samples"]) for choose in (min, max))
    sample = (large["seconds"] - small["seconds"]) / (large["samples"] - small["samples"])
    return {"fixed": max(0.0, small["seconds"] - sample * small["samples"]), "sample": sample}


def predict(sent: list[int], constants: dict[str, float], samples: int, processes: int) -> float:
    """Seconds of an iteration by the cost model; `sent` as from `messages`."""
    others = processes - 1
    talk = len(sent) * constants["latency"] * others + sum(sent) * 2 * others / processes / constants["bandwidth"]
    return constants["fixed"] + constants["sample"] * samples / processes + talk
