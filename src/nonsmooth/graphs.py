"""CUDA graphs: an iteration that a device repeats by itself, so that the host starts one thing and not some fifty."""

from collections.abc import Callable

import torch
from torch import Tensor


class Repeated:
    """Runs an iteration; on a CUDA device it is recorded at the first call that will be like all later ones.

    iteration: launches the work, on memory that stays where it is, and looks at no number.
    repeats: whether the next call launches the same work as all that follow.
    weights: give the tensors that a user may have put elsewhere since; then it is recorded anew.
    """

    def __init__(self, iteration: Callable[[], None], repeats: Callable[[], bool], weights: Callable[[], list[Tensor]]):
        self.iteration, self.repeats, self.weights = iteration, repeats, weights
        self.graph: torch.cuda.CUDAGraph | None = None
        self.recorded_on: list[int] = []
        self.can_record = True

    def __call__(self) -> None:
        weights = self.weights()
        if not (self.can_record and is_cuda(weights[0]) and self.repeats()):
            self.iteration()
            return
        addresses = [weight.data_ptr() for weight in weights]
        if addresses != self.recorded_on:
            self.graph, self.recorded_on = record(self.iteration, weights[0].device), addresses
            self.can_record = self.graph is not None
        if self.graph is None:
            self.iteration()
        else:
            self.graph.replay()


def is_cuda(X: Tensor) -> bool:
    return X.device.type == "cuda"


def record(iteration: Callable[[], None], device: torch.device) -> torch.cuda.CUDAGraph | None:
    """The work of one call, recorded and not run; None where the device refuses to record some of it."""
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.device(device), torch.cuda.graph(graph, capture_error_mode="thread_local"):
            iteration()
    except RuntimeError:
        return None
    return graph
