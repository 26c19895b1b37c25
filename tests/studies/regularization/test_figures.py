"""The figures and tables of problem 3, from a record that was saved."""

from dataclasses import replace
from pathlib import Path

import pytest

from firstlight.record import Fact, Facts, Record, load, save
from firstlight.studies import study_of
from firstlight.studies.regularization import labels
from firstlight.studies.study import Sheet, Study

STUDY = study_of("regularization")

PUBLISHED = {"gamma_low": 0.123, "gamma_mean": 1.456, "gamma_high": 2.789}


@pytest.fixture(autouse=True)
def nothing_published(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is published changes; these tests say what is."""
    monkeypatch.setattr(Study, "published", lambda _: None)


@pytest.fixture
def published(record: Record, monkeypatch: pytest.MonkeyPatch) -> Record:
    """A published run, larger, without the newest arm, in which one comparison is reversed."""
    facts = Facts()
    for measure, at, fact in record.facts.entries():
        if measure == "difference":
            sign = -1 if at == {"first": "dropout", "second": "norm_dropout"} else 1
            fact = Fact(0.01 * sign, 0.01 * sign - 0.001, 0.01 * sign + 0.001, 5)
        if "norm_dropout_last" not in at.values():
            facts.put(measure, Fact(PUBLISHED[measure]) if measure in PUBLISHED else fact, **at)
    run = replace(record, config={**record.config, "epochs": 99}, facts=facts)
    monkeypatch.setattr(Study, "published", lambda _: run)
    return run


def sheet_of(name: str) -> Sheet:
    return next(sheet for sheet in STUDY.sheets() if sheet.name == name)


def headers_of(sheet: Sheet, record: Record) -> list[str]:
    return [*(sheet.headers(record) if callable(sheet.headers) else sheet.headers)]


def test_figures_draw_from_a_saved_record(record: Record, tmp_path: Path) -> None:
    loaded = load(save(record, tmp_path))
    for plot in STUDY.plots():
        assert plot.when(loaded)
        figure = plot.figure(loaded)
        assert figure.axes
        assert all(ax.has_data() for ax in figure.axes), plot.name
        assert plot.caption_for(loaded)
        assert plot.alt_for(loaded)


def test_tables_have_a_cell_for_each_header(record: Record) -> None:
    rows = {}
    for sheet in STUDY.sheets():
        rows[sheet.name] = sheet.rows(record)
        assert {len(row) for row in rows[sheet.name]} == {len(headers_of(sheet, record))}, (
            sheet.name
        )
    normalized = 4 + 5 + 4 + 4
    sizes = {
        "differences": 15, "learned": 4, "learned_all": normalized, "moving": normalized,
        "inside": 6, "channels": 16, "input": 2, "together": 4, "recomputed": 4,
    }  # fmt: skip
    assert {name: len(rows[name]) for name in sizes} == sizes


def test_the_arms_of_the_two_questions_stand_side_by_side(record: Record) -> None:
    plot = next(plot for plot in STUDY.plots() if plot.name == "parameters")
    figure = plot.figure(record)
    ticks = [[t.get_text() for t in ax.get_xticklabels()] for ax in figure.axes]
    assert ticks == [["input\n(1)", "conv1\n(6)", "conv2\n(16)", "fc1\n(120)", "fc2\n(84)"]] * 2
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["BN hidden", "BN hidden + input"]


def test_channels_are_those_of_the_first_network(record: Record) -> None:
    rows = sheet_of("channels").rows(record)
    gamma = record.arrays.get("gamma", arm="norm_hidden", layer="conv1").values[0]
    assert [row[1] for row in rows[:6]] == [f"{value:.2f}" for value in gamma]
    assert {row[1] for row in rows[6:]} == {"–"}


def test_the_published_run_stands_beside(record: Record, published: Record) -> None:
    learned = sheet_of("learned")
    assert headers_of(learned, record)[-2:] == ["γ, published", "β, published"]
    assert {row[-2] for row in learned.rows(record)} == {"1.46 (0.12 to 2.79)"}
    together = sheet_of("together")
    cells = {row[0]: row[2] for row in together.rows(record)}
    assert cells["BN + dropout − Dropout"].startswith("+1.0")
    assert cells["BN + dropout last − BN hidden"] == "–"
    plot = next(plot for plot in STUDY.plots() if plot.name == "differences")
    assert "Rings: the published run." in plot.caption_for(record)
    assert plot.figure(record).axes
    assert "Rings" not in plot.caption_for(published)
    assert headers_of(learned, published) == ["Layer", "Units", "γ", "β"]


def test_what_the_published_run_reverses_is_said(record: Record, published: Record) -> None:
    facts = Facts()
    for measure, at, fact in record.facts.entries():
        here = measure == "difference" and at == {"first": "dropout", "second": "norm_dropout"}
        facts.put(measure, Fact(0.02, 0.01, 0.03, 5) if here else fact, **at)
    caption = sheet_of("together").caption
    assert callable(caption)
    assert "reverses BN + dropout − Dropout." in caption(replace(record, facts=facts))
    assert "reverses" not in caption(replace(published, config=record.config))


@pytest.mark.parametrize(
    ("seeds", "words"),
    [
        (1, "McNemar’s exact test"),
        (2, "2 × the smallest of the 2"),
        (5, "1.67 × the third smallest"),
    ],
)
def test_the_combined_p_value_is_explained(record: Record, seeds: int, words: str) -> None:
    caption = sheet_of("differences").caption
    assert callable(caption)
    assert words in caption(replace(record, config={**record.config, "seeds": seeds}))


def test_every_pair_of_the_questions_is_of_known_arms() -> None:
    assert {arm for pair in labels.PAIRS for arm in pair} <= {*labels.ARMS}
