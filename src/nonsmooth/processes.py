"""Where a training runs: on which device, and shared by how many processes (torch.distributed)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, distributed

Group = distributed.ProcessGroup | None
"""The processes that share the samples of a training; None where there is one."""


def device(name: str) -> torch.device:
    """The device called "cpu", "cuda" (this process's own, where several share a machine) or "auto" (CUDA, if any).

    Raises ValueError for "cuda" where torch finds none.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise ValueError("device = cuda, and torch finds no CUDA device here; use auto or cpu")
    if name == "cuda" or (name == "auto" and available):
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


@contextmanager
def processes(on: torch.device) -> Iterator[Group]:
    """The processes that torchrun has started, joined by NCCL on CUDA and by Gloo on the CPU; None for a single one.

    Raises ValueError where another launcher left a number of processes that torchrun did not start.
    """
    told = os.environ.get("WORLD_SIZE", "1")
    if told != "1" and not distributed.is_torchelastic_launched():
        raise ValueError(f"WORLD_SIZE = {told!r} in the environment, and torchrun started no process: unset it")
    if told == "1":
        yield None
        return
    if on.type == "cuda":
        torch.cuda.set_device(on)
    distributed.init_process_group("nccl" if on.type == "cuda" else "gloo")
    try:
        yield distributed.group.WORLD
    finally:
        distributed.destroy_process_group()


def is_first(group: Group) -> bool:
    """Whether this process is the one that speaks and writes."""
    return group is None or distributed.get_rank(group) == 0


def rows(count: int, group: Group) -> slice:
    """This process's rows of `count`: neighbours, and as many as any other's or one less."""
    if group is None:
        return slice(None)
    rank, size = distributed.get_rank(group), distributed.get_world_size(group)
    return slice(count * rank // size, count * (rank + 1) // size)


def summed(sums: Tensor, group: Group) -> Tensor:
    """Sums over this process's samples, in place made those over all samples."""
    start_sum(sums, group).wait()
    return sums


class Finished:
    """A message that needs no waiting."""

    def wait(self) -> None:
        pass


def start_sum(sums: Tensor, group: Group) -> distributed.Work | Finished:
    """The same beside other work of this process: done once `wait()` of what is returned has come back."""
    return Finished() if group is None else distributed.all_reduce(sums, group=group, async_op=True)
