"""The one kind of study: a list of jobs, each of which a record answers, computed here or published in the repository.

Nothing here computes a result, and nothing needs torch: the rules of the workflow ask it for files and parameters.
"""

import fnmatch
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from pkgutil import resolve_name

from replication import records
from replication.errors import ConfigError
from replication.parameters import Parameters, plain
from replication.paths import MNIST

# By kind of job the function that computes its record's result.
COMPUTE = {
    "training": "replication.compute.training:answer",
    "maps": "replication.compute.maps:answer",
    "timing": "replication.speed.clock:answer",
    "pictures": "replication.compute.pictures:answer",
    "conditioning": "replication.compute.conditioning:answer",
    "credit": "replication.compute.credit:answer",
    "ablation": "replication.compute.ablation:answer",
}


@dataclass(frozen=True)
class Job:
    """What one record answers.

    name: "study/...", unique. kind: of COMPUTE. depends: all that the result depends on, nested; flat it is the key of
    the record. arguments: of the function of its kind. alone: whether it must have the machine for itself.
    """

    name: str
    kind: str
    depends: dict
    arguments: dict
    alone: bool = False

    @cached_property
    def key(self) -> dict:
        return records.key({"kind": self.kind} | self.depends)

    @property
    def module(self) -> str:
        """The module that computes it, as a path below the package."""
        return COMPUTE[self.kind].partition(":")[0].removeprefix("replication.").replace(".", "/") + ".py"

    @property
    def methods(self) -> list[str]:
        """The methods that it runs."""
        return sorted({run["optimizer"] for run in self._runs if run["optimizer"]})

    @property
    def datasets(self) -> list[str]:
        """Those that must be there: MNIST, and what its runs draw from."""
        return sorted({MNIST, *((run["images"] or {}).get("dataset", MNIST) for run in self._runs)})

    @property
    def _runs(self) -> list[dict]:
        runs = self.arguments.get("runs", {})
        return (
            [self.arguments["run"]]
            if "run" in self.arguments
            else [*(runs.values() if isinstance(runs, dict) else runs)]
        )


def training(name: str, run: Parameters, search: dict, seeds: list[int], runs: dict[str, dict]) -> Job:
    """The job of compute.training.answer. run: its settings may have values that are searched, which do not count."""
    fixed = {setting: value for setting, value in run.settings.items() if setting not in search["ranges"]}
    run = Parameters(**asdict(run) | {"settings": fixed})
    asked = {"search": search, "seeds": seeds, "runs": runs}
    return Job(name, "training", records.described(run) | asked, {"run": asdict(run), **asked})


def timing(name: str, occasion: str, runs: list[Parameters], rounds: int, ranges: dict[str, dict]) -> Job:
    """The job of speed.clock.answer. Settings that are searched do not count: they change no time.

    A time belongs to its moment: the same is measured once for each occasion.
    """
    depends: dict = {"occasion": occasion}
    for run in runs:
        searched = ranges.get(run.optimizer, {})
        free = {setting: value for setting, value in run.settings.items() if setting not in searched}
        one = records.described(run)
        depends |= {name: one[name] for name in ("dtype", "problem", "images", "network")}
        depends.setdefault("methods", {})[run.optimizer] = {"version": one["version"], "settings": free}
    return Job(name, "timing", depends, {"runs": [asdict(run) for run in runs], "rounds": rounds}, alone=True)


def maps(name: str, run: Parameters, seeds: list[int]) -> Job:
    """The job of compute.maps.answer. Of the run its data and the widths of its network count."""
    run = Parameters(**asdict(run) | {"optimizer": "", "settings": {}})
    depends = {"version": records.MAPS_VERSION, "seeds": seeds, "network": {"hidden": run.network["hidden"]}}
    depends |= {name: getattr(run, name) for name in ("dtype", "problem", "images")}
    return Job(name, "maps", depends, {"run": asdict(run), "seeds": seeds})


class Studies:
    """The jobs of every study, and the file that has, or will have, each one's record.

    published: the folder of the published records, a file for each study; None: everything is computed. anew: kinds of
    jobs that are computed whatever is published. Raises ConfigError for two jobs of one name.
    """

    def __init__(self, jobs: list[Job], published: str | None, folder: str, anew: list[str] = ()):
        self.jobs = {job.name: job for job in jobs}
        if len(self.jobs) < len(jobs):
            names = [job.name for job in jobs]
            raise ConfigError(f"two settings have one name: {next(name for name in names if names.count(name) > 1)}")
        self.published = (
            sorted(os.path.join(published, name) for name in os.listdir(published) if name.endswith(".jsonl"))
            if published and os.path.isdir(published)
            else []
        )
        known = {digest: path for path in self.published for digest in records.index(path)}
        self.files: dict[str, str] = {}
        self.digests = {name: records.digest(job.key) for name, job in self.jobs.items()}
        for name, job in self.jobs.items():
            digest = self.digests[name]
            if job.kind in anew or digest not in known:
                known[digest] = f"{folder}/records/{name}.jsonl"  # a later job with the same key has the same record
            self.files[name] = known[digest]

    @staticmethod
    def matches(name: str, patterns: Iterable[str]) -> bool:
        """Whether a name matches any pattern of the shell's kind."""
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)

    def records(self, *patterns: str) -> dict[str, list[str]]:
        """By name of a job that matches its record: a file, and the digest of its key there."""
        return {name: [self.files[name], self.digests[name]] for name in self.jobs if self.matches(name, patterns)}

    def arguments(self, name: str) -> dict:
        """What the rule that answers a job hands to `compute`."""
        job = self.jobs[name]
        return plain({"name": name, "kind": job.kind, "key": job.key, "arguments": job.arguments})


def publish(studies: Studies, folder: str) -> None:
    """Make `folder` hold the records that are there of what jobs ask for, a file for each study, and no others."""
    kept: dict[str, dict[str, dict]] = {}
    for name, digest in studies.digests.items():
        path = studies.files[name]
        place = records.index(path).get(digest) if os.path.exists(path) else None
        if place is not None:
            kept.setdefault(name.split("/")[0], {}).setdefault(digest, records.read(path, place))
    for study, found in kept.items():
        records.write(os.path.join(folder, f"{study}.jsonl"), found.values())
    for path in studies.published:
        if os.path.basename(path).removesuffix(".jsonl") not in kept:
            os.remove(path)


def compute(job: dict, root: str, published: list[str], output: str) -> None:
    """Answer a job (the fields of Studies.arguments), and write its record. root: where MNIST's files are."""
    from replication.provenance import provenance  # imported late: it needs torch

    start = time.process_time()
    record = {"name": job["name"], "key": job["key"], "result": result(job, root, published)}
    records.write(output, [record | {"seconds": time.process_time() - start, **provenance()}])


def result(job: dict, root: str, published: list[str]) -> dict:
    """The answer to a job; what is in files of `published` records need not be computed again."""
    function: Callable[..., dict] = resolve_name(COMPUTE[job["kind"]])
    return function(**job["arguments"], root=root, published=published)
