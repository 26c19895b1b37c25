import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstlight.ranges import Bounds, Reason, read_curve
from firstlight.seeds import generator

X = np.logspace(-6, 0, 100)
NUMBERS = ("low", "high", "steepest", "minimum", "rises_at", "diverges_at")


def clean(values: np.ndarray = X, center: float = 1e-3) -> np.ndarray:
    """Return a logistic descent from 2.3 to 0.4 whose 10 % point is center ÷ 3, 90 % center × 3."""
    return 2.3 - 1.9 / (1 + (values / center) ** -2)


def noisy(seed: int, size: int | tuple[int, ...] = X.size, scale: float = 0.1) -> np.ndarray:
    return scale * generator(seed, "noise").normal(size=size)


def numbers(bounds: Bounds) -> list[float | None]:
    return [getattr(bounds, name).value for name in NUMBERS]  # type: ignore[misc]


def test_a_logistic_descent_has_its_closed_form() -> None:
    bounds = read_curve(X, clean())
    assert (bounds.verdict, bounds.reason, bounds.explanation) == ("read", None, "")
    # 1 / (1 + (x/c)^-2) is a tenth at c/3, a half at c, where it is steepest, and 9/10 at 3c.
    assert bounds.low.value == pytest.approx(1e-3 / 3, rel=0.05)
    assert bounds.steepest.value == pytest.approx(1e-3, rel=0.05)
    assert bounds.high.value == pytest.approx(3e-3, rel=0.05)
    assert bounds.rises_at.value is bounds.diverges_at.value is None


@pytest.mark.slow
def test_intervals_hold_the_value_and_mostly_the_truth() -> None:
    held = []
    for seed in range(40):
        bounds = read_curve(X, clean() + noisy(seed))
        for name, true in {"low": 1e-3 / 3, "steepest": 1e-3, "high": 3e-3}.items():
            fact = getattr(bounds, name)
            assert fact.low <= fact.value <= fact.high
            held.append(fact.low <= true <= fact.high)
    # 120 intervals of nominally 95 %; smoothing takes some of it
    assert np.mean(held) > 0.85


@settings(max_examples=20, deadline=None)
@given(st.floats(1e-6, 1e6), st.floats(-100, 100), st.floats(1e-3, 1e3), st.integers(0, 5))
def test_bounds_follow_the_axis_and_ignore_the_losses_scale(
    scale: float, shift: float, stretch: float, seed: int
) -> None:
    y = clean() + noisy(seed)
    before = read_curve(X, y, bootstrap=0)
    after = read_curve(X * stretch, scale * (y + shift), bootstrap=0)
    assert after.verdict == before.verdict
    for old, new in zip(numbers(before)[:4], numbers(after)[:4], strict=True):
        assert old is not None
        assert new == pytest.approx(old * stretch, rel=0.02)


def test_the_same_seed_gives_the_same_bounds() -> None:
    y = clean() + noisy(0)
    assert read_curve(X, y, seed=3) == read_curve(X, y, seed=3)
    assert read_curve(X, y, seed=3).low != read_curve(X, y, seed=4).low


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_the_curve_ends_before_the_first_loss_that_is_not_finite(bad: float) -> None:
    y = clean() + noisy(1)
    broken = y.copy()
    broken[80] = bad
    broken[81:] = -50.0  # what comes later must not matter
    bounds, cut = read_curve(X, broken), read_curve(X[:80], y[:80])
    assert bounds.verdict == "read"
    assert (bounds.low, bounds.high, bounds.steepest) == (cut.low, cut.high, cut.steepest)
    assert bounds.diverges_at.value == pytest.approx(X[80])


@pytest.mark.parametrize("height", [1.0, 1e3, 1e30, 1e300])
def test_an_explosion_changes_nothing_before_it(height: float) -> None:
    y = clean() + noisy(2)
    blown = y.copy()
    blown[80:] += height * np.arange(1, 21) + 3
    calm, wild = read_curve(X[:80], y[:80], bootstrap=0), read_curve(X, blown, bootstrap=0)
    for name in ("low", "steepest", "high"):
        assert getattr(wild, name).value == pytest.approx(getattr(calm, name).value, rel=0.1)
    assert wild.diverges_at.value == pytest.approx(X[80], rel=0.2)
    assert wild.rises_at.value is not None
    assert wild.rises_at.value <= wild.diverges_at.value  # type: ignore[operator]


def test_a_small_rise_is_no_divergence() -> None:
    u = np.log10(X)
    bounds = read_curve(X, clean() + 0.4 * np.maximum(u + 1, 0) + noisy(3, scale=0.01))
    assert bounds.rises_at.value == pytest.approx(0.1, rel=0.9)
    assert bounds.diverges_at.value is None


def test_losses_may_be_zero_or_negative() -> None:
    plain = read_curve(X, clean())
    for shift in (-0.4, -1.0, -2.3, -9.0):
        assert read_curve(X, clean() + shift).low.value == pytest.approx(plain.low.value, rel=1e-3)


@pytest.mark.parametrize("count", [5, 10, 20])
def test_few_candidates_are_enough_for_a_wide_clean_curve(count: int) -> None:
    values = np.logspace(-5, -1, count)
    rises = 0.4 + 1.9 / (1 + (values / 1e-3) ** -1.2)
    assert read_curve(values, rises).verdict == "cannot tell"
    falling = read_curve(values, 2.3 - 1.9 / (1 + (values / 1e-3) ** -1.2))
    assert falling.steepest.value == pytest.approx(1e-3, rel=0.5)


@pytest.mark.parametrize("count", [0, 1, 4])
def test_fewer_than_five_finite_losses_cannot_be_read(count: int) -> None:
    y = clean()
    y[count:] = math.nan
    bounds = read_curve(X, y)
    assert bounds.verdict == "cannot tell"
    assert (bounds.reason, bounds.finite) == (Reason.TOO_SHORT, count)
    assert bounds.explanation.startswith(f"{count} finite losses")
    assert numbers(bounds)[:4] == [None] * 4
    assert bounds.diverges_at.value == X[count]


def test_a_constant_curve_cannot_be_read() -> None:
    bounds = read_curve(X, np.full(100, 2.3))
    assert (bounds.verdict, bounds.reason) == ("cannot tell", Reason.NO_DESCENT)
    assert read_curve(X[:8], np.full(8, 2.3)).reason is Reason.NO_DESCENT_OF_FEW


def test_a_curve_that_still_falls_has_a_lower_bound_only() -> None:
    bounds = read_curve(X[:52], (clean() + noisy(4, scale=0.02))[:52])
    assert bounds.verdict == "cannot tell"
    assert bounds.reason is Reason.FALLS_AT_END
    assert bounds.low.value is not None
    assert bounds.high.value is bounds.minimum.value is None


def test_a_curve_that_falls_from_the_start_has_an_upper_bound_only() -> None:
    bounds = read_curve(X[50:], (clean() + noisy(4, scale=0.02))[50:])
    assert bounds.verdict == "cannot tell"
    assert bounds.reason is Reason.FALLS_AT_START
    assert bounds.low.value is None
    # of the second half that is seen, 90 % end where 95 % of the whole do: at √19 × the center
    assert bounds.high.value == pytest.approx(math.sqrt(19) * 1e-3, rel=0.2)


def test_repeats_widen_intervals_by_what_differs_between_them() -> None:
    centers = (5e-4, 1e-3, 2e-3, 1e-3)
    noise = noisy(5, (4, 100), 0.02)
    alike = read_curve(X, clean() + noise)
    apart = read_curve(X, np.stack([clean(center=c) for c in centers]) + noise)
    assert alike.low.n == apart.low.n == 4
    assert alike.low.low is not None
    assert apart.low.low is not None
    width = [b.low.high / b.low.low for b in (alike, apart)]  # type: ignore[operator]
    assert width[1] > 1.5 * width[0]


def test_one_diverged_repeat_ends_the_curve() -> None:
    y = clean() + noisy(6, (3, 100))
    y[1, 70:] = math.inf
    assert read_curve(X, y).diverges_at.value == X[70]


def test_a_curve_that_falls_all_the_way_has_neither_bound() -> None:
    bounds = read_curve(X, -np.log10(X))
    assert bounds.reason is Reason.FALLS_THROUGHOUT
    assert bounds.low.value is bounds.high.value is bounds.minimum.value is None
    assert bounds.steepest.value is not None


@pytest.mark.parametrize(
    ("part", "slope", "reason"),
    [
        (slice(None), 0, None),
        (slice(52), 0, Reason.FALLS_AT_END),
        (slice(50, None), 0, Reason.FALLS_AT_START),
        (slice(None), 1, Reason.FALLS_THROUGHOUT),
        (slice(20), 0, Reason.NO_DESCENT),
    ],
)
def test_a_rising_curve_is_the_mirror_image_of_a_falling_one(
    part: slice, slope: float, reason: Reason | None
) -> None:
    x = X[part]
    y = (clean() + noisy(4, scale=0.02))[part] - slope * np.log(x)
    falling = read_curve(x, y)
    rising = read_curve(1e-6 / x[::-1], y[::-1], direction="rising")
    assert falling.reason is rising.reason is reason
    mirrored = {"low": "high", "high": "low"}
    for name in NUMBERS:
        place, image = getattr(falling, name), getattr(rising, mirrored.get(name, name))
        for one, other in (("value", "value"), ("low", "high"), ("high", "low")):
            if getattr(place, one) is None:
                assert getattr(image, other) is None
            else:
                assert getattr(image, other) == pytest.approx(1e-6 / getattr(place, one), rel=1e-6)


def test_only_reasons_with_a_direction_differ_between_directions() -> None:
    turned = {r for r in Reason if r.sentence("falling") != r.sentence("rising")}
    assert turned == {Reason.FALLS_THROUGHOUT, Reason.FALLS_AT_START, Reason.FALLS_AT_END}
    for reason in Reason:
        assert "{" not in Bounds(reason=reason).explanation


def test_batch_sizes_at_equal_epochs_rise_and_are_read_from_the_largest_down() -> None:
    sizes = 2.0 ** np.arange(6, 14)
    rises = np.array([0.60, 0.61, 0.60, 0.68, 1.05, 1.50, 1.66, 1.67])
    assert read_curve(sizes, rises).verdict == "cannot tell"
    rising = read_curve(sizes, rises, direction="rising")
    assert rising.verdict == "read"
    assert 512 < rising.steepest.value < 2048  # type: ignore[operator]
    assert rising.low.value < rising.steepest.value < rising.high.value  # type: ignore[operator]


def test_outliers_move_nothing() -> None:
    y = clean() + noisy(7, scale=0.05)
    hit = y.copy()
    hit[[5, 30, 75]] += [40.0, -30.0, 25.0]
    for name in ("low", "steepest", "high"):
        plain, moved = (getattr(read_curve(X, z, bootstrap=0), name).value for z in (y, hit))
        assert moved == pytest.approx(plain, rel=0.35)


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match=r"losses: expected shape \(100,\) or \(repeats, 100\)"):
        read_curve(X, clean()[:50])
    with pytest.raises(ValueError, match="values: expected finite, above 0, strictly increasing"):
        read_curve(X[::-1], clean())
    with pytest.raises(ValueError, match="values: expected finite, above 0"):
        read_curve(X - 1e-6, clean())
    with pytest.raises(ValueError, match="direction: expected 'falling' or 'rising', got 'up'"):
        read_curve(X, clean(), direction="up")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least one"):
        read_curve([], [])
    with pytest.raises(ValueError, match="bootstrap: expected 0 or more"):
        read_curve(X, clean(), bootstrap=-1)
