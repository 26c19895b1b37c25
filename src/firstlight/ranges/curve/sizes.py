"""Read the bounds of the batch size off losses at equal epochs: the counterpart of the rate's."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from firstlight.ranges.curve.read import (
    CANNOT_TELL,
    FEWEST,
    READ,
    UNKNOWN,
    checked,
    inverse,
    read_curve,
)
from firstlight.record import Fact
from firstlight.seeds import generator
from firstlight.types import Floats, Numbers

EDGE, FLAT, LARGER = "at the edge", "flat", "larger is better"

_SHUFFLES, _ALPHA = 999, 0.02  # of the test whether repeats agree on which sizes are better


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
        low_inside: whether ``low`` lies inside the sizes tried.
        high_inside: whether ``high`` does.

    Example:
        >>> SizeBounds(reason="Nothing was read.").verdict
        'cannot tell'
    """

    low: Fact = UNKNOWN
    high: Fact = UNKNOWN
    verdict: str = CANNOT_TELL
    reason: str = ""
    low_inside: bool = False
    high_inside: bool = False


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
    far apart in more than 2 % of the shuffles. With a single repeat, neighbors must not be alike,
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

    Returns:
        The bounds with 95 % intervals, or the reason why there are none.

    Raises:
        ValueError: the shapes do not fit, or sizes are not rising.

    Example:
        >>> sizes = 2.0 ** np.arange(3, 15)
        >>> bounds = read_sizes(sizes, 1 / (1 + (512 / sizes) ** 2), bootstrap=0)
        >>> bounds.verdict, 100 < bounds.low.value < 512 < bounds.high.value < 2600
        ('read', True)

    Source: L. N. Smith, "Cyclical learning rates for training neural networks" (2017), section 3.3,
    for the rule; S. L. Smith et al., "Don't decay the learning rate, increase the batch size"
    (2018), section 2, for the noise of lr / B; R. Bartels, "The rank version of von Neumann's ratio
    test for randomness" (1982), for neighbors that are alike.
    """
    b, y = checked("sizes", sizes, losses)
    finite: Numbers = np.all(np.isfinite(y), axis=0)
    end = finite.size - int(finite[::-1].argmax()) if finite.any() else 0
    first = 1 + int(np.flatnonzero(~finite[:end]).max(initial=-1))
    b, y = b[first:end], y[:, first:end]
    if b.size < FEWEST:
        reason = f"Only {b.size} neighboring sizes have a finite loss, at least {FEWEST} needed."
        return SizeBounds(reason=reason)
    # not direction="rising", whose axis c/B rounds differently
    downward = read_curve(1 / b[::-1], y[:, ::-1], seed=seed, bootstrap=bootstrap)
    if downward.steepest.value is not None:
        which = " with a finite loss" if first else ""
        return _rising(b, inverse(downward.high), inverse(downward.low), which)
    upward = read_curve(b, y, seed=seed, bootstrap=bootstrap)
    if upward.steepest.value is not None and upward.rises_at.value is None:
        largest = Fact(float(b[-1]))
        low = upward.high if upward.high.value is not None else largest
        reason = (
            "The loss falls with the batch size: the learning rate is too high for small batches; "
            "try a lower one."
        )
        return SizeBounds(low, largest, LARGER, reason, low_inside=True)
    return _no_fall(b, y, seed)


def _rising(b: Floats, low: Fact, high: Fact, which: str) -> SizeBounds:
    """Return the bounds of a curve that rises with the size; at its ends where one is unknown."""
    reasons = []
    if low.value is None:
        reasons.append(f"The loss still falls at {b[0]:g}, the smallest size{which}.")
    if high.value is None:
        reasons.append(f"The loss still rises at {b[-1]:g}, the largest size.")
    return SizeBounds(
        Fact(float(b[0])) if low.value is None else low,
        Fact(float(b[-1])) if high.value is None else high,
        EDGE if reasons else READ,
        " ".join(reasons),
        low_inside=low.value is not None,
        high_inside=high.value is not None,
    )


def _no_fall(b: Floats, y: Floats, seed: int) -> SizeBounds:
    """Return what is known where no descent is significant, up or down."""
    if _differ(y, seed):
        reason = (
            f"The sizes from {b[0]:g} to {b[-1]:g} differ beyond the noise, but these {b.size} do not "
            f"show where; try more sizes."
        )
        return SizeBounds(reason=reason)
    reason = (
        f"No size from {b[0]:g} to {b[-1]:g} learns better than another beyond the noise, in this "
        f"budget: all are equally good."
    )
    if len(y) == 1:
        reason += " More than one repeat would make sure."
    return SizeBounds(Fact(float(b[0])), Fact(float(b[-1])), FLAT, reason)


def _differ(y: Floats, seed: int) -> bool:
    """Return whether the order of the sizes means anything, by shuffling each repeat by itself.

    Several repeats must agree on which sizes are better; a single one must have neighbors alike.
    """

    def order(losses: Floats) -> float:
        if len(losses) > 1:
            return float(losses.mean(axis=0).var())
        return -float((np.diff(rankdata(losses[0])) ** 2).sum())

    rng = generator(seed, "sizes", "shuffles")
    shuffled = np.array([order(rng.permuted(y, axis=1)) for _ in range(_SHUFFLES)])
    return bool((1 + np.sum(shuffled >= order(y))) / (1 + _SHUFFLES) <= _ALPHA)
