"""Writing files so that a reader never sees half of one."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to; it takes the place of `path` when the block ends without an error.

    Parent folders are made. When the block fails, whatever stood at `path` stays as it was. Who may read the file is as
    the umask says, whatever the writer chooses (safetensors: the owner alone).
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        temporary = Path(folder) / path.name
        temporary.touch()
        mode = temporary.stat().st_mode
        yield temporary
        temporary.chmod(mode)
        os.replace(temporary, path)


def write_json(path: str | Path, value: object, indent: int | None = 1) -> None:
    """Write `value` as JSON. Raises ValueError for numbers that JSON does not have (infinite, NaN)."""
    text = json.dumps(value, indent=indent, allow_nan=False)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n")


def read_json(path: str | Path) -> object:
    return json.loads(Path(path).read_text())
