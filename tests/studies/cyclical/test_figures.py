"""The figures and the page of the cyclical study, drawn from records made of facts."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from cyclical_facts import CASES, TRACE, case, record
from firstlight.plotting import to_svg
from firstlight.ranges import algorithm
from firstlight.record import Record, load, save
from firstlight.report import page
from firstlight.report.view import Drawn
from firstlight.studies import Study, study_of
from firstlight.studies.cyclical.labels import POLICY

PLOTS = {plot.name: plot for plot in study_of("cyclical").plots()}
USUAL = record(lost=True)


def blank(study: Study, made: Record) -> dict[str, Drawn]:
    """Return empty pictures in the place of the figures, which other tests draw."""
    return {
        plot.name: Drawn(b"<svg/>", plot.caption_for(made), plot.alt_for(made), 9, 9)
        for plot in study.plots()
        if plot.when(made)
    }


def html(made: Record, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(page, "draw_all", blank)
    return page.render([made])


def test_figures_draw_from_a_saved_record(tmp_path: Path) -> None:
    kept = load(save(USUAL, tmp_path))
    for plot in PLOTS.values():
        assert plot.when(kept)
        assert plot.figure(kept).axes, plot.name


def test_the_same_record_gives_the_same_bytes() -> None:
    for name in ("examples", "comparison"):
        assert to_svg(PLOTS[name].figure(USUAL)) == to_svg(PLOTS[name].figure(USUAL))


def test_the_page_answers_every_question_first(monkeypatch: pytest.MonkeyPatch) -> None:
    text = html(USUAL, monkeypatch)
    assert text.count("<figure>") == len(PLOTS)
    for part in re.split(r'<section class="question"', text)[1:]:
        assert part.index('class="verdict"') < min(
            part.find(tag) for tag in ("<p>", "<figure>", "<table") if tag in part
        )
    for n in range(1, 8):
        assert f'id="question-4-{n}"' in text
    assert "Not answered by this run" not in text


def test_the_page_shows_the_code_of_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    text = html(USUAL, monkeypatch)
    for words in (
        "def _sweep",
        "def __call__",
        "def double",
        "def halve",
        "def __iter__",
        "def plan",
    ):
        assert words in text


@pytest.mark.parametrize("name", CASES)
def test_no_label_leaves_the_page_without_a_number(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = re.sub(r"<pre.*?</pre>", " ", html(case(name), monkeypatch), flags=re.DOTALL)
    text = re.sub(r"<[^>]*>", " ", text)
    assert not re.findall(r"\bnan\b|\binf\b|e-0\d|undefined|None\b(?!:)", text)


@pytest.mark.parametrize("name", CASES)
def test_other_runs_have_figures(name: str) -> None:
    other = case(name)
    figures = {plot.name: plot.figure(other) for plot in PLOTS.values() if plot.when(other)}
    policies = other.config["policies"]
    assert ("cyclical_curves" in figures) == ("cyclical_rate" in policies)
    assert ("batch_curves" in figures) == bool({"growing_batch", "shrinking_batch"} & set(policies))
    for figure in figures.values():
        noted = [t for t in figure.texts if t.get_gid() == "notice"]
        assert bool(noted) == bool(other.notices)


def test_a_caption_speaks_of_shading_only_where_there_is_some() -> None:
    for name, shaded in (("usual", True), ("nothing to read", False)):
        for plot in ("rate_range", "batch_range"):
            assert ("Shaded" in PLOTS[plot].caption_for(case(name))) == shaded


def test_scores_in_the_comparison_are_those_of_the_record() -> None:
    left, right = PLOTS["comparison"].figure(USUAL).axes
    shown = [box.lines[0].get_xdata()[0] for box in left.containers]
    np.testing.assert_allclose(
        shown, [100 * USUAL.facts.value("test_accuracy", policy=policy) for policy in POLICY]
    )
    versus = [box.lines[0].get_xdata()[0] for box in right.containers]
    others = [policy for policy in POLICY if policy != "cyclical_rate"]
    np.testing.assert_allclose(
        versus, [100 * float(USUAL.facts.pair("difference", p, "cyclical_rate")) for p in others]
    )
    assert len(PLOTS["comparison"].figure(case("runs")).axes) == 1


def test_three_classes_are_shown_with_their_names() -> None:
    figure: Figure = PLOTS["examples"].figure(USUAL)
    assert len(figure.axes) == 9
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert list(filter(None, titles)) == ["Trouser", "Pullover", "Ankle boot"]


def test_the_algorithm_and_its_way_are_told_to_those_who_cannot_see_them() -> None:
    alt = PLOTS["blocks"].alt_for(USUAL)
    blocks = json.loads(algorithm.to_json())
    assert all(block["text"] in alt for block in blocks)
    number = {block["name"]: at for at, block in enumerate(blocks, 1)}
    for block in blocks:
        if block["kind"] == "decision":
            assert f"(yes: {number[block['next']]}, no: {number[block['otherwise']]})" in alt
    assert f"The run took the steps {', '.join(str(number[name]) for name in TRACE)}." in alt
