"""Results that are made for a test: records and files that nothing computed, by the names of results.Results."""

from dataclasses import asdict
from pathlib import Path

from torch import nn

from nonsmooth.training import Training
from replication import records
from replication.compute.seeds import SeedRun
from replication.compute.training import Chosen, Tuned
from replication.data import networks
from replication.files import write_json
from replication.parameters import Parameters
from replication.results import Results
from replication.run import save
from replication.search import Trial


class Made:
    """Results in a folder. A name that is written again is written over."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.files: dict[str, list[str]] = {}

    @property
    def results(self) -> Results:
        return Results(dict(self.files))

    def record(self, name: str, result: dict, **key) -> None:
        path = self.folder / "records" / f"{name}.jsonl"
        key = {"name": name} | key
        records.write(path, [{"name": name, "key": key, "result": result, "seconds": 60.0}])
        self.files[name] = [str(path), records.digest(key)]

    def tuned(
        self,
        name: str,
        runs: dict[str, list[SeedRun]],
        trials: list[Trial] = (),
        seeds: list[int] = (1000,),
        bracketed: bool | None = None,
        settings: dict | None = None,
    ) -> None:
        """The record of a method: the runs by the column that chose their settings."""
        chosen = {column: Chosen(settings or {}, bracketed, own) for column, own in runs.items()}
        ranges = {setting: {"log": [0.1, 1.0]} for setting in settings or {}}
        self.record(name, asdict(Tuned(name.split("/")[-1], {}, list(seeds), "last", ranges, list(trials), chosen)))

    def timing(self, name: str, clocks: dict[str, tuple[float, float]]) -> None:
        """Setup and seconds of an iteration by method."""
        timed = {method: {"setup": setup, "seconds": seconds} for method, (setup, seconds) in clocks.items()}
        self.record(name, {"rounds": 1, "optimizers": timed})

    def maps(self, name: str, maps: dict[str, list[dict]], rank: int = 1) -> None:
        """The reference maps: by name what each seed has."""
        self.record(name, {"rank": rank, "maps": maps})

    def json(self, name: str, value: object) -> None:
        path = self.folder / f"{name}.json"
        write_json(path, value)
        self.files[name] = [str(path)]

    def run(self, parameters: Parameters, training: Training, final: dict, network: nn.Module | None = None) -> None:
        """A default run, of the network or of one with one input and one output."""
        network = network or networks.build((1, 1), **parameters.network, seed=0, dtype=parameters.dtype)
        name = f"runs/{parameters.experiment}/{parameters.optimizer}/seed-{parameters.seed}"
        save(self.folder / name, parameters, network, training, final)
        self.files[name] = [str(self.folder / name), "its notebook"]
