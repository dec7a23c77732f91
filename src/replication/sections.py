"""The sections of the experiments as they are run: with what they leave unsaid."""

from replication.errors import nearest
from replication.ranges import at

OWN = ("target", "in_target")  # of a section, what one that is like it does not take over


def merge(base: dict, over: dict) -> dict:
    """`base` with the values of `over`, dictionaries merged key by key, anything else replaced."""
    both = {key: merge(base[key], over[key]) for key in base.keys() & over.keys() if _are_dicts(base[key], over[key])}
    return base | over | both


def _are_dicts(*values: object) -> bool:
    return all(isinstance(value, dict) for value in values)


def whole(experiments: object) -> tuple[object, list[str]]:
    """The sections, with what those that are `like` another one leave unsaid, and the faults of `like`.

    Where such a section names optimizers, no others take part, and where it has ranges, they take the place of the
    other's. What the search chose, and for which target, is each section's own.
    """
    if not isinstance(experiments, dict):
        return experiments, []
    resolved = {key: value for key, value in experiments.items() if not (isinstance(value, dict) and "like" in value)}
    waiting = {key: value for key, value in experiments.items() if key not in resolved}
    while ready := [key for key, value in waiting.items() if isinstance(resolved.get(str(value["like"])), dict)]:
        for key in ready:
            resolved[key] = _like(waiting.pop(key), resolved)
    known = {key: [other for other in experiments if other != key] for key in waiting}
    faults = [
        f"experiments.{key}.like: {value['like']} is no other experiment, or like this one"
        f"{nearest(str(value['like']), known[key])}"
        for key, value in waiting.items()
    ]
    return {key: resolved.get(key) for key in experiments}, faults


def _like(section: dict, known: dict) -> dict:
    """The section with what it leaves unsaid, from the one of those `known` that it is like.

    An optimizer that is null there is left out here as well.
    """
    other = {key: value for key, value in known[section["like"]].items() if key not in OWN}
    if _are_dicts(section.get("optimizers"), other.get("optimizers")):
        named, there = section["optimizers"], other["optimizers"]
        other["optimizers"] = {key: value for key, value in there.items() if key in named}
        left_out = dict.fromkeys(key for key in named if key in there and there[key] is None)
        section = section | {"optimizers": named | left_out}
    if _are_dicts(section.get("tuning"), other.get("tuning")) and "ranges" in section["tuning"]:
        other["tuning"] = {key: value for key, value in other["tuning"].items() if key != "ranges"}
        searched = section["tuning"]["ranges"]
        if _are_dicts(searched, other.get("optimizers")):  # what is searched here has no value from there
            other["optimizers"] = {
                name: settings
                and {key: value for key, value in settings.items() if key not in (searched.get(name) or {})}
                for name, settings in other["optimizers"].items()
            }
    return merge(other, {key: value for key, value in section.items() if key != "like"})


def with_choices(experiments: object, tuned: object) -> object:
    """The sections, with what the search chose for settings that are not written by hand.

    tuned: by experiment, optimizer and column, as config/tuned.yaml has it. A section chooses by its own column.
    """
    if not _are_dicts(experiments, tuned):
        return experiments
    filled = {}
    for name, section in experiments.items():
        tuning, choices = (section or {}).get("tuning"), tuned.get(name)
        if _are_dicts(section, tuning, choices) and isinstance(section.get("optimizers", {}), dict):
            own = section.get("optimizers", {})
            taking_part = {o: c for o, c in choices.items() if o in own or o in (tuning.get("ranges") or {})}
            chosen = {o: c.get(tuning.get("criterion"), {}) for o, c in taking_part.items() if isinstance(c, dict)}
            section = merge({"optimizers": chosen}, section)
        filled[name] = section
    return filled


def with_middles(experiments: object, schema: dict) -> object:
    """The sections, with the middle of its range for a setting that must be given and that no search has chosen yet."""
    described = schema["$defs"]["optimizers"]["properties"]
    if not isinstance(experiments, dict):
        return experiments
    filled = {}
    for name, section in experiments.items():
        middles: dict = {}
        for optimizer, rule in described.items():
            settings, ranges = section, section
            for key in ("optimizers", optimizer):
                settings = settings.get(key) if isinstance(settings, dict) else None
            for key in ("tuning", "ranges", optimizer):
                ranges = ranges.get(key) if isinstance(ranges, dict) else None
            if _are_dicts(settings, ranges):
                wanted = [key for key in rule.get("required", ()) if key not in settings and key in ranges]
                middles[optimizer] = {key: value for key in wanted if (value := _middle(ranges[key])) is not None}
        filled[name] = merge(section, {"optimizers": middles}) if any(middles.values()) else section
    return filled


def _middle(scale: object) -> float | None:
    """The middle of a range; None for what is no range."""
    try:
        return at(scale, 0.5)
    except (AttributeError, TypeError, ValueError, ArithmeticError):
        return None


def settle_optimizers(section: dict) -> None:
    """Leave out the optimizers that are null; one with ranges alone has its constructor's settings until a search."""
    optimizers, tuning = section["optimizers"], section["tuning"]
    left_out = {name for name, settings in optimizers.items() if settings is None}
    ranges = {name: value for name, value in tuning["ranges"].items() if name not in left_out}
    chosen = {name: settings for name, settings in optimizers.items() if name not in left_out}
    section["tuning"] = tuning | {"ranges": ranges}
    section["optimizers"] = {name: {} for name in ranges} | chosen
    if "in_target" in section:
        section["in_target"] = [name for name in section["in_target"] if name not in left_out]
