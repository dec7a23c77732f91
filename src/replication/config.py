"""Reading and checking the configuration. config/schema.yaml has the meaning and the range of every key."""

import math
import struct
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from replication import statements, strict_yaml
from replication.constructors import accepted, refusal
from replication.errors import ConfigError, NotebookError, nearest
from replication.methods import METHODS, baselines, compared
from replication.notebooks import declared_parameters
from replication.parameters import AUTOENCODER, NEED_IMAGES, OF_NOTEBOOK, counts, dataset, samples_of
from replication.paths import DATASETS
from replication.sections import merge, settle_optimizers, whole, with_choices, with_middles
from replication.studies import field

MOVABLE = ("problem", "network", "iterations", "dtype")  # of a section, what limits and ladder move
FIGURED = {"perceptron", "perceptron-teacher", "autoencoder"}  # the experiments that figures are drawn from
RESERVED = {"timing", "maps"}  # of the names of records, which stand where experiments do

LARGEST = 2**53  # an integer above would be another one as a float

# Of the folder config, later ones on top.
FILES = tuple(f"{name}.yaml" for name in ("tuned", "config", "every_setting", "claims", "limits", "ladder", "field"))


def load(path: str | Path) -> dict:
    """The values of one file. Raises ConfigError for a file that cannot be read, and for what is no dictionary."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is no file of the configuration: it is not in UTF-8: {error}") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} is no file of the configuration: {error}") from None
    values = strict_yaml.parse(text, str(path))
    if not isinstance(values, dict | None):
        raise ConfigError(f"{path} must have keys and values, not {_short(repr(values))}")
    return values or {}


def read(*paths: str | Path, entries: Sequence[str] = ()) -> dict:
    """The values of the files, later ones on top, and those of `entries`, KEY=VALUE, on top of all; not yet checked.

    Raises ConfigError.
    """
    config: dict = {}
    for path in paths:
        config = merge(config, load(path))
    for entry in entries:
        key, _, value = entry.partition("=")
        config = merge(config, {key: strict_yaml.parse(value, f"--config {entry}")})
    return config


def files(root: str | Path) -> list[Path]:
    """The files of the project's own configuration, later ones on top."""
    return [Path(root) / "config" / name for name in FILES]


def project(root: str | Path, *over: str | Path) -> dict:
    """The checked configuration of the project at `root`, with the files `over` on top. Raises ConfigError."""
    return check(read(*files(root), *over), Path(root) / "config" / "schema.yaml")


def check(config: dict, schema_path: str | Path) -> dict:
    """`config` as it can be run. Raises ConfigError, which names every fault."""
    config = dict(config)
    validator, root = _validator(str(schema_path)), Path(schema_path).parent.parent
    config["experiments"], faults = whole(config.get("experiments"))
    config["experiments"] = with_choices(config["experiments"], config.get("tuned"))
    config["experiments"] = with_middles(config["experiments"], validator.schema)
    faults = list(_unwritable(config)) or faults or [_message(error) for error in validator.iter_errors(config)]
    if not faults:
        for section in config["experiments"].values():
            settle_optimizers(section)
        faults = _contradictions(config, root)
        faults += _unknown_settings(config, validator)
        faults += _wrong_trials(config, validator)
        faults += [] if faults else _wrong_settings(config, validator, root)
        faults += [] if faults else _refused_settings(config, validator)
    if faults:
        raise ConfigError("the configuration cannot be run:\n" + "\n".join(f"  {fault}" for fault in faults))
    return config


@cache
def _validator(schema_path: str):
    """A validator of the schema to which an integer is what Python counts with: 2.0 is none, as True is none."""
    from jsonschema import Draft202012Validator, validators  # imported late: trained networks need no schema

    types = Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    )
    return validators.extend(Draft202012Validator, type_checker=types)(load(schema_path))


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:150]} ... {text[-50:]}"


def _message(error, *above: str) -> str:
    """A jsonschema ValidationError as one line: the key (below those `above`), the value and the range."""
    key = ".".join(map(str, (*above, *error.absolute_path))) or "top level"
    names = error.validator in ("additionalProperties", "required")
    about = None if names else error.schema.get("description")
    close = ""
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        close = nearest(next(name for name in error.instance if name not in known), known)
    elif error.validator == "enum":
        close = nearest(error.instance, error.validator_value)
    return f"{key}: {_short(error.message)}{close}" + (f" ({about})" if about else "")


def _unwritable(tree: object, key: str = "") -> Iterator[str]:
    """Numbers that no bound of the schema stops, and keys that are no words."""
    if isinstance(tree, dict | list):
        for name, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            if isinstance(tree, dict) and not isinstance(name, str):
                yield f"{key or 'top level'}: the key {name!r} is not a string"
            yield from _unwritable(value, f"{key}.{name}" if key else str(name))
    elif isinstance(tree, float) and not math.isfinite(tree):
        yield f"{key}: {tree} is not finite"
    elif isinstance(tree, int) and abs(tree) > LARGEST:
        yield f"{key}: an integer beyond {LARGEST}"


def _contradictions(config: dict, root: Path) -> list[str]:
    """What no schema can say: values that exclude each other, and names of files that are not there."""
    experiments = config["experiments"]
    faults = [*_missing_folders(config, root), *_shared_seeds(config), *_wrong_starts(config), *_wrong_rungs(config)]
    for name in sorted(RESERVED & experiments.keys()):
        faults.append(f"experiments.{name}: the name is one of the pipeline's own files; name it otherwise")
    for name in sorted(FIGURED - experiments.keys()):
        faults.append(f"experiments: {name} is missing, and the figures are drawn from it{nearest(name, experiments)}")
    for name, section in experiments.items():
        faults += _contradictions_in(section, f"experiments.{name}", config, root)
        if name in FIGURED and "target" in section:
            faults.append(f"experiments.{name}.target: {section['target']!r}, and the default target's figures need it")
    return [*faults, *statements.faults(config["claims"], experiments), *field.faults(config)]


def _missing_folders(config: dict, root: Path) -> Iterator[str]:
    """Folders without what they are named for."""
    data = config["data"]["root"]
    published = config["published"]
    if published is not None and not any((root / published).glob("*.jsonl")):
        yield f"published: {published!r} has no record; null takes none{_nearest_folder(root / published)}"
    if not (root / data / "SHA256SUMS").is_file():
        yield f"data.root: {data!r} has no file SHA256SUMS{_nearest_folder(root / data)}"


def _nearest_folder(path: Path) -> str:
    beside = path.parent.iterdir() if path.parent.is_dir() else ()
    return nearest(path.name, [other.name for other in beside if other.is_dir() and other != path])


def _wrong_starts(config: dict) -> Iterator[str]:
    """Starts and ranges of the limits' search that are not of the same methods and settings."""
    limits = config["limits"]
    starts, ranges = limits["starts"], limits["ranges"]
    known = compared(config["experiments"].get(AUTOENCODER, {}).get("optimizers", {}))
    for name in sorted(starts.keys() | ranges.keys() | set(baselines())):
        if name not in known:
            names = ", ".join(known)
            kept = statements.KEPT
            yield f"limits.starts.{name}: no method of {AUTOENCODER} that claims compare, which are {names}{kept}"
        for part, methods in (("starts", starts), ("ranges", ranges)):
            if name not in methods:
                yield f"limits.{part}: {name} is missing"
        for criterion, start in starts.get(name, {}).items():
            if start.keys() != ranges.get(name, start).keys():
                searched = ", ".join(sorted(ranges[name]))
                yield f"limits.starts.{name}.{criterion}: must have the settings of limits.ranges.{name}, {searched}"


def _wrong_rungs(config: dict) -> Iterator[str]:
    """Experiments of the ladder with the same name, and methods that cannot be tuned."""
    ladder, every = config["ladder"], config["claims"]["every"]["train_loss"]
    for number, experiment in enumerate(ladder["experiments"]):
        key = f"ladder.experiments.{number}"
        if experiment["experiment"] not in config["experiments"]:
            close = nearest(experiment["experiment"], config["experiments"])
            yield f"{key}.experiment: {experiment['experiment']} is no experiment{close}"
        if experiment["name"] in [other["name"] for other in ladder["experiments"][:number]]:
            yield f"{key}.name: {experiment['name']} is another one's name"
        for name in experiment["methods"]:
            if name not in METHODS:
                yield f"{key}.methods: {name} is no method, which are {', '.join(METHODS)}{nearest(name, METHODS)}"
            elif name not in ladder["ranges"] | experiment.get("ranges", {}):
                yield f"ladder.ranges: {name} is missing, and {key}.methods has it"
        for name, row in experiment.get("beside", {}).items():
            section = config["experiments"].get(row["experiment"], {"optimizers": {}})
            if row["method"] not in experiment["methods"] or row["method"] not in section["optimizers"]:
                yield f"{key}.beside.{name}: {row['method']} must be a method of {row['experiment']} and of {key}"
            elif name in METHODS:
                yield f"{key}.beside.{name}: is the name of a method"
            elif lost := {*ladder["rows"]} - {*range(0, section["iterations"], every), section["iterations"]}:
                yield f"ladder.rows: {row['experiment']} has no losses after {', '.join(map(str, sorted(lost)))}"


def _shared_seeds(config: dict) -> Iterator[str]:
    """Runs of which a search has seen the draw."""
    experiments = config["experiments"]
    searches = [section["tuning"]["seeds"] for section in experiments.values()]
    searches += [[config[part]["tuning_seed"]] for part in ("limits", "ladder")]
    searches += [config[part]["tuning_seeds"] for part in ("conditioning", "field")]
    searched = set().union(*searches)
    runs = {"seeds": config["seeds"]}
    runs |= {f"{part}.seeds": config[part]["seeds"] for part in ("claims", "limits", "conditioning", "ladder", "field")}
    runs |= {f"experiments.{name}.seeds": section.get("seeds", []) for name, section in experiments.items()}
    for key, seeds in runs.items():
        for seed in sorted(searched & set(seeds)):
            yield f"{key}: {seed} is a seed of a search, and runs must not share a draw with it"


def _contradictions_in(section: dict, key: str, config: dict, root: Path) -> list[str]:
    """Those of one experiment's section, whose key is `key`."""
    problem, network = section["problem"], section["network"]
    faults = [f"{key}.notebook: {why}" for why in _wrong_notebook(root / "notebooks", section["notebook"])]
    drawn = counts(config, section)
    images = DATASETS[dataset(section)]
    count, data = sum(drawn.values()), root / config["data"]["root"] / images / "raw"
    if count > (available := _images_in(data / "train-images-idx3-ubyte", 60000)):
        faults.append(f"{key}.data: training_images + validation_images = {count} is more than {images}'s {available}")
    if problem.get("unseen_images", 0) > (available := _images_in(data / "t10k-images-idx3-ubyte", 10000)):
        faults.append(f"{key}.problem.unseen_images: {problem['unseen_images']} is more than {images}'s {available}")
    if problem.get("noise", "gaussian") != "gaussian" and problem["noise_level"] > 1:
        faults.append(f"{key}.problem.noise_level: {problem['noise_level']} is no share of pixels: at most 1")
    if problem.get("condition_number") is not None and problem["name"] in NEED_IMAGES and drawn["training_images"] < 2:
        faults.append(f"{key}.problem.condition_number: {drawn['training_images']} image has no covariance")
    if section["tuning"]["criterion"] == "validation_loss" and not drawn["validation_images"]:
        faults.append(f"{key}.tuning.criterion: validation_loss, and validation_images is 0")
    samples = samples_of(config, section)
    for optimizer, settings in section["optimizers"].items():
        if optimizer not in METHODS:
            close = nearest(optimizer, METHODS)
            faults.append(f"{key}.optimizers.{optimizer}: no method, which are {', '.join(METHODS)}{close}")
        size = settings.get("batch_size")
        if isinstance(size, int) and size > samples:
            faults.append(
                f"{key}.optimizers.{optimizer}.batch_size: {size} is more than the {samples} training samples"
            )
    for name in section.get("in_target", ()):
        if name not in section["optimizers"]:
            faults.append(f"{key}.in_target: {name} is no optimizer there{nearest(name, section['optimizers'])}")
    start = section["tuning"].get("starts_from")
    if start is not None and start not in config["experiments"]:
        faults.append(f"{key}.tuning.starts_from: {start} is no experiment{nearest(start, config['experiments'])}")
    if not section["optimizers"]:
        faults.append(f"{key}.optimizers: every one is null")
    if "gradient-d" in section["optimizers"] and (network["hidden"] or network["output_activation"] is None):
        faults.append(f"{key}.optimizers.gradient-d: needs no hidden layer and an output_activation")
    for name in ("trials", "seeds", "finalists"):
        if section["tuning"]["ranges"] and not section["tuning"][name]:
            faults.append(f"{key}.tuning.{name}: {section['tuning'][name]}, and there are ranges to search")
    return faults


def _wrong_notebook(folder: Path, name: str) -> Iterator[str]:
    """Why the notebook cannot run an experiment."""
    if not (folder / f"{name}.ipynb").exists():
        yield f"{name!r} is not in {folder}{nearest(name, [path.stem for path in folder.glob('*.ipynb')])}"
        return
    try:
        missing = OF_NOTEBOOK - declared_parameters(folder / f"{name}.ipynb").keys()
    except NotebookError as error:
        yield str(error)
    else:
        if missing:
            yield f"{name!r} declares no parameter {', '.join(sorted(missing))}"


def _images_in(path: Path, usual: int) -> int:
    """How many images a file of a data set says that it has; `usual` where it is still to be fetched."""
    try:
        with path.open("rb") as file:
            return struct.unpack(">II", file.read(8))[1]
    except (OSError, struct.error):
        return usual


def _unknown_settings(config: dict, validator) -> list[str]:
    """Settings that the constructor of a method does not have, for the methods that the schema does not describe."""
    described = validator.schema["$defs"]["optimizers"]["properties"]
    faults = []
    for name, section in config["experiments"].items():
        for optimizer, settings in section["optimizers"].items():
            unknown = settings.keys() - accepted(optimizer) if optimizer in METHODS.keys() - described.keys() else ()
            faults += [
                f"experiments.{name}.optimizers.{optimizer}.{key}: no setting of {optimizer}"
                f"{nearest(key, accepted(optimizer))}"
                for key in unknown
            ]
    return faults


def _wrong_trials(config: dict, validator) -> list[str]:
    """Ends of ranges, starts and choices of a search that the optimizers' own settings would not allow."""
    experiments = config["experiments"]
    faults, values = [], []  # of values: key, optimizer, setting, value
    searches = {f"experiments.{n}.tuning": section["tuning"] for n, section in experiments.items()}
    searches |= {part: config[part] for part in ("limits", "ladder")} | field.searches(config)
    for number, entry in enumerate(config["ladder"]["experiments"]):
        searches[f"ladder.experiments.{number}"] = {"ranges": entry.get("ranges", {})}
    for part, search in searches.items():
        for optimizer, ranges in search["ranges"].items():
            for setting, scale in ranges.items():
                key = f"{part}.ranges.{optimizer}.{setting}"
                ((_, ends),) = scale.items()
                if "choice" not in scale and not ends[0] < ends[1]:
                    faults.append(f"{key}: {ends[0]} is not below {ends[1]}")
                values += [(key, optimizer, setting, end) for end in ends]
    for method, starts in config["limits"]["starts"].items():
        for criterion, start in starts.items():
            values += [(f"limits.starts.{method}.{criterion}.{name}", method, name, start[name]) for name in start]
    for experiment, methods in config.get("tuned", {}).items():
        for method, criteria in methods.items():
            for criterion, chosen in criteria.items():
                key = f"tuned.{experiment}.{method}.{criterion}"
                values += [(f"{key}.{name}", method, name, value) for name, value in chosen.items()]
    described = validator.schema["$defs"]["optimizers"]["properties"]
    for key, optimizer, setting, value in values:
        if optimizer not in METHODS:
            faults.append(f"{key}: {optimizer} is no method{nearest(optimizer, METHODS)}")
            continue
        known = described[optimizer]["properties"] if optimizer in described else accepted(optimizer)
        if setting not in known:
            faults.append(f"{key}: no setting of {optimizer}{nearest(setting, known)}")
        elif optimizer in described:
            faults += [
                f"{key}: {_short(error.message)}"
                for error in validator.evolve(schema=known[setting]).iter_errors(value)
            ]
    return list(dict.fromkeys(faults))


def _refused_settings(config: dict, validator) -> list[str]:
    """Settings that a constructor refuses, of the methods that the schema does not describe."""
    described = validator.schema["$defs"]["optimizers"]["properties"]
    wanted = []  # key, optimizer, settings
    for name, section in config["experiments"].items():
        for optimizer, settings in section["optimizers"].items():
            for ends in _ends(section["tuning"]["ranges"].get(optimizer, {})):
                key = f"experiments.{name}.optimizers.{optimizer}"
                wanted += [(key, optimizer, ends | settings), (key, optimizer, settings | ends)]
    for part in ("limits", "ladder"):
        for optimizer, ranges in config[part]["ranges"].items():
            wanted += [(f"{part}.ranges.{optimizer}", optimizer, ends) for ends in _ends(ranges)]
    for row in field.entrants(config["field"]).values():
        wanted += [(f"field, {row.name}", row.optimizer, row.fixed | ends) for ends in _ends(row.ranges)]
    wanted = [entry for entry in wanted if entry[1] not in described and entry[2]]
    for name, row in config["field"]["credit"]["rows"].items():
        wanted.append((f"field.credit.rows.{name}", row["optimizer"], row["settings"]))
    refusals = [(key, refusal(name, settings)) for key, name, settings in wanted]
    return list(dict.fromkeys(f"{key}: {why}" for key, why in refusals if why))


def _ends(ranges: dict[str, dict]) -> list[dict]:
    """The settings at the lower and at the upper ends of ranges, and at the first and last of choices."""
    ends = {name: next(iter(scale.values())) for name, scale in ranges.items()}
    return [{name: values[side] for name, values in ends.items()} for side in (0, -1)]


def _idle(over: dict, section: dict, key: str) -> list[str]:
    """What `over` puts over the section and no run there would notice."""
    movable = MOVABLE if key.startswith("ladder") else (*MOVABLE, "data", "optimizers")
    faults = [
        f"{key}.{name}: moves nothing there, {', '.join(movable)} do" for name in sorted(over.keys() - {*movable})
    ]
    moved = over.get("optimizers", {})
    idle = moved.keys() - {*compared(section["optimizers"])}
    faults += [f"{key}.optimizers.{name}: no method that claims compare" for name in sorted(idle)]
    return faults + [f"{key}.optimizers.{name}: null, and the claims need it" for name in moved if moved[name] is None]


def _wrong_settings(config: dict, validator, root: Path) -> list[str]:
    """Settings of the limits, experiments of the ladder and tasks of the field that could not be run."""
    rule = validator.evolve(schema=validator.schema["$defs"]["experiment"] | {"$defs": validator.schema["$defs"]})
    faults = []
    moved = [(f"limits.settings.{number}.over", setting) for number, setting in enumerate(config["limits"]["settings"])]
    moved += [(f"ladder.experiments.{number}.over", one) for number, one in enumerate(config["ladder"]["experiments"])]
    moved += [(f"field.tasks.{name}.over", task) for name, task in config["field"]["tasks"].items()]
    for key, setting in moved:
        section = merge(config["experiments"][setting.get("experiment", AUTOENCODER)], setting["over"])
        wrong = [_message(error, key) for error in rule.iter_errors(section)] or _idle(setting["over"], section, key)
        if not wrong:  # of the optimizers those that run there
            run = {name: section["optimizers"][name] for name in compared(section["optimizers"])}
            searched = section["tuning"] | {"ranges": {}}
            moved_section = section | {"optimizers": run, "tuning": searched, "in_target": list(run)}
            wrong = _contradictions_in(moved_section, key, config, root)
            if key.startswith("ladder") and (last := max(config["ladder"]["rows"])) > section["iterations"]:
                wrong.append(f"ladder.rows: {last} is more than the {section['iterations']} iterations of {key}")
        faults += wrong
    return faults
