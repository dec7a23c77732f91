"""Fetch compressed files from mirrors: python download.py FOLDER SECONDS MIRRORS FILES, the last two as JSON.

It is a process of its own, which can be ended whatever it waits for. It needs Python's own library alone.
"""

import gzip
import hashlib
import json
import shutil
import signal
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path

LARGEST = 64 * 2**20  # bytes; the largest file of MNIST has 47 million, uncompressed
SILENCE = 30  # seconds without an answer


def fetch(folder: Path, seconds: float, mirrors: list[str], files: list[list[str]]) -> None:
    """Write each of `files` (name with .gz, MD5 as the mirrors publish it) uncompressed to `folder`.

    Each comes from the first mirror that gives it whole. A mirror has `seconds` for all of them. Raises ValueError,
    with what every mirror did, where none gives a file.
    """
    left = dict.fromkeys(mirrors, seconds)
    for name, digest in files:
        failures = []
        for mirror in mirrors:
            start = time.monotonic()
            try:
                with at_most(left[mirror]):
                    path = download(mirror + name, folder / name, digest)
            except (OSError, ValueError, HTTPException) as error:
                failures.append(f"{mirror}{name}: {type(error).__name__}: {error}")
                left[mirror] -= time.monotonic() - start
                continue
            left[mirror] -= time.monotonic() - start
            with gzip.open(path) as packed, path.with_suffix("").open("wb") as plain:
                shutil.copyfileobj(packed, plain)
            break
        else:
            raise ValueError("; ".join(failures))


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block after `seconds`, whatever it waits for."""

    def end(*_) -> None:
        raise TimeoutError("the mirror's time is over")

    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def download(url: str, path: Path, digest: str) -> Path:
    """Write what `url` answers to `path`. Raises OSError, ValueError or HTTPException unless its MD5 is `digest`."""
    whole = hashlib.md5(usedforsecurity=False)
    request = urllib.request.Request(url, headers={"User-Agent": "python"})
    with urllib.request.urlopen(request, timeout=SILENCE) as answer, path.open("wb") as file:
        while block := answer.read1(2**16):
            whole.update(block)
            file.write(block)
            if file.tell() > LARGEST:
                raise ValueError(f"more than {LARGEST} bytes")
    if whole.hexdigest() != digest:
        raise ValueError(f"{path.stat().st_size} bytes with MD5 {whole.hexdigest()}, which must be {digest}")
    return path


if __name__ == "__main__":
    folder, seconds, mirrors, files = sys.argv[1:]
    try:
        fetch(Path(folder), float(seconds), json.loads(mirrors), json.loads(files))
    except (OSError, ValueError) as error:
        sys.exit(str(error))
