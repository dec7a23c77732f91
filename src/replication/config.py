"""Reading and checking the configuration. config/schema.yaml has the meaning and the range of every key."""

import math
from collections.abc import Iterator
from pathlib import Path

import yaml

from replication.errors import ConfigError
from replication.methods import METHODS, POSTER, accepted, baselines, compared, of_role
from replication.parameters import AUTOENCODER, NEED_IMAGES, counts

MOVABLE = ("problem", "network", "iterations", "dtype")  # of a section, what limits and ladder move
FIGURED = {"perceptron", "perceptron-teacher", "autoencoder"}  # the experiments that figures are drawn from

# Of the folder config, later ones on top.
FILES = ("tuned.yaml", "config.yaml", "claims.yaml", "limits.yaml", "ladder.yaml")


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


def project(root: str | Path, *over: str | Path) -> dict:
    """The checked configuration of the project at `root`, with the files `over` on top. Raises ConfigError."""
    return read(*(Path(root) / "config" / name for name in FILES), *over)


def check(config: dict, schema_path: str | Path) -> dict:
    """`config` as it can be run, seeds as integers (the command line gives strings). Raises ConfigError."""
    config = dict(config)
    if isinstance(config.get("seeds"), list):
        config["seeds"] = [_as_integer(seed) for seed in config["seeds"]]
    from jsonschema import Draft202012Validator  # imported late: trained networks need no schema

    schema = yaml.safe_load(Path(schema_path).read_text())
    validator = Draft202012Validator(schema)
    faults = list(_not_finite(config)) or [_message(error) for error in validator.iter_errors(config)]
    if not faults:
        notebooks = Path(schema_path).parent.parent / "notebooks"
        for section in config["experiments"].values():  # until a search has chosen, the constructor's own settings
            section["optimizers"] = {name: {} for name in section["tuning"]["ranges"]} | section["optimizers"]
        faults = _contradictions(config, notebooks)
        faults += _unknown_settings(config, validator)
        faults += _wrong_trials(config, validator)
        faults += [] if faults else _wrong_settings(config, validator, notebooks)
    if faults:
        raise ConfigError("the configuration cannot be run:\n" + "\n".join(f"  {fault}" for fault in faults))
    return config


def _as_integer(value: object) -> object:
    return int(value) if isinstance(value, str) and value.strip().lstrip("-").isdigit() else value


def _message(error) -> str:
    """A jsonschema ValidationError as one line: the key, the value and the range."""
    key = ".".join(str(part) for part in error.absolute_path) or "top level"
    about = error.schema.get("description") if error.validator not in ("additionalProperties", "required") else None
    return f"{key}: {error.message}" + (f" ({about})" if about else "")


def _not_finite(tree: object, key: str = "") -> Iterator[str]:
    """Numbers that no bound of the schema stops."""
    if isinstance(tree, dict | list):
        for name, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from _not_finite(value, f"{key}.{name}" if key else str(name))
    elif isinstance(tree, float) and not math.isfinite(tree):
        yield f"{key}: {tree} is not finite"


def _contradictions(config: dict, notebooks: Path) -> list[str]:
    """What no schema can say: values that exclude each other."""
    experiments = config["experiments"]
    faults = [*_shared_seeds(config), *_wrong_starts(config), *_wrong_rungs(config)]
    for name in sorted(FIGURED - experiments.keys()):
        faults.append(f"experiments: {name} is missing, and the figures are drawn from it")
    for name, section in experiments.items():
        faults += _contradictions_in(section, f"experiments.{name}", config, notebooks)
    for number, statement in enumerate(config["claims"]["statements"]):
        for name in [statement["experiment"], *statement.get("elsewhere", [])] if "experiment" in statement else []:
            known = experiments.get(name, {}).get("optimizers", {})
            missing = sorted({*of_role(POSTER), *statement["against"]} - known.keys())
            if missing:
                faults.append(f"claims.statements.{number}: {name} is no experiment with {', '.join(missing)}")
        strange = sorted(set(statement.get("against", ())) - set(baselines()))
        if strange:
            faults.append(
                f"claims.statements.{number}.against: {', '.join(strange)} must be of {', '.join(baselines())}"
            )
    return faults


def _wrong_starts(config: dict) -> Iterator[str]:
    """Starts and ranges of the limits' search that are not of the same methods and settings."""
    limits = config["limits"]
    starts, ranges = limits["starts"], limits["ranges"]
    known = compared(config["experiments"].get(AUTOENCODER, {}).get("optimizers", {}))
    for name in sorted(starts.keys() | ranges.keys() | set(baselines())):
        if name not in known:
            yield f"limits.starts.{name}: no method of {AUTOENCODER} that claims compare, which are {', '.join(known)}"
        for part, methods in (("starts", starts), ("ranges", ranges)):
            if name not in methods:
                yield f"limits.{part}: {name} is missing"
        for column, start in starts.get(name, {}).items():
            if start.keys() != ranges.get(name, start).keys():
                searched = ", ".join(sorted(ranges[name]))
                yield f"limits.starts.{name}.{column}: must have the settings of limits.ranges.{name}, {searched}"


def _wrong_rungs(config: dict) -> Iterator[str]:
    """Methods of the ladder that cannot be tuned, and rows of its table that there are not."""
    ladder = config["ladder"]
    for number, experiment in enumerate(ladder["experiments"]):
        key = f"ladder.experiments.{number}"
        for name in experiment["methods"]:
            if name not in METHODS:
                yield f"{key}.methods: {name} is no method, which are {', '.join(METHODS)}"
            elif name not in ladder["ranges"]:
                yield f"ladder.ranges: {name} is missing, and {key}.methods has it"
        iterations = merge(config["experiments"].get(AUTOENCODER, {}), experiment["over"]).get("iterations", math.inf)
        if max(ladder["rows"]) > iterations:
            yield f"ladder.rows: {max(ladder['rows'])} is more than the {iterations} iterations of {experiment['name']}"


def _shared_seeds(config: dict) -> Iterator[str]:
    """Runs of which a search has seen the draw."""
    experiments = config["experiments"]
    searches = [section["tuning"]["seeds"] for section in experiments.values()]
    searches += [[config[part]["tuning_seed"]] for part in ("limits", "ladder")]
    searches += [config["conditioning"]["tuning_seeds"]]
    searched = set().union(*searches)
    runs = {"seeds": config["seeds"]}
    runs |= {f"{part}.seeds": config[part]["seeds"] for part in ("claims", "limits", "conditioning", "ladder")}
    runs |= {f"experiments.{name}.seeds": section.get("seeds", []) for name, section in experiments.items()}
    for key, seeds in runs.items():
        for seed in sorted(searched & set(seeds)):
            yield f"{key}: {seed} is a seed of a search, and runs must not share a draw with it"


def _contradictions_in(section: dict, key: str, config: dict, notebooks: Path) -> list[str]:
    """Those of one experiment's section, whose key is `key`."""
    faults = []
    problem, network = section["problem"], section["network"]
    if not (notebooks / f"{section['notebook']}.ipynb").exists():
        faults.append(f"{key}.notebook: {section['notebook']!r} is not in {notebooks}")
    drawn = counts(config, section)
    count = sum(drawn.values())
    if count > 60000:
        faults.append(f"{key}.data: training_images + validation_images = {count} is more than MNIST's 60000")
    if section["tuning"]["select_by"] == "validation_loss" and not drawn["validation_images"]:
        faults.append(f"{key}.tuning.select_by: validation_loss, and validation_images is 0")
    samples = drawn["training_images"] if problem["name"] in NEED_IMAGES else problem["samples"]
    for optimizer, settings in section["optimizers"].items():
        if optimizer not in METHODS:
            faults.append(f"{key}.optimizers.{optimizer}: no method, which are {', '.join(METHODS)}")
        size = settings.get("batch_size")
        if size is not None and size > samples:
            faults.append(
                f"{key}.optimizers.{optimizer}.batch_size: {size} is more than the {samples} training samples"
            )
    if "gradient-d" in section["optimizers"] and (network["hidden"] or network["output_activation"] is None):
        faults.append(f"{key}.optimizers.gradient-d: needs no hidden layer and an output_activation")
    for name in ("trials", "seeds", "finalists"):
        if section["tuning"]["ranges"] and not section["tuning"][name]:
            faults.append(f"{key}.tuning.{name}: {section['tuning'][name]}, and there are ranges to search")
    return faults


def _unknown_settings(config: dict, validator) -> list[str]:
    """Settings that the constructor of a method does not have, for the methods that the schema does not describe."""
    described = validator.schema["$defs"]["optimizers"]["properties"]
    faults = []
    for name, section in config["experiments"].items():
        for optimizer, settings in section["optimizers"].items():
            unknown = settings.keys() - accepted(optimizer) if optimizer in METHODS.keys() - described.keys() else ()
            faults += [f"experiments.{name}.optimizers.{optimizer}.{key}: no setting of {optimizer}" for key in unknown]
    return faults


def _wrong_trials(config: dict, validator) -> list[str]:
    """Ends of ranges that the optimizers' own settings would not allow."""
    allowed = validator.schema["$defs"]["optimizers"]["properties"]
    faults = []
    searches = {f"experiments.{n}.tuning": section["tuning"] for n, section in config["experiments"].items()}
    for part, search in (searches | {part: config[part] for part in ("limits", "ladder")}).items():
        for optimizer, ranges in search["ranges"].items():
            if optimizer not in METHODS:
                continue  # told as a contradiction
            for setting, scale in ranges.items():
                key = f"{part}.ranges.{optimizer}.{setting}"
                known = allowed[optimizer]["properties"] if optimizer in allowed else accepted(optimizer)
                if setting not in known:
                    faults.append(f"{key}: no setting of {optimizer}")
                    continue
                ((_, ends),) = scale.items()
                if not ends[0] < ends[1]:
                    faults.append(f"{key}: {ends[0]} is not below {ends[1]}")
                rule = validator.evolve(schema=known[setting] if optimizer in allowed else {})
                faults += [f"{key}: {error.message}" for value in ends for error in rule.iter_errors(value)]
    return faults


def _idle(over: dict, section: dict, key: str) -> list[str]:
    """What `over` puts over the section and no run there would notice."""
    movable = MOVABLE if key.startswith("ladder") else (*MOVABLE, "data", "optimizers")
    faults = [
        f"{key}.{name}: moves nothing there, {', '.join(movable)} do" for name in sorted(over.keys() - {*movable})
    ]
    idle = over.get("optimizers", {}).keys() - {*compared(section["optimizers"])}
    return faults + [f"{key}.optimizers.{name}: no method that claims compare" for name in sorted(idle)]


def _wrong_settings(config: dict, validator, notebooks: Path) -> list[str]:
    """Settings of the limits, and experiments of the ladder, with which the autoencoder's section could not be run."""
    rule = validator.evolve(schema=validator.schema["$defs"]["experiment"] | {"$defs": validator.schema["$defs"]})
    faults = []
    moved = [(f"limits.settings.{number}.over", setting) for number, setting in enumerate(config["limits"]["settings"])]
    moved += [(f"ladder.experiments.{number}.over", one) for number, one in enumerate(config["ladder"]["experiments"])]
    for key, setting in moved:
        section = merge(config["experiments"]["autoencoder"], setting["over"])
        wrong = [f"{key}.{_message(error)}" for error in rule.iter_errors(section)] or _idle(
            setting["over"], section, key
        )
        if not wrong:  # of the optimizers those that run there
            run = {name: section["optimizers"][name] for name in compared(section["optimizers"])}
            searched = section["tuning"] | {"ranges": {}}
            wrong = _contradictions_in(section | {"optimizers": run, "tuning": searched}, key, config, notebooks)
        faults += wrong
    return faults
