"""The figures of the range tests: bounds, marks, the frame, smoothing."""

import dataclasses

import numpy as np
import pytest

from cyclical_facts import case, record
from firstlight.plotting import to_svg
from firstlight.record import Array, Arrays
from firstlight.studies.cyclical.figures_ranges import RATES, SIZES, frame, smoothed

USUAL = record(lost=True)


def test_bounds_are_drawn_where_the_record_has_them() -> None:
    left = RATES.figure(USUAL).axes[0]
    lines = {str(line.get_label()): line for line in left.lines}
    for name, label in (("lr_min", "starts to fall"), ("lr_max", "levels off")):
        assert lines[label].get_xdata()[0] == USUAL.facts.value(name)
    panels = SIZES.figure(USUAL).axes
    for ax, start in ((panels[1], "batch"), (panels[-1], "auto")):
        upright = [line.get_xdata()[0] for line in ax.lines if len(set(line.get_xdata())) == 1]
        assert {USUAL.facts.value(f"{start}_{end}") for end in ("min", "max")} <= set(upright)


def test_the_recommended_size_is_marked_on_the_algorithms_curve() -> None:
    last = SIZES.figure(USUAL).axes[-1]
    marks = [line for line in last.lines if line.get_label() == "recommended"]
    assert [line.get_xdata()[0] for line in marks] == [64]


def test_every_batch_size_test_has_a_panel_with_the_same_axis() -> None:
    axes = SIZES.figure(case("everything")).axes
    assert len(axes) == 4
    assert len({ax.get_ylim() for ax in axes}) == 1


def test_a_legend_names_everything_once() -> None:
    for plot in (RATES, SIZES):
        (legend,) = plot.figure(USUAL).legends
        names = [text.get_text() for text in legend.get_texts()]
        assert len(names) == len(set(names))


def test_nothing_is_marked_where_nothing_was_read() -> None:
    flat = case("nothing to read")
    labels = [str(line.get_label()) for line in RATES.figure(flat).axes[1].lines]
    assert not {"starts to fall", "levels off", "steepest"} & set(labels)
    caption = RATES.caption_for(flat)
    assert "with the candidates at 10" in caption
    assert "with the ramp at 10" in caption


def test_a_diverging_loss_does_not_flatten_the_curve() -> None:
    bottom, top = frame(USUAL)
    losses = USUAL.arrays.get("ramp_losses").values
    assert np.nanmax(losses) > 30
    assert 2.3 < top < 3.5
    assert 0 < bottom < np.nanmin(losses.mean(axis=0))
    for ax in RATES.figure(USUAL).axes:
        assert ax.get_ylim() == (bottom, top)
    assert "Arrows" in RATES.caption_for(record())


def test_no_line_leaves_the_frame() -> None:
    _, top = frame(USUAL)
    for ax in RATES.figure(USUAL).axes:
        for line in ax.lines:
            if line.get_transform() == ax.transData:
                assert np.nanmax(np.asarray(line.get_ydata(), dtype=float)) <= top


def test_a_frame_is_found_without_a_single_finite_loss() -> None:
    arrays, lost = Arrays(), ("candidates_losses", "ramp_losses")
    for entry in USUAL.arrays.entries():
        array = entry.value
        if entry.measure in lost:
            array = Array(np.full_like(array.values, np.nan), array.axes)
        arrays.put(entry.measure, array, **entry.coords)
    bare = dataclasses.replace(USUAL, arrays=arrays)
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
