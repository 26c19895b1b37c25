"""Each network's shuffle: the published generator, fair places, and one answer for all networks."""

from itertools import islice

import numpy as np
import pytest
from scipy import stats

from ensemble_reference import PCG32, permutations
from firstlight.ensemble.shuffle import INCREMENT, MULTIPLIER, draw, initial_state, orders

SEEDS = [0, 1, 2, 12345, 2**32, 2**63, 2**64 - 1]


def demo() -> PCG32:
    """Return the generator of the author's demonstration: seed 42, stream 54."""
    generator = PCG32(0, 54 * 2 + 1)
    generator.next()
    generator.state = (generator.state + 42) % 2**64
    generator.next()
    return generator


def test_the_reference_gives_the_published_numbers() -> None:
    generator = demo()
    found = [generator.next() for _ in range(6)]
    assert found == [0xA15C02B7, 0x7B47F409, 0xBA1D3330, 0x83D2F293, 0xBFA4784B, 0xCBED606E]


def test_draws_equal_the_reference() -> None:
    states = initial_state(SEEDS)
    references = [PCG32(int(state)) for state in states]
    for _ in range(200):
        states, bits = draw(states)
        assert bits.tolist() == [reference.next() for reference in references]
        assert states.tolist() == [reference.state for reference in references]
    assert MULTIPLIER % 8 == 5  # the multiplier and an odd increment give the full period
    assert INCREMENT % 2 == 1


def test_first_states_are_those_of_splitmix64() -> None:
    # The first two outputs of SplitMix64 seeded with 0; the second has the state moved on once.
    assert initial_state(0) == 0xE220A8397B1DCDAF
    assert initial_state(0x9E3779B97F4A7C15) == 0x6E789E6AA1B965F4


@pytest.mark.parametrize("samples", [1, 2, 3, 17, 100])
def test_all_networks_at_once_equal_fisher_and_yates_one_by_one(samples: int) -> None:
    found = np.stack(list(islice(orders(SEEDS, samples), 4)))
    expected = np.stack([permutations(seed, samples, 4) for seed in SEEDS], axis=1)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.int64


def test_a_yielded_order_is_left_alone() -> None:
    epochs = orders([3], 20)
    first = next(epochs)
    kept = first.copy()
    next(epochs)
    np.testing.assert_array_equal(first, kept)


def test_a_seed_is_needed_that_fits_64_bits() -> None:
    with pytest.raises(OverflowError):
        next(orders([-1], 3))


@pytest.mark.parametrize("epoch", [0, 1, 5])
def test_every_permutation_is_equally_likely(epoch: int) -> None:
    """Chi-square over the 24 permutations of 4 samples, neighbouring seeds, fixed in advance."""
    networks = 24_000
    *_, order = islice(orders(np.arange(networks), 4), epoch + 1)
    counts = np.unique(order @ [64, 16, 4, 1], return_counts=True)[1]
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > 1e-3


def test_epochs_are_independent() -> None:
    """Chi-square over the 36 pairs of permutations of 3 samples in epochs 1 and 2."""
    first, second = islice(orders(np.arange(36_000), 3), 2)
    pairs = (first @ [9, 3, 1]) * 27 + second @ [9, 3, 1]
    counts = np.unique(pairs, return_counts=True)[1]
    assert len(counts) == 36
    assert stats.chisquare(counts).pvalue > 1e-3


def test_every_sample_visits_every_place_equally() -> None:
    """Chi-square over sample and place for 50 samples, after one epoch of 5,000 networks."""
    order = next(orders(np.arange(5_000), 50))
    counts = np.array([np.bincount(column, minlength=50) for column in order.T])
    statistic = ((counts - 100.0) ** 2 / 100).sum()
    # Rows and columns both add up to the number of networks: 49² free counts.
    assert 1e-3 < stats.chi2.sf(statistic * 49 / 50, 49**2) < 1 - 1e-3
