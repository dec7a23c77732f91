"""The checked configuration, and what several stages need to know of it."""

import atexit
import json
import shlex
from glob import glob

from nonsmooth import config as configuration
from nonsmooth.errors import ConfigError
from nonsmooth.notebooks import PACKAGE, dependencies
from snakemake.exceptions import WorkflowError

try:
    config.update(configuration.check(config, source("config/schema.yaml")))
except ConfigError as error:
    raise WorkflowError(str(error)) from None

# A run that was killed leaves its lock, and Snakemake then refuses to start. The command that helps is the last line.
if workflow.is_main_process and "--unlock" not in sys.argv and glob(".snakemake/locks/*"):
    unlock = shlex.join([sys.executable, "-m", "snakemake", *sys.argv[1:], "--unlock"])
    hint = f"Another run has locked files of this folder. If it goes on no more, this removes its lock:\n    {unlock}"
    atexit.register(print, hint, file=sys.stderr)

WHOLE_MACHINE = 10**6  # threads of a rule that must run alone: Snakemake lowers it to --cores
COMMAND = f"{sys.executable} -m nonsmooth"
# glibc gives blocks above 32 MiB back to the system at once, and the next iteration would pay for fresh pages: with
# 60,000 images a sixth of Adam's time. Here they are kept.
os.environ |= {"MALLOC_MMAP_THRESHOLD_": str(2**32), "MALLOC_TRIM_THRESHOLD_": str(2**36)}
DATA = config["data"]
DATA_ROOT = source(DATA["root"])
SOURCES = " ".join(DATA["sources"])  # no parameter of a rule: the files are the same from every source
EXPERIMENTS = config["experiments"]
OPTIMIZERS = {experiment: sorted(section["optimizers"]) for experiment, section in EXPERIMENTS.items()}
SEEDS = {experiment: section.get("seeds", config["seeds"]) for experiment, section in EXPERIMENTS.items()}


def of_target(target):
    """The experiments that a target of snakemake computes; None is the default target."""
    return [experiment for experiment, section in EXPERIMENTS.items() if section.get("target") == target]


def runs_of(*experiments):
    return [
        f"{experiment}/{optimizer}/seed-{seed}"
        for experiment in experiments
        for optimizer in OPTIMIZERS[experiment]
        for seed in SEEDS[experiment]
    ]


def files_of(*experiments):
    """Records, histories and weights of every run of the experiments."""
    files = ["history.parquet", "weights.safetensors", "run.json"]
    return expand("results/runs/{run}/{file}", run=runs_of(*experiments), file=files)


def notebooks_of(*experiments):
    return expand("results/notebooks/{run}.ipynb", run=runs_of(*experiments))


wildcard_constraints:
    experiment="|".join(EXPERIMENTS),
    optimizer="|".join(sorted(set().union(*OPTIMIZERS.values()))),
    seed=r"\d+",
    drawn=rf"(({'|'.join(EXPERIMENTS)})/)?seed-\d+",


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
    section = EXPERIMENTS[experiment]
    if section["problem"]["name"] not in configuration.NEED_IMAGES:
        return []
    own = f"{experiment}/" if "data" in section else ""
    return [f"results/data/{own}seed-{seed}.safetensors"]
