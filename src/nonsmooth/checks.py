"""Checks of settings and data: each message has the name, the value and what is allowed."""

import operator
import re
from numbers import Integral, Real

import torch
from torch import Tensor

ROWS = 1024  # samples at a time
BOUND = re.compile(r"(?:(\S+) (<=?) )?\{\}(?: (<=?) (\S+))?")
COMPARE = {"<": operator.lt, "<=": operator.le}


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise ValueError unless `value` is one of `choices`."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


def check_switch(name: str, value: bool) -> None:
    """Raise TypeError unless `value` is True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} = {value!r} must be True or False")


def check_range(name: str, value: float, bound: str) -> None:
    """Raise unless `value` is a number within a bound such as "0 < {} <= 2", or "{}" for none.

    Raises TypeError for what is no number (True and False are none), ValueError for one outside, nan among them.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} = {value!r} must be a number" + (f", {bound.format(name)}" if bound != "{}" else ""))
    low, after_low, before_high, high = BOUND.fullmatch(bound).groups()
    above = low is None or COMPARE[after_low](float(low), value)
    if not (above and (high is None or COMPARE[before_high](value, float(high)))):
        raise ValueError(f"{name} = {value} is outside its range, {bound.format(name)}")


def check_count(name: str, value: int, least: int = 1, most: int | None = None) -> None:
    """Raise TypeError unless `value` is a whole number, ValueError unless it is one from `least` to `most`."""
    bound = f"{least} <= {{}}" + (f" <= {most}" if most is not None else "")
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} = {value!r} must be a whole number, {bound.format(name)}")
    check_range(name, value, bound)


def check_tensor(name: str, data: Tensor) -> None:
    """Raise TypeError unless `data` (called `name` in the message) is a dense tensor."""
    if not isinstance(data, Tensor):
        raise TypeError(
            f"{name} must be one torch.Tensor with all samples as rows, not {type(data).__module__}."
            f"{type(data).__qualname__}: use torch.as_tensor, after .to_numpy() for tables, and torch.cat for batches"
        )
    if data.is_nested or data.layout != torch.strided:
        kind = "nested" if data.is_nested else data.layout
        raise TypeError(f"{name} must be a dense tensor, not {kind}: use {name}.to_dense() or padding")


def check_finite(name: str, data: Tensor) -> None:
    """Raise ValueError unless every entry is finite."""
    if not all(bool(part.isfinite().all()) for part in data.split(ROWS)):
        raise ValueError(f"{name} must be finite")
