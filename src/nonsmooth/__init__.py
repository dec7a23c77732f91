"""Lifted training of networks with non-smooth activations.

The names below are imported when first used, so that importing the package costs no import of torch.
"""

from importlib import import_module

_HOME = {
    "Badmm": "nonsmooth.badmm",
    "Foof": "nonsmooth.foof",
    "GaussNewton": "nonsmooth.gauss_newton",
    "GradientD": "nonsmooth.baselines",
    "Layerwise": "nonsmooth.layerwise",
    "Lbfgs": "nonsmooth.baselines",
    "TorchOptimizer": "nonsmooth.baselines",
    "VariableProjection": "nonsmooth.variable_projection",
    "WarmupCosine": "nonsmooth.baselines",
    "LiftedLoss": "nonsmooth.lifted_loss",
    "Problem": "nonsmooth.problem",
    "SolvedAdam": "nonsmooth.variable_projection",
    "SolvedLbfgs": "nonsmooth.variable_projection",
    "Split": "nonsmooth.problem",
    "UnitsOnAdam": "nonsmooth.units_on",
    "train": "nonsmooth.training",
}
__all__ = list(_HOME)


def __getattr__(name: str):
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'nonsmooth' has no attribute {name!r}")
