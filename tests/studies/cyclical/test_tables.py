"""The tables of the cyclical study."""

import pytest

from cyclical_facts import CASES, case, record
from firstlight.record import Fact, Record
from firstlight.studies import study_of
from firstlight.studies.cyclical.labels import POLICY
from firstlight.text import number

SHEETS = {sheet.name: sheet for sheet in study_of("cyclical").sheets()}
USUAL = record(lost=True)


def headers_of(name: str, of: Record) -> list[str]:
    headers = SHEETS[name].headers
    return list(headers(of) if callable(headers) else headers)


@pytest.mark.parametrize("name", CASES)
def test_rows_have_a_cell_for_each_header(name: str) -> None:
    made = case(name)
    for sheet in SHEETS.values():
        if sheet.when(made):
            rows = sheet.rows(made)
            assert rows
            assert {len(row) for row in rows} == {len(headers_of(sheet.name, made))}, sheet.name


def test_the_parts_are_those_of_the_set_and_of_this_run() -> None:
    rows = {row[0]: list(row[1:]) for row in SHEETS["parts"].rows(USUAL)}
    assert rows["All"] == ["70,000", "7,000"]
    assert rows["Training set"] == ["60,000", "6,000"]
    assert rows["Training, in this run"] == ["5,500", "about 550"]


def test_losses_of_repeats_have_their_ends() -> None:
    rows = SHEETS["rate_losses"].rows(USUAL)
    losses = USUAL.arrays.get("candidates_losses").values[:, 0]
    mean, low, high = (number(float(x), 3) for x in (losses.mean(), losses.min(), losses.max()))
    assert rows[0][1] == f"{mean} ({low} to {high})"
    assert "not finite" in rows[-1][1]
    assert "(" not in SHEETS["rate_losses"].rows(case("one seed, one repeat"))[0][1]


def test_fastais_valley_is_left_out() -> None:
    rows = SHEETS["places"].rows(USUAL)
    assert [row[0] for row in rows][:3] == ["Starts to fall", "Steepest", "Levels off"]
    assert not [row for row in rows if "valley" in row[0].lower()]


def test_a_size_that_only_one_test_tried_has_dashes() -> None:
    rows = SHEETS["size_losses"].rows(USUAL)
    assert [row[0] for row in rows] == ["64", "128", "256", "512", "1,024"]
    assert rows[-1][-1] == "–"  # the algorithm stopped before
    assert rows[0][1] == "85"
    assert len(headers_of("size_losses", case("everything"))) == 6


def test_scores_are_those_of_the_policies_that_were_trained() -> None:
    rows = SHEETS["comparison"].rows(USUAL)
    assert [row[0] for row in rows] == [label.short for label in POLICY.values()]
    assert not SHEETS["batch_scores"].when(case("no cycles"))
    assert [row[0] for row in SHEETS["batch_scores"].rows(case("runs"))] == ["Growing batch"]
    batches = SHEETS["batch_scores"].rows(USUAL)
    assert [row[-1] for row in batches] == ["4", "4", "2", "2"]
    learned = SHEETS["batch_scores"].rows(record(failed=["growing_batch"]))
    assert [row[1] for row in learned] == [False, True, True, True]


def test_accuracies_keep_a_decimal_however_wide_the_interval() -> None:
    wide = record(("test_accuracy", Fact(0.969, 0.80, 1.0, 2), {"policy": "cyclical_rate"}))
    row = SHEETS["comparison"].rows(wide)[0]
    assert row[2].replace("\u202f", " ") == "96.9 % (80.0 to 100.0 %)"


def test_differences_are_in_points_with_one_decimal() -> None:
    rows = SHEETS["differences"].rows(USUAL)
    assert list(rows[0]) == [
        "Cyclical rate − Growing batch", "+30.0", "+28.0 to +32.0", "+30.0", "+28.0 to +32.0",
    ]  # fmt: skip
    pair = {"first": "fixed_low", "second": "cyclical_rate"}
    none = record(("difference", Fact(-0.00004, n=1), pair))
    row = next(r for r in SHEETS["differences"].rows(none) if "lr_min" in r[0])
    assert list(row[3:]) == ["0.0", "–"]
