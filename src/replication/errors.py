"""Errors that the user can mend, shown by the commands as one message."""


class ConfigError(ValueError):
    """The configuration has values that cannot be run with; the message names each key, its value and the range."""


class DataError(RuntimeError):
    """The data could not be had, or is not what it should be."""


class NotebookError(RuntimeError):
    """A notebook could not be run to its end."""
