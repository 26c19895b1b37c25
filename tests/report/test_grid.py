"""Tables: cells as text, and which are set in small letters or as lists."""

import pytest

from firstlight.report.view import grid_of as make


def test_a_column_of_words_is_not_numeric() -> None:
    grid = make(1, ["a", "b", "c"], [["C1", 1.5, None], ["C3", -2, "few"]], "")
    assert grid.numeric == [False, True, False]
    assert grid.rows[1][1] == "\u22122"


def test_a_row_of_another_length_is_named() -> None:
    with pytest.raises(ValueError, match="'c', row 1: expected 2 cells, got 3"):
        make(1, ["a", "b"], [[1, 2], [1, 2, 3]], "c")


def test_a_small_table_stays_as_it_is() -> None:
    grid = make(1, ["Arm", "Share"], [["plain", 0.5]], "")
    assert not grid.dense
    assert not grid.stacked


def test_many_columns_become_small_and_then_lists() -> None:
    estimate = "96.45 % (96 to 97 %)"
    three = make(1, ["Arm", *"abc"], [["plain", *[estimate] * 3]], "")
    assert (three.dense, three.stacked) == (False, True)
    five = make(1, ["Arm", *"abcde"], [["plain", *[estimate] * 5]], "")
    assert (five.dense, five.stacked) == (True, True)
