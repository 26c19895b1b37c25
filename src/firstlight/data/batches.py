"""Batches as slices of a permutation drawn from a generator."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor


def shuffled(
    n: int, batch_size: int, generator: np.random.Generator, *, device: str = "cpu"
) -> Iterator[Tensor]:
    """Yield the indices of one epoch's batches: every sample once, in random order.

    The last batch is what is left over; a single sample left over joins the batch before it, since
    batch normalization cannot learn from one sample.

    Args:
        n: samples, at least 1.
        batch_size: samples in a batch, at least 1.
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
    bounds = [*range(0, n, batch_size), n]
    if len(bounds) > 2 and batch_size > 1 and n - bounds[-2] == 1:
        del bounds[-2]
    for low, high in pairwise(bounds):
        yield order[low:high]


def count(n: int, batch_size: int) -> int:
    """Return how many batches ``shuffled`` yields.

    Example:
        >>> count(10, 4), count(9, 4)
        (3, 2)
    """
    full, rest = divmod(n, batch_size)
    return max(1, full + (rest > (1 if batch_size > 1 else 0)))
