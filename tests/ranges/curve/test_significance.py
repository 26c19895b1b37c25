"""The tests for a descent against closed forms and their nominal levels."""

import numpy as np
import pytest
from scipy.stats import ttest_ind

from firstlight.ranges.curve.features import monotone_p, permutation_p, repeats_p
from firstlight.seeds import generator


def test_the_chance_is_uniform_for_flat_noise_and_large_for_a_rise() -> None:
    rng = generator(0, "chance")
    p = np.array([permutation_p(rng.normal(size=30)) for _ in range(400)])
    for level in (0.05, 0.2, 0.5):
        # three standard errors of a share of 400
        assert (p <= level).mean() == pytest.approx(level, abs=3 * np.sqrt(level / 400) + 0.01)
    up = [permutation_p(np.arange(30) / 5 + rng.normal(size=30)) for _ in range(50)]
    assert np.median(up) > 0.7


def test_the_repeats_p_is_tukeys_for_two_values() -> None:
    """With two values the studentized range is a t-test of both sides."""
    runs = np.array([[2.0, 1.1], [2.2, 1.3], [1.9, 1.4]])
    expected = ttest_ind(runs[:, 0], runs[:, 1]).pvalue
    assert repeats_p(runs) == pytest.approx(expected, rel=1e-6)
    assert repeats_p(runs[:, ::-1]) == 1.0  # a rise is no fall
    assert repeats_p(np.ones((2, 5))) == 1.0


def test_the_monotone_p() -> None:
    falling = np.array([9.0, 8, 7, 6, 5, 4, 3, 2, 1, 5, 7])
    assert monotone_p(falling) == 0.01
    assert monotone_p(np.array([4.0, 5, 6, 7, 8, 9, 3])) > 0.05
    assert monotone_p(np.arange(8.0)) == 1.0  # it only rises
