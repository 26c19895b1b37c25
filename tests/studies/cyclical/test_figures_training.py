"""The figures of the trainings: curves and schedules as they are in the record."""

import numpy as np
import pytest

from firstlight.plotting.style import Plot
from firstlight.record import Record
from firstlight.studies.cyclical.figures import CURVES, SCHEDULES, curve_of


@pytest.mark.parametrize(
    ("plot", "panel", "policy", "name"),
    [(CURVES, -1, "cyclical_rate", "rates"), (SCHEDULES, 0, "growing_batch", "sizes")],
)
def test_schedules_reach_the_end_of_the_training(
    plot: Plot, panel: int, policy: str, name: str, made: Record
) -> None:
    line = plot.figure(made).axes[panel].lines[0]
    values = made.arrays.get(name, policy=policy).values
    assert line.get_xdata()[-1] == pytest.approx(made.config["epochs"])
    np.testing.assert_array_equal(line.get_ydata()[:-1], values)


def test_curves_are_those_of_the_record(made: Record) -> None:
    x, y = curve_of(made, "growing_batch", "validation_loss")
    array = made.arrays.get("curve", policy="growing_batch")
    np.testing.assert_array_equal(y, array.values[:, :, 1])
    assert x[-1] == pytest.approx(made.config["epochs"])
