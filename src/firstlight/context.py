"""Where and how a study runs: everything that must not change its answer."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


def _silent(label: str, done: int, total: int) -> None:
    """Report progress to nobody."""


@dataclass(frozen=True)
class Context:
    """The surroundings of one run.

    Args:
        folder: the run folder, where finished trials are stored; None keeps nothing.
        data: a folder with data sets, or None to search the known places.
        device: torch's name of the device, ``"cpu"`` or ``"cuda"``.
        download: whether a missing data set may be fetched.
        progress: called as ``progress(label, done, total)``.
    """

    folder: Path | None = None
    data: Path | None = None
    device: str = "cpu"
    download: bool = True
    progress: Callable[[str, int, int], None] = _silent


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1
