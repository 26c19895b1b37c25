"""The perceptron study: exact areas, pairs, verdicts, reproducibility, figures, page, bench."""

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy import integrate

from benchmarks import perceptron as bench
from firstlight.studies.perceptron.config import PerceptronConfig
from firstlight.context import Context
from firstlight.studies.perceptron.figures import PLOTS
from firstlight.record.files import to_json
from firstlight.record.record import Fact, Record
from firstlight.report import page
from firstlight.studies.perceptron import areas
from firstlight.studies.perceptron.run import checkpoints, run
from firstlight.studies.perceptron.answers import verdicts

EDGES = [[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1], [1, 1], [-1, -1], [1, -1], [-1, 1], [1e-300, -1]]
WEIGHTS = np.vstack([EDGES, np.random.default_rng(0).normal(size=(25, 2))])
POINTS = np.random.default_rng(1).random((200_000, 2))


def decides(weights: Any, points: Any) -> Any:
    return np.asarray(points @ np.asarray(weights).T > 0)


@pytest.fixture(scope="module")
def record() -> Record:
    return run(PerceptronConfig(repeats=300, max_epochs=2_000), Context())


def test_area_equals_monte_carlo() -> None:
    truth = POINTS[:, 0] > POINTS[:, 1]
    shares = (decides(WEIGHTS, POINTS) == truth[:, None]).mean(axis=0)
    np.testing.assert_allclose(areas.accuracy(WEIGHTS), shares, atol=5 * 0.5 / np.sqrt(len(POINTS)))


@pytest.mark.parametrize("w", WEIGHTS[:20].tolist(), ids=str)
def test_area_equals_numerical_integration(w: list[float]) -> None:
    def right(x1: float) -> float:
        """Return the length of x2 in [0, 1] where sign(w·x) is right."""
        cut = 0.0 if w[1] == 0 else min(1.0, max(0.0, -w[0] * x1 / w[1]))
        ends = sorted({0.0, cut, x1, 1.0})
        return sum(
            (high - low) * ((w[0] * x1 + w[1] * (low + high) / 2 > 0) == (x1 > (low + high) / 2))
            for low, high in pairwise(ends)
        )

    kink = -w[1] / w[0] if w[0] and 0 < -w[1] / w[0] < 1 else 0.5
    value = integrate.quad(right, 0, 1, points=[kink], epsabs=1e-9)[0]
    assert areas.accuracy([w])[0] == pytest.approx(value, abs=1e-7)


def test_area_equals_the_closed_form() -> None:
    t = np.array([1e-9, 0.2, 1.0, 1.5, 40.0])
    error = np.where(t <= 1, (1 - t) / 2, (1 - 1 / t) / 2)
    weights = np.stack([t, -np.ones_like(t)], axis=1)
    np.testing.assert_allclose(areas.accuracy(weights), 1 - error, rtol=1e-14)
    np.testing.assert_allclose(areas.accuracy(-3 * weights), error, atol=1e-15)


def test_accuracy_on_points_counts_them() -> None:
    points = POINTS[:997]
    truth = points[:, 0] > points[:, 1]
    counted = (decides(WEIGHTS, points) == truth[:, None]).mean(axis=0)
    np.testing.assert_array_equal(areas.accuracy_on(WEIGHTS, points), counted)


def test_disagreement_equals_brute_force_over_pairs() -> None:
    p, under = areas.thresholds(WEIGHTS)
    gap = np.abs(p[:, None] - p)
    exact = np.where(under[:, None] == under, gap, 1 - gap)
    expected = exact.sum(axis=1) / (len(WEIGHTS) - 1)
    np.testing.assert_allclose(areas.disagreements(WEIGHTS), expected, atol=1e-13)
    sides = decides(WEIGHTS, POINTS[:20_000])
    counted = (sides[:, :, None] != sides[:, None, :]).mean(axis=0)
    np.testing.assert_allclose(exact, counted, atol=0.02)


def test_jackknife_equals_leaving_each_out() -> None:
    weights = WEIGHTS[10:]
    n = len(weights)
    left = [areas.disagreements(np.delete(weights, i, axis=0)).mean() for i in range(n)]
    error = np.sqrt((n - 1) / n * ((left - np.mean(left)) ** 2).sum())
    fact = areas.pair_mean(areas.disagreements(weights))
    half = 2.063898561628021  # Student's t, 24 degrees of freedom, 97.5 %
    assert fact.low is not None
    assert float(fact.value or 0) - fact.low == pytest.approx(half * error, rel=1e-9)
    assert areas.pair_mean([0.1, 0.1]) == Fact(0.1, n=2)


def test_off_centre_of_known_lines() -> None:
    X = np.array([[[1.0, 0.5], [0.5, 1.0]]])  # u = 1/4 and 3/4: the middle is the diagonal
    y = np.array([[1, -1]])
    assert areas.off_centre([[1.0, -1.0]], X, y).tolist() == [0.0]
    assert areas.off_centre([[0.75, -1.0]], X, y).tolist() == [0.5]
    assert np.isnan(areas.off_centre([[0.25, -1.0]], X, y)).all()  # outside the gap
    assert np.isnan(areas.off_centre([[1.0, -1.0]], X, np.ones((1, 2)))).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: areas.accuracy([1.0, 2.0, 3.0]), r"expected shape \(\.\.\., 2\)"),
        (lambda: areas.below([-1.0, 0.5]), "coordinates of at least 0"),
        (lambda: areas.disagreements([[1.0, 1.0]]), "R >= 2"),
    ],
)
def test_areas_refuse_bad_shapes(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_checkpoints_end_with_the_last_epoch() -> None:
    assert checkpoints(1) == [1]
    assert checkpoints(100) == [1, 2, 5, 10, 20, 50, 100]
    assert checkpoints(300)[-2:] == [200, 300]


@pytest.mark.parametrize("seed", range(2))
def test_known_values_are_met(seed: int) -> None:
    """Expected: 20,000 sets of another implementation; tolerance: 5 standard errors at 2,000."""
    facts = run(PerceptronConfig(seed=seed), Context()).facts
    expected = {
        "accuracy.perceptron": (0.9665, 0.005),
        "accuracy.hinge": (0.973, 0.005),
        "disagreement.perceptron": (0.053, 0.006),
        "disagreement.hinge": (0.040, 0.006),
        "early.accuracy.hinge": (0.889, 0.01),
        "early.disagreement.hinge": (0.165, 0.02),
    }
    for name, (value, tolerance) in expected.items():
        assert facts[name].value == pytest.approx(value, abs=tolerance), name


def test_the_same_seed_gives_the_same_bits(record: Record) -> None:
    again = run(PerceptronConfig(repeats=300, max_epochs=2_000), Context())
    assert again.facts == record.facts
    assert again.verdicts == record.verdicts
    for name, array in record.arrays.items():
        np.testing.assert_array_equal(again.arrays[name].values, array.values)
    other = run(PerceptronConfig(repeats=300, max_epochs=2_000, seed=1), Context())
    assert other.facts != record.facts


def test_differences_are_hinge_minus_perceptron(record: Record) -> None:
    for name in ("accuracy", "test_accuracy", "disagreement", "offcentre"):
        gap = record.value(f"{name}.hinge") - record.value(f"{name}.perceptron")
        assert record.value(f"{name}.difference") == pytest.approx(gap, abs=1e-12)
    early = record.value("early.accuracy.hinge") - record.value("early.accuracy.perceptron")
    assert record.value("early.difference") == pytest.approx(early, abs=1e-12)
    assert record.facts["accuracy.hinge"].n == 300


def test_the_first_draw_is_counted_on_its_own_points(record: Record) -> None:
    points, weights = (record.arrays[n].values for n in ("test.points", "first.weights"))
    right = decides(weights, points) == (points[:, :1] > points[:, 1:])
    assert record.value("first.accuracy.perceptron") == right[:, 0].mean()
    assert record.value("first.accuracy.hinge") == right[:, 1].mean()
    assert record.value("first.only_right.hinge") == (right[:, 1] & ~right[:, 0]).sum()


def test_the_last_point_of_the_curve_is_the_answer(record: Record) -> None:
    curve = record.arrays["curve.accuracy"].values
    for row, name in enumerate(("perceptron", "hinge")):
        fact = record.facts[f"accuracy.{name}"]
        assert curve[row, -1].tolist() == [fact.value, fact.low, fact.high]


def test_many_small_chunks_equal_one(monkeypatch: Any) -> None:
    from firstlight.studies.perceptron import run as perceptron

    config = PerceptronConfig(repeats=200, max_epochs=50)
    whole, calls = run(config, Context()), []
    monkeypatch.setattr(perceptron, "_chunks", lambda config: iter([64, 64, 72]))
    parts = run(config, Context(progress=lambda *call: calls.append(call)))
    assert parts.facts == whole.facts
    assert calls == [("training sets", done, 200) for done in (64, 128, 200)]


def altered(record: Record, **signs: int) -> dict[str, str]:
    """Return the verdicts with each named difference above, below or around zero."""
    facts = dict(record.facts)
    for name, sign in signs.items():
        middle = 0.02 * sign
        facts[name.replace("_", ".")] = Fact(middle, middle - 0.01, middle + 0.01, 300)
    return verdicts(facts, PerceptronConfig(repeats=300, max_epochs=2_000))


@pytest.mark.parametrize(
    ("sign", "words"),
    [
        (1, "The hinge loss is more accurate, by 2.00 percentage points (95 % interval 1.00 to"),
        (0, "we cannot tell which is more accurate"),
        (
            -1,
            "The perceptron criterion is more accurate, by 2.00 percentage points (95 % interval 1",
        ),
    ],
)
def test_verdict_on_accuracy_follows_the_interval(record: Record, sign: int, words: str) -> None:
    assert words in altered(record, accuracy_difference=sign)["1.3"]


@pytest.mark.parametrize(
    ("sign", "words"),
    [
        (1, "The perceptron criterion changes less"),
        (0, "we cannot tell which changes less"),
        (-1, "The hinge loss changes less"),
    ],
)
def test_verdict_on_disagreement_follows_the_interval(
    record: Record, sign: int, words: str
) -> None:
    assert words in altered(record, disagreement_difference=sign)["1.4"]


@pytest.mark.parametrize(
    ("late", "early", "words"),
    [
        (1, -1, "The order turns round"),
        (1, 1, "the order stays the same"),
        (1, 0, "cannot be told apart"),
        (0, -1, "the perceptron criterion is better"),
    ],
)
def test_verdict_on_early_stopping(record: Record, late: int, early: int, words: str) -> None:
    assert words in altered(record, accuracy_difference=late, early_difference=early)["1.3"]


@pytest.mark.parametrize(
    ("sign", "words"),
    [(-1, "nearer to the middle:"), (1, "yet this does not"), (0, "cannot be told")],
)
def test_verdict_on_the_reason(record: Record, sign: int, words: str) -> None:
    assert words in altered(record, offcentre_difference=sign)["1.3"]


@pytest.mark.parametrize(
    ("p", "value", "words"),
    [(5, 0.3, "cannot tell these"), (5, 0.001, "of the hinge"), (50, 0.001, "of the perceptron")],
)
def test_verdict_on_the_first_draw(record: Record, p: int, value: float, words: str) -> None:
    facts = {**record.facts, "first.mcnemar": Fact(value)}
    facts["first.only_right.perceptron"], facts["first.only_right.hinge"] = Fact(p), Fact(20)
    assert words in verdicts(facts, PerceptronConfig())["1.2"]


TINY = [
    {"repeats": 2, "train_points": 2, "test_points": 1, "max_epochs": 1},
    {"repeats": 3, "train_points": 2, "max_epochs": 3, "learning_rate": 1e-12},
    {"repeats": 20, "train_points": 2, "max_epochs": 3, "learning_rate": 1e6},
]


@pytest.mark.parametrize("changes", TINY, ids=str)
def test_extreme_configs_still_give_a_page(changes: dict[str, Any]) -> None:
    check_page(run(PerceptronConfig(**changes), Context()))


def check_page(record: Record) -> None:
    json.loads(to_json(record.as_dict()))
    text = page.render([record])
    assert text.count("<figure>") == len(PLOTS)
    assert "Not answered" not in text
    for plot in PLOTS:
        assert len(plot.alt_for(record)) > 40


def test_the_page_shows_figures_and_verdicts(record: Record) -> None:
    check_page(record)


def test_unconverged_sets_are_counted() -> None:
    record = run(PerceptronConfig(repeats=50, max_epochs=1), Context())
    assert record.value("converged.hinge") == 0.0
    assert "had not converged when it was stopped after 1 epochs" in record.verdicts["1.1"]


def test_the_bench_compares_equal_weights(monkeypatch: Any) -> None:
    rows = bench.measure(sets=10, rounds=1, max_epochs=200)
    assert [row["fits"] for row in rows] == [20, 20]
    assert rows[0]["largest_difference"] <= 1e-12
    assert "firstlight, all at once" in bench.table(rows)
    monkeypatch.setattr(bench, "_largest_difference", lambda ours, theirs: float("nan"))
    with pytest.raises(ArithmeticError, match="weights: expected equal"):
        bench.measure(sets=2, rounds=1, max_epochs=5)
