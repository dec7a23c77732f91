"""The methods: a line for each. All that experiments, verdicts and tables know of a method stands here.

A new method is its own file, its line here, and its ranges in the configuration (docs/adding-a-method.md). How it is
drawn is a line of report/looks.py. Neither line is an input of another method's training.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from importlib import import_module

ROLES = POSTER, BASELINE, REFERENCE, CONTROL, PEER = "poster", "baseline", "reference", "control", "peer"
OBJECTIVES = "train_loss", "train_d"


@dataclass(frozen=True)
class Method:
    """One way to train a network.

    label: its name in figures and on pages.
    constructor: where it is, "package.module:name". Called with the network, inputs and targets, and with `fixed` and
        the configuration's settings as keywords, it gives an optimizer (nonsmooth.training.Optimizer). Where it has a
        parameter `generator` it gets one for mini-batches, and where it has `group` it runs in several processes.
    role: "poster", the method of the poster; "baseline", what the poster compares it with; "reference", in no claim,
        drawn beside; "control", which isolates one ingredient; "peer", another lifted method, judged like the poster's.
    objective: the column of a perceptron's history that it minimises, "train_loss" (squared error) or "train_d".
    version: raised by hand when the iterates change. Published records of another version are not used.
    """

    label: str
    constructor: str
    role: str
    objective: str = "train_loss"
    fixed: dict = field(default_factory=dict)
    version: int = 1

    @property
    def module(self) -> str:
        """The constructor's module."""
        return self.constructor.partition(":")[0]

    def __post_init__(self):
        """Raise ValueError for a role or an objective that nothing would ever ask for."""
        for name, value, known in (("role", self.role, ROLES), ("objective", self.objective, OBJECTIVES)):
            if value not in known:
                raise ValueError(f"{name} of {self.label!r} must be one of {', '.join(known)}, not {value!r}")


TORCH, COSINE = "nonsmooth.baselines:TorchOptimizer", "nonsmooth.baselines:WarmupCosine"
BADMM = "nonsmooth.badmm:Badmm"
LAYERWISE, LIFTED = "nonsmooth.layerwise:Layerwise", "nonsmooth.lifted_loss:LiftedLoss"

METHODS: dict[str, Method] = {
    "sgd": Method("SGD", TORCH, BASELINE, fixed={"algorithm": "sgd"}),
    "adam": Method("Adam", TORCH, BASELINE, fixed={"algorithm": "adam"}),
    "adam-minibatch": Method("Adam, mini-batches", TORCH, REFERENCE, fixed={"algorithm": "adam", "epochs": True}),
    "adamw": Method("Adam, weight decay", TORCH, REFERENCE, fixed={"algorithm": "adamw"}),
    "lbfgs": Method("L-BFGS", "nonsmooth.baselines:Lbfgs", REFERENCE, version=2),
    "lbfgs-solved": Method(
        "L-BFGS, last layer solved first",
        "nonsmooth.variable_projection:SolvedLbfgs",
        REFERENCE,
    ),
    "nesterov": Method("SGD, Nesterov", TORCH, REFERENCE, fixed={"algorithm": "sgd", "nesterov": True}),
    "sgd-cosine": Method("SGD, warm-up and cosine", COSINE, REFERENCE, fixed={"algorithm": "sgd"}),
    "adam-cosine": Method("Adam, warm-up and cosine", COSINE, REFERENCE, fixed={"algorithm": "adam"}),
    "muon": Method("Muon", TORCH, REFERENCE, fixed={"algorithm": "muon"}),
    "variable-projection": Method(
        "variable projection",
        "nonsmooth.variable_projection:VariableProjection",
        REFERENCE,
    ),
    "lifted-targets": Method(
        "lifted targets",
        "nonsmooth.lifted_targets:LiftedTargets",
        REFERENCE,
        "train_d",
    ),
    "gauss-newton": Method("layerwise Gauss-Newton", "nonsmooth.gauss_newton:GaussNewton", REFERENCE),
    "badmm": Method("BADMM (gradient)", BADMM, POSTER, "train_d", fixed={"weight_step": "gradient"}),
    "badmm-ls": Method("BADMM (least squares)", BADMM, POSTER, "train_d", fixed={"weight_step": "least_squares"}),
    "gradient-d": Method("gradient descent on D", "nonsmooth.baselines:GradientD", CONTROL, "train_d"),
    "layerwise": Method("layerwise steps", LAYERWISE, CONTROL),
    "layerwise-unmasked": Method("layerwise steps, no mask", LAYERWISE, CONTROL, fixed={"mask": False}),
    "lifted": Method("lifted loss (gradient)", LIFTED, CONTROL, "train_d"),
    "lifted-exact": Method("lifted loss (exact)", LIFTED, CONTROL, "train_d", fixed={"weight_step": "least_squares"}),
    "penalty": Method("BADMM without multipliers", BADMM, CONTROL, "train_d", fixed={"tau_m": 0.0}),
    "foof": Method("FOOF", "nonsmooth.foof:Foof", CONTROL),
    "adam-solved": Method("Adam, last layer solved first", "nonsmooth.variable_projection:SolvedAdam", CONTROL),
    "adam-units-on": Method("Adam, no unit off at first", "nonsmooth.units_on:UnitsOnAdam", CONTROL),
    "lifted-momentum": Method("lifted loss (gradient), momentum", LIFTED, CONTROL, "train_d"),
    "badmm-momentum": Method(
        "BADMM (gradient), momentum",
        BADMM,
        CONTROL,
        "train_d",
        fixed={"weight_step": "gradient"},
    ),
    "badmm-first-exact": Method(
        "BADMM, first layer exact",
        BADMM,
        CONTROL,
        "train_d",
        fixed={"weight_step": "least_squares_first"},
    ),
    "badmm-last-exact": Method(
        "BADMM, last layer exact",
        BADMM,
        CONTROL,
        "train_d",
        fixed={"weight_step": "least_squares_last"},
    ),
    "signal-steps": Method("a signal with a weight step", "replication.peers.signals:SignalSteps", CONTROL),
    "lpom": Method("LPOM", "replication.peers.lpom:Lpom", REFERENCE),
    "lifted-bregman": Method(
        "lifted Bregman, Adam in its blocks",
        "replication.peers.lifted_bregman:LiftedBregman",
        REFERENCE,
        "train_d",
    ),
    "locoprop": Method("LocoProp-M", "replication.peers.locoprop:LocoProp", REFERENCE),
    "dual-propagation": Method("dual propagation", "replication.peers.dual_propagation:DualPropagation", REFERENCE),
    "dladmm": Method("dlADMM", "replication.peers.dladmm:DlAdmm", REFERENCE),
}
ANCHOR = "adam"  # what the others' times are told as ratios to


def of_role(*roles: str) -> tuple[str, ...]:
    """The names of the methods with one of these roles: by the order of `roles`, then that of METHODS."""
    return tuple(name for role in roles for name, method in METHODS.items() if method.role == role)


def judged(among: Collection[str] | None = None) -> tuple[str, ...]:
    """The methods that claims are judged for, of those named."""
    return _of(among, of_role(POSTER, PEER))


def baselines(among: Collection[str] | None = None) -> tuple[str, ...]:
    """The methods that claims are judged against, of those named."""
    return _of(among, of_role(BASELINE))


def compared(among: Collection[str] | None = None) -> tuple[str, ...]:
    """The methods of a claim on either side, of those named: baselines first."""
    return (*baselines(among), *judged(among))


def _of(among: Collection[str] | None, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if among is None or name in among)


def label(name: str) -> str:
    """The method's name for readers; other names (of reference maps) stay as they are."""
    return METHODS[name].label if name in METHODS else name


def __getattr__(name: str):
    """`build`, which had its home here: constructors.py needs torch, and this module is read without it."""
    if name == "build":
        return import_module("replication.constructors").build
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
