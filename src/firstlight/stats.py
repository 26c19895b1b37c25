"""Intervals, paired differences and the tests that verdicts rest on."""

import math
from typing import Any

import numpy as np
from scipy import stats as scipy_stats

from firstlight.record import Fact, Outcome

CONFIDENCE = 0.95
"""Confidence of every interval in every record."""


def _vector(name: str, values: Any) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name}: expected a vector of at least 1 value, got shape {array.shape}")
    return array


def proportion(successes: int, n: int) -> Fact:
    """Return a share with its Wilson score interval.

    Args:
        successes: number of successes, 0 to ``n``.
        n: number of independent trials, at least 1.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    JASA 22 (1927).

    Example:
        >>> round(proportion(8, 10).low, 3)
        0.49
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"proportion: expected 0 <= successes <= n >= 1, got {successes} of {n}")
    result = scipy_stats.binomtest(int(successes), int(n))
    interval = result.proportion_ci(CONFIDENCE, method="wilson")
    return Fact(successes / n, float(interval.low), float(interval.high), int(n))


def mean(values: Any, *, within: tuple[float, float] = (-math.inf, math.inf)) -> Fact:
    """Return the mean with Student's t interval; none for a single value or for equal ones.

    Values that are all the same say nothing about how much the next one may differ.

    Args:
        values: shape (n,), independent observations.
        within: the values that the mean can take, e.g. (0, 1) for shares; the interval ends there.
    """
    x = _vector("values", values)
    center = float(x.mean())
    if (x == x[0]).all():
        return Fact(float(x[0]), n=int(x.size))
    half = float(scipy_stats.t.ppf((1 + CONFIDENCE) / 2, x.size - 1)) * _standard_error(x)
    low, high = max(within[0], center - half), min(within[1], center + half)
    return Fact(center, low, high, int(x.size))


def _standard_error(x: np.ndarray) -> float:
    return float(x.std(ddof=1)) / math.sqrt(x.size)


def geometric_mean(values: Any) -> Fact:
    """Return exp of the mean logarithm, with the interval of that mean.

    Where a value is not a positive number, the plain median is returned without an interval.

    Args:
        values: shape (n,), independent ratios.

    Example:
        >>> round(geometric_mean([0.5, 2.0]).value, 6)
        1.0
    """
    x = _vector("values", values)
    if not (np.isfinite(x) & (x > 0)).all():
        return Fact(float(np.median(x)), n=x.size)
    fact = mean(np.log(x))
    low, high = (None if end is None else float(np.exp(end)) for end in (fact.low, fact.high))
    return Fact(float(np.exp(float(fact))), low, high, fact.n)


def paired_difference(first: Any, second: Any) -> Fact:
    """Return the mean of ``first − second`` with Student's t interval over the pairs.

    Args:
        first: shape (n,).
        second: shape (n,), measured on the same n units in the same order.
    """
    a, b = _vector("first", first), _vector("second", second)
    if a.shape != b.shape:
        raise ValueError(f"pairs: expected equal lengths, got {a.size} and {b.size}")
    return mean(a - b)


def two_level(correct: Any, within: tuple[float, float] = (0.0, 1.0)) -> Fact:
    """Return the mean over seeds and images, with an interval for new seeds and new images.

    Every seed is scored on the same images. In y = μ + seed + image + rest, all three random, the
    variance of the mean is (MS_seed + MS_image − MS_rest) / (seeds · images); a component whose
    estimate is below zero counts as none. Student's t has Satterthwaite's degrees of freedom. Where
    no score differs from another, the interval is Wilson's for a share of 0 to either side.

    Args:
        correct: shape (seeds, images): 1 where the image is classified correctly, else 0; or a
            difference of two such tables. Of a single seed only the images are a sample.
        within: the values that the mean can take; the interval ends there.

    Returns:
        The mean, its 95 % interval, and n, the number of seeds.

    Raises:
        ValueError: the shape is another, or there are fewer than two images.

    Source: R. L. Brennan, "Generalizability Theory" (2001), sections 3.2 and 6.2.

    Example:
        >>> fact = two_level([[1, 1, 0, 1], [1, 0, 0, 1]])
        >>> fact.value, fact.n
        (0.625, 2)
    """
    y = np.asarray(correct, dtype=np.float64)
    if y.ndim != 2 or y.shape[0] < 1 or y.shape[1] < 2:
        raise ValueError(f"correct: expected shape (seeds, images >= 2), got {y.shape}")
    seeds, images = y.shape
    center = float(y.mean())
    if (y == y[0, 0]).all():
        half = float(proportion(0, images).high or 0.0)
    else:
        variance, freedom = _two_level_variance(y)
        half = float(scipy_stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * math.sqrt(variance)
    return Fact(center, max(within[0], center - half), min(within[1], center + half), seeds)


def _two_level_variance(y: np.ndarray) -> tuple[float, float]:
    """Return the variance of the mean of a table, and its degrees of freedom."""
    seeds, images = y.shape
    by_seed, by_image, center = y.mean(1), y.mean(0), y.mean()
    image = seeds * float(((by_image - center) ** 2).sum()) / (images - 1)
    if seeds == 1:
        return image / images, images - 1
    seed = images * float(((by_seed - center) ** 2).sum()) / (seeds - 1)
    rest_freedom = (seeds - 1) * (images - 1)
    rest = float(((y - by_seed[:, None] - by_image + center) ** 2).sum()) / rest_freedom
    terms = [(max(seed, rest), seeds - 1 if seed > rest else rest_freedom)]
    if image > rest:
        terms += [(image, images - 1), (-rest, rest_freedom)]
    total = sum(square for square, _ in terms)
    freedom = total**2 / sum(square**2 / each for square, each in terms)
    return total / (seeds * images), freedom


def two_level_difference(first: Any, second: Any) -> Fact:
    """Return the mean of ``first − second``, paired over seeds and images, as ``two_level``.

    Args:
        first: shape (seeds, images): 1 where the image is classified correctly, else 0.
        second: the same, for the other classifier; row and column mean the same seed and image.

    Example:
        >>> two_level_difference([[1, 1, 0, 1]], [[1, 0, 0, 1]]).value
        0.25
    """
    a, b = (np.asarray(part, dtype=np.float64) for part in (first, second))
    if a.shape != b.shape:
        raise ValueError(f"pairs: expected equal shapes, got {a.shape} and {b.shape}")
    return two_level(a - b, within=(-1.0, 1.0))


def quantile(values: Any, q: float) -> Fact:
    """Return a quantile with its distribution-free interval from order statistics.

    Args:
        values: shape (n,).
        q: the quantile, between 0 and 1 exclusive.

    Source: H. A. David and H. N. Nagaraja, "Order Statistics" (2003), section 7.1.
    """
    x = np.sort(_vector("values", values))
    if not 0 < q < 1:
        raise ValueError(f"q: expected between 0 and 1, got {q}")
    tail = (1 - CONFIDENCE) / 2
    low = int(scipy_stats.binom.ppf(tail, x.size, q)) - 1
    high = int(scipy_stats.binom.ppf(1 - tail, x.size, q))
    known = low >= 0 and high < x.size
    center = float(np.quantile(x, q))
    if not known:
        return Fact(center, n=int(x.size))
    return Fact(center, float(x[low]), float(x[high]), int(x.size))


def mcnemar(first_only: int, second_only: int) -> float:
    """Return the exact two-sided p-value of McNemar's test.

    Args:
        first_only: items that only the first classifier got right.
        second_only: items that only the second classifier got right.

    Source: Q. McNemar, Psychometrika 12 (1947); exact binomial form.
    """
    if first_only < 0 or second_only < 0:
        raise ValueError(f"mcnemar: expected counts, got {first_only} and {second_only}")
    discordant = first_only + second_only
    if discordant == 0:
        return 1.0
    return float(scipy_stats.binomtest(first_only, discordant, 0.5).pvalue)


def combined_p(values: list[float]) -> float:
    """Return one valid p-value from several that may depend on each other in any way.

    Tests of several trainings share the test images, so neither may their counts be summed nor
    their p-values multiplied. With k values and r = ⌈k/2⌉ the result is min(1, k/r · p₍ᵣ₎), p₍ᵣ₎
    being the r-th smallest: about twice the median; for one value it is that value.

    Args:
        values: p-values, at least one.

    Example:
        >>> combined_p([0.01]), combined_p([0.01, 0.5])
        (0.01, 0.02)

    Source: B. Rüger, "Das maximale Signifikanzniveau des Tests: Lehne H₀ ab, wenn k unter n
    gegebenen Tests zur Ablehnung führen", Metrika 25 (1978).
    """
    if not values:
        raise ValueError("values: expected at least one p-value, got none")
    k = len(values)
    r = (k + 1) // 2
    return min(1.0, k / r * sorted(values)[r - 1])


def direction(fact: Fact) -> int:
    """Return 1 or −1 where the interval excludes zero on that side, and 0 for "cannot tell"."""
    if fact.low is None or fact.high is None:
        return 0
    return int(fact.low > 0) - int(fact.high < 0)


def decide(difference: Fact, matters: float) -> Outcome:
    """Return what a difference decides: "better", "no-difference" that matters, or "cannot-tell".

    Args:
        difference: first − second, with its interval.
        matters: the smallest difference of interest, in the same unit. There is none that matters
            if the whole interval lies within ± this.

    Source: D. J. Schuirmann, "A comparison of the two one-sided tests procedure …", J. Pharmacokinet.
    Biopharm. 15 (1987), for the second of the three.

    Example:
        >>> decide(Fact(0.02, 0.01, 0.03), 0.005), decide(Fact(0.0, -0.004, 0.003), 0.005)
        ('better', 'no-difference')
    """
    if difference.low is None or difference.high is None:
        return "cannot-tell"
    if -matters <= difference.low and difference.high <= matters:
        return "no-difference"
    return "better" if direction(difference) else "cannot-tell"


def learned(accuracy: Fact, loss: Fact | float, classes: int) -> bool:
    """Return whether a classifier beats guessing: in accuracy, and in its loss on training images.

    Args:
        accuracy: on images that it has not seen; its interval must lie above 1 / classes.
        loss: mean cross-entropy on the training images, in nats; that of guessing is ln(classes).
        classes: number of classes, all equally frequent.

    Example:
        >>> learned(Fact(0.85, 0.83, 0.87), 0.4, 10), learned(Fact(0.11, 0.09, 0.13), 2.4, 10)
        (True, False)
    """
    least = float(accuracy) if accuracy.low is None else accuracy.low
    return least > 1 / classes and float(loss) < math.log(classes)
