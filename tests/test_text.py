"""Numbers on the page: decimals, intervals, signs, dashes."""

import pytest

from firstlight import text as fmt
from firstlight.record import Fact


def plain(text: str) -> str:
    """Return text with ordinary spaces and minus signs."""
    return text.replace("\u202f", " ").replace("\u2212", "-")


@pytest.mark.parametrize(
    ("low", "high", "places"),
    [
        (96.57, 96.73, 2),
        (0.0, 9.9, 1),
        (0.0, 10.0, 0),
        (0.0, 0.99, 2),
        (0.0, 1.0, 1),
        (350.0, 440.0, 0),
        (0.0, 1e-12, 8),
        (1.0, 1.0, None),
        (2.0, 1.0, None),
        (None, 1.0, None),
        (float("nan"), 1.0, None),
        (0.0, float("inf"), None),
    ],
)
def test_decimals_show_two_digits_of_the_width(
    low: float | None, high: float | None, places: int | None
) -> None:
    assert fmt.decimals(low, high) == places


@pytest.mark.parametrize("exponent", range(-5, 4))
def test_decimals_are_invariant_to_the_unit(exponent: int) -> None:
    """Between 10 and 99 units of the last decimal fit into the interval, at any scale."""
    width = 0.37 * 10.0**exponent
    places = fmt.decimals(0.0, width)
    assert places is not None
    if places > 0:
        assert 10 <= round(width * 10**places) <= 99


@pytest.mark.parametrize(
    ("fact", "kind", "value", "interval"),
    [
        (Fact(0.966532, 0.96571, 0.96735, 9), "percent", "96.65 %", "96.57 to 96.73 %"),
        (Fact(0.006379, 0.00571, 0.00705, 9), "points", "+0.64 points", "+0.57 to +0.70 points"),
        (Fact(-0.0005, -0.006, 0.005, 9), "points", "-0.1 points", "-0.6 to +0.5 points"),
        (Fact(-0.0001, -0.02, 0.02, 9), "points", "0.0 points", "-2.0 to +2.0 points"),
        (Fact(0.5, n=1), "percent", "50.00 %", "–"),
        (Fact(397.0, 380.0, 410.0, 9), "number", "397", "380 to 410"),
        (Fact(2.5, 1.0, 4.0, 9), "signed", "+2.5", "+1.0 to +4.0"),
        (Fact(20000), "count", "20,000", "–"),
        (Fact(0.966532, 0.96571, 0.96735), "{:.1%}", "96.7 %", "96.6 to 96.7 %"),
        (Fact(-1.5, -2.0, -1.0), "{:.2f}", "-1.50", "-2.00 to -1.00"),
        (Fact(None), "percent", "–", "–"),
        (Fact(None), "{:.1%}", "–", "–"),
        (Fact(float("nan")), "number", "–", "–"),
        (Fact(True), "percent", "yes", "–"),
        (Fact("few"), "number", "few", "–"),
    ],
)
def test_value_and_interval(fact: Fact, kind: str, value: str, interval: str) -> None:
    assert plain(fmt.value(fact, kind)) == value
    assert plain(fmt.interval(fact, kind)) == interval


def test_a_negative_number_has_a_true_minus_sign() -> None:
    assert fmt.value(Fact(-3.5)) == "\u22123.5"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (20, "20"),
        (-0.0, "0"),
        (0.98123, "0.9812"),
        (123456.7, "123,457"),
        (1e-9, "1 × 10⁻⁹"),
        (2.5e12 + 0.5, "2.5 × 10¹²"),
        (float("inf"), "–"),
    ],
)
def test_numbers_without_an_interval(value: float, text: str) -> None:
    assert plain(fmt.number(value)) == text


def test_estimate_names_the_interval_only_where_there_is_one() -> None:
    assert plain(fmt.estimate(Fact(0.5, 0.4, 0.6), "percent")) == "50 % (95 % interval 40 to 60 %)"
    assert plain(fmt.estimate(Fact(0.5), "percent")) == "50.00 %"


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match=r"kind: expected one of number, .* got 'percents'"):
        fmt.value(Fact(1.0), "percents")


def test_a_per_cent_sign_stays_with_its_number() -> None:
    assert fmt.tie("95 % of 3 points, in % too") == "95\u202f% of 3 points, in % too"


def test_both_ends_of_a_signed_interval_have_signs() -> None:
    text = plain(fmt.estimate(Fact(0.0062, 0.0047, 0.0077), "points"))
    assert text == "+0.62 points (95 % interval +0.47 to +0.77 points)"
    assert plain(fmt.value(Fact(0.0062, 0.0047, 0.0077), "gap")) == "0.62 points"


def test_zero_has_no_sign_after_rounding() -> None:
    assert plain(fmt.value(Fact(-1e-9), "points")) == "0.00 points"
    assert "-" not in plain(fmt.estimate(Fact(-1e-14, -2e-14, 2e-14), "points"))


@pytest.mark.parametrize(
    ("p", "words"), [(0.5, "p = 0.5"), (0.0123, "p = 0.012"), (1e-12, "p < 0.0001"), (1.0, "p = 1")]
)
def test_p_values(p: float, words: str) -> None:
    assert fmt.p_value(p) == words
