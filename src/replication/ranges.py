"""The range in which a setting is searched: {KIND: [low, high]}, or {"choice": [value, ...]}.

A share from 0 to 1 is a place in it: of the value where the kind is "linear", of its logarithm where it is "log" or
"integer", of the logarithm of 1 - value where it is "log_to_one" (a momentum). Values have three significant digits,
or 1 - value has them, or are whole numbers. A choice has its values side by side, each with the same part.
"""

import math

Range = dict[str, list]


def at(scale: Range, share: float) -> object:
    """The value at a place."""
    ((kind, ends),) = scale.items()
    if kind == "choice":
        return ends[min(int(share * len(ends)), len(ends) - 1)]
    low, high = ends
    if kind == "linear":
        return _settled(low + share * (high - low), kind)
    if kind == "log_to_one":
        return _settled(1 - (1 - low) * ((1 - high) / (1 - low)) ** share, kind)
    return _settled(low * (high / low) ** share, kind)


def place(scale: Range, value: object) -> float:
    """The place at which a value is: the middle of its part, for one of a choice."""
    ((kind, ends),) = scale.items()
    if kind == "choice":
        return (ends.index(value) + 0.5) / len(ends)
    low, high = ends
    if kind == "linear":
        return (value - low) / (high - low)
    if kind == "log_to_one":
        return math.log((1 - value) / (1 - low)) / math.log((1 - high) / (1 - low))
    return math.log(value / low) / math.log(high / low)


def near(scale: Range, value: object, width: float, share: float) -> object:
    """The value at a share of what lies within `width` of the range around `value`. A choice stays."""
    if "choice" in scale:
        return value
    middle = place(scale, value)
    low, high = max(0.0, middle - width), min(1.0, middle + width)
    return at(scale, low + share * (high - low))


def moved(scale: Range, value: float, share: float) -> float:
    """The value `share` of the range further on, or its end."""
    ((kind, (low, high)),) = scale.items()
    value = value + share * (high - low) if kind == "linear" else value * (high / low) ** share
    return _settled(min(max(value, low), high), kind)


def step_lengths(ranges: dict[str, Range]) -> list[str]:
    """The settings that set the length of a step: those searched on a logarithmic scale (learning rates), or where
    there are none all that are searched (step sizes of BADMM).
    """
    return [name for name, scale in ranges.items() if "log" in scale] or list(ranges)


def _settled(value: float, kind: str) -> float:
    if kind == "log_to_one":
        return float(f"{1 - float(f'{1 - value:.3g}'):.9g}")
    return round(value) if kind == "integer" else float(f"{value:.3g}")
