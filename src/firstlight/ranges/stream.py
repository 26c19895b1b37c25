"""Batches without end: a loader is started again whenever it is through."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from firstlight.seeds import generator


class Stream:
    """The batches of a loader, pass after pass.

    A list or tuple is taken in its own order in the first repeat, and shuffled anew in every pass
    of the others; any other loader shuffles or not, as it is made.

    Args:
        batches: anything that can be iterated; an iterator lasts one pass only.
        seed: of the orders of a list.
        repeat: number of the repeat, from 0.

    Example:
        >>> stream = Stream([1, 2])
        >>> [stream.take() for _ in range(3)]
        [1, 2, 1]
    """

    def __init__(self, batches: Iterable[Any], *, seed: int = 0, repeat: int = 0) -> None:
        self._batches, self._seed, self._repeat = batches, seed, repeat
        self._taken = 0
        self.restart()

    def restart(self) -> None:
        """Begin with the first batch of the first pass."""
        self._now: Iterator[Any] | None = None
        self._shuffles = generator(self._seed, "batches", self._repeat)

    def take(self) -> Any:
        """Return the next batch.

        Raises:
            ValueError: there is no batch, or an iterator is used up.
        """
        for _ in range(2):
            if self._now is None:
                self._now = self._pass()
            for batch in self._now:
                self._taken += 1
                return batch
            if isinstance(self._batches, Iterator) and self._taken:
                raise ValueError(
                    f"batches: an iterator ended after {self._taken} batches and cannot start "
                    f"again; give a DataLoader or a list, or take fewer steps"
                )
            self._now = None
        raise ValueError("batches: expected at least 1 batch, got none")

    def _pass(self) -> Iterator[Any]:
        if self._repeat and isinstance(self._batches, list | tuple):
            order = self._shuffles.permutation(len(self._batches))
            return iter([self._batches[at] for at in order.tolist()])
        return iter(self._batches)


def passes(batches: Iterable[Any], least: int = 100) -> int:
    """Return the batches of one pass, and at least so many; ``least`` if nobody knows."""
    try:
        return max(least, len(batches))  # type: ignore[arg-type]  # the error is the answer
    except TypeError:
        return least


def mean_of(losses: list[float], first: int) -> float:
    """Return the mean of the losses from number ``first`` on."""
    return float(np.mean(losses[first:]))
