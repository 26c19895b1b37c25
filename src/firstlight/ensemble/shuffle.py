"""The order in which each network sees its samples: a shuffle anyone can repeat.

Every network has a 64-bit PCG32 generator and one permutation, shuffled anew before each epoch by
Fisher and Yates's method, from the last place down to the first. The samples are seen in the order in
which their places are settled: the last place first. The kernel does the same in machine code.

Source: M. E. O'Neill, "PCG: a family of simple fast space-efficient statistically good algorithms"
(2014), PCG-XSH-RR 64/32; D. Lemire, "Fast random integer generation in an interval" (2019), without
its rejection step: with fewer than 2¹⁶ samples no place is favored by more than one in 2¹⁶.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

MULTIPLIER = 6364136223846793005
INCREMENT = 1442695040888963407


@np.errstate(over="ignore")  # arithmetic is modulo 2⁶⁴, of which NumPy warns for single numbers
def initial_state(seeds: ArrayLike) -> NDArray[np.uint64]:
    """Return the generators' first states for the networks' seeds (SplitMix64's finalizer)."""
    z = np.asarray(seeds, dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def draw(states: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return the generators' next states and 32 random bits of each."""
    shifted = (((states >> np.uint64(18)) ^ states) >> np.uint64(27)) & np.uint64(0xFFFFFFFF)
    turn = states >> np.uint64(59)
    back = (np.uint64(32) - turn) & np.uint64(31)
    bits = ((shifted >> turn) | (shifted << back)) & np.uint64(0xFFFFFFFF)
    return states * np.uint64(MULTIPLIER) + np.uint64(INCREMENT), bits


def orders(seeds: ArrayLike, samples: int) -> Iterator[NDArray[np.int64]]:
    """Yield the orders of all networks, epoch after epoch, without end.

    Args:
        seeds: shape (R,), each from 0 to 2⁶⁴ − 1.
        samples: number of samples, at least 1.

    Yields:
        A new array of shape (R, samples).

    Example:
        >>> next(orders([1, 2], 5)).shape
        (2, 5)
    """
    states = np.atleast_1d(initial_state(seeds))
    networks = np.arange(len(states))
    # One row a place: the swaps of all networks then touch memory that lies together.
    order = np.repeat(np.arange(samples, dtype=np.int64)[:, None], len(states), axis=1)
    while True:
        for last in range(samples - 1, -1, -1):
            states, bits = draw(states)
            places = ((bits * np.uint64(last + 1)) >> np.uint64(32)).astype(np.intp)
            order[last], order[places, networks] = order[places, networks], order[last].copy()
        yield order[::-1].T.copy()
