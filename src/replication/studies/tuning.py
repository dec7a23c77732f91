"""The search of every method on every experiment, and the runs of other seeds that claims and tables need.

A setting that the configuration gives a value of its own is not searched.
"""

from replication import parameters
from replication.constructors import default
from replication.parameters import CRITERIA
from replication.studies import claims, optimizers
from replication.studies.study import Job, training


def jobs(config: dict) -> list[Job]:
    """A job for each experiment and method that is searched or whose runs are asked for: "tuning/EXPERIMENT/METHOD"."""
    asked: dict[tuple[str, str], set[str]] = {}
    for experiment, criterion, method in {*claims.runs(config), *optimizers.runs(config)}:
        asked.setdefault((experiment, method), set()).add(criterion)
    made = []
    for experiment, section in config["experiments"].items():
        others = (method for name, method in asked if name == experiment)
        for method in dict.fromkeys([*section["tuning"]["ranges"], *others]):
            criteria = [criterion for criterion in CRITERIA if criterion in asked.get((experiment, method), ())]
            runs = {criterion: claims.evaluated(config, criterion) for criterion in criteria}
            run = parameters.of_run(config, experiment, method, section["tuning"]["seeds"][0])
            search = search_of(config, experiment, method)
            made.append(training(f"tuning/{experiment}/{method}", run, search, section["tuning"]["seeds"], runs))
    return made


def search_of(config: dict, experiment: str, method: str) -> dict:
    """The fields of search.Spread."""
    section = config["experiments"][experiment]["tuning"]
    shared = {name: section[name] for name in ("finalists", "statistic", "guided", "screened") if name in section}
    hand = parameters.by_hand(config, experiment, method)
    ranges = {name: scale for name, scale in section["ranges"].get(method, {}).items() if name not in hand}
    first = first_trials(config, section.get("starts_from"), method, ranges)
    trials = count_of_trials(section, ranges) if ranges else 0
    return shared | {"ranges": ranges, "trials": trials, "first": first}


def count_of_trials(section: dict, ranges: dict) -> int:
    """How many trials a section gives to a method with these ranges."""
    return section.get("trials_beyond_two", section["trials"]) if len(ranges) > 2 else section["trials"]


def first_trials(config: dict, experiment: str | None, method: str, ranges: dict) -> list[dict]:
    """The settings that were chosen in another experiment, by either criterion, as trials in these ranges.

    A setting that was not searched there has the value that it had.
    """
    if not ranges or experiment is None or method not in config["experiments"][experiment]["optimizers"]:
        return []
    first: list[dict] = []
    for criterion in CRITERIA:
        chosen = parameters.of_run(config, experiment, method, 0, criterion).settings
        settings = {name: chosen.get(name, default(method, name)) for name in ranges}
        if None not in settings.values() and settings not in first:
            first.append(settings)
    return first
