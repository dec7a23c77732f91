"""The limits: the autoencoder with one setting moved at a time, and every method tuned anew there."""

from dataclasses import dataclass

from replication import parameters
from replication.methods import compared
from replication.parameters import AUTOENCODER, CRITERIA, Parameters
from replication.paths import slug
from replication.ranges import at, step_lengths
from replication.sections import merge
from replication.studies.study import Job, maps, timing, training


@dataclass(frozen=True)
class Setting:
    """One setting: its group and name for readers, and the jobs "limits/SLUG/..." of its methods, maps and timing."""

    group: str
    name: str

    @property
    def slug(self) -> str:
        return slug(f"{self.group} {self.name}")

    @property
    def title(self) -> str:
        return self.name if self.name == self.group else f"{self.group}: {self.name}"


def settings(config: dict) -> list[Setting]:
    return [Setting(setting["group"], setting["name"]) for setting in config["limits"]["settings"]]


def methods(config: dict) -> tuple[str, ...]:
    return compared(config["limits"]["starts"])


def jobs(config: dict) -> list[Job]:
    """Of each setting a job for each method, "limits/SLUG/METHOD", and those of "maps" and "timing"."""
    made = []
    for setting, where in zip(settings(config), config["limits"]["settings"], strict=True):
        section, name = merge(config["experiments"][AUTOENCODER], where["over"]), f"limits/{setting.slug}"
        moved = {method: where["over"].get("optimizers", {}).get(method, {}) for method in methods(config)}
        runs = {method: run_of(config, section, method, moved[method]) for method in moved}
        searches = {method: search_of(config, method, moved[method]) for method in moved}
        limits = config["limits"]
        for method, run in runs.items():
            asked = {"seeds": limits["seeds"], "every": limits["every"], "with_ssim": True}
            both = dict.fromkeys(CRITERIA, asked)
            made.append(training(f"{name}/{method}", run, searches[method], [limits["tuning_seed"]], both))
        made.append(maps(f"{name}/maps", next(iter(runs.values())), limits["seeds"]))
        ranges = {method: searches[method]["ranges"] for method in runs}
        timed = [smallest(run, searches[run.optimizer]) for run in runs.values()]
        made.append(timing(f"{name}/timing", "limits", timed, config["timing"]["rounds"], ranges))
    return made


def run_of(config: dict, section: dict, method: str, moved: dict) -> Parameters:
    """A run at a setting. moved: the settings of the method that are what is moved: the search has no say in them."""
    searched = config["limits"]["ranges"][method].keys() - moved.keys()
    own = {name: value for name, value in section["optimizers"][method].items() if name not in searched}
    return parameters.of_section(config, section, AUTOENCODER, method, 0, own)


def search_of(config: dict, method: str, moved: dict) -> dict:
    """The fields of search.Walk."""
    limits = config["limits"]

    def free(values: dict) -> dict:
        return {name: value for name, value in values.items() if name not in moved}

    starts = {criterion: free(limits["starts"][method][criterion]) for criterion in CRITERIA}
    ranges = free(limits["ranges"][method])
    return {"starts": starts, "ranges": ranges, "trials": limits["trials"], "shift": limits["shift"]}


def smallest(run: Parameters, search: dict) -> Parameters:
    """A run to be timed: where the search starts, with the smallest steps, so that none diverges."""
    steps = {name: at(search["ranges"][name], 0.0) for name in step_lengths(search["ranges"])}
    return run.but(settings=search["starts"][CRITERIA[0]] | steps)


def quickest(config: dict) -> Setting:
    """The setting whose runs take least."""
    sections = [merge(config["experiments"][AUTOENCODER], where["over"]) for where in config["limits"]["settings"]]
    work = [parameters.counts(config, section)["training_images"] * section["iterations"] for section in sections]
    return settings(config)[work.index(min(work))]
