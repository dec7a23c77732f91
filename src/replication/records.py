"""Records: what was computed, known by what it depends on, in files that a person can compare line by line.

A record has its "name", its "key", its "result", the seconds of processor time that it took, versions, commit and
processor. A file holds any number of them, by name: for each a line of JSON, and the lines of its parts. A part is a
list of numbers, so that a change of one curve is a change of one line.

A key lists scientific values and the versions of the methods, and nothing else. A value that is new in the
configuration changes no key as long as it is what ADDED says.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from replication.errors import DataError
from replication.files import reading, replacing
from replication.methods import METHODS
from replication.parameters import Parameters

MAPS_VERSION = 1  # raised by hand when a reference map changes, as Method.version is for methods
LONG = 12  # numbers in a list that gets a line of its own
PART = "part of the record"  # in place of such a list: its number
DEPENDS = ("iterations", "dtype", "problem", "images", "network", "settings")  # of a run's parameters
# What a record depends on that was computed before the value was there.
ADDED: dict[str, object] = {
    "settings.beta": 1.0,
    "settings.initial_scale": 1.0,
    "search.first": [],
    "search.screened": 1,
}


def key(values: dict) -> dict:
    """Nested `values` as the key of a record: flat, by name, without those of ADDED that are what they were."""
    flat = _flatten(values)

    def as_before(name: str) -> bool:
        return any(f".{name}".endswith(f".{added}") and flat[name] == value for added, value in ADDED.items())

    return {name: flat[name] for name in sorted(flat) if not as_before(name)}


def described(run: Parameters) -> dict:
    """What a result depends on of a run's parameters, and the version of its method."""
    values = {"method": run.optimizer, "version": METHODS[run.optimizer].version} if run.optimizer else {}
    return values | {name: getattr(run, name) for name in DEPENDS}


def _flatten(values: dict, prefix: str = "") -> dict:
    flat = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = list(value) if isinstance(value, tuple) else value
    return flat


def digest(key: dict) -> str:
    """A name for a key."""
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:20]


def write(path: str | Path, records: Iterable[dict]) -> None:
    """Write the records to a file, sorted by name."""
    with replacing(path) as temporary, open(temporary, "w") as stream:
        for record in sorted(records, key=lambda record: record["name"]):
            parts: list[str] = []
            head = _without_lists(record, parts)
            stream.write("\n".join([json.dumps({**head, "parts": len(parts)}), *parts, ""]))


def _without_lists(value: object, parts: list[str]) -> object:
    """The value with the number of a part in place of each long list of numbers. The same list is one part."""
    if isinstance(value, dict):
        return {name: _without_lists(entry, parts) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        if len(value) < LONG or any(isinstance(entry, dict | list | str) for entry in value):
            return [_without_lists(entry, parts) for entry in value]
        line = json.dumps(value)
        if line not in parts:
            parts.append(line)
        return {PART: parts.index(line)}
    return value


def _with_lists(value: object, parts: list[list]) -> object:
    if isinstance(value, dict):
        if value.keys() == {PART}:
            return parts[value[PART]]
        return {name: _with_lists(entry, parts) for name, entry in value.items()}
    return [_with_lists(entry, parts) for entry in value] if isinstance(value, list) else value


def heads(path: str | Path) -> Iterator[tuple[dict, int]]:
    """The records of a file without their lists of numbers, each with its place in the file.

    Raises DataError for a file that holds none.
    """
    with reading(path), open(path, "rb") as stream:
        place = 0
        while line := stream.readline():
            head = json.loads(line)
            if not (isinstance(head, dict) and {"name", "key", "result", "parts"} <= head.keys()):
                raise DataError("no record: it has no name, key and result")
            yield head, place
            for _ in range(head["parts"]):
                stream.readline()
            place = stream.tell()


def read(path: str | Path, place: int = 0) -> dict:
    """The record at a place of a file."""
    with reading(path), open(path, "rb") as stream:
        stream.seek(place)
        head = json.loads(stream.readline())
        parts = [json.loads(stream.readline()) for _ in range(head.pop("parts"))]
        return _with_lists(head, parts)


def read_all(path: str | Path) -> list[dict]:
    """Every record of a file; none where there is no file."""
    return [read(path, place) for _, place in heads(path)] if Path(path).exists() else []


def index(path: str | Path) -> dict[str, int]:
    """The places of the records of a file by the digests of their keys."""
    return _index(str(path), Path(path).stat().st_mtime_ns)


@cache
def _index(path: str, _: int) -> dict[str, int]:
    return {digest(head["key"]): place for head, place in heads(path)}
