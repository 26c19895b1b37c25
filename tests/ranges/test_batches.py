"""Which samples each update sees, for every kind of budget."""

import math
from collections import Counter

import numpy as np
import pytest

from firstlight import seeds
from firstlight.ranges.batches import Budget, index_batches

N = 100


@pytest.mark.parametrize("size", [1, 7, 9, 11, 33, 99, 100])
@pytest.mark.parametrize("epochs", [1, 3])
def test_an_epoch_holds_every_sample_once(size: int, epochs: int) -> None:
    batches = list(index_batches(N, size, Budget("epochs", epochs), 0, 0))
    lengths = [len(batch) for batch in batches]
    assert len(batches) == epochs * (
        N // size if N % size <= 1 and size > 1 else math.ceil(N / size)
    )
    per_epoch = np.concatenate(batches).reshape(epochs, N)
    assert (np.sort(per_epoch) == np.arange(N)).all()
    assert size == 1 or 1 not in lengths
    assert max(lengths) <= size + 1


@pytest.mark.parametrize("size", [1, 7, 33, 100])
def test_updates_have_the_whole_size_and_samples_end_where_they_end(size: int) -> None:
    updates = list(index_batches(N, size, Budget("updates", 11), 0, 0))
    assert [len(batch) for batch in updates] == [size] * 11
    seen = Counter(np.concatenate(updates).tolist())
    assert max(seen.values()) - min(seen[n] for n in range(N)) <= 1
    for samples in (1, 50, 100, 101, 257):
        batches = list(index_batches(N, size, Budget("samples", samples), 0, 0))
        assert sum(map(len, batches)) == samples


def test_all_sizes_see_the_samples_in_the_same_order_and_repeats_in_others() -> None:
    def order(size: int, seed: int = 0, repeat: int = 0) -> list[int]:
        batches = index_batches(N, size, Budget("epochs", 2), seed, repeat)
        return np.concatenate(list(batches)).tolist()

    assert order(8) == order(32) == order(100)
    assert len({tuple(o) for o in (order(8), order(8, 1), order(8, 0, 1))}) == 3
    assert order(8)[:N] != order(8)[N:]


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_orders_follow_from_the_seed_the_repeat_and_the_epoch(seed: int) -> None:
    """The random streams of published records, written out."""
    orders = [seeds.generator(seed, "order", 2, epoch).permutation(N) for epoch in range(2)]
    batches = index_batches(N, 32, Budget("epochs", 2), seed, 2)
    assert np.concatenate(list(batches)).tolist() == np.concatenate(orders).tolist()
