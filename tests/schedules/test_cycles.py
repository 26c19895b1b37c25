import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstlight.schedules import (
    Schedule,
    constant,
    coupled_batch_size,
    coupled_learning_rate,
    exp_range,
    ramp,
    sgd_noise_scale,
    triangle,
    triangle2,
    whole_cycles,
)

LOW, HIGH, STEP = 0.002, 0.3, 7  # Smith's step size is half a cycle, counted in updates
UPDATES = np.arange(200)
QUICK = settings(max_examples=50, deadline=None)  # a busy machine is no failure

Bounds = tuple[float, float]
BOUNDS = st.tuples(st.floats(1e-6, 1e4), st.floats(1, 1e5)).map(lambda p: (p[0], p[0] * p[1]))


def keras_clr(scale: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """The formula of the first public implementation, with its counts of updates."""
    cycle = np.floor(1 + UPDATES / (2 * STEP))
    x = np.abs(UPDATES / STEP - 2 * cycle + 1)
    return LOW + (HIGH - LOW) * np.maximum(0, 1 - x) * scale(cycle, UPDATES)


def wave(shape: str, batch: int, *, geometric: bool = False) -> Schedule:
    cycle = 2 * STEP * batch
    low, high = (math.exp(LOW), math.exp(HIGH)) if geometric else (LOW, HIGH)
    if shape == "triangle":
        return triangle(low, high, cycle, geometric=geometric)
    if shape == "triangle2":
        return triangle2(low, high, cycle, geometric=geometric)
    return exp_range(low, high, cycle, gamma=0.99 ** (1 / batch), geometric=geometric)


SCALES = {
    "triangle": lambda cycle, update: np.ones_like(cycle),
    "triangle2": lambda cycle, update: 1 / 2.0 ** (cycle - 1),
    "exp_range": lambda cycle, update: 0.99**update,
}


@pytest.mark.parametrize("batch", [1, 48, 1000])
@pytest.mark.parametrize("shape", SCALES)
def test_waves_equal_the_published_formula_at_every_batch_size(shape: str, batch: int) -> None:
    ours = [wave(shape, batch)(batch * update) for update in UPDATES.tolist()]
    np.testing.assert_allclose(ours, keras_clr(SCALES[shape]), rtol=1e-11)


@pytest.mark.parametrize("shape", SCALES)
def test_a_geometric_wave_is_the_formula_of_the_logarithm(shape: str) -> None:
    schedule = wave(shape, 64, geometric=True)
    ours = [math.log(schedule(64 * update)) for update in UPDATES.tolist()]
    np.testing.assert_allclose(ours, keras_clr(SCALES[shape]), rtol=1e-9, atol=1e-12)


def test_a_ramp_equals_numpys_spaces_and_then_stays() -> None:
    seen = np.linspace(0, 900, 19)
    up, straight = ramp(1e-5, 1.0, 900), ramp(1e-5, 1.0, 900, geometric=False)
    np.testing.assert_allclose([up(s) for s in seen], np.geomspace(1e-5, 1, 19), rtol=1e-12)
    np.testing.assert_allclose([straight(s) for s in seen], np.linspace(1e-5, 1, 19), rtol=1e-12)
    assert up(901) == straight(1e9) == 1.0
    assert up(0) == straight(0) == 1e-5


def test_the_final_amplitude_is_met_exactly() -> None:
    peak_at_the_end = exp_range(1.0, 3.0, 400, total_samples=200, final=0.25)
    assert peak_at_the_end(200) == 1.5
    assert exp_range(1.0, 3.0, 400, total_samples=1_000, final=0.1)(1_000) == pytest.approx(1.2)


@pytest.mark.parametrize("toward", ["low", "high"])
@pytest.mark.parametrize("geometric", [False, True])
def test_the_decay_can_begin_at_the_first_peak(toward: str, geometric: bool) -> None:
    """Until then the wave is the one without decay; begun a cycle later, it is a cycle late."""

    def wave(after: float, gamma: float = 0.1 ** (1 / 900)) -> Schedule:
        return exp_range(1, 9, 200, gamma=gamma, after=after, **ends)

    ends: dict[str, Any] = {"toward": toward, "geometric": geometric}
    late = exp_range(1, 9, 200, total_samples=1_000, final=0.1, after=100, **ends)
    assert late(100) == pytest.approx(9 if toward == "low" else 1)
    for seen in range(0, 1_001, 25):
        assert late(min(seen, 100)) == wave(0, gamma=1)(min(seen, 100))
        assert late(seen) == pytest.approx(wave(100)(seen))
        assert late(seen) == pytest.approx(wave(300)(seen + 200))


def test_final_and_gamma_say_the_same() -> None:
    by_final = exp_range(1, 9, 330, total_samples=5_000, final=0.03)
    by_gamma = exp_range(1, 9, 330, gamma=0.03 ** (1 / 5_000))
    for seen in range(0, 9_000, 37):
        assert by_final(seen) == pytest.approx(by_gamma(seen), rel=1e-11)


def test_without_decay_the_exponential_wave_is_the_triangle() -> None:
    flat = exp_range(1, 9, 330, gamma=1)
    assert [flat(s) for s in range(2_000)] == [triangle(1, 9, 330)(s) for s in range(2_000)]


@pytest.mark.parametrize("decay", ["amplitude", "both"])
def test_toward_high_is_the_mirror_image(decay: str) -> None:
    plain = {"total_samples": 3_000.0, "final": 0.2, "geometric": True, "decay": decay}
    up = exp_range(64, 2_048, 700, toward="high", **plain)  # type: ignore[arg-type]
    down = exp_range(64, 2_048, 700, toward="low", **plain)  # type: ignore[arg-type]
    for seen in range(0, 3_000, 11):
        assert up(seen) * down(seen) == pytest.approx(64 * 2_048, rel=1e-12)


def test_the_linear_mirror_image_begins_high_and_dips_less_and_less() -> None:
    up = exp_range(10, 50, 100, toward="high", total_samples=400, final=0.5)
    down = exp_range(10, 50, 100, total_samples=400, final=0.5)
    for seen in range(0, 400, 3):
        assert up(seen) + down(seen) == pytest.approx(60, rel=1e-12)
    assert [up(seen) for seen in (0, 100, 200)] == [50, 50, 50]
    assert up(50) < up(150) < up(250) < up(350)


@pytest.mark.parametrize("geometric", [False, True])
def test_both_bounds_decay_by_the_amplitude(geometric: bool) -> None:
    seen = np.arange(0, 2_000, 13)
    amplitude = 0.1 ** (seen / 2_000)
    steady = triangle(2, 20, 500, geometric=geometric)
    keep = exp_range(2, 20, 500, total_samples=2_000, final=0.1, decay="both", geometric=geometric)
    expected = amplitude * np.array([steady(s) for s in seen])
    np.testing.assert_allclose([keep(s) for s in seen], expected, rtol=1e-12)
    assert keep(2_000) == 0.2  # training that ends with a cycle ends at a tenth of the lower bound


def test_rising_bounds_never_overflow() -> None:
    rising = exp_range(1, 2, 10, gamma=0.1, decay="both", toward="high")
    assert math.isfinite(rising(1e6))


@QUICK
@given(BOUNDS, st.floats(1e3, 1e8), st.integers(1, 40), st.booleans())
def test_turns_are_exact_though_the_cycle_is_a_fraction(
    bounds: Bounds, total: float, cycles: int, geometric: bool
) -> None:
    """A cycle of total / cycles samples is rounded; the bounds must come out all the same."""
    low, high = bounds
    schedule = triangle(low, high, total / cycles, geometric=geometric)
    for cycle in range(cycles + 1):
        assert schedule(total / cycles * cycle) == low
        assert schedule(cycle * total / cycles) == low
        assert schedule(total / cycles * (cycle + 0.5)) == high


@QUICK
@given(BOUNDS, st.floats(1, 1e6), st.floats(0, 1e9), st.booleans(), st.floats(1e-300, 1))
def test_values_never_leave_the_bounds(
    bounds: Bounds, length: float, seen: float, geometric: bool, final: float
) -> None:
    low, high = bounds
    end = {"total_samples": length, "final": final, "geometric": geometric}
    for schedule in (
        ramp(low, high, length, geometric=geometric),
        triangle(low, high, length, geometric=geometric),
        triangle2(low, high, length, geometric=geometric),
        exp_range(low, high, length, **end),  # type: ignore[arg-type]
        exp_range(low, high, length, toward="high", **end),  # type: ignore[arg-type]
    ):
        assert low <= schedule(seen) <= high
        assert schedule(0) in (low, high)


def test_equal_bounds_are_a_constant() -> None:
    for geometric in (False, True):
        assert {triangle(3, 3, 7, geometric=geometric)(s) for s in range(30)} == {3.0}
    assert constant(0.25)(0) == constant(0.25)(1e12) == 0.25


@QUICK
@given(st.floats(1, 1e7), st.floats(1, 1e7))
def test_whole_cycles_is_the_nearest_length_that_fits(total: float, about: float) -> None:
    length = whole_cycles(total, about)
    most = int(min(2 * total / about, 3_000)) + 3
    best = min(abs(total / n - about) for n in range(1, most))
    if total / about < 2_000:
        assert abs(length - about) == pytest.approx(best)
    assert total / length == pytest.approx(round(total / length))


def test_the_noise_scale_of_a_known_recipe() -> None:
    # CIFAR-10, rate 0.1, batch 128, momentum 0.9 (Smith et al. 2018, section 5.1): B ≪ N
    assert sgd_noise_scale(0.1, 50_000, 128, 0.9) == pytest.approx(0.1 * 50_000 / (128 * 0.1))
    assert sgd_noise_scale(0.1, 50_000, 640, 0.9) == pytest.approx(
        sgd_noise_scale(0.02, 50_000, 128, 0.9)
    )


@QUICK
@given(BOUNDS, st.floats(0, 5_000), st.floats(0, 0.99), st.floats(1e-2, 1e4))
def test_coupled_schedules_keep_the_noise_scale(
    bounds: Bounds, seen: float, momentum: float, scale: float
) -> None:
    rate = triangle(*bounds, 700)
    plain = {"scale": scale, "samples": 50_000.0, "momentum": momentum}
    size = coupled_batch_size(rate, low=0, **plain)
    assert sgd_noise_scale(rate(seen), 50_000, size(seen), momentum) == pytest.approx(scale)
    back = coupled_learning_rate(size, **plain)
    assert back(seen) == pytest.approx(rate(seen))


def test_coupled_schedules_are_cut_to_their_bounds() -> None:
    size = coupled_batch_size(triangle(0.01, 1, 100), scale=10, samples=1_000, low=4, high=50)
    assert (size(0), size(50)) == (4, 50)
    rate = coupled_learning_rate(constant(500), scale=10, samples=1_000, high=2)
    assert rate(0) == 2


@pytest.mark.parametrize(
    "schedule",
    [
        constant(1),
        ramp(1, 2, 3),
        triangle2(1, 2, 3, geometric=True),
        exp_range(1, 2, 3, gamma=0.5, decay="both", toward="high"),
        coupled_batch_size(triangle(1, 2, 3), scale=1, samples=10),
    ],
)
def test_a_schedule_is_a_value(schedule: Schedule) -> None:
    """It can be stored, sent to another process, compared, and used as a key."""
    copy = pickle.loads(pickle.dumps(schedule))
    assert copy == schedule
    assert hash(copy) == hash(schedule)
    assert [copy(s) for s in range(9)] == [schedule(s) for s in range(9)]
    with pytest.raises(AttributeError):
        schedule.low = 0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: constant(-1), "at least 0"),
        (lambda: constant(math.nan), "finite"),
        (lambda: ramp(0, 1, 10), "0 < low"),
        (lambda: ramp(1, 2, 0), "samples: expected"),
        (lambda: triangle(2, 1, 10), "low <= high"),
        (lambda: triangle(-1, 1, 10), "0 <= low"),
        (lambda: triangle(1, math.inf, 10), "finite"),
        (lambda: triangle(1, 2, math.nan), "cycle_samples: expected"),
        (lambda: triangle(0, 2, 10, geometric=True), "0 < low"),
        (lambda: exp_range(1, 2, 10), "either final with total_samples, or gamma"),
        (lambda: exp_range(1, 2, 10, final=0.1), "either final"),
        (lambda: exp_range(1, 2, 10, total_samples=9), "either final"),
        (lambda: exp_range(1, 2, 10, total_samples=9, gamma=0.9), "either final"),
        (lambda: exp_range(1, 2, 10, total_samples=9, final=0.1, gamma=0.9), "either final"),
        (lambda: exp_range(1, 2, 10, gamma=1.1), "at most 1"),
        (lambda: exp_range(1, 2, 10, gamma=0.9, after=-1), "after: expected"),
        (lambda: exp_range(1, 2, 10, total_samples=9, final=0.1, after=9), "total_samples: exp"),
        (lambda: exp_range(1, 2, 10, total_samples=9, final=0), "above 0"),
        (lambda: exp_range(1, 2, 10, total_samples=0, final=0.1), "total_samples: expected"),
        (lambda: exp_range(1, 2, 10, gamma=0.9, decay="lower"), "'amplitude' or 'both'"),  # type: ignore[arg-type]
        (lambda: exp_range(1, 2, 10, gamma=0.9, toward="up"), "'low' or 'high'"),  # type: ignore[arg-type]
        (lambda: triangle(1, 2, 10)(-1), "samples: expected .* got -1"),
        (lambda: ramp(1, 2, 10)(math.inf), "got inf"),
        (lambda: constant(1)(math.nan), "got nan"),
        (lambda: whole_cycles(0, 1), "total_samples"),
        (lambda: sgd_noise_scale(0.1, 100, 0), "batch_size"),
        (lambda: sgd_noise_scale(-0.1, 100, 1), "lr: expected"),
        (lambda: sgd_noise_scale(0.1, 100, 1, 1.0), "momentum"),
        (lambda: coupled_batch_size(constant(1), scale=0, samples=9), "scale"),
        (lambda: coupled_learning_rate(constant(1), scale=1, samples=9, low=3, high=2), "bounds"),
    ],
)
def test_bad_input_is_refused_in_one_line(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
