"""Where and how a study runs: everything that must not change its answer."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from firstlight.data import Dataset


def _silent(label: str, done: int, total: int) -> None:
    """Report progress to nobody."""


@dataclass(frozen=True)
class Work:
    """What was computed in one go, as provenance tells it.

    Args:
        label: what it was.
        trials: how many trials, those read from the run folder included.
        seconds: the time that they took, summed over trials.
        workers: processes or threads at a time.
        kind: ``"processes"`` or ``"threads"``.
        threads: threads within each of them.
    """

    label: str
    trials: int
    seconds: float
    workers: int
    kind: str
    threads: int = 1


@dataclass(frozen=True)
class Context:
    """The surroundings of one run.

    Args:
        folder: the run folder, where finished trials are stored; None keeps nothing.
        device: torch's name of the device, ``"cpu"`` or ``"cuda"``.
        progress: called as ``progress(label, done, total)``.
        dataset: the images of the study, loaded once; None where it needs none.
        done: what the run has computed so far; each part of it adds to the list.

    Example:
        >>> Context(device="cpu").folder is None
        True
    """

    folder: Path | None = None
    device: str = "cpu"
    progress: Callable[[str, int, int], None] = _silent
    dataset: "Dataset | None" = None
    done: list[Work] = field(default_factory=list)

    def images(self) -> "Dataset":
        """Return the data set.

        Raises:
            ValueError: the run has none.
        """
        if self.dataset is None:
            raise ValueError("context: expected a data set, got none; give Context(dataset=…)")
        return self.dataset
