"""The methods: a line for each. All that the experiments, figures and tables know of a method stands here.

A new method is its own file, its line here, and its ranges in config/config.yaml (docs/adding-a-method.md).
"""

import inspect
from collections.abc import Collection
from dataclasses import dataclass, field
from pkgutil import resolve_name

ROLES = POSTER, BASELINE, REFERENCE, CONTROL, PEER = "poster", "baseline", "reference", "control", "peer"
OBJECTIVES = "train_loss", "train_d"


@dataclass(frozen=True)
class Look:
    """How a method is drawn, the same everywhere. The colour is of the Okabe-Ito palette, told apart by everyone."""

    color: str
    linestyle: str
    marker: str


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
    look: Look
    objective: str = "train_loss"
    fixed: dict = field(default_factory=dict)
    version: int = 1

    def __post_init__(self):
        """Raise ValueError for a role or an objective that nothing would ever ask for."""
        for name, value, known in (("role", self.role, ROLES), ("objective", self.objective, OBJECTIVES)):
            if value not in known:
                raise ValueError(f"{name} of {self.label!r} must be one of {', '.join(known)}, not {value!r}")


BLUE, ORANGE, GREEN, RED, PINK = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7"
SKY, BLACK = "#56B4E9", "#000000"
TORCH, COSINE = "nonsmooth.baselines:TorchOptimizer", "nonsmooth.baselines:WarmupCosine"
BADMM = "nonsmooth.badmm:Badmm"
LAYERWISE, LIFTED = "nonsmooth.layerwise:Layerwise", "nonsmooth.lifted_loss:LiftedLoss"

METHODS: dict[str, Method] = {
    "sgd": Method("SGD", TORCH, BASELINE, Look(ORANGE, "-", "s"), fixed={"algorithm": "sgd"}),
    "adam": Method("Adam", TORCH, BASELINE, Look(GREEN, "-", "^"), fixed={"algorithm": "adam"}),
    "adam-minibatch": Method(
        "Adam, mini-batches", TORCH, REFERENCE, Look(GREEN, "--", "P"), fixed={"algorithm": "adam", "epochs": True}
    ),
    "adamw": Method("Adam, weight decay", TORCH, REFERENCE, Look(GREEN, ":", "<"), fixed={"algorithm": "adamw"}),
    "lbfgs": Method("L-BFGS", "nonsmooth.baselines:Lbfgs", REFERENCE, Look(RED, "-", "X"), version=2),
    "lbfgs-solved": Method(
        "L-BFGS, last layer solved first",
        "nonsmooth.variable_projection:SolvedLbfgs",
        REFERENCE,
        Look(RED, "-.", "_"),
    ),
    "nesterov": Method(
        "SGD, Nesterov", TORCH, REFERENCE, Look(ORANGE, "--", "x"), fixed={"algorithm": "sgd", "nesterov": True}
    ),
    "sgd-cosine": Method(
        "SGD, warm-up and cosine", COSINE, REFERENCE, Look(ORANGE, "-.", "+"), fixed={"algorithm": "sgd"}
    ),
    "adam-cosine": Method(
        "Adam, warm-up and cosine", COSINE, REFERENCE, Look(GREEN, "-.", "H"), fixed={"algorithm": "adam"}
    ),
    "muon": Method("Muon", TORCH, REFERENCE, Look(SKY, "-.", "3"), fixed={"algorithm": "muon"}),
    "variable-projection": Method(
        "variable projection",
        "nonsmooth.variable_projection:VariableProjection",
        REFERENCE,
        Look(SKY, ":", "4"),
    ),
    "gauss-newton": Method(
        "layerwise Gauss-Newton", "nonsmooth.gauss_newton:GaussNewton", REFERENCE, Look(RED, ":", "|")
    ),
    "badmm": Method(
        "BADMM (gradient)", BADMM, POSTER, Look(BLUE, "-", "o"), "train_d", fixed={"weight_step": "gradient"}
    ),
    "badmm-ls": Method(
        "BADMM (least squares)", BADMM, POSTER, Look(BLUE, "--", "D"), "train_d", fixed={"weight_step": "least_squares"}
    ),
    "gradient-d": Method(
        "gradient descent on D", "nonsmooth.baselines:GradientD", CONTROL, Look(PINK, "-.", "v"), "train_d"
    ),
    "layerwise": Method("layerwise steps", LAYERWISE, CONTROL, Look(SKY, "-", ">")),
    "layerwise-unmasked": Method(
        "layerwise steps, no mask", LAYERWISE, CONTROL, Look(SKY, "--", "h"), fixed={"mask": False}
    ),
    "lifted": Method("lifted loss (gradient)", LIFTED, CONTROL, Look(PINK, "-", "*"), "train_d"),
    "lifted-exact": Method(
        "lifted loss (exact)", LIFTED, CONTROL, Look(PINK, "--", "p"), "train_d", fixed={"weight_step": "least_squares"}
    ),
    "penalty": Method(
        "BADMM without multipliers", BADMM, CONTROL, Look(BLACK, "-", "d"), "train_d", fixed={"tau_m": 0.0}
    ),
    "foof": Method("FOOF", "nonsmooth.foof:Foof", CONTROL, Look(RED, "--", "8")),
    "adam-solved": Method(
        "Adam, last layer solved first", "nonsmooth.variable_projection:SolvedAdam", CONTROL, Look(BLACK, "-.", ".")
    ),
    "adam-units-on": Method(
        "Adam, no unit off at first", "nonsmooth.units_on:UnitsOnAdam", CONTROL, Look(ORANGE, ":", "$u$")
    ),
    "lifted-momentum": Method("lifted loss (gradient), momentum", LIFTED, CONTROL, Look(PINK, ":", "$m$"), "train_d"),
    "badmm-momentum": Method(
        "BADMM (gradient), momentum",
        BADMM,
        CONTROL,
        Look(BLUE, ":", "$M$"),
        "train_d",
        fixed={"weight_step": "gradient"},
    ),
    "badmm-first-exact": Method(
        "BADMM, first layer exact",
        BADMM,
        CONTROL,
        Look(BLACK, "--", "1"),
        "train_d",
        fixed={"weight_step": "least_squares_first"},
    ),
    "badmm-last-exact": Method(
        "BADMM, last layer exact",
        BADMM,
        CONTROL,
        Look(BLACK, ":", "2"),
        "train_d",
        fixed={"weight_step": "least_squares_last"},
    ),
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


def _keywords(name: str) -> dict[str, inspect.Parameter]:
    signature = inspect.signature(resolve_name(METHODS[name].constructor))
    return {key: value for key, value in signature.parameters.items() if value.kind == value.KEYWORD_ONLY}


def _options(name: str) -> dict[str, inspect.Parameter]:
    """What the constructor passes on by `**`: the settings of the algorithm of torch.optim, where it has one."""
    from nonsmooth.baselines import ALGORITHMS  # imported late: it needs torch

    algorithm = METHODS[name].fixed.get("algorithm")
    return dict(inspect.signature(ALGORITHMS[algorithm]).parameters) if algorithm else {}


def accepted(name: str) -> set[str]:
    """The method's settings: `initial_scale`, and the keyword-only parameters of its constructor.

    What the constructor passes on by `**` is not among them.
    """
    return {"initial_scale", *_keywords(name)}


def settings(name: str) -> dict[str, object]:
    """The method's settings with their defaults, `inspect.Parameter.empty` where one must be given.

    A constructor that passes settings on by `**` has those of its base class as well. What is passed on to torch.optim
    (momentum, weight_decay) is not among them.
    """
    own: dict[str, object] = {}
    for kind in resolve_name(METHODS[name].constructor).__mro__:
        if "__init__" in vars(kind):
            parameters = inspect.signature(kind).parameters.values()
            own = {value.name: value.default for value in parameters if value.kind == value.KEYWORD_ONLY} | own
            if all(value.kind != value.VAR_KEYWORD for value in parameters):
                break
    hidden = {"generator", "group", *METHODS[name].fixed}
    return {key: value for key, value in own.items() if key not in hidden} | {"initial_scale": 1.0}


def default(name: str, setting: str) -> object:
    """The value that a setting has where the configuration gives none; None where it must give one."""
    if setting == "initial_scale":
        return 1.0
    keyword = (_options(name) | _keywords(name)).get(setting)
    return None if keyword is None or keyword.default is keyword.empty else keyword.default


def build(name: str, network, inputs, targets, *, seed: int, group=None, initial_scale: float = 1.0, **settings):
    """The optimizer called `name` (a key of METHODS) with its settings, to train `network` on inputs and targets.

    Weights and biases of the network are multiplied by `initial_scale` first. Mini-batches come from the stream
    "batches" of `seed`. With a `group` of processes, `inputs` and `targets` are this process's rows; ValueError is
    raised for a method that runs in one process alone.
    """
    from replication.seeds import generator  # imported late: it needs torch

    method = METHODS[name]
    parameters = _keywords(name)
    if initial_scale != 1:
        _scale(network, initial_scale)
    if group is not None:
        if "group" not in parameters:
            raise ValueError(f"{name} runs in one process alone")
        settings["group"] = group
    if "generator" in parameters:
        settings["generator"] = generator(seed, "batches")
    return resolve_name(method.constructor)(network, inputs, targets, **method.fixed, **settings)


def _scale(network, factor: float) -> None:
    if not 0 < factor < float("inf"):
        raise ValueError(f"initial_scale = {factor}: must satisfy 0 < initial_scale < inf")
    for parameter in network.parameters():
        parameter.data.mul_(factor)


def refusal(name: str, settings: dict) -> str | None:
    """Why the method's constructor refuses these settings on networks of one unit; None where it takes them.

    One network ends in an activation, the other in an affine map: a method may train one kind alone.
    """
    import torch

    for last in ([torch.nn.ReLU()], []):
        try:
            data = torch.ones(settings.get("batch_size") or 2, 1)
            with torch.random.fork_rng(devices=[]):  # nn.Linear draws from the global generator, which stays as it was
                network = torch.nn.Sequential(torch.nn.Linear(1, 1), *last)
            build(name, network, data, data, seed=0, **settings)
        except (TypeError, ValueError) as error:
            reason = " ".join(str(error).split()).partition(". Did you mean")[0]  # Python 3.13 adds it
        else:
            return None
    return reason
