"""Data from which batches of any size can be made."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import default_collate

from firstlight.ranges.budget import Batch, Budget, Indices, index_batches, made_batches
from firstlight.train.accumulate import length

Make = Callable[[int], Iterable[Any]]
"""Batch size → the batches of one epoch."""


class Samples:
    """Batches of any size, for any budget, in an order that depends on the repeat alone.

    Args:
        data: a pair (inputs, targets) of tensors, or of tuples or mappings of them; a map-style
            data set; or a function batch size → the batches of one epoch.
        seed: of the order; a function's batches come in its own.

    Raises:
        TypeError: ``data`` is none of these.
        ValueError: it is empty, or there is not one target for each input.
    """

    def __init__(self, data: Any, seed: int) -> None:
        self._data, self._seed = data, seed
        self.count: int | None = None
        """Number of samples; None where only a function knows."""
        if isinstance(data, tuple | list):
            self.count = _pair(data)
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
            yield from made_batches(self._data, size, budget)
            return
        for indices in index_batches(self.count, size, budget, self._seed, repeat):
            yield self._gather(indices), len(indices)

    def _gather(self, indices: Indices) -> Any:
        if isinstance(self._data, tuple | list):
            return tuple(_pick(part, torch.from_numpy(indices)) for part in self._data)
        return default_collate([self._data[at] for at in indices.tolist()])


def _pair(data: Any) -> int:
    if len(data) != 2:
        raise ValueError(f"data: expected a pair (inputs, targets), got {len(data)} parts")
    inputs, targets = length(data[0]), length(data[1])
    if inputs != targets:
        raise ValueError(f"data: expected one target for each input, got {targets} for {inputs}")
    return inputs


def _pick(value: Any, indices: Tensor) -> Any:
    """Return some samples of a tensor, or of every tensor in a tuple, list or mapping."""
    if isinstance(value, Tensor):
        return value[indices.to(value.device)]
    if isinstance(value, Mapping):
        return {name: _pick(part, indices) for name, part in value.items()}
    return type(value)(_pick(part, indices) for part in value)
