"""The figures of the range tests: bounds, marks, the frame, smoothing."""

import dataclasses

import numpy as np
import pytest

from cyclical_samples import case
from firstlight.plotting import to_svg
from firstlight.record import Array, Arrays, Record
from firstlight.studies.cyclical.figures_ranges import RATES, SIZES, frame, smoothed


def test_bounds_are_drawn_where_the_record_has_them(made: Record) -> None:
    panel = {"candidates": 0, "ramp": 1}[str(made.facts.get("lr_source").value)]
    rates = RATES.figure(made).axes[panel]
    lines = {str(line.get_label()).split(":")[0]: line for line in rates.lines}
    for name in ("lr_min", "lr_max"):
        assert lines[name].get_xdata()[0] == made.facts.value(name)
    sizes = SIZES.figure(made).axes[0]
    upright = [line.get_xdata()[0] for line in sizes.lines if len(set(line.get_xdata())) == 1]
    assert {made.facts.value("batch_min"), made.facts.value("batch_max")} <= set(upright)


def test_nothing_is_marked_where_nothing_was_read() -> None:
    flat = case("nothing to read")
    labels = [str(line.get_label()) for line in RATES.figure(flat).axes[1].lines]
    assert not [label for label in labels if label.startswith(("starts", "slows", "steepest"))]
    caption = RATES.caption_for(flat)
    assert "with the candidates at 10" in caption
    assert "with the ramp at 10" in caption


def test_a_diverging_loss_does_not_flatten_the_curve(made: Record) -> None:
    bottom, top = frame(made)
    losses = made.data["ramp_losses"].values
    assert np.nanmax(losses) > 30
    assert 2.3 < top < 3.5
    assert 0 < bottom < np.nanmin(losses.mean(axis=0))
    assert RATES.figure(made).axes[0].get_ylim() == (bottom, top)


def test_a_frame_is_found_without_a_single_finite_loss(made: Record) -> None:
    arrays, lost = Arrays(), ("candidates_losses", "ramp_losses")
    for entry in made.arrays.entries():
        array = entry.value
        if entry.measure in lost:
            array = Array(np.full_like(array.values, np.nan), array.axes)
        arrays.put(entry.measure, array, **entry.coords)
    bare = dataclasses.replace(made, arrays=arrays)
    assert frame(bare) == (0.0, 1.0)
    to_svg(RATES.figure(bare))


@pytest.mark.parametrize("n", [1, 2, 5, 90])
def test_smoothing_is_the_weighted_mean_of_a_loop(n: int) -> None:
    y = np.random.default_rng(n).normal(size=n)
    width = max(0.02 * n, 0.5)
    reach = min(n - 1, int(np.ceil(4 * width)))
    for i in range(n):
        near = range(max(0, i - reach), min(n, i + reach + 1))
        weights = [np.exp(-0.5 * ((j - i) / width) ** 2) for j in near]
        wanted = sum(w * y[j] for w, j in zip(weights, near, strict=True)) / sum(weights)
        assert smoothed(y)[i] == pytest.approx(wanted)


def test_a_smoothed_step_keeps_its_place() -> None:
    step = np.repeat([1.0, 0.0], 100)
    assert smoothed(step)[[99, 100]] == pytest.approx([0.55, 0.45], abs=0.06)
    np.testing.assert_allclose(smoothed(step)[::-1], 1 - smoothed(step), atol=1e-12)
