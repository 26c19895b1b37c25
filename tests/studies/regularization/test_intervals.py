"""Facts from many trainings' results: the two-level intervals against a bootstrap."""

import numpy as np
import pytest

from firstlight.record import Facts
from firstlight.record.store import TrialResult
from firstlight.studies.regularization.labels import CORRECT, LOSS
from firstlight.studies.regularization.run import Trials, all_arrays, all_facts

ARMS = ("norm_hidden", "dropout")
SEEDS, IMAGES = 30, 400


def trials(skills: tuple[float, float] = (2.0, 1.5), same: bool = False) -> Trials:
    """Results in which some images are hard for all networks and some seeds turn out better."""
    draw = np.random.default_rng(5)
    hard = draw.normal(size=IMAGES)
    found: dict[str, list[TrialResult]] = {}
    for arm, skill in zip(ARMS, skills, strict=True):
        found[arm], own = [], draw.normal(size=IMAGES)
        for _ in range(SEEDS):
            result = TrialResult()
            luck = 0.25 * draw.normal()
            chance = 1 / (1 + np.exp(-(skill + luck + hard + own)))
            right = (draw.random(IMAGES) < (2.0 if same else chance)).astype(np.uint8)
            for images in ("train", "validation", "test"):
                result.arrays.put(CORRECT[images], right)
                result.facts.put(LOSS[images], 0.1 + 0.01 * draw.random())
            found[arm].append(result)
    return found


def facts_of(results: Trials) -> Facts:
    return all_facts(results, all_arrays(results))


def half_width(table: np.ndarray) -> float:
    """Resample seeds and images, each with replacement, 2,000 times."""
    draw, means = np.random.default_rng(1), []
    for _ in range(2_000):
        seeds, images = (draw.integers(0, n, n) for n in table.shape)
        means.append(table[np.ix_(seeds, images)].mean())
    return float(1.96 * np.std(means))


def test_intervals_against_a_bootstrap_over_seeds_and_images() -> None:
    results = trials()
    facts = facts_of(results)
    a, b = (np.stack([r.arrays.get(CORRECT["test"]) for r in results[arm]]) for arm in ARMS)
    for fact, table in (
        (facts.get("test_accuracy", arm=ARMS[0]), a.astype(float)),
        (facts.get("difference", first=ARMS[0], second=ARMS[1]), a.astype(float) - b),
    ):
        assert float(fact) == pytest.approx(table.mean())
        assert fact.low is not None
        assert fact.high is not None
        # The bootstrap counts the part of neither three times (A. B. Owen, 2007): a little wide.
        assert half_width(table) == pytest.approx((fact.high - fact.low) / 2, rel=0.15)
        by_seed = 2.05 * table.mean(1).std(ddof=1) / SEEDS**0.5
        assert (fact.high - fact.low) / 2 > 1.15 * by_seed  # images count too


def test_all_right_everywhere_is_no_certainty() -> None:
    facts = facts_of(trials(same=True))
    fact = facts.get("test_accuracy", arm=ARMS[0])
    assert (float(fact), fact.high) == (1.0, 1.0)
    assert fact.low is not None
    assert 0.98 < fact.low < 1
    difference = facts.get("difference", first=ARMS[0], second=ARMS[1])
    assert difference.low == -(difference.high or 0)
    assert difference.low is not None
    assert difference.low < 0
    assert facts.value("mcnemar", first=ARMS[0], second=ARMS[1]) == 1.0
    assert facts.value("mcnemar_seeds", first=ARMS[0], second=ARMS[1]) == 0
