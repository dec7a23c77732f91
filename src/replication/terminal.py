"""The terminal of a command: neither what is printed there nor Ctrl-C costs a training."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO


class Terminal:
    """A stream that goes on in silence after a write to it has failed: a closed pipe, a full disk.

    error: that failure, or None.
    """

    def __init__(self, stream: TextIO):
        self._stream, self.error = stream, None

    def write(self, text: str) -> int:
        self._attempt(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        self._attempt(self._stream.flush)

    def __getattr__(self, name: str):
        return getattr(self._stream, name)

    def _attempt(self, call: Callable[[], object]) -> None:
        try:
            if self.error is None:
                call()
        except OSError as error:
            self.error = error
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())  # else Python tries again at its end
            os.close(nowhere)


@contextmanager
def stopping() -> Iterator[Callable[[dict], bool]]:
    """A callback for `nonsmooth.training.train` that ends the training once the process is asked to end.

    Ctrl-C, SIGTERM or SIGHUP asks, once: what has been trained can then be saved. A second one ends the process. A
    signal that the caller ignores stays ignored.
    """
    asked = False

    def ask(*_) -> None:
        nonlocal asked
        asked = True
        for number, former in handlers.items():
            signal.signal(number, former)

    handlers = {}
    if threading.current_thread() is threading.main_thread():  # no other can set handlers
        known = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        handlers = {number: former for number, former in known.items() if former not in (signal.SIG_IGN, None)}
    for number in handlers:
        signal.signal(number, ask)
    try:
        yield lambda row: asked
    finally:
        for number, former in handlers.items():
            signal.signal(number, former)
