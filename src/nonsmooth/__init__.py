"""Lifted training of networks with non-smooth activations, and the replication built on it.

The names below are imported when first used, so that commands which need no tensors start fast.
"""

from importlib import import_module

_HOME = {
    "Badmm": "nonsmooth.optimizers.badmm",
    "GradientD": "nonsmooth.optimizers.gradient_d",
    "TorchOptimizer": "nonsmooth.optimizers.torch_optim",
    "train": "nonsmooth.training",
}
__all__ = list(_HOME)


def __getattr__(name: str):
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'nonsmooth' has no attribute {name!r}")
