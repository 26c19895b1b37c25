"""The tables of the cyclical study."""

import pytest

from cyclical_samples import CASES, case
from firstlight.record import Record
from firstlight.studies import study_of
from firstlight.studies.cyclical.labels import POLICY
from firstlight.text import number

SHEETS = {sheet.name: sheet for sheet in study_of("cyclical").sheets()}


@pytest.mark.parametrize("name", CASES)
def test_rows_have_a_cell_for_each_header(name: str, made: Record) -> None:
    for record in (made, case(name)):
        for sheet in SHEETS.values():
            if sheet.when(record):
                rows = sheet.rows(record)
                assert rows
                assert {len(row) for row in rows} == {len(sheet.headers)}


def test_losses_of_repeats_have_their_ends(made: Record) -> None:
    rows = SHEETS["rate_losses"].rows(made)
    losses = made.data["candidates_losses"].isel(candidate=0)
    mean, low, high = (number(float(x), 3) for x in (losses.mean(), losses.min(), losses.max()))
    assert rows[0][1] == f"{mean} ({low} to {high})"
    assert "not finite" in rows[-1][1]
    assert "(" not in SHEETS["rate_losses"].rows(case("runs"))[0][1]


def test_scores_are_those_of_the_policies_that_were_trained(made: Record) -> None:
    names = [row[0] for row in SHEETS["comparison"].rows(made)]
    assert names == [label.short for label in POLICY.values()]
    assert not SHEETS["batch_scores"].when(case("no cycles"))
    assert [row[0] for row in SHEETS["batch_scores"].rows(case("runs"))] == ["Growing batch"]


def test_differences_are_in_points(made: Record) -> None:
    row = SHEETS["differences"].rows(made)[0]
    points = 100 * made.facts.value("difference", first="fixed_low", second="fixed_high")
    assert float(row[3].replace("−", "-")) == pytest.approx(
        points, abs=0.5
    )  # as many digits as the interval deserves
