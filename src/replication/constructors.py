"""The methods made: their settings, as their constructors have them, and optimizers."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pkgutil import resolve_name
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from replication.methods import METHODS

# Of torch.optim: the learning rate has its own name, and these would climb, or make no difference but time.
NOT_SET = ("params", "parameters", "options", "lr", "maximize", "differentiable", "capturable")


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
    return {key: value.default for key, value in _own(name).items()} | {"initial_scale": 1.0}


def _own(name: str) -> dict[str, inspect.Parameter]:
    """The parameters that are settings of the method: of the constructor, and of its base where it passes some on."""
    own: dict[str, inspect.Parameter] = {}
    for kind in resolve_name(METHODS[name].constructor).__mro__:
        if "__init__" in vars(kind):
            parameters = inspect.signature(kind, eval_str=True).parameters.values()
            own = {value.name: value for value in parameters if value.kind == value.KEYWORD_ONLY} | own
            if all(value.kind != value.VAR_KEYWORD for value in parameters):
                break
    hidden = {"generator", "group", *METHODS[name].fixed}
    return {key: value for key, value in own.items() if key not in hidden}


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

    if why := _wrong_type(name, settings):
        return why
    for last in ([torch.nn.ReLU()], []):
        try:
            data = torch.ones(settings.get("batch_size") or 2, 1)
            with torch.random.fork_rng(devices=[]):  # nn.Linear draws from the global generator, which stays as it was
                network = torch.nn.Sequential(torch.nn.Linear(1, 1), *last)
            build(name, network, data, data, seed=0, **settings)
        except (TypeError, ValueError, RuntimeError) as error:  # RuntimeError: a batch that no memory holds
            reason = " ".join(str(error).split())
        else:
            return None
    return reason


def _wrong_type(name: str, settings: dict) -> str | None:
    """What is wrong with the first setting that the method does not have, or whose type is another one."""
    import torch

    options = _options(name)
    if "options" in options:  # passed on to the algorithm itself
        kind = {key.lower(): value for key, value in vars(torch.optim).items()}[METHODS[name].fixed["algorithm"]]
        options |= inspect.signature(kind, eval_str=True).parameters
    unset = {*NOT_SET, *METHODS[name].fixed}
    known = {key: value for key, value in options.items() if key not in unset} | _own(name)
    kinds = {key: value.annotation for key, value in known.items()} | {"initial_scale": float}
    for key, value in settings.items():
        if key not in kinds:
            return f"{name} has no setting '{key}'"
        if not _is_a(value, kinds[key]):
            return f"{key} = {value!r}: must be {_words(kinds[key])}"
    return None


def _is_a(value: object, kind: object) -> bool:
    """Whether a value of YAML is of the annotated kind: an int is a float, a bool is no number."""
    parts = get_args(kind)
    if kind in (inspect.Parameter.empty, Any):
        return True
    if isinstance(kind, UnionType) or get_origin(kind) is Union:
        return any(_is_a(value, part) for part in parts)
    if get_origin(kind) is tuple:
        whole = isinstance(value, list | tuple) and len(value) == len(parts)
        return whole and all(map(_is_a, value, parts))
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, NoneType if kind is None else kind)


def _words(kind: object) -> str:
    """An annotation in words."""
    parts = get_args(kind)
    if get_origin(kind) is tuple:
        return f"a list of {len(parts)}, each {_words(parts[0])}"
    if parts:
        return " or ".join(word for word in map(_words, parts) if word)
    names = {float: "a finite number", int: "an integer", bool: "true or false", str: "a word", NoneType: "null"}
    return names.get(kind, "")
