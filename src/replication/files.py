"""Writing files so that a reader never sees half of one."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from replication.errors import DataError


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Raise DataError, with the name of the file and the reason, for whatever goes wrong while `path` is read."""
    try:
        yield
    except Exception as error:  # a file from elsewhere can break a reader in any way
        raise DataError(f"{path} cannot be read: {type(error).__name__}: {error}") from None


def check_writable(folder: str | Path) -> None:
    """Make the folder where there is none. Raises OSError, which names it, where no file can be written there."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def check_new(*paths: str | Path) -> None:
    """See that the files can be written and that none is there yet. Raises OSError, which names the first that is."""
    for path in map(Path, paths):
        if path.exists():
            raise FileExistsError(f"{path} is there already: name another, or remove it first")
        check_writable(path.parent)


def check_made(target: str, *paths: str | Path) -> None:
    """See that results are there. Raises DataError, which names the first that is not, and the target that makes it.

    target: what follows the number of cores in a call of snakemake.
    """
    for path in paths:
        if not Path(path).exists():
            raise DataError(
                f"{path} is not there. In the project's folder, this makes it: snakemake --cores 2 {target}"
            )


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
    """The value of a JSON file. Raises DataError, with the file's name."""
    with reading(path):
        return json.loads(Path(path).read_text())
