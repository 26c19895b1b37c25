"""The exceptions that a caller may catch.

Each message is one line: what, expected, got, what to do.
"""


class FirstlightError(Exception):
    """Base of every error that firstlight raises on purpose."""


class ConfigError(FirstlightError, ValueError):
    """A parameter of a study or check is outside its range."""


class DataError(FirstlightError, ValueError):
    """A data file is missing, truncated, corrupt or of the wrong kind."""


class RecordError(FirstlightError, ValueError):
    """A record on disk is missing, incomplete or not a record."""


class FolderError(FirstlightError, ValueError):
    """A run folder already holds another run, or cannot be used."""


class TrialError(FirstlightError, RuntimeError):
    """A trial of a sweep failed; what had finished before is kept."""
