"""The range in which a setting is searched: {"linear": [low, high]}, {"log": ...}, or {"integer": ...}.

A share from 0 to 1 is a place in it: of the value where it is linear, else of its logarithm. Values have three
significant digits, or are whole numbers.
"""

Range = dict[str, list[float]]


def at(scale: Range, share: float) -> float:
    """The value at a place."""
    ((kind, (low, high)),) = scale.items()
    return _settled(low + share * (high - low) if kind == "linear" else low * (high / low) ** share, kind)


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
    return round(value) if kind == "integer" else float(f"{value:.3g}")
