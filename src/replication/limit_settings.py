"""The settings of the limits: the autoencoder with one value moved, what is asked there, and where the records lie."""

from collections import Counter
from dataclasses import asdict, dataclass

from replication import parameters as run_parameters
from replication import records
from replication.errors import ConfigError
from replication.methods import ANCHOR, METHODS, compared
from replication.parameters import AUTOENCODER, SELECTIONS, Parameters
from replication.paths import ResultFiles
from replication.ranges import at, step_lengths
from replication.report.rows import slug
from replication.sections import merge


@dataclass(frozen=True)
class Setting:
    """One setting, with the paths of its records: of studies and of timings by method, and of the reference maps."""

    group: str
    name: str
    over: dict
    studies: dict[str, str]
    maps: str
    timings: dict[str, str]

    @property
    def slug(self) -> str:
        return slug_of(self.group, self.name)

    @property
    def files(self) -> list[str]:
        """Every record, each once."""
        return list(dict.fromkeys([*self.studies.values(), self.maps, *self.timings.values()]))


def slug_of(group: str, name: str) -> str:
    return slug(f"{group} {name}")


class Limits:
    """What the limits ask for, from the configuration, and what of it is published.

    published: the records of a folder, their paths by the text of their keys (records.read_keys).
    """

    def __init__(self, config: dict, published: dict[str, list[str]], results: ResultFiles):
        self.config, self.results = config, results
        self.section = config["limits"]
        self.methods = compared(self.section["starts"])
        self.over = {slug_of(s["group"], s["name"]): s["over"] for s in self.section["settings"]}
        if len(self.over) < len(self.section["settings"]):
            raise ConfigError("limits.settings: two settings have the same group and name")
        self._check()
        known = {key: list(paths) for key, paths in published.items()}
        self.settings = {slug_of(s["group"], s["name"]): self._setting(s, known) for s in self.section["settings"]}

    def _check(self) -> None:
        """Refuse a setting that moves what no record's key lists: an old record would be taken for a new one."""
        for number, setting in enumerate(self.section["settings"]):
            for method in self.methods:
                default, moved = (records.unlisted(asdict(self._run(over, method))) for over in ({}, setting["over"]))
                changed = [name for name, value in moved.items() if name not in default or default[name] != value]
                if changed:
                    keys = ", ".join(changed)
                    raise ConfigError(f"limits.settings.{number}.over: {keys} is no key of a record (records.py)")

    # What is asked for

    def run(self, slug: str, method: str) -> Parameters:
        """A run of a method at a setting, without the settings that are searched there."""
        return self._run(self.over[slug], method)

    def _run(self, over: dict, method: str) -> Parameters:
        section = merge(self.config["experiments"][AUTOENCODER], over)
        searched = self.section["ranges"][method].keys() - self.fixed(over, method).keys()
        settings = {name: value for name, value in section["optimizers"][method].items() if name not in searched}
        return run_parameters.of_section(self.config, section, AUTOENCODER, method, 0, settings)

    @staticmethod
    def fixed(over: dict, method: str) -> dict:
        """The settings of an optimizer that are what is moved: the search has no say in them."""
        return over.get("optimizers", {}).get(method, {})

    def search(self, slug: str, method: str) -> dict:
        """How the method is tuned there: the fields of studies.limits.Search."""
        fixed = self.fixed(self.over[slug], method)

        def free(values: dict) -> dict:
            return {name: value for name, value in values.items() if name not in fixed}

        starts = {column: free(self.section["starts"][method][column]) for column in SELECTIONS}
        shared = {name: self.section[name] for name in ("trials", "shift", "tuning_seed", "seeds", "every")}
        return {"starts": starts, "ranges": free(self.section["ranges"][method])} | shared

    def runs_to_time(self, slug: str, methods: list[str]) -> list[Parameters]:
        """A run of each method there, with the settings that its search starts from and the smallest steps, so that
        none diverges."""
        runs = []
        for name in methods:
            search = self.search(slug, name)
            smallest = {setting: at(search["ranges"][setting], 0.0) for setting in step_lengths(search["ranges"])}
            runs.append(self.run(slug, name).but(settings=search["starts"][SELECTIONS[0]] | smallest))
        return runs

    # Keys and records

    def study_key(self, slug: str, method: str) -> dict:
        search = self.search(slug, method)
        own = {"starts": search.pop("starts"), "ranges": search.pop("ranges"), "search": search}
        named = {"kind": "study", "method": method, "version": METHODS[method].version}
        return records.key(asdict(self.run(slug, method)) | own | named)

    def maps_key(self, slug: str) -> dict:
        run = asdict(self.run(slug, ANCHOR))
        return records.key(run | {"kind": "maps", "version": records.MAPS_VERSION, "seeds": self.section["seeds"]})

    def timing_key(self, slug: str, method: str) -> dict:
        anchor = {"version": METHODS[ANCHOR].version, **self.run(slug, ANCHOR).settings}
        named = {"kind": "timing", "method": method, "version": METHODS[method].version, "anchor": anchor}
        return records.key(asdict(self.run(slug, method)) | named)

    def methods_to_time(self, slug: str, path: str) -> list[str]:
        """The methods of a timing record that is still to be computed. The anchor is always among them."""
        missing = [name for name, file in self.settings[slug].timings.items() if file == path]
        return missing if ANCHOR in missing else [ANCHOR, *missing]

    def _setting(self, setting: dict, known: dict[str, list[str]]) -> Setting:
        slug = slug_of(setting["group"], setting["name"])

        def record_of(key: dict, name: str) -> str:
            """The record of a key: one that is known, or else a new one, which further settings will know."""
            return known.setdefault(records.text(key), [self.results.limit(slug, name)])[0]

        studies = {name: record_of(self.study_key(slug, name), name) for name in self.methods}
        maps = record_of(self.maps_key(slug), "maps")
        return Setting(setting["group"], setting["name"], setting["over"], studies, maps, self._timings(slug, known))

    def _timings(self, slug: str, known: dict[str, list[str]]) -> dict[str, str]:
        """By method a record of timing: of several the one with most of the methods, which it has timed together."""
        keys = {name: records.text(self.timing_key(slug, name)) for name in self.methods}
        missing = [name for name, key in keys.items() if key not in known]
        new = "timing" if len(missing) == len(keys) else "-".join(["timing", *missing])
        for name in missing:
            known[keys[name]] = [self.results.limit(slug, new)]
        counts = Counter(path for key in keys.values() for path in known[key])
        return {name: max(known[key], key=counts.__getitem__) for name, key in keys.items()}

    @property
    def files(self) -> list[str]:
        """Every record of every setting, each once."""
        return sorted({file for setting in self.settings.values() for file in setting.files})

    @property
    def smallest(self) -> Setting:
        """The setting whose runs take least."""
        runs = {slug: self.run(slug, ANCHOR) for slug in self.settings}
        slug = min(runs, key=lambda slug: runs[slug].images["training_images"] * runs[slug].iterations)
        return self.settings[slug]
