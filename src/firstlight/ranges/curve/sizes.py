"""Read the bounds of the batch size off losses at equal epochs: the counterpart of the rate's."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from firstlight.ranges.curve.read import CANNOT_TELL, READ, Bounds, read_curve
from firstlight.record import Fact
from firstlight.seeds import generator

Array = NDArray[np.float64]

EDGE, FLAT, LARGER = "at the edge", "flat", "larger is better"

_FEWEST = 5  # sizes that the rule needs
_SHUFFLES, _ALARM = 999, 0.02  # of the test whether repeats agree on which sizes are better


@dataclass(frozen=True)
class SizeBounds:
    """The batch sizes between which the choice matters.

    Args:
        low: b_min: the largest size that learns practically as well as the best; below it, smaller
            batches hardly help.
        high: b_max: above it, a batch hardly learns in this budget.
        verdict: "read"; "at the edge" where a bound is only the smallest or largest size tried;
            "flat" where all sizes are equally good, so that the bounds are the smallest and the
            largest; "larger is better" where the loss falls with the size; or "cannot tell", with
            the bounds None.
        reason: what was not read and why, in sentences; empty when read.
        low_told: whether ``low`` lies inside the sizes tried.
        high_told: whether ``high`` does.
    """

    low: Fact
    high: Fact
    verdict: str
    reason: str
    low_told: bool
    high_told: bool


def read_sizes(
    sizes: ArrayLike, losses: ArrayLike, *, seed: int = 0, bootstrap: int = 200
) -> SizeBounds:
    """Read b_min and b_max off training losses after equally many samples.

    The noise of a step of gradient descent grows with lr / B, so the rule of the learning rate
    reads the losses over 1/B: the loss starts to fall at 1/b_max, where a tenth of the whole
    descent has happened, and slows at 1/b_min, where nine tenths have.

    Where the curve still falls at the smallest size, or still rises at the largest, that bound is
    the size at this end, and ``reason`` says so. Sizes are called equally good only if repeats do
    not agree on which are better: shuffling the losses of each repeat by itself must give means as
    far apart in more than 2 % of the shuffles. With a single repeat, neighbours must not be alike,
    by the squared differences of their ranks.

    If the loss rather falls with the size, the rate is too high for small batches: b_min is where
    the fall slows, and b_max the largest size. For losses after equally many *updates* use
    ``read_curve`` over the sizes: a larger batch starts to help at ``low`` and stops at ``high``.

    Args:
        sizes: shape (k,), above 0, strictly increasing.
        losses: shape (k,) or (repeats, k); not finite where a training diverged. The largest sizes
            without a finite loss are left out; so is every size from the first one down that has
            none.
        seed: of the bootstrap.
        bootstrap: number of resamples.

    Raises:
        ValueError: the shapes do not fit, or sizes are not rising.

    Example:
        >>> sizes = 2.0 ** np.arange(3, 15)
        >>> found = read_sizes(sizes, 1 / (1 + (512 / sizes) ** 2), bootstrap=0)
        >>> found.verdict, 100 < found.low.value < 512 < found.high.value < 2600
        ('read', True)

    Source: L. N. Smith, "Cyclical learning rates for training neural networks" (2017), section 3.3,
    for the rule; S. L. Smith et al., "Don't decay the learning rate, increase the batch size"
    (2018), section 2, for the noise of lr / B; R. Bartels, "The rank version of von Neumann's ratio
    test for randomness" (1982), for neighbours that are alike.
    """
    b, y = _checked(sizes, losses)
    first, end = _finite_part(y)
    b, y = b[first:end], y[:, first:end]
    if b.size < _FEWEST:
        reason = f"Only {b.size} neighbouring sizes have a finite loss, at least {_FEWEST} needed."
        return SizeBounds(Fact(None), Fact(None), CANNOT_TELL, reason, False, False)
    found = read_curve(1 / b[::-1], y[:, ::-1], seed=seed, bootstrap=bootstrap)
    if found.steepest.value is not None:
        which = " with a finite loss" if first else ""
        return _rising(b, _inverse(found.high), _inverse(found.low), which)
    upward = read_curve(b, y, seed=seed, bootstrap=bootstrap)
    if upward.steepest.value is not None and upward.rises_at.value is None:
        return _falling(b, upward)
    return _no_fall(b, len(y), _agree(y, seed))


def _rising(b: Array, low: Fact, high: Fact, which: str) -> SizeBounds:
    """Return the bounds of a curve that rises with the size; at its ends where one is not told."""
    told = low.value is not None, high.value is not None
    reasons = []
    if not told[0]:
        reasons.append(f"The loss still falls at {b[0]:g}, the smallest size{which}.")
    if not told[1]:
        reasons.append(f"The loss still rises at {b[-1]:g}, the largest size.")
    return SizeBounds(
        low if told[0] else Fact(float(b[0])),
        high if told[1] else Fact(float(b[-1])),
        READ if all(told) else EDGE,
        " ".join(reasons),
        *told,
    )


def _no_fall(b: Array, repeats: int, agree: bool) -> SizeBounds:
    """Return what can be said where no descent was found, up or down."""
    if agree:
        reason = (
            f"The sizes from {b[0]:g} to {b[-1]:g} differ beyond the noise, but these {b.size} do not "
            f"show where; try more sizes."
        )
        return SizeBounds(Fact(None), Fact(None), CANNOT_TELL, reason, False, False)
    reason = (
        f"No size from {b[0]:g} to {b[-1]:g} learns better than another beyond the noise, in this "
        f"budget: all are equally good."
    )
    if repeats == 1:
        reason += " More than one repeat would make sure."
    return SizeBounds(Fact(float(b[0])), Fact(float(b[-1])), FLAT, reason, False, False)


def _agree(y: Array, seed: int) -> bool:
    """Say whether the order of the sizes means anything, by shuffling each repeat by itself.

    Several repeats must agree on which sizes are better; a single one must have neighbours alike.
    """
    rng = generator(seed, "sizes", "shuffles")
    order = _spread if len(y) > 1 else _likeness
    shuffled = np.array([order(rng.permuted(y, axis=1)) for _ in range(_SHUFFLES)])
    return bool((1 + np.sum(shuffled >= order(y))) / (1 + _SHUFFLES) <= _ALARM)


def _spread(y: Array) -> float:
    """Return how far the sizes' means over the repeats lie apart."""
    return float(y.mean(axis=0).var())


def _likeness(y: Array) -> float:
    """Return minus the squared distances between the ranks of neighbouring sizes."""
    return -float((np.diff(rankdata(y[0])) ** 2).sum())


def _falling(b: Array, upward: Bounds) -> SizeBounds:
    """Return the bounds where larger batches learn better even from equally many samples."""
    reason = (
        "The loss falls with the batch size: the learning rate is too high for small batches; "
        "try a lower one."
    )
    low = upward.high if upward.high.value is not None else Fact(float(b[-1]))
    return SizeBounds(low, Fact(float(b[-1])), LARGER, reason, True, False)


def _inverse(fact: Fact) -> Fact:
    """Return the size of a place on the axis of 1/B."""

    def back(place: float | None) -> float | None:
        return None if place is None else 1 / place

    value = None if fact.value is None else float(fact.value)
    return Fact(back(value), back(fact.high), back(fact.low), fact.n)


def _finite_part(y: Array) -> tuple[int, int]:
    """Return where the sizes begin and end that are finite from the largest such size down."""
    finite = [bool(np.isfinite(column).all()) for column in y.T]
    end = len(finite)
    while end and not finite[end - 1]:
        end -= 1
    first = end
    while first and finite[first - 1]:
        first -= 1
    return first, end


def _checked(sizes: ArrayLike, losses: ArrayLike) -> tuple[Array, Array]:
    b = np.asarray(sizes, dtype=np.float64)
    y = np.atleast_2d(np.asarray(losses, dtype=np.float64))
    if b.ndim != 1 or y.ndim != 2 or not len(y) or y.shape[1] != b.size or b.size == 0:
        raise ValueError(
            f"losses: expected shape ({b.size},) or (repeats, {b.size}), one loss for each size, "
            f"got {np.shape(losses)}"
        )
    if not (np.isfinite(b) & (b > 0)).all() or (np.diff(b) <= 0).any():
        raise ValueError(
            f"sizes: expected above 0 and strictly increasing, got {b.tolist()}; sort them"
        )
    return b, y
