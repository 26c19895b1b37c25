"""What is read off smooth curves with known places, and fastai's valley against its authors' rule."""

import numpy as np
import pytest

from firstlight.ranges.curve.features import features, valley, valley_index
from firstlight.ranges.curve.spline import smoother
from firstlight.seeds import generator


def fastai_reference(losses: np.ndarray) -> int:
    """Find the valley as its authors do, by comparing all pairs."""
    count = len(losses)
    length, end, start = [1] * count, 0, 0
    for i in range(1, count):
        for j in range(i):
            if losses[i] < losses[j] and length[i] < length[j] + 1:
                length[i] = length[j] + 1
            if length[end] < length[i]:
                end = i
                start = end - length[end]
    third = (end - start) / 3
    return start + int(third) + int(third / 2)


@pytest.mark.parametrize("seed", range(30))
def test_the_valley_is_that_of_all_pairs(seed: int) -> None:
    rng = generator(seed, "valley")
    losses = rng.integers(0, 12, size=int(rng.integers(1, 60))).astype(float)
    assert valley_index(losses) == fastai_reference(losses)
    losses[rng.random(losses.size) < 0.2] = np.nan
    assert valley_index(losses) == fastai_reference(losses)


def test_too_short_a_curve_has_no_valley() -> None:
    assert valley(np.arange(1.0, 6.0), np.arange(5.0)) is None


def test_features_of_many_curves_are_those_of_each_and_near_their_closed_form() -> None:
    places = np.linspace(-5, 5, 100)
    smooth = smoother(places)
    curves = np.stack([1 / (1 + np.exp((places - center) / 0.5)) for center in (-1.0, 0.0, 1.5)])
    coefficients = smooth.fit(curves)[0]
    together = features(smooth, coefficients)
    for row, center in enumerate((-1.0, 0.0, 1.5)):
        alone = features(smooth, coefficients[row : row + 1])
        for name, place in vars(together).items():
            assert getattr(alone, name)[0] == pytest.approx(place[row], abs=1e-9)
        # a logistic step of width w is a tenth down at −w log 9 and steepest in the middle
        assert together.low[row] == pytest.approx(center - 0.5 * np.log(9), abs=0.1)
        assert together.high[row] == pytest.approx(center + 0.5 * np.log(9), abs=0.1)
        assert together.steepest[row] == pytest.approx(center, abs=0.05)
