"""The figures and the page of the cyclical study, drawn from made-up records."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from cyclical_samples import CASES, case
from firstlight.plotting import to_svg
from firstlight.ranges import algorithm
from firstlight.record import Record, load, save
from firstlight.report import page
from firstlight.studies import Study, study_of
from firstlight.studies.cyclical.labels import DIFFERENCES

PLOTS = study_of("cyclical").plots()


def draw(record: Record, name: str) -> Figure:
    return next(plot for plot in PLOTS if plot.name == name).figure(record)


def blank(study: Study, record: Record) -> dict[str, page.Drawn]:
    """Return empty pictures in the place of the figures, which other tests draw."""
    return {
        plot.name: page.Drawn(b"<svg/>", plot.caption_for(record), plot.alt_for(record), 9, 9)
        for plot in study.plots()
        if plot.when(record)
    }


def html(record: Record, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(page, "draw_all", blank)
    return page.render([record])


def test_figures_draw_from_a_saved_record(made: Record, tmp_path: Path) -> None:
    kept = load(save(made, tmp_path))
    for plot in PLOTS:
        assert plot.when(kept)
        assert plot.figure(kept).axes, plot.name


def test_the_same_record_gives_the_same_bytes(made: Record) -> None:
    for name in ("examples", "comparison"):
        assert to_svg(draw(made, name)) == to_svg(draw(made, name))


def test_the_page_answers_every_question(made: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    text = html(made, monkeypatch)
    assert text.count("<figure>") == len(PLOTS)
    for n in range(1, 8):
        assert f'id="question-4-{n}"' in text
    assert "Not answered by this run" not in text
    assert "stand in for it" not in text


def test_no_label_leaves_the_page_without_a_number(
    made: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = re.sub(r"<[^>]*>", " ", html(made, monkeypatch))
    assert not re.findall(r"\bnan\b|\binf\b|e-0\d|undefined|None", text)


@pytest.mark.parametrize("name", CASES)
def test_other_runs_have_figures_and_a_page(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    other = case(name)
    figures = {plot.name: plot.figure(other) for plot in PLOTS if plot.when(other)}
    names, policies = set(figures), other.config["policies"]
    assert ("cyclical_curves" in names) == ("cyclical_rate" in policies)
    assert ("batch_curves" in names) == bool({"growing_batch", "shrinking_batch"} & set(policies))
    assert ("differences" in names) == (len(policies) > 1)
    for figure in figures.values():
        noted = [t for t in figure.texts if t.get_gid() == "notice"]
        assert bool(noted) == bool(other.notices)
    text = html(other, monkeypatch)
    assert text.count("<figure>") == len(names)
    assert ("stand in for it" in text) == bool(other.notices)


def test_scores_in_the_comparison_are_those_of_the_record(made: Record) -> None:
    axes = draw(made, "comparison").axes
    for ax, measure in zip(axes, DIFFERENCES, strict=True):
        shown = [box.lines[0].get_xdata()[0] for box in ax.containers]
        wanted = [100 * made.facts.value(measure, policy=p) for p in made.config["policies"]]
        np.testing.assert_allclose(shown, wanted)
    dots = [line.get_xdata() for line in axes[0].lines if len(line.get_xdata()) == 3]
    curve = made.data["curve"].sel(policy="cyclical_rate", measure="validation_accuracy")
    np.testing.assert_allclose(dots[2], 100 * curve.max("point"))


def test_the_algorithm_is_described_to_those_who_cannot_see_it(made: Record) -> None:
    alt = {plot.name: plot.alt_for(made) for plot in PLOTS}["blocks"]
    blocks = json.loads(algorithm.to_json())
    assert all(block["text"] in alt for block in blocks)
    number = {block["name"]: at for at, block in enumerate(blocks, 1)}
    for block in blocks:
        if block["kind"] == "decision":
            assert f"(yes: {number[block['next']]}, no: {number[block['otherwise']]})" in alt
