"""Exact areas of the unit square on which a line through the origin decides right, or otherwise.

Without a bias, a point matters only through the ray from the origin on which it lies. Let u be the
share of the square below that ray. For a uniform point u is uniform on [0, 1], the true class is
positive where u < 1/2, and a classifier is a threshold on u: every area is a length.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats as scipy_stats

from firstlight.record import Fact
from firstlight.stats import CONFIDENCE
from firstlight.types import Floats


def _two_columns(name: str, values: ArrayLike) -> Floats:
    array = np.asarray(values, np.float64)
    if array.ndim < 1 or array.shape[-1] != 2:
        raise ValueError(f"{name}: expected shape (..., 2), got {array.shape}")
    return array


def share_below(points: ArrayLike) -> Floats:
    """Return the share u of the unit square that lies below the ray through each point.

    u = t/2 for t = x2/x1 <= 1, else 1 − 1/(2t).

    Args:
        points: shape (..., 2), coordinates at least 0; the origin counts as u = 1.

    Example:
        >>> share_below([[1.0, 1.0], [1.0, 0.5]]).tolist()
        [0.5, 0.25]
    """
    x = _two_columns("points", points)
    if not (x >= 0).all():
        raise ValueError("points: expected coordinates of at least 0, got a negative one or NaN")
    low, high = x.min(axis=-1), x.max(axis=-1)
    half = np.divide(low, 2 * high, out=np.zeros_like(low), where=high > 0)
    u: Floats = np.where(x[..., 0] > x[..., 1], half, 1 - half)
    return u


def thresholds(weights: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    """Return each classifier as a threshold p on u and whether u < p is its positive side.

    Nothing is positive for w = 0 and w1, w2 <= 0, since sign(0) counts as the negative class; then
    p = 0 with the positive side below.
    """
    w = _two_columns("weights", weights)
    first, second = w[..., 0], w[..., 1]
    under = second <= 0
    # The line w·x = 0 runs along the direction (−w2, w1) or (w2, −w1).
    along = np.stack([np.abs(second), np.where(second > 0, -first, first)], axis=-1)
    p = share_below(np.maximum(along, 0.0))
    p = np.where((second == 0) & (first <= 0), 0.0, p)
    return p, under


def exact_accuracy(weights: ArrayLike) -> Floats:
    """Return the share of the unit square that each classifier puts into its true class.

    For w1 > 0 > w2 and t = −w1/w2 the error is (1 − t)/2 where t <= 1, else (1 − 1/t)/2.

    Example:
        >>> exact_accuracy([[1.0, -1.0], [-1.0, 1.0], [0.0, 0.0]]).tolist()
        [1.0, 0.0, 0.5]
    """
    p, under = thresholds(weights)
    error = np.abs(p - 0.5)
    return np.where(under, 1 - error, error)


def accuracy_on(weights: ArrayLike, points: ArrayLike) -> Floats:
    """Return the share of points of the unit square, (T, 2), that each puts into its true class."""
    x = _two_columns("points", points)
    u, truth = share_below(x), x[:, 0] > x[:, 1]
    positive, negative = np.sort(u[truth]), np.sort(u[~truth])
    p, under = thresholds(weights)
    if_under = np.searchsorted(positive, p) + len(negative) - np.searchsorted(negative, p)
    last = [np.searchsorted(values, p, "right") for values in (positive, negative)]
    share: Floats = np.where(under, if_under, len(positive) - last[0] + last[1]) / len(u)
    return share


def _distances(p: Floats, q: Floats) -> Floats:
    """Return Σ_j |p_i − q_j| for every i, by sorting q."""
    ordered = np.sort(q)
    sums = np.cumsum(np.append(0.0, ordered))
    k = np.searchsorted(ordered, p)
    out: Floats = p * k - sums[k] + (sums[-1] - sums[k]) - p * (len(q) - k)
    return out


def between(weights: ArrayLike, others: ArrayLike) -> Floats:
    """Return the area on which each classifier and its partner decide differently.

    Example:
        >>> between([[1.0, -1.0]], [[0.5, -1.0]]).tolist()
        [0.25]
    """
    (p, under), (q, below) = thresholds(weights), thresholds(others)
    apart = np.abs(p - q)
    return np.where(under == below, apart, 1 - apart)


def disagreements(weights: ArrayLike, points: ArrayLike | None = None) -> Floats:
    """Return, for each classifier, on how much the others decide differently, on average.

    The mean of the result, shape (R,), is that over all pairs, exact, in O(R log R).

    Args:
        weights: shape (R, 2), R at least 2.
        points: points of the square, shape (T, 2): then the result is a share of them; by default
            it is a share of the square.

    Example:
        >>> disagreements([[1.0, -1.0], [0.5, -1.0]]).tolist()
        [0.25, 0.25]
    """
    p, under = thresholds(weights)
    if p.ndim != 1 or len(p) < 2:
        raise ValueError(f"weights: expected shape (R, 2) with R >= 2, got {(*p.shape, 2)}")
    if points is not None:  # then a length is the share of the points in it
        u = np.sort(share_below(_two_columns("points", points)))
        p = np.searchsorted(u, p) / len(u)
    total = np.zeros(len(p))
    for side in (under, ~under):
        total[side] += _distances(p[side], p[side])
        total[side] += (~side).sum() - _distances(p[side], p[~side])
    return np.maximum(total, 0.0) / (len(p) - 1)


def pair_mean(projections: ArrayLike) -> Fact:
    """Return the mean over all pairs of R units with the interval of the delete-one jackknife.

    Args:
        projections: shape (R,), for each unit the mean over its pairs with the others, or the
            difference of two such means.

    Source: B. Efron and C. Stein, "The jackknife estimate of variance", Ann. Stat. 9 (1981);
    W. Hoeffding, Ann. Math. Stat. 19 (1948), on means over pairs.
    """
    h = np.asarray(projections, np.float64)
    count, value = h.size, float(h.mean())
    if count < 3:
        return Fact(value, n=count)
    # Without unit i the mean over pairs is (R·U − 2·h_i)/(R − 2).
    error = 2 / (count - 2) * math.sqrt((count - 1) / count * float(((h - value) ** 2).sum()))
    half = float(scipy_stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)) * error
    return Fact(value, value - half, value + half, count)


def gap(X: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    """Return where the gap of each training set begins and ends, as shares u of the square.

    It lies between the outermost points of the two classes: every line in it makes no training
    error. Where a class is absent, the gap ends at −∞ or ∞.

    Args:
        X: shape (..., n, 2).
        y: −1 or 1, shape (..., n).

    Example:
        >>> low, high = gap([[1.0, 0.5], [0.5, 1.0]], [1, -1])
        >>> float(low), float(high)
        (0.25, 0.75)
    """
    u, labels = share_below(X), np.asarray(y)
    low = np.where(labels > 0, u, -np.inf).max(axis=-1)
    return low, np.where(labels < 0, u, np.inf).min(axis=-1)


def off_center(weights: ArrayLike, X: ArrayLike, y: Any) -> Floats:
    """Return how far each separating line is from the middle of its gap: 0 middle, 1 edge.

    NaN where a class is absent or the line does not separate. The training points X have the shape
    (R, n, 2), their labels y, −1 and 1, (R, n).
    """
    low, high = gap(X, y)
    p, under = thresholds(weights)
    good = np.isfinite(low) & np.isfinite(high) & under & (low <= p) & (p <= high) & (low < high)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(good, np.abs(p - (low + high) / 2) / ((high - low) / 2), np.nan)
