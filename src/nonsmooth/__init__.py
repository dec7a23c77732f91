"""Lifted training of networks with non-smooth activations.

The names below are imported when first used, so that importing the package costs no import of torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

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
    "LiftedTargets": "nonsmooth.lifted_targets",
    "Problem": "nonsmooth.problem",
    "SolvedAdam": "nonsmooth.variable_projection",
    "SolvedLbfgs": "nonsmooth.variable_projection",
    "Split": "nonsmooth.problem",
    "UnitsOnAdam": "nonsmooth.units_on",
    "train": "nonsmooth.training",
}
__all__ = list(_HOME)

if TYPE_CHECKING:  # type checkers and editors do not call __getattr__
    from nonsmooth.badmm import Badmm as Badmm
    from nonsmooth.baselines import GradientD as GradientD
    from nonsmooth.baselines import Lbfgs as Lbfgs
    from nonsmooth.baselines import TorchOptimizer as TorchOptimizer
    from nonsmooth.baselines import WarmupCosine as WarmupCosine
    from nonsmooth.foof import Foof as Foof
    from nonsmooth.gauss_newton import GaussNewton as GaussNewton
    from nonsmooth.layerwise import Layerwise as Layerwise
    from nonsmooth.lifted_loss import LiftedLoss as LiftedLoss
    from nonsmooth.lifted_targets import LiftedTargets as LiftedTargets
    from nonsmooth.problem import Problem as Problem
    from nonsmooth.problem import Split as Split
    from nonsmooth.training import train as train
    from nonsmooth.units_on import UnitsOnAdam as UnitsOnAdam
    from nonsmooth.variable_projection import SolvedAdam as SolvedAdam
    from nonsmooth.variable_projection import SolvedLbfgs as SolvedLbfgs
    from nonsmooth.variable_projection import VariableProjection as VariableProjection
else:

    def __getattr__(name: str):
        if name in _HOME:
            return getattr(import_module(_HOME[name]), name)
        raise AttributeError(f"module 'nonsmooth' has no attribute {name!r}")


def __dir__() -> list[str]:
    """So that dir() and help() have the public names too."""
    return [*globals(), *__all__]
