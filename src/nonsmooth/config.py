"""Reading and checking the configuration. config/schema.yaml has the meaning and the range of every key."""

from pathlib import Path

import yaml

from nonsmooth.errors import ConfigError

NEED_IMAGES = ("denoising", "digit")  # the problems that are made from MNIST


def find_root(start: str | Path = ".") -> Path:
    """The project's root, the nearest folder at or above `start` with config/config.yaml in it.

    Raises FileNotFoundError when there is none.
    """
    start = Path(start).resolve()
    for folder in (start, *start.parents):
        if (folder / "config" / "config.yaml").exists():
            return folder
    raise FileNotFoundError(f"no config/config.yaml at {start} or above it: run this from inside the project")


def merge(base: dict, over: dict) -> dict:
    """`base` with the values of `over`, dictionaries merged key by key, anything else replaced."""
    both = {key: merge(base[key], over[key]) for key in base.keys() & over.keys() if _are_dicts(base[key], over[key])}
    return base | over | both


def _are_dicts(*values: object) -> bool:
    return all(isinstance(value, dict) for value in values)


def read(*paths: str | Path) -> dict:
    """The checked configuration of the files, later ones on top. Raises ConfigError."""
    config: dict = {}
    for path in paths:
        config = merge(config, yaml.safe_load(Path(path).read_text()) or {})
    return check(config, Path(paths[0]).parent / "schema.yaml")


def check(config: dict, schema_path: str | Path) -> dict:
    """`config` as it can be run, seeds as integers (the command line gives strings). Raises ConfigError."""
    config = dict(config)
    if isinstance(config.get("seeds"), list):
        config["seeds"] = [_as_integer(seed) for seed in config["seeds"]]
    from jsonschema import Draft202012Validator  # imported late: trained networks need no schema

    schema = yaml.safe_load(Path(schema_path).read_text())
    faults = [_told(error) for error in Draft202012Validator(schema).iter_errors(config)]
    if not faults:
        faults = _contradictions(config)
    if faults:
        raise ConfigError("the configuration cannot be run:\n" + "\n".join(f"  {fault}" for fault in faults))
    return config


def _as_integer(value: object) -> object:
    return int(value) if isinstance(value, str) and value.strip().lstrip("-").isdigit() else value


def _told(error) -> str:
    """A jsonschema ValidationError as one line: the key, the value and the range."""
    place = ".".join(str(part) for part in error.absolute_path) or "top level"
    about = error.schema.get("description") if error.validator not in ("additionalProperties", "required") else None
    return f"{place}: {error.message}" + (f" ({about})" if about else "")


def _contradictions(config: dict) -> list[str]:
    """What no schema can say: values that exclude each other."""
    faults = []
    for seed in sorted(set(config["tuning_seeds"]) & set(config["seeds"])):
        faults.append(f"tuning_seeds: {seed} is one of seeds, and runs must not share a draw with the grid")
    for name, experiment in config["experiments"].items():
        unknown = experiment["tuning"]["grids"].keys() - experiment["optimizers"].keys()
        faults += [f"experiments.{name}.tuning.grids.{key}: no optimizer of the experiment" for key in sorted(unknown)]
    return faults


def parameters(config: dict, experiment: str, optimizer: str, seed: int) -> dict:
    """What a notebook is told of its run: the section of the experiment, with one optimizer's settings."""
    section = config["experiments"][experiment]
    return {
        "experiment": experiment,
        "optimizer": optimizer,
        "seed": int(seed),
        "settings": section["optimizers"][optimizer],
        "iterations": section["iterations"],
        "problem": section["problem"],
        "network": section["network"],
        "dtype": section["dtype"],
        "threads": config["threads"],
    }
