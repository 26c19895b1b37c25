"""The figures and the page of the cyclical study."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from cyclical_samples import CASES, case, made
from firstlight.studies.cyclical import labels as marks
from firstlight.studies.cyclical import captions as words
from firstlight.plotting import plots, to_svg
from firstlight.ranges import algorithm
from firstlight.record.record import Array, Record, load, save
from firstlight.report import page
from firstlight.report.view import Drawn


@pytest.fixture(scope="module")
def record() -> Record:
    return made(lost=True)


def draw(record: Record, name: str) -> Figure:
    return next(plot for plot in plots("cyclical") if plot.name == name).figure(record)


def blank(record: Record) -> dict[str, Drawn]:
    """Return empty pictures in the place of the figures, which other tests draw."""
    return {
        plot.name: Drawn(b"<svg/>", plot.caption_for(record), plot.alt_for(record), 9, 9)
        for plot in plots(record.study)
        if plot.when(record)
    }


def html(record: Record, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(page, "draw_all", blank)
    return page.render([record])


def test_figures_draw_from_a_saved_record(record: Record, tmp_path: Path) -> None:
    kept = load(save(record, tmp_path))
    for plot in plots("cyclical"):
        assert plot.when(kept)
        assert plot.figure(kept).axes, plot.name


def test_the_same_record_gives_the_same_bytes(record: Record) -> None:
    for name in ("examples", "comparison"):
        assert to_svg(draw(record, name)) == to_svg(draw(record, name))


def test_the_page_answers_every_question(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    text = html(record, monkeypatch)
    assert text.count("<figure>") == len(plots("cyclical"))
    for n in range(1, 8):
        assert f'id="question-4-{n}"' in text
    assert "Not answered by this run" not in text
    assert "stand in for it" not in text


@pytest.mark.parametrize("name", CASES)
def test_other_runs_have_figures_and_a_page(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    other = case(name)
    figures = {plot.name: plot.figure(other) for plot in plots("cyclical") if plot.when(other)}
    names, policies = set(figures), other.config["policies"]
    assert ("cyclical_curves" in names) == ("cyclical_rate" in policies)
    assert ("batch_curves" in names) == any(p.endswith("_batch") for p in policies)
    assert ("differences" in names) == (len(policies) > 1)
    for figure in figures.values():
        noted = [t for t in figure.texts if t.get_gid() == "notice"]
        assert bool(noted) == bool(other.notices)
    text = html(other, monkeypatch)
    assert text.count("<figure>") == len(names)
    assert ("stand in for it" in text) == bool(other.notices)


def test_what_was_not_trained_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    text = html(case("no cycles"), monkeypatch)
    assert "This run trained neither of them." in text
    assert "This run trained growing batch only." in html(case("runs"), monkeypatch)


def test_bounds_are_drawn_where_the_record_has_them(record: Record) -> None:
    axes = draw(record, "rate_range").axes
    source = {"candidates": 0, "ramp": 1}[str(record.facts["lr_source"].value)]
    lines = {str(line.get_label()).split(":")[0]: line for line in axes[source].lines}
    for name in ("lr_min", "lr_max"):
        assert lines[name].get_xdata()[0] == record.value(name)
    sizes = draw(record, "batch_range").axes[0]
    upright = [line.get_xdata()[0] for line in sizes.lines if len(set(line.get_xdata())) == 1]
    assert {record.value("batch_min"), record.value("batch_max")} <= set(upright)


def test_nothing_is_marked_where_nothing_was_read() -> None:
    flat = case("nothing to read")
    labels = [str(line.get_label()) for line in draw(flat, "rate_range").axes[1].lines]
    assert not [label for label in labels if label.startswith(("starts", "slows", "steepest"))]
    caption = {plot.name: plot.caption_for(flat) for plot in plots("cyclical")}["rate_range"]
    assert "From the ramp not all can be told: no fall of the loss" in caption
    assert (
        "Crosses: a loss is not finite with the candidates at 10, with the ramp at 10." in caption
    )


def test_a_diverging_loss_does_not_flatten_the_curve(record: Record) -> None:
    bottom, top = words.frame(record)
    losses = record.arrays["ramp.losses"].values
    assert np.nanmax(losses) > 30
    assert 2.3 < top < 3.5
    assert 0 < bottom < np.nanmin(losses.mean(axis=0))
    assert draw(record, "rate_range").axes[0].get_ylim() == (bottom, top)


def test_a_frame_is_found_without_a_single_finite_loss(record: Record) -> None:
    lost = {
        f"{kind}.losses": Array(
            np.full_like(record.arrays[f"{kind}.losses"].values, np.nan), ("a", "b")
        )
        for kind in ("candidates", "ramp")
    }
    bare = dataclasses.replace(record, arrays={**record.arrays, **lost})
    assert words.frame(bare) == (0.0, 1.0)
    to_svg(draw(bare, "rate_range"))


def test_scores_in_the_comparison_are_those_of_the_record(record: Record) -> None:
    axes = draw(record, "comparison").axes
    for ax, score in zip(axes, ("best_accuracy", "test_accuracy"), strict=True):
        shown = [box.lines[0].get_xdata()[0] for box in ax.containers]
        wanted = [100 * record.value(f"{score}.{p}") for p in record.config["policies"]]
        np.testing.assert_allclose(shown, wanted)
    dots = [line.get_xdata() for line in axes[0].lines if len(line.get_xdata()) == 3]
    best = record.arrays["curve.cyclical_rate"].values[:, :, 3].max(axis=1)
    np.testing.assert_allclose(dots[2], 100 * best)


def test_schedules_reach_the_end_of_the_training(record: Record) -> None:
    for name, policy in (
        ("cyclical_curves", "cyclical_rate"),
        ("batch_schedules", "growing_batch"),
    ):
        axes = draw(record, name).axes
        line = axes[-1 if name == "cyclical_curves" else 0].lines[0]
        values = record.arrays[f"{'rates' if 'rate' in policy else 'sizes'}.{policy}"].values
        assert line.get_xdata()[-1] == pytest.approx(record.config["epochs"])
        np.testing.assert_array_equal(line.get_ydata()[:-1], values)


def test_the_algorithm_is_told_to_those_who_cannot_see_it(record: Record) -> None:
    alt = {plot.name: plot.alt_for(record) for plot in plots("cyclical")}["blocks"]
    blocks = json.loads(algorithm.to_json())
    assert all(block["text"] in alt for block in blocks)
    number = {block["name"]: at for at, block in enumerate(blocks, 1)}
    for block in blocks:
        if block["kind"] == "decision":
            assert f"(yes: {number[block['next']]}, no: {number[block['otherwise']]})" in alt


@pytest.mark.parametrize("n", [1, 2, 5, 90])
def test_smoothing_is_the_weighted_mean_of_a_loop(n: int) -> None:
    y = np.random.default_rng(n).normal(size=n)
    width = max(0.02 * n, 0.5)
    reach = min(n - 1, int(np.ceil(4 * width)))
    for i in range(n):
        near = range(max(0, i - reach), min(n, i + reach + 1))
        weights = [np.exp(-0.5 * ((j - i) / width) ** 2) for j in near]
        wanted = sum(w * y[j] for w, j in zip(weights, near, strict=True)) / sum(weights)
        assert marks.smoothed(y)[i] == pytest.approx(wanted)


def test_a_smoothed_step_keeps_its_place() -> None:
    step = np.repeat([1.0, 0.0], 100)
    assert marks.smoothed(step)[[99, 100]] == pytest.approx([0.55, 0.45], abs=0.06)
    np.testing.assert_allclose(marks.smoothed(step)[::-1], 1 - marks.smoothed(step), atol=1e-12)


def test_thinning_keeps_both_ends_and_short_lines_whole() -> None:
    assert marks.thinned(3).tolist() == [0, 1, 2]
    many = marks.thinned(100_000)
    assert (len(many), many[0], many[-1]) == (marks.MOST, 0, 99_999)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "not told"), (8192, "8,192"), (0.0123456, "0.0123"), (1e-9, "1 × 10⁻⁹"), (10.0, "10")],
)
def test_numbers_in_figures(value: float | None, text: str) -> None:
    assert marks.told(value) == text


def test_means_are_told_only_where_every_loss_is_finite() -> None:
    facts = marks.means(np.array([[1.0, np.nan], [3.0, 2.0]]))
    assert (facts[0].value, facts[0].n) == (2.0, 2)
    assert facts[1].value is None
    assert marks.means(np.array([[1.5]]))[0].low is None


def test_ticks_of_sizes_cover_the_range() -> None:
    assert marks.doublings(64, 1024) == [64, 128, 256, 512, 1024]
    assert len(marks.doublings(1, 65_536)) == 9


def test_no_label_leaves_the_page_without_a_number(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = html(record, monkeypatch)
    assert not re.findall(r"\bnan\b|\binf\b|e-0\d|undefined|None", re.sub(r"<[^>]*>", " ", text))
