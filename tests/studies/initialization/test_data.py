"""The points of the ball, and their labels."""

import math

from firstlight.studies.initialization.data import ball


def test_the_ball_and_its_labels() -> None:
    x, y = ball(0)
    assert x.shape == (1_000, 10)
    assert abs(float(x.std(correction=0)) - 1) < 1e-5
    radius = float(x.norm(dim=1).max())
    assert abs(radius / math.sqrt(12) - 1) < 0.05  # E x² = r²/(d + 2)
    share = float((x.norm(dim=1) < 0.9 * radius).double().mean())
    assert abs(share - 0.9**10) < 0.06  # uniform in the ball
    assert 0.2 < float(y.mean()) < 0.8
    sums = x.sum(dim=1).abs()
    below, above = float(sums[y == 0].max()), float(sums[y == 1].min())
    assert below < above
    assert abs((below + above) / math.sqrt(12) - 1) < 0.05
