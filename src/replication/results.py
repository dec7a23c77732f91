"""What the pipeline has computed, as figures, tables and goals read it."""

from dataclasses import dataclass

from replication.data.mnist import Sample
from replication.files import check_made
from replication.paths import ResultFiles, drawn_images
from replication.run import Run, load
from replication.speed import clock


@dataclass(frozen=True)
class Results:
    """The results in `folder`. seeds, in the order of the configuration, and optimizers: by experiment."""

    folder: str
    seeds: dict[str, list[int]]
    optimizers: dict[str, list[str]]

    @property
    def files(self) -> ResultFiles:
        return ResultFiles(self.folder)

    def run(self, experiment: str, optimizer: str, seed: int) -> Run:
        """A run. Raises DataError where it is not there, with the command that trains it."""
        folder = self.files.run(experiment, optimizer, seed)
        check_made(f"--forcerun {self.files.notebook(experiment, optimizer)}", folder)
        return load(folder)

    def runs(self, experiment: str, optimizer: str) -> list[Run]:
        """One run for each seed."""
        return [self.run(experiment, optimizer, seed) for seed in self.seeds[experiment]]

    def clock(self, experiment: str, optimizer: str) -> clock.Clock:
        """Setup time and median seconds of an iteration, from the rule that times the optimizers side by side."""
        return clock.read(self.files.timing(experiment), optimizer)

    def sample(self, seed: int) -> Sample:
        """The images of a seed that the experiments share."""
        return Sample.load(self.files.sample(drawn_images(None, seed)))
