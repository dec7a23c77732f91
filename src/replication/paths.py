"""Where everything lies: the project's own files, and the results."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from replication.errors import ConfigError

RUN_FILES = ("history.parquet", "weights.safetensors", "run.json")
SOURCE = Path(__file__).parents[1]  # the folder of the packages
PACKAGES = ("nonsmooth", "replication")
STYLE = Path(__file__).parent / "report" / "style.mplstyle"
PUBLISHED_TABLES = "docs/results"  # of the project
PUBLISHED_FIGURES = "figures"  # of the project
DEVICES = "data/devices"  # of the project: times on devices of other machines
PAGES = ("README.md", "docs/*.md")  # of the project


def check_library(root: str | Path) -> None:
    """Raise ConfigError where the library that runs is not that of the project at `root`, but another clone's."""
    own = Path(root).resolve() / "src"
    for package in PACKAGES:
        folder = Path(import_module(package).__file__).resolve().parents[1]
        if folder != own:
            raise ConfigError(
                f"{package} in {folder} would run, not this project's in {own}. "
                "Use this project's own environment, or: pip install -e ."
            )


def find_root(start: str | Path = ".") -> Path:
    """The project's root, the nearest folder at or above `start` with config/config.yaml in it.

    Raises FileNotFoundError when there is none.
    """
    start = Path(start).resolve()
    for folder in (start, *start.parents):
        if (folder / "config" / "config.yaml").exists():
            return folder
    raise FileNotFoundError(f"no config/config.yaml at {start} or above it: run this from inside the project")


@dataclass(frozen=True)
class ResultFiles:
    """The files of the results, in `folder`. Arguments are names, or a rule's wildcards such as "{experiment}"."""

    folder: str = "results"

    def _path(self, *parts: object) -> str:
        return "/".join(map(str, (self.folder, *parts)))

    # Images and runs

    @property
    def receipt(self) -> str:
        return self._path("data", "mnist.sha256")

    def sample(self, drawn: str) -> str:
        """The images of a seed; `drawn` as from `drawn_images`."""
        return self._path("data", f"{drawn}.safetensors")

    def run(self, experiment: str, optimizer: str, seed: object) -> str:
        """The folder of a run."""
        return self._path("runs", experiment, optimizer, f"seed-{seed}")

    def notebook(self, experiment: str, optimizer: str) -> str:
        """The executed notebook that trains every seed."""
        return self._path("notebooks", experiment, f"{optimizer}.ipynb")

    @property
    def numbers(self) -> str:
        return self._path("numbers.json")

    # The search and the studies

    def search(self, experiment: str, optimizer: str) -> str:
        return self._path("tuning", experiment, f"{optimizer}.json")

    @property
    def tuned(self) -> str:
        return self._path("tuned.yaml")

    def seeds(self, experiment: str, selection: str, optimizer: str) -> str:
        """Every seed of the claims, with the settings chosen by `selection`."""
        return self._path("claims", experiment, selection, f"{optimizer}.json")

    def maps(self, use: str, experiment: str) -> str:
        """The reference maps with the seeds of a use: "figures", "claims", "tuning" or "ablation"."""
        return self._path("maps", use, f"{experiment}.json")

    def limit(self, setting: str, name: str) -> str:
        """A record of the limits: of a method, "maps" or "timing"."""
        return self._path("limits", setting, f"{name}.json")

    def again(self, optimizer: str) -> str:
        """A record of the limits that is computed anew to be compared."""
        return self._path("again", f"{optimizer}.json")

    def conditioning(self, experiment: str) -> str:
        return self._path("conditioning", f"{experiment}.json")

    def ablation(self, selection: str) -> str:
        return self._path("ablation", f"{selection}.json")

    def rung(self, experiment: str, optimizer: str) -> str:
        """The runs of one method of the ladder."""
        return self._path("ladder", experiment, f"{optimizer}.json")

    @property
    def ladder(self) -> str:
        """Every run of the ladder."""
        return self._path("ladder.json")

    @property
    def denoised(self) -> str:
        """Unseen images that the methods of the claims denoised, while they trained."""
        return self._path("denoised.json")

    # Verdicts

    @property
    def claims(self) -> str:
        return self._path("claims.json")

    @property
    def limits(self) -> str:
        return self._path("limits.json")

    # Speed

    def timing(self, experiment: str, compared: str = "") -> str:
        """Of the optimizers that the experiment's target trains, or with "-compared" of all."""
        return self._path("timing", f"{experiment}{compared}.json")

    def benchmark(self, part: str) -> str:
        """ "iterations", "processes", "pipeline", "goals" or "devices"."""
        return self._path("benchmark", f"{part}.json")

    def time(self, target: str, *job: str) -> str:
        """What a job of a target took, as Snakemake writes it."""
        return self._path("times", target, *job[:-1], f"{job[-1]}.tsv")

    # For readers

    def table(self, name: str) -> str:
        return self._path("tables", f"{name}.csv")


def figures(name: str, folder: str = PUBLISHED_FIGURES) -> list[str]:
    """The files of a figure."""
    return [f"{folder}/{name}.{format}" for format in ("pdf", "png")]


def drawn_images(experiment: str | None, seed: object) -> str:
    """The name of a seed's images: of an experiment that draws others than the rest, or common ones."""
    return f"{experiment}/seed-{seed}" if experiment else f"seed-{seed}"
