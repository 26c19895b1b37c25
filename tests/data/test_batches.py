"""Batches: their sizes and their order, against the rules written out another way."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from firstlight import seeds
from firstlight.data.batches import Loader, batch_sizes, count, shuffled, slices


@given(n=st.integers(0, 300), size=st.integers(1, 320))
def test_sizes_are_whole_but_for_the_end(n: int, size: int) -> None:
    full, rest = divmod(n, size)
    wanted = [size] * full + [rest] * (rest > 0)
    if rest == 1 and full and size > 1:
        wanted = [size] * (full - 1) + [size + 1]
    assert list(batch_sizes(n, size)) == wanted


@given(n=st.integers(1, 300), wanted=st.lists(st.integers(1, 40), min_size=1))
def test_sizes_that_change_hold_every_sample_and_leave_no_single_one(
    n: int, wanted: list[int]
) -> None:
    def size(seen: int) -> int:
        return wanted[seen % len(wanted)]

    sizes = batch_sizes(n, size)
    assert sum(sizes) == n
    starts = [part.start for part in slices(sizes)]
    assert all(got == size(start) for got, start in zip(sizes[:-2], starts, strict=False))
    assert len(sizes) == 1 or sizes[-1] > 1 or size(starts[-1]) == 1
    dropped = batch_sizes(n, size, drop_last=True)
    assert len(dropped) == 1 or all(
        got == size(part.start) for got, part in zip(dropped, slices(dropped), strict=True)
    )


@pytest.mark.parametrize("size", [0, -1, lambda seen: 0])
def test_sizes_below_one_are_refused(size: int | Callable[[int], int]) -> None:
    with pytest.raises(ValueError, match="batches: expected a size of at least 1"):
        batch_sizes(5, size)


@pytest.mark.parametrize(("n", "size"), [(10, 4), (8, 4), (9, 4), (1, 4), (3, 1), (65, 64), (5, 9)])
def test_an_epoch_is_a_permutation_cut_into_batches(n: int, size: int) -> None:
    batches = list(shuffled(n, size, seeds.generator(3, "batches", 1)))
    order = seeds.generator(3, "batches", 1).permutation(n)
    assert torch.cat(batches).tolist() == order.tolist()
    assert [len(batch) for batch in batches] == list(batch_sizes(n, size))
    assert (
        len(batches) == count(n, size) == math.ceil(n / size) - (n % size == 1 < min(n - 1, size))
    )


@pytest.mark.parametrize(("n", "size"), [(0, 4), (4, 0)])
def test_an_epoch_of_nothing_is_refused(n: int, size: int) -> None:
    with pytest.raises(ValueError, match="batches: expected n and batch_size of at least 1"):
        next(shuffled(n, size, np.random.default_rng(0)))


def test_a_loader_gives_pairs_and_every_pass_an_order_of_its_own() -> None:
    x = torch.arange(9)
    loader = Loader(x, 10 * x, 4, 5, "range", 2)
    for number in range(3):
        batches = list(loader)
        assert len(batches) == len(loader) == 2
        assert all(torch.equal(10 * inputs, targets) for inputs, targets in batches)
        order = seeds.generator(5, "range", 2, number).permutation(9)
        assert torch.cat([inputs for inputs, _ in batches]).tolist() == order.tolist()
