import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstlight import stats
from firstlight.record import Fact
from firstlight.seeds import generator

Z = 1.959963984540054  # the 97.5 % point of the normal distribution, for the closed forms below


def wilson_reference(k: int, n: int) -> tuple[float, float]:
    p = k / n
    centre = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    return centre - half, centre + half


@given(st.integers(1, 5_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_proportion_equals_wilsons_closed_form(counts: tuple[int, int]) -> None:
    k, n = counts
    fact = stats.proportion(k, n)
    low, high = wilson_reference(k, n)
    assert fact.value == k / n
    assert fact.low == pytest.approx(max(low, 0), abs=1e-9)
    assert fact.high == pytest.approx(min(high, 1), abs=1e-9)


def test_mean_equals_the_t_table() -> None:
    # 97.5 % point of Student's t with 4 degrees of freedom, from any printed table: 2.776
    fact = stats.mean([1.0, 2.0, 3.0, 4.0, 5.0])
    half = 2.776445 * math.sqrt(2.5 / 5)
    assert (fact.value, fact.n) == (3.0, 5)
    assert fact.low == pytest.approx(3 - half, abs=1e-5)
    assert fact.high == pytest.approx(3 + half, abs=1e-5)


def test_the_interval_of_a_share_ends_where_shares_end() -> None:
    free, held = stats.mean([0.9, 1.0]), stats.mean([0.9, 1.0], within=(0, 1))
    assert free.high is not None
    assert free.high > 1
    assert (held.value, held.low, held.high) == (free.value, free.low, 1.0)


def test_single_observation_has_no_interval() -> None:
    assert stats.mean([2.0]) == Fact(2.0, n=1)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    draws = generator(0, "coverage").exponential(size=(2_000, 40))
    hits = [stats.quantile(x, 0.5) for x in draws]
    share = np.mean([f.low <= math.log(2) <= f.high for f in hits])  # type: ignore[operator]
    assert 0.93 <= share <= 0.99
    normal = generator(0, "coverage", "normal").normal(size=(2_000, 5))
    share = np.mean([f.low <= 0 <= f.high for f in map(stats.mean, normal)])  # type: ignore[operator]
    assert 0.935 <= share <= 0.965


def test_quantile_interval_is_the_order_statistics() -> None:
    fact = stats.quantile(np.arange(1, 101), 0.5)
    assert (fact.low, fact.high) == (40.0, 61.0)
    assert stats.quantile([1.0, 2.0], 0.5) == Fact(1.5, n=2)


def test_paired_difference_uses_the_pairs() -> None:
    rng = generator(1, "pairs")
    base = rng.normal(size=50) * 10
    fact = stats.paired_difference(base + 1 + 0.01 * rng.normal(size=50), base)
    assert fact.low is not None
    assert fact.low > 0.9
    with pytest.raises(ValueError, match="equal lengths"):
        stats.paired_difference([1, 2], [1])


@pytest.mark.parametrize(("b", "c"), [(0, 0), (5, 1), (1, 5), (10, 10), (0, 30)])
def test_mcnemar_equals_the_binomial_sum(b: int, c: int) -> None:
    n, k = b + c, min(b, c)
    expected = min(1.0, 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n)
    assert stats.mcnemar(b, c) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("fact", "sign"),
    [
        (Fact(0.2, 0.1, 0.3), 1),
        (Fact(-0.2, -0.3, -0.1), -1),
        (Fact(0.1, -0.1, 0.3), 0),
        (Fact(0.1), 0),
        (Fact(0.1, 0.0, 0.2), 0),
    ],
)
def test_direction_needs_the_whole_interval(fact: Fact, sign: int) -> None:
    assert stats.direction(fact) == sign


@pytest.mark.parametrize(
    "call",
    [
        lambda: stats.proportion(1, 0),
        lambda: stats.proportion(3, 2),
        lambda: stats.mean([]),
        lambda: stats.mean([[1.0]]),
        lambda: stats.quantile([1.0], 1.0),
        lambda: stats.mcnemar(-1, 0),
    ],
)
def test_bad_input_is_refused(call: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        call()  # type: ignore[operator]


def test_geometric_mean_and_its_edges() -> None:
    fact = stats.geometric_mean([0.5, 2.0, 1.0])
    assert fact.value == pytest.approx(1.0)
    assert fact.low is not None
    assert fact.high is not None
    assert fact.low == pytest.approx(1 / fact.high)
    zero = stats.geometric_mean([0.0, 1.0, 2.0])
    assert (zero.value, zero.low, zero.n) == (1.0, None, 3)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.03], 0.03), ([0.03, 0.9], 0.06), ([0.9, 0.01, 0.02], 0.03), ([0.9, 0.8], 1.0)],
)
def test_combined_p(values: list[float], expected: float) -> None:
    assert stats.combined_p(values) == pytest.approx(expected)


def test_combined_p_is_never_too_small() -> None:
    """Under no difference a result below .05 is at most as likely as .05, dependent or not."""
    rng = np.random.default_rng(0)
    one = rng.random(4_000)
    for sets in (rng.random((4_000, 5)), np.repeat(one[:, None], 5, axis=1)):
        small = np.mean([stats.combined_p(list(row)) < 0.05 for row in sets])
        assert small < 0.05 + 3 * (0.05 * 0.95 / 4_000) ** 0.5
    with pytest.raises(ValueError, match="expected at least one"):
        stats.combined_p([])


def correct_tables(
    draw: np.random.Generator, seeds: int, images: int, seed_sd: float
) -> tuple[np.ndarray, np.ndarray]:
    """Two classifiers' results, shape (seeds, images): hard images are hard for both."""
    hard = draw.normal(size=images)

    def arm(skill: float) -> np.ndarray:
        noise = draw.normal(size=(seeds, images)) + seed_sd * draw.normal(size=(seeds, 1))
        return (hard + noise + skill > 0).astype(np.uint8)

    return arm(2.0), arm(1.8)


def test_the_two_level_interval_equals_the_analysis_of_variance_written_out() -> None:
    y = generator(0, "anova").integers(0, 2, size=(4, 30)).astype(float)
    y[:2] *= generator(0, "anova", "seeds").integers(0, 2, size=30)
    seeds, images = y.shape
    grand = sum(sum(row) for row in y) / y.size
    rows = [sum(row) / images for row in y]
    columns = [sum(column) / seeds for column in y.T]
    seed = images * sum((r - grand) ** 2 for r in rows) / (seeds - 1)
    image = seeds * sum((c - grand) ** 2 for c in columns) / (images - 1)
    rest = sum(
        (y[i, j] - rows[i] - columns[j] + grand) ** 2 for i in range(seeds) for j in range(images)
    ) / ((seeds - 1) * (images - 1))
    assert seed > rest
    assert image > rest  # so that no component is cut off
    variance = (seed + image - rest) / y.size
    fact = stats.two_level(y)
    assert fact.value == pytest.approx(grand)
    assert fact.high is not None
    assert fact.low == pytest.approx(2 * grand - fact.high)
    quantile = (fact.high - grand) / math.sqrt(variance)
    assert 1.98 < quantile < 3.183  # t with between 3 and 100 degrees of freedom


def test_the_two_level_interval_is_about_that_of_a_bootstrap_over_seeds_and_images() -> None:
    draw = generator(0, "bootstrap")
    first, second = correct_tables(draw, 100, 500, 0.1)  # many seeds: no correction for few
    gap = first.astype(float) - second
    means = []
    for _ in range(2_000):
        rows, columns = draw.integers(100, size=100), draw.integers(500, size=500)
        means.append(gap[rows][:, columns].mean())
    fact = stats.two_level_difference(first, second)
    assert fact.low is not None
    assert fact.high is not None
    # The bootstrap of a crossed table counts the rest three times (A. B. Owen, Annals of Applied
    # Statistics 1, 2007); the rest itself comes from random squares of two seeds and two images.
    i, k = draw.integers(100, size=(2, 20_000))
    j, m = draw.integers(500, size=(2, 20_000))
    square = (gap[i, j] - gap[i, m] - gap[k, j] + gap[k, m])[(i != k) & (j != m)]
    expected = np.var(means) - 2 * (square**2).mean() / 4 / gap.size
    assert (fact.high - fact.low) / (2 * Z) == pytest.approx(math.sqrt(expected), rel=0.06)


@pytest.mark.parametrize("seed_sd", [0.0, 0.1, 0.4])
def test_two_level_intervals_cover_the_truth_as_often_as_they_say(seed_sd: float) -> None:
    draw = generator(1, "two-level coverage")
    large = [correct_tables(draw, 2_000, 50, seed_sd) for _ in range(40)]
    truth = np.mean([first.mean() - second.mean() for first, second in large])
    facts = [stats.two_level_difference(*correct_tables(draw, 5, 400, seed_sd)) for _ in range(600)]
    share = np.mean([f.low <= truth <= f.high for f in facts])
    assert 0.93 <= share <= 0.99


def test_the_two_level_interval_of_one_seed_is_that_of_its_images() -> None:
    correct = np.array([[1] * 90 + [0] * 10])
    fact = stats.two_level(correct)
    half = 1.984217 * math.sqrt(0.09 / 99)  # t with 99 degrees of freedom
    assert (fact.value, fact.n) == (0.9, 1)
    assert fact.low == pytest.approx(0.9 - half, abs=1e-6)


def test_scores_that_are_all_the_same_are_no_certainty() -> None:
    same = stats.two_level_difference(np.ones((5, 2_000)), np.ones((5, 2_000)))
    assert same.value == 0
    assert same.high == pytest.approx(Z**2 / (2_000 + Z**2), abs=1e-9)
    assert same.low == -same.high  # type: ignore[operator]
    assert stats.mean([0.25, 0.25]) == Fact(0.25, n=2)


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (-0.01, 0.01, "no-difference"),
        (0.01, 0.019, "no-difference"),
        (0.01, 0.03, "better"),
        (-0.03, -0.01, "better"),
        (-0.01, 0.03, "cannot-tell"),
    ],
)
def test_a_difference_decides_by_its_interval(low: float, high: float, outcome: str) -> None:
    assert stats.decide(Fact((low + high) / 2, low, high, 5), 0.02) == outcome


def test_a_difference_without_an_interval_decides_nothing() -> None:
    assert stats.decide(Fact(3.0, n=1), 0.02) == "cannot-tell"


def test_a_network_learned_if_it_beats_guessing_in_accuracy_and_loss() -> None:
    assert stats.learned(Fact(0.3, 0.2, 0.4), 2.0, 10)
    assert not stats.learned(Fact(0.3, 0.09, 0.4), 2.0, 10)
    assert not stats.learned(Fact(0.3, 0.2, 0.4), Fact(2.31), 10)
    assert stats.learned(Fact(0.3), 2.0, 10)


def test_tables_of_scores_have_their_shape_checked() -> None:
    with pytest.raises(ValueError, match=r"correct: expected shape \(seeds, images"):
        stats.two_level([1, 0, 1])
    with pytest.raises(ValueError, match="pairs: expected equal shapes"):
        stats.two_level_difference([[1, 0]], [[1, 0, 1]])
