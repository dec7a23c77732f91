"""What the pipeline has computed, as figures, tables and verdicts read it: the files that each has named, by name."""

import fnmatch
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from replication import records
from replication.compute.training import Tuned
from replication.data.mnist import Sample
from replication.errors import DataError
from replication.files import check_made, read_json
from replication.run import Run, load
from replication.speed.clock import Clock, of_report


@dataclass(frozen=True)
class Results:
    """By name a file, or for a record its file and the digest of its key there.

    Names: "runs/EXPERIMENT/METHOD/seed-N" (a folder), "images/seed-N", those of jobs (studies.study), and of other
    results such as "claims" or "benchmark/goals".
    """

    files: dict[str, list[str]]

    def names(self, *patterns: str) -> list[str]:
        """The names that match any pattern of the shell's kind, in their order."""
        return [name for name in self.files if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]

    def path(self, name: str) -> Path:
        """The file of a name. Raises DataError for one that is not among the results that were named."""
        if name not in self.files:
            raise DataError(f"{name} is not among the results that this is made of: name it in NEEDS")
        return Path(self.files[name][0])

    def json(self, name: str) -> object:
        return read_json(self.path(name))

    @cached_property
    def _records(self) -> dict[str, dict]:
        return {}

    def record(self, name: str) -> dict:
        """The record of a job."""
        if name not in self._records:
            path = self.path(name)
            self._records[name] = records.read(path, records.index(path)[self.files[name][1]])
        return self._records[name]

    def tuned(self, name: str) -> Tuned:
        """The result of a job of the kind "training"."""
        return Tuned.read(self.record(name)["result"])

    def clock(self, name: str, optimizer: str) -> Clock:
        """Setup time and median seconds of an iteration, from a job of the kind "timing"."""
        return of_report(self.record(name)["result"], optimizer)

    def maps(self, experiment: str, seeds: list[int]) -> dict[str, list[dict]]:
        """The quality of each reference map with each of these seeds, by the map's name."""
        measured = self.record(f"maps/{experiment}")["result"]["maps"]
        return {name: [entry for entry in entries if entry["seed"] in seeds] for name, entries in measured.items()}

    # The default runs

    @cached_property
    def _runs(self) -> list[list[str]]:
        return [name.split("/")[1:] for name in self.names("runs/*")]

    @cached_property
    def optimizers(self) -> dict[str, list[str]]:
        """By experiment."""
        return {e: list(dict.fromkeys(o for one, o, _ in self._runs if one == e)) for e, *_ in self._runs}

    @cached_property
    def seeds(self) -> dict[str, list[int]]:
        """By experiment, in the order of the configuration."""
        return {
            e: list(dict.fromkeys(int(seed.removeprefix("seed-")) for one, _, seed in self._runs if one == e))
            for e, *_ in self._runs
        }

    def run(self, experiment: str, optimizer: str, seed: int) -> Run:
        """A run. Raises DataError where its folder is not there, with the command that trains it."""
        name = f"runs/{experiment}/{optimizer}/seed-{seed}"
        check_made(f"--forcerun {self.files[name][-1]}", self.path(name))
        return load(self.path(name))

    def runs(self, experiment: str, optimizer: str) -> list[Run]:
        """One run for each seed."""
        return [self.run(experiment, optimizer, seed) for seed in self.seeds[experiment]]

    def sample(self, seed: int) -> Sample:
        """The images of a seed that the experiments share."""
        return Sample.load(self.path(f"images/seed-{seed}"))
