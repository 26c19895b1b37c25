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
_MASK = 2**64 - 1


def initial_state(seed: int) -> int:
    """Return the generator's first state for a network's seed (SplitMix64's finalizer)."""
    z = (seed + 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def draw(state: int) -> tuple[int, int]:
    """Return the next state and 32 random bits."""
    shifted = (((state >> 18) ^ state) >> 27) & 0xFFFFFFFF
    turn = state >> 59
    bits = ((shifted >> turn) | (shifted << (-turn & 31))) & 0xFFFFFFFF
    return (state * MULTIPLIER + INCREMENT) & _MASK, bits


def permutations(seed: int, samples: int, epochs: int) -> NDArray[np.int64]:
    """Return the order of the samples in each epoch, shape (epochs, samples).

    Args:
        seed: the network's seed, from 0 to 2⁶⁴ − 1.
        samples: number of samples, at least 1.
        epochs: number of epochs.

    Example:
        >>> sorted(permutations(1, 5, 2)[1].tolist())
        [0, 1, 2, 3, 4]
    """
    state, order = initial_state(seed), list(range(samples))
    orders = np.empty((epochs, samples), dtype=np.int64)
    for epoch in range(epochs):
        for last in range(samples - 1, -1, -1):
            state, bits = draw(state)
            place = (bits * (last + 1)) >> 32
            order[last], order[place] = order[place], order[last]
        orders[epoch] = order[::-1]
    return orders


def _initial_states(seeds: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the first states of all networks; array arithmetic is modulo 2⁶⁴ by itself."""
    z = seeds + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _draws(states: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return all next states and 32 random bits for each network."""
    shifted = (((states >> np.uint64(18)) ^ states) >> np.uint64(27)) & np.uint64(0xFFFFFFFF)
    turn = states >> np.uint64(59)
    back = (np.uint64(32) - turn) & np.uint64(31)
    bits = ((shifted >> turn) | (shifted << back)) & np.uint64(0xFFFFFFFF)
    return states * np.uint64(MULTIPLIER) + np.uint64(INCREMENT), bits


def orders(seeds: ArrayLike, samples: int) -> Iterator[NDArray[np.int64]]:
    """Yield the orders of all networks, epoch after epoch, without end.

    The e-th array yielded has the row ``permutations(seeds[r], samples, e + 1)[e]`` for network r.

    Args:
        seeds: shape (R,), each from 0 to 2⁶⁴ − 1.
        samples: number of samples, at least 1.

    Yields:
        A new array of shape (R, samples).

    Example:
        >>> first = next(orders([1, 2], 5))
        >>> bool((first[0] == permutations(1, 5, 1)[0]).all())
        True
    """
    states = _initial_states(np.atleast_1d(np.asarray(seeds, dtype=np.uint64)))
    networks = np.arange(len(states))
    # One row a place: the swaps of all networks then touch memory that lies together.
    order = np.repeat(np.arange(samples, dtype=np.int64)[:, None], len(states), axis=1)
    while True:
        for last in range(samples - 1, -1, -1):
            states, bits = _draws(states)
            places = ((bits * np.uint64(last + 1)) >> np.uint64(32)).astype(np.intp)
            moved = order[places, networks]
            order[places, networks] = order[last]
            order[last] = moved
        yield order[::-1].T.copy()
