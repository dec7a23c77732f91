"""The optimizers by name. Each trains a network in place, one iteration a `step()`, and tells what only it knows by
`diagnostics()`. A new one is one file here and one line in OPTIMIZERS; the contract tests find it."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

import torch
from torch import Tensor, nn

from nonsmooth.optimizers.badmm import Badmm
from nonsmooth.optimizers.gradient_d import GradientD
from nonsmooth.optimizers.lbfgs import Lbfgs
from nonsmooth.optimizers.torch_optim import TorchOptimizer
from nonsmooth.placement import Group
from nonsmooth.seeds import generator


class Optimizer(Protocol):
    def step(self) -> None: ...

    def diagnostics(self) -> dict[str, float]: ...


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": partial(TorchOptimizer, algorithm="sgd"),
    "adam": partial(TorchOptimizer, algorithm="adam"),
    "adam-minibatch": partial(TorchOptimizer, algorithm="adam", epochs=True),
    "adamw": partial(TorchOptimizer, algorithm="adamw"),
    "lbfgs": Lbfgs,
    "badmm": partial(Badmm, weight_step="gradient"),
    "badmm-ls": partial(Badmm, weight_step="least_squares"),
    "gradient-d": GradientD,
}
DRAWS_BATCHES = {"sgd", "adam", "adam-minibatch", "adamw"}
ONE_PROCESS = {"gradient-d", "lbfgs"}


def build(
    name: str,
    network: nn.Sequential,
    inputs: Tensor,
    targets: Tensor,
    *,
    seed: int,
    group: Group = None,
    **settings,
) -> Optimizer:
    """The optimizer called `name` (a key of OPTIMIZERS) with its settings.

    Mini-batches come from the stream "batches" of `seed`. With a `group` of processes, `inputs` and `targets` are this
    process's rows; ValueError is raised for the optimizers in ONE_PROCESS.
    """
    if group is not None:
        if name in ONE_PROCESS:
            raise ValueError(f"{name} runs in one process alone")
        settings["group"] = group
    if name in DRAWS_BATCHES:
        batches: torch.Generator = generator(seed, "batches")
        settings["generator"] = batches
    return OPTIMIZERS[name](network, inputs, targets, **settings)
