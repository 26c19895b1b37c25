"""How long each batch size is trained, and which samples its batches hold."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firstlight.seeds import generator
from firstlight.train.accumulate import length

Indices = NDArray[np.int64]
Batch = tuple[Any, int]
"""A batch and its number of samples."""


@dataclass(frozen=True)
class Budget:
    """The length of a training: an amount of ``epochs``, ``updates`` or ``samples``."""

    unit: str
    amount: float


def budget(epochs: float | None, updates: int | None, samples: int | None) -> Budget:
    """Return the one budget that was given; 5 epochs if none was.

    Raises:
        ValueError: more than one, or one that is not above 0.
    """
    given = {"epochs": epochs, "updates": updates, "samples": samples}
    named = [(unit, amount) for unit, amount in given.items() if amount is not None]
    if len(named) > 1:
        names = " and ".join(unit for unit, _ in named)
        raise ValueError(f"budget: expected one of epochs, updates or samples, got {names}")
    unit, amount = named[0] if named else ("epochs", 5)
    if not amount > 0:
        raise ValueError(f"{unit}: expected above 0, got {amount}")
    return Budget(unit, amount)


def orders(n: int, seed: int, repeat: int) -> Iterator[Indices]:
    """Yield a permutation of ``n`` samples for each epoch, without end; the same for every size."""
    for epoch in count():
        yield generator(seed, "order", repeat, epoch).permutation(n)


def index_batches(n: int, size: int, budget: Budget, seed: int, repeat: int) -> Iterator[Indices]:
    """Yield the samples of each update.

    For ``updates`` every batch has exactly ``size`` samples, and may begin in one epoch and end in
    the next. For ``epochs`` and ``samples`` each epoch ends with what is left, as with a
    DataLoader, and the last batch is cut where the budget ends; a single sample left over joins the
    batch before, since batch normalization cannot learn from one.

    Example:
        >>> [len(b) for b in index_batches(9, 4, Budget("epochs", 1), 0, 0)]
        [4, 5]
        >>> [len(b) for b in index_batches(9, 4, Budget("updates", 3), 0, 0)]
        [4, 4, 4]
    """
    if budget.unit == "updates":
        yield from islice(_endless(n, size, seed, repeat), int(budget.amount))
        return
    left = round(budget.amount * n) if budget.unit == "epochs" else int(budget.amount)
    for order in orders(n, seed, repeat):
        epoch = order[: max(1, left)]
        cuts = list(range(size, len(epoch), size))
        if size > 1 and cuts and len(epoch) - cuts[-1] == 1:
            cuts.pop()
        yield from np.split(epoch, cuts)
        left -= len(epoch)
        if left <= 0:
            return


def _endless(n: int, size: int, seed: int, repeat: int) -> Iterator[Indices]:
    rest = np.empty(0, dtype=np.int64)
    for order in orders(n, seed, repeat):
        rest = np.concatenate([rest, order])
        while len(rest) >= size:
            yield rest[:size]
            rest = rest[size:]


def made_batches(
    make: Callable[[int], Iterable[Any]], size: int, budget: Budget
) -> Iterator[Batch]:
    """Yield the batches of ``make(size)``, made anew for each epoch, until the budget is spent.

    Raises:
        ValueError: an epoch has no batches.
    """
    spent = 0.0
    while spent < budget.amount:
        empty = True
        for batch in make(size):
            samples, empty = _samples(batch, size), False
            yield batch, samples
            spent += {"updates": 1, "samples": samples}.get(budget.unit, 0)
            if spent >= budget.amount:
                return
        if empty:
            raise ValueError(f"data: expected batches of {size} samples, got none")
        spent += budget.unit == "epochs"


def _samples(batch: Any, size: int) -> int:
    try:
        return length(batch)
    except TypeError:
        return size
