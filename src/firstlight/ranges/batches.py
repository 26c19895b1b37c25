"""Batches of any size from the same data, for a training of a given length."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count, islice
from typing import Any, Literal

import numpy as np
import torch
from torch.utils.data import default_collate

from firstlight import seeds
from firstlight.data.batches import batch_sizes, slices
from firstlight.train.loop import length, map_tensors
from firstlight.types import Numbers

Make = Callable[[int], Iterable[Any]]
"""Batch size → the batches of one epoch."""

Batch = tuple[Any, int]
"""A batch and its number of samples."""

Unit = Literal["epochs", "updates", "samples"]


@dataclass(frozen=True)
class Budget:
    """The length of a training: an amount of ``epochs``, ``updates`` or ``samples``."""

    unit: Unit
    amount: float


def budget(epochs: float | None, updates: int | None, samples: int | None) -> Budget:
    """Return the one budget that was given; 5 epochs if none was.

    Raises:
        ValueError: more than one, or one that is not above 0.
    """
    units: dict[Unit, float | None] = {"epochs": epochs, "updates": updates, "samples": samples}
    given = [Budget(unit, amount) for unit, amount in units.items() if amount is not None]
    if len(given) > 1:
        names = " and ".join(one.unit for one in given)
        raise ValueError(f"budget: expected one of epochs, updates or samples, got {names}")
    chosen = given[0] if given else Budget("epochs", 5)
    if not chosen.amount > 0:
        raise ValueError(f"{chosen.unit}: expected above 0, got {chosen.amount}")
    return chosen


class Samples:
    """Batches of any size, for any budget, in an order that depends on the repeat alone.

    The data are as in ``batch_size``; inputs and targets may be tuples or mappings of tensors too.
    A function's batches come in its own order, whatever the seed.
    """

    def __init__(self, data: Any, seed: int) -> None:
        self._data, self._seed = data, seed
        self.count: int | None = None
        """Number of samples; None where only a function knows."""
        if isinstance(data, tuple | list):
            if len(data) != 2:
                raise ValueError(f"data: expected a pair (inputs, targets), got {len(data)} parts")
            self.count, targets = length(data[0]), length(data[1])
            if self.count != targets:
                raise ValueError(
                    f"data: expected one target for each input, got {targets} for {self.count}"
                )
        elif hasattr(data, "__getitem__") and hasattr(data, "__len__"):
            self.count = len(data)
        elif not callable(data):
            raise TypeError(
                f"data: expected (inputs, targets), a map-style data set or a function of the "
                f"batch size, got {type(data).__name__}"
            )
        if self.count == 0:
            raise ValueError("data: expected at least 1 sample, got 0")

    def batches(self, size: int, budget: Budget, repeat: int) -> Iterator[Batch]:
        """Yield each update's batch and its number of samples."""
        if self.count is None:
            yield from _made_batches(self._data, size, budget)
            return
        for indices in index_batches(self.count, size, budget, self._seed, repeat):
            yield self._gather(indices), len(indices)

    def _gather(self, indices: Numbers) -> Any:
        if not isinstance(self._data, tuple | list):
            return default_collate([self._data[at] for at in indices.tolist()])
        where = torch.from_numpy(indices)
        return map_tensors(lambda tensor: tensor[where.to(tensor.device)], tuple(self._data))


def index_batches(n: int, size: int, budget: Budget, seed: int, repeat: int) -> Iterator[Numbers]:
    """Yield the samples of each update; the order of the samples is the same for every size.

    For ``updates`` every batch has exactly ``size`` samples, and may begin in one epoch and end in
    the next. For ``epochs`` and ``samples`` each epoch ends with what is left, and the last batch
    is cut where the budget ends; see ``data.batches.batch_sizes``.

    Example:
        >>> [len(b) for b in index_batches(9, 4, Budget("epochs", 1), 0, 0)]
        [4, 5]
        >>> [len(b) for b in index_batches(9, 4, Budget("updates", 3), 0, 0)]
        [4, 4, 4]
    """
    orders = (seeds.generator(seed, "order", repeat, epoch).permutation(n) for epoch in count())
    if budget.unit == "updates":
        yield from islice(_whole_batches(orders, size), int(budget.amount))
        return
    left = round(budget.amount * n) if budget.unit == "epochs" else int(budget.amount)
    for order in orders:
        epoch = order[: max(1, left)]
        yield from (epoch[part] for part in slices(batch_sizes(len(epoch), size)))
        left -= len(epoch)
        if left <= 0:
            return


def _whole_batches(orders: Iterable[Numbers], size: int) -> Iterator[Numbers]:
    rest = np.empty(0, dtype=np.int64)
    for order in orders:
        rest = np.concatenate([rest, order])
        while len(rest) >= size:
            yield rest[:size]
            rest = rest[size:]


def _made_batches(make: Make, size: int, budget: Budget) -> Iterator[Batch]:
    """Yield the batches of ``make(size)``, made anew for each epoch, until the budget is spent."""
    spent = 0.0
    while spent < budget.amount:
        empty = True
        for batch in make(size):
            samples, empty = size, False
            with suppress(TypeError):
                samples = length(batch)
            yield batch, samples
            spent += {"updates": 1, "samples": samples, "epochs": 0}[budget.unit]
            if spent >= budget.amount:
                return
        if empty:
            raise ValueError(f"data: expected batches of {size} samples, got none")
        spent += budget.unit == "epochs"
