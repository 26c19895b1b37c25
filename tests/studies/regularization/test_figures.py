"""The figures and tables of problem 3, from a record that was saved."""

from pathlib import Path

from firstlight.record import Record, load, save
from firstlight.studies import study_of

STUDY = study_of("regularization")


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
        assert not callable(sheet.headers)
        rows[sheet.name] = sheet.rows(record)
        assert {len(row) for row in rows[sheet.name]} == {len(sheet.headers)}, sheet.name
    normalized = 4 + 5 + 4
    sizes = {"differences": 10, "learned": normalized, "moving": normalized, "inside": 5}
    assert {name: len(rows[name]) for name in sizes} == sizes


def test_the_parameters_of_the_arm_with_most_layers_are_drawn(record: Record) -> None:
    plot = next(plot for plot in STUDY.plots() if plot.name == "parameters")
    ticks = [[t.get_text() for t in ax.get_xticklabels()] for ax in plot.figure(record).axes]
    assert ticks == [["input\n(1)", "conv1\n(6)", "conv2\n(16)", "fc1\n(120)", "fc2\n(84)"]] * 2
