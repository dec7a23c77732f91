"""Errors that the user can mend, shown by the commands as one message."""

from collections.abc import Iterable
from difflib import get_close_matches


class ConfigError(ValueError):
    """The configuration has values that cannot be run with; the message names each key, its value and the range."""


class DataError(RuntimeError):
    """The data could not be had, or is not what it should be."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows in place of the traceback; IPython asks for it."""
        return [f"{type(self).__name__}: {self}"]


class DivergedError(RuntimeError):
    """A training diverged. What it came to is saved."""


class NotebookError(RuntimeError):
    """A notebook could not be run to its end."""


def nearest(name: object, known: Iterable[object]) -> str:
    """The end of a message about an unknown name: the known one that is nearest, or nothing."""
    close = get_close_matches(str(name), map(str, known), n=1)
    return f"; the nearest name is {close[0]!r}" if close else ""
