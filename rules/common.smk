"""The checked configuration, and what several stages need to know of it."""

import json

from nonsmooth import config as configuration
from nonsmooth.errors import ConfigError
from nonsmooth.notebooks import PACKAGE, dependencies
from snakemake.exceptions import WorkflowError

try:
    config.update(configuration.check(config, source("config/schema.yaml")))
except ConfigError as error:
    raise WorkflowError(str(error)) from None

COMMAND = f"{sys.executable} -m nonsmooth"
DATA = config["data"]
DATA_ROOT = source(DATA["root"])
SOURCES = " ".join(DATA["sources"])  # no parameter of a rule: the files are the same from every source
SEEDS = config["seeds"]
EXPERIMENTS = config["experiments"]
OPTIMIZERS = {experiment: sorted(section["optimizers"]) for experiment, section in EXPERIMENTS.items()}
RUNS = [
    f"{experiment}/{optimizer}/seed-{seed}"
    for experiment, optimizers in OPTIMIZERS.items()
    for optimizer in optimizers
    for seed in SEEDS
]
RUN_FILES = expand("results/runs/{run}/{file}", run=RUNS, file=["history.parquet", "weights.safetensors", "run.json"])
NOTEBOOKS = expand("results/notebooks/{run}.ipynb", run=RUNS)


wildcard_constraints:
    experiment="|".join(EXPERIMENTS),
    optimizer="|".join(sorted(set().union(*OPTIMIZERS.values()))),
    seed=r"\d+",


def as_json(value):
    """The same text for the same value, however the configuration was put together."""
    return json.dumps(value, sort_keys=True)


def library(source):
    """The library modules behind a notebook or a module of the library, found from the imports."""
    source = source if source.endswith(".ipynb") else PACKAGE / source
    paths = dependencies(source) + ([] if str(source).endswith(".ipynb") else [source])
    return [os.path.relpath(path) for path in paths]


def images_of(experiment, seed):
    """The file of the seed's images, for experiments that use images."""
    uses_images = EXPERIMENTS[experiment]["problem"]["name"] in configuration.NEED_IMAGES
    return [f"results/data/seed-{seed}.safetensors"] if uses_images else []
