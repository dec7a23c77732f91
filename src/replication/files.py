"""Writing files so that a reader never sees half of one."""

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
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


@contextmanager
def locked(folder: str | Path, wait: bool = True) -> Iterator[None]:
    """Hold the lock on `folder`. Raises BlockingIOError where another process does and `wait` is false.

    On a file system without locks nothing is held.
    """
    held = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError) if wait else nullcontext():
            fcntl.flock(held, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(held)


def _remove_empty(folder: str | Path) -> None:
    with suppress(OSError):  # something was written there
        Path(folder).rmdir()


@contextmanager
def claimed(folder: str | Path, *names: str) -> Iterator[None]:
    """Keep the folder for new files of these names, so that no other process writes its own there meanwhile.

    Raises OSError, which names the folder or the file, where another has it, a file is there, or none can be written.
    A folder that is made here goes again where nothing was written to it.
    """
    made = not Path(folder).exists()
    with ExitStack() as stack:
        if made:
            stack.callback(_remove_empty, folder)
        check_writable(folder)
        try:
            stack.enter_context(locked(folder, wait=False))
        except BlockingIOError:
            raise FileExistsError(f"{folder} is in use by another process: name another folder") from None
        except OSError:  # a file system without locks
            pass
        check_new(*(Path(folder) / name for name in names))
        yield


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
