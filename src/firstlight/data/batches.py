"""Batches: the sizes of an epoch's batches, and the samples in each, as slices of a permutation.

A single sample left over joins the batch before it, here and nowhere else: batch normalization
cannot learn from one sample.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from firstlight import seeds


def batch_sizes(
    n: int, size: int | Callable[[int], int], *, drop_last: bool = False
) -> tuple[int, ...]:
    """Return the sizes of one epoch's batches.

    The last batch is what is left over; a single sample left over joins the batch before it.

    Args:
        n: samples in the epoch.
        size: samples in a batch, at least 1; or a function of the samples in all batches before.
        drop_last: whether to leave out a last batch that is smaller than wanted, unless it is the
            only one.

    Raises:
        ValueError: a size is below 1.

    Example:
        >>> batch_sizes(10, 4), batch_sizes(9, 4), batch_sizes(9, lambda seen: 1 + seen)
        ((4, 4, 2), (4, 5), (1, 2, 4, 2))
    """
    sizes: list[int] = []
    seen, wanted = 0, 1
    while seen < n:
        wanted = size(seen) if callable(size) else size
        if wanted < 1:
            raise ValueError(f"batches: expected a size of at least 1, got {wanted}")
        sizes.append(min(wanted, n - seen))
        seen += sizes[-1]
    if len(sizes) > 1 and sizes[-1] < wanted:
        if drop_last:
            sizes.pop()
        elif sizes[-1] == 1:
            sizes[-2:] = [sizes[-2] + 1]
    return tuple(sizes)


def slices(sizes: Iterable[int]) -> Iterator[slice]:
    """Yield the slice of each batch, one after another.

    Example:
        >>> [list(range(9))[part] for part in slices([4, 5])]
        [[0, 1, 2, 3], [4, 5, 6, 7, 8]]
    """
    for low, high in itertools.pairwise(itertools.accumulate(sizes, initial=0)):
        yield slice(low, high)


def shuffled(
    n: int, batch_size: int, generator: np.random.Generator, *, device: str = "cpu"
) -> Iterator[Tensor]:
    """Yield the indices of one epoch's batches: every sample once, in random order.

    Args:
        n: samples, at least 1.
        batch_size: samples in a batch, at least 1; see ``batch_sizes`` for the last ones.
        generator: draws the permutation; the batches are its slices.
        device: where the indices shall lie.

    Raises:
        ValueError: ``n`` or ``batch_size`` is below 1.

    Example:
        >>> [len(b) for b in shuffled(10, 4, np.random.default_rng(0))]
        [4, 4, 2]
    """
    if n < 1 or batch_size < 1:
        raise ValueError(f"batches: expected n and batch_size of at least 1, got {n}, {batch_size}")
    order = torch.from_numpy(generator.permutation(n)).to(device)
    for part in slices(batch_sizes(n, batch_size)):
        yield order[part]


def count(n: int, batch_size: int) -> int:
    """Return how many batches ``shuffled`` yields.

    Example:
        >>> count(10, 4), count(9, 4)
        (3, 2)
    """
    return len(batch_sizes(n, batch_size))


class Loader:
    """Pairs of inputs and targets, epoch after epoch, each in an order of its own.

    Args:
        inputs: shape (n, …).
        targets: shape (n, …), on the same device.
        batch_size: samples in a batch, at least 1.
        seed: of the orders, at least 0.
        stream: names of the random stream; pass e, from 0, is drawn from
            ``seeds.generator(seed, *stream, e)``.

    Example:
        >>> loader = Loader(torch.arange(9), torch.arange(9), 4, 0, "batches")
        >>> len(loader), [len(targets) for _, targets in loader]
        (2, [4, 5])
    """

    def __init__(
        self, inputs: Tensor, targets: Tensor, batch_size: int, seed: int, *stream: str | int
    ) -> None:
        self._inputs, self._targets, self._batch_size = inputs, targets, batch_size
        self._seed, self._stream, self._passes = seed, stream, 0

    def __len__(self) -> int:
        return count(len(self._inputs), self._batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        generator = seeds.generator(self._seed, *self._stream, self._passes)
        self._passes += 1
        n, device = len(self._inputs), str(self._inputs.device)
        for batch in shuffled(n, self._batch_size, generator, device=device):
            yield self._inputs[batch], self._targets[batch]
