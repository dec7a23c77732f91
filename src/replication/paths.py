"""Where everything lies: the project's own files, and the results."""

import re
from importlib import import_module
from pathlib import Path

from replication.errors import ConfigError

RUN_FILES = ("history.parquet", "weights.safetensors", "run.json")
SOURCE = Path(__file__).parents[1]  # the folder of the packages
PACKAGES = ("nonsmooth", "replication")
STYLE = Path(__file__).parent / "report" / "style.mplstyle"
RESULTS = "results"  # of a working directory
PUBLISHED_TABLES = "docs/results"  # of the project
PUBLISHED_FIGURES = "figures"  # of the project
MNIST = "mnist"
DATASETS = {MNIST: "MNIST", "fashion-mnist": "FashionMNIST"}  # by name its folder, called as the class of torchvision
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


def slug(text: str) -> str:
    """`text` as part of a name: lower case, with hyphens for what is neither letter, digit nor point."""
    return re.sub("[^a-z0-9.]+", "-", text.lower()).strip("-")


def drawn_images(experiment: str | None, seed: object) -> str:
    """The name of a seed's images: of an experiment that draws others than the rest, or common ones."""
    return f"{experiment}/seed-{seed}" if experiment else f"seed-{seed}"
