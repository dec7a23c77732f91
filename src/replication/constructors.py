"""The methods made: their settings, as their constructors have them, and optimizers."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pkgutil import resolve_name

from replication.methods import METHODS


def _keywords(name: str) -> dict[str, inspect.Parameter]:
    signature = inspect.signature(resolve_name(METHODS[name].constructor))
    return {key: value for key, value in signature.parameters.items() if value.kind == value.KEYWORD_ONLY}


def _options(name: str) -> dict[str, inspect.Parameter]:
    """What the constructor passes on by `**`: the settings of the algorithm of torch.optim, where it has one."""
    algorithm = METHODS[name].fixed.get("algorithm")
    if algorithm is None:
        return {}
    return dict(inspect.signature(resolve_name(f"{METHODS[name].module}:ALGORITHMS")[algorithm]).parameters)


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
    raised for a method that runs in one process alone. Where anything is refused, the network is as it was.
    """
    from replication.seeds import generator  # imported late: it needs torch

    method = METHODS[name]
    parameters = _keywords(name)
    if group is not None:
        if "group" not in parameters:
            raise ValueError(f"{name} runs in one process alone")
        settings["group"] = group
    if "generator" in parameters:
        settings["generator"] = generator(seed, "batches")
    with _scaled(network, initial_scale):
        return resolve_name(method.constructor)(network, inputs, targets, **method.fixed, **settings)


@contextmanager
def _scaled(network, factor: float) -> Iterator[None]:
    """The network's weights times `factor`, taken back where an exception is raised."""
    from nonsmooth.checks import check_range  # imported late, as all of the library here

    check_range("initial_scale", factor, "0 < {} < inf")
    before = [parameter.detach().clone() for parameter in network.parameters()] if factor != 1 else []
    for parameter in network.parameters() if before else ():
        parameter.data.mul_(factor)
    try:
        yield
    except BaseException:
        for parameter, old in zip(network.parameters(), before, strict=bool(before)):
            parameter.data.copy_(old)
        raise


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
            reason = " ".join(str(error).split())
        else:
            return None
    return reason
