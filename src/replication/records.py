"""Records of searches, of runs with many seeds, and of studies: what was computed, known by what it depends on.

A record is a JSON file with its "keys", its "result", the seconds of processor time that it took, versions, commit and
processor. It may be published in the repository: whoever asks for the same key need not compute it again.

A key names what a result depends on and nothing else: the scientific values listed here by name, and the version of the
method. So a new key of the configuration or a new method changes no key, and the records stay what they are.
"""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from replication.errors import DataError
from replication.files import read_json, replacing, write_json

# What results depend on. A value that is new in the configuration, and that results depend on, gets its line in ADDED.
PROBLEM = [
    *(f"problem.{name}" for name in ("name", "noise", "noise_level", "unseen_images")),
    *(f"images.{name}" for name in ("training_images", "validation_images")),
    "dtype",
]
NETWORK = [
    f"network.{name}" for name in ("hidden", "activation", "output_activation", "bias", "initialization", "scale")
]
OF_OPTIMIZER = [
    *("batch_size", "epochs", "learning_rate", "momentum", "weight_decay"),
    *("order", "tau_z", "tau_x", "tau_w", "tau_m", "delta", "ridge"),
]
SETTINGS = [f"settings.{name}" for name in OF_OPTIMIZER]
ANCHORED = [f"anchor.{name}" for name in ("version", *OF_OPTIMIZER)]
SEARCH = ["starts", "ranges", *(f"search.{name}" for name in ("trials", "shift", "tuning_seed", "seeds", "every"))]
OF_RUN = ["kind", "method", "version", "iterations", "dtype", "problem", "images", "network", "settings"]
KEYS = {
    "search": [*OF_RUN, "seeds", "search"],
    "seeds": [*OF_RUN, "seeds", "every", "with_ssim"],
    "rung": [*OF_RUN, "seeds", "search", "rows"],
    "denoised": [*OF_RUN, "seeds", "rows", "count"],
    "study": ["kind", "method", "version", "iterations", *PROBLEM, *NETWORK, *SETTINGS, *SEARCH],
    "maps": ["kind", "version", "seeds", "network.hidden", *PROBLEM],
    "timing": ["kind", "method", "version", *ANCHORED, *PROBLEM, *NETWORK, *SETTINGS],
}
# By name, what a record without it was computed with.
ADDED: dict[str, object] = {
    "settings.beta": 1.0,
    "settings.initial_scale": 1.0,
    "search.first": [],
    "search.screened": 1,
}
IRRELEVANT = {"threads", "device", "experiment", "seed", "optimizer"}  # of Parameters
MAPS_VERSION = 1  # raised by hand when a reference map changes, as Method.version is for methods


def key(values: dict) -> dict:
    """The key of nested `values`: those of the names that KEYS lists for their "kind", flat."""
    flat = _flatten(values)
    names = KEYS[values["kind"]]
    named = {name: value for name, value in flat.items() if name in names or name.split(".")[0] in names}
    return {name: value for name, value in sorted(named.items()) if name not in ADDED or value != ADDED[name]}


def _flatten(values: dict, prefix: str = "") -> dict:
    flat = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def unlisted(parameters: dict) -> dict:
    """Of `parameters` (of a run, nested) what no key lists, so that a record would not notice a change; flat."""
    names = {name for listed in KEYS.values() for name in listed} | IRRELEVANT
    return {name: value for name, value in _flatten(parameters).items() if name not in names}


def text(key: dict) -> str:
    return json.dumps(key, sort_keys=True)


def read_keys(folder: str | Path) -> dict[str, list[str]]:
    """The paths of the records in `folder` by the text of their keys; several may answer the same key.

    Raises DataError for a file that is no record.
    """
    known: dict[str, list[str]] = {}
    for path in sorted(Path(folder).rglob("*.json")):
        for key in keys_of(path):
            known.setdefault(text(key), []).append(str(path))
    return known


def keys_of(path: str | Path) -> list[dict]:
    """The keys of a record. Raises DataError for a file that is none."""
    record = read_json(path)
    if not (isinstance(record, dict) and isinstance(record.get("keys"), list)):
        raise DataError(f"{path} is no record: it has no list of keys")
    return record["keys"]


def record(
    compute: Callable[..., dict], keys: list[dict], output: str | Path, published: Sequence[str] = (), **arguments
) -> None:
    """Compute a result and write it to `output` as the record of `keys`; of `published` records one with the same
    keys is copied instead.
    """
    from replication.provenance import provenance  # imported late: it needs torch

    for path in published:
        if keys_of(path) == keys:
            print(f"{path} has it", flush=True)
            with replacing(output) as temporary:
                temporary.write_bytes(Path(path).read_bytes())
            return
    start = time.process_time()
    result = compute(**arguments)
    seconds = time.process_time() - start
    write_json(output, {"keys": keys, "result": result, "seconds": seconds, **provenance()}, indent=None)
