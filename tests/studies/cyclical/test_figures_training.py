"""The figures of the trainings: curves and schedules as they are in the record."""

import numpy as np
import pytest

from cyclical_facts import record
from firstlight.studies.cyclical.figures import BATCH_CURVES, CURVES, curve_of, schedule_of

USUAL = record()


def test_schedules_reach_the_end_of_the_training() -> None:
    for line, policy, name in (
        (CURVES.figure(USUAL).axes[2].lines[0], "cyclical_rate", "rates"),
        (BATCH_CURVES.figure(USUAL).axes[0].lines[0], "growing_batch", "sizes"),
    ):
        values = USUAL.arrays.get(name, policy=policy).values
        assert line.get_xdata()[-1] == pytest.approx(USUAL.config["epochs"])
        np.testing.assert_array_equal(line.get_ydata()[: len(values) - 1], values[:-1])


def test_the_batch_that_is_left_over_is_not_drawn_as_a_fall() -> None:
    for policy in ("growing_batch", "shrinking_batch"):
        sizes = schedule_of(USUAL, policy, "sizes")[1]
        assert sizes.min() >= USUAL.facts.value("batch_min")
        assert sizes[-1] == sizes[-3]


def test_sizes_lie_between_lines_of_least_and_most_noise() -> None:
    panels = BATCH_CURVES.figure(USUAL).axes[:2]
    for ax in panels:
        low, high = ax.get_ylim()
        assert low < USUAL.facts.value("batch_min") < USUAL.facts.value("batch_used") < high
        heights = {text.get_text(): text.get_position()[1] for text in ax.texts}
        assert heights["least noise"] > heights["most noise"]


def test_accuracy_is_drawn_from_zero_with_guessing_in_it() -> None:
    ax = BATCH_CURVES.figure(USUAL).axes[-1]
    assert ax.get_ylim()[0] == 0
    assert "guessing" in [text.get_text() for text in ax.texts]
    assert max(ax.get_yticks()) <= 100


def test_the_loss_has_a_logarithmic_axis() -> None:
    assert CURVES.figure(USUAL).axes[0].get_yscale() == "log"


def test_curves_are_those_of_the_record() -> None:
    x, y = curve_of(USUAL, "growing_batch", "validation_loss")
    array = USUAL.arrays.get("curve", policy="growing_batch")
    np.testing.assert_array_equal(y, array.values[:, :, 1])
    assert x[-1] == pytest.approx(USUAL.config["epochs"])
