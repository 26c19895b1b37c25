"""One rule that reads bounds off the curve of a range test, or gives the reason why it cannot."""

from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from firstlight.ranges.curve.features import (
    Features,
    after_minimum,
    features,
    has_descent,
    minimum_region,
    truncated_ends,
    valley,
)
from firstlight.ranges.curve.points import LARGEST, Points, points
from firstlight.ranges.curve.spline import FEW, Fit, smoother
from firstlight.record import Fact
from firstlight.seeds import generator
from firstlight.stats import CONFIDENCE
from firstlight.types import Floats

READ, CANNOT_TELL = "read", "cannot tell"
UNKNOWN = Fact(None)
FEWEST = 5  # finite losses that a curve must have
_FEWEST_REDRAWN = 30  # values from which on a single sweep shows its noise and has intervals
_RUN = 3  # neighboring points whose noise keeps its signs together

Direction: TypeAlias = Literal["falling", "rising"]


class Reason(Enum):
    """Why bounds could not be read; each member is its sentence for a curve read from left to right.

    The second sentence, where there is one, is for a curve read from the largest value down.

    Example:
        >>> Reason.FALLS_AT_END.sentence("rising")
        'the loss still falls at the smallest value; go lower'
    """

    TOO_SHORT = f"{{finite}} finite losses from the first on; at least {FEWEST} are needed"
    NO_DESCENT = "no fall of the loss stands out of the noise"
    NO_DESCENT_OF_FEW = f"{NO_DESCENT}; try more values, or repeats"
    FALLS_THROUGHOUT = (
        "the loss falls from the first value to the last; take a wider range",
        "the loss falls from the largest value to the smallest; take a wider range",
    )
    FALLS_AT_START = (
        "the loss already falls at the first value; start lower",
        "the loss already falls at the largest value; start higher",
    )
    FALLS_AT_END = (
        "the loss still falls at the last value; go higher",
        "the loss still falls at the smallest value; go lower",
    )
    NOT_SHOWN = "the smooth curve shows no {places}"

    def sentence(self, direction: Direction = "falling") -> str:
        """Return the sentence, without capital and full stop; numbers are in braces."""
        if isinstance(self.value, str):
            return self.value
        falling, rising = self.value
        return str(rising if direction == "rising" else falling)


@dataclass(frozen=True)
class Bounds:
    """What a range curve shows; every place is a value of the axis, None where it is not shown.

    "Before" and "after" are meant in the direction in which the curve was read.

    Args:
        low: the lower bound. Where the curve was read upward, 10 % of the whole descent has
            happened here: the loss starts to fall. Where it was read downward, 90 %: it slows.
        high: the upper bound, where 90 % of the descent (read downward: 10 %) has happened.
        steepest: where the loss falls fastest over the logarithm of the value.
        minimum: where the loss is lowest.
        rises_at: where the loss, after its minimum, has risen beyond the noise.
        diverges_at: where the loss is first not finite, or back above its level before the descent.
        valley: what fastai's valley rule suggests, for comparison.
        reason: why low, high or steepest could not be read; None where all three were.
        direction: "falling" where the curve was read upward, "rising" where downward.
        finite: number of losses before the first that is not finite.

    Example:
        >>> Bounds(reason=Reason.FALLS_AT_START).explanation
        'the loss already falls at the first value; start lower'
    """

    low: Fact = UNKNOWN
    high: Fact = UNKNOWN
    steepest: Fact = UNKNOWN
    minimum: Fact = UNKNOWN
    rises_at: Fact = UNKNOWN
    diverges_at: Fact = UNKNOWN
    valley: Fact = UNKNOWN
    reason: Reason | None = None
    direction: Direction = "falling"
    finite: int = 0

    @property
    def verdict(self) -> str:
        """Return "read" if low, high and steepest were read, otherwise "cannot tell"."""
        return READ if self.reason is None else CANNOT_TELL

    @property
    def explanation(self) -> str:
        """Return the reason as a sentence without capital and full stop; empty where read."""
        if self.reason is None:
            return ""
        missing = [n for n in ("low", "high", "steepest") if getattr(self, n).value is None]
        sentence = self.reason.sentence(self.direction)
        return sentence.format(finite=self.finite, places=" and no ".join(missing))


@dataclass(frozen=True)
class Curve:
    """A measured range curve; nothing is read off it before ``bounds`` is asked for.

    Args:
        values: shape (k,), strictly increasing: learning rates or batch sizes.
        losses: shape (repeats, k), not finite where a repeat diverged.
        stopped: why the sweep ended early, one sentence, or None.
        direction: in which the loss is expected to move over the values; see ``read_curve``.
        seed: of the intervals of the bounds.

    Example:
        >>> Curve(np.logspace(-5, 0, 5), np.ones((1, 5))).bounds.verdict
        'cannot tell'
    """

    values: Floats
    losses: Floats
    stopped: str | None = None
    direction: Direction = "falling"
    seed: int = 0

    @cached_property
    def bounds(self) -> Bounds:
        """What ``read_curve`` reads off the curve."""
        return read_curve(self.values, self.losses, direction=self.direction, seed=self.seed)


def read_curve(
    values: ArrayLike,
    losses: ArrayLike,
    *,
    direction: Direction = "falling",
    seed: int = 0,
    bootstrap: int = 200,
) -> Bounds:
    """Read bounds for the learning rate, or the batch size, off the curve of a range test.

    The rule, with x the logarithm of the value:

    1. The curve ends before the first value at which a loss is not finite. Repeats are averaged,
       outliers moved to a fence, and many steps grouped into at most 160 points.
    2. A permutation test asks whether the loss falls at all. Shuffled curves fall as clearly by
       chance; noise alone, or a rise, passes in at most 5 % of cases. Of 12 values or fewer the
       straightness of the fall and the noise between repeats count as well.
    3. A penalized spline f(x), with its strength from the restricted likelihood, smooths the points
       up to where the curve has risen half of its descent again. It looks to both sides, so it
       does not lag. Of 12 points or fewer it keeps about as near to them as the nearest curve that
       falls, then rises.
    4. With the levels before and after the descent, ``low`` and ``high`` are where 10 % and 90 % of
       the way between them is done; ``steepest`` is where −df/dx is largest.
       Where the curve falls from its first value on, or to its last, the bound on that side is
       unknown; the other is that of the part seen, and the verdict is "cannot tell".
    5. Intervals repeat steps 3 and 4 with the noise drawn anew (wild bootstrap), and with repeats
       drawn anew where there are several. A single sweep of fewer than 30 values has none: a smooth
       curve goes through nearly all of them, whatever their noise. They cover noise, not what
       smoothing and few values hide; that of the minimum covers all that does not differ from it.

    A curve that rises with its value is read from its largest value down: ``direction="rising"``.
    So do training losses over the batch size at equal epochs, where larger batches make fewer
    updates; at equal updates they fall. The rule then reads the losses over c / value; since the
    descent begins at large values, its beginning is ``high`` and its end ``low``.

    Args:
        values: shape (k,), above 0, strictly increasing: learning rates or batch sizes.
        losses: shape (k,) or (repeats, k); may be negative, zero, huge or not finite.
        direction: "falling" reads upward, "rising" from the largest value down.
        seed: of the bootstrap.
        bootstrap: redrawn curves behind the intervals; 0 for none.

    Returns:
        The bounds, in units of ``values``, with 95 % intervals; or the reason why there are none.

    Raises:
        ValueError: shapes that do not fit, values out of order, another ``direction``, or a
            negative ``bootstrap``.

    Example:
        >>> x = np.logspace(-5, 0, 60)
        >>> bounds = read_curve(x, 2.3 - 2 / (1 + (x / 1e-3) ** -2))
        >>> bounds.verdict, round(bounds.steepest.value, 4)
        ('read', 0.001)
        >>> read_curve(x, 2.3 - 2 / (1 + (x / 1e-3) ** 2), direction="rising").verdict
        'read'

    Source: L. N. Smith, "Cyclical Learning Rates for Training Neural Networks" (2017), section 3.3,
    for the two bounds; the shares 10 % and 90 % are ours.
    """
    x, y = checked("values", values, losses)
    if direction not in ("falling", "rising"):
        raise ValueError(f"direction: expected 'falling' or 'rising', got {direction!r}")
    if bootstrap < 0:
        raise ValueError(f"bootstrap: expected 0 or more redrawn curves, got {bootstrap}")
    if direction == "falling":
        return _read_upward(x, y, seed, bootstrap)
    scale = float(x[0] * x[-1])
    return _mirrored(_read_upward(scale / x[::-1], y[:, ::-1], seed, bootstrap), scale)


def _read_upward(x: Floats, y: Floats, seed: int, bootstrap: int) -> Bounds:
    bad = ~np.isfinite(y).all(axis=0)
    end = int(bad.argmax()) if bad.any() else x.size
    lost = float(x[end]) if end < x.size else None
    x, y = x[:end], y[:, :end]
    suggestion = valley(x, np.clip(y, -LARGEST, LARGEST).mean(axis=0))
    bounds = Bounds(diverges_at=Fact(lost), valley=Fact(suggestion), finite=end)
    if end < FEWEST:
        return replace(bounds, reason=Reason.TOO_SHORT)
    seen = points(np.log(x), y)
    if not has_descent(seen):
        few = seen.places.size <= FEW
        return replace(bounds, reason=Reason.NO_DESCENT_OF_FEW if few else Reason.NO_DESCENT)
    fit = _fit(seen)
    shown = features(fit.smoother, fit.coefficients[None])
    starts, ends = truncated_ends(fit)
    ends = ends and lost is None and seen.stop == seen.places.size
    hidden = ({"low"} if starts else set()) | ({"high", "minimum"} if ends else set())
    places = {n: p for n, p in _estimates(fit, shown, seed, bootstrap).items() if n not in hidden}
    reason = None if {"low", "high", "steepest"} <= set(places) else Reason.NOT_SHOWN
    if hidden:
        reason = Reason.FALLS_AT_START if starts else Reason.FALLS_AT_END
        reason = Reason.FALLS_THROUGHOUT if starts and ends else reason
    after = zip(("rises_at", "diverges_at"), after_minimum(seen, fit, shown), strict=True)
    places |= {n: Fact(lost if p is None else float(np.exp(p))) for n, p in after}
    return replace(bounds, **places, reason=reason)


def _fit(seen: Points) -> Fit:
    count = max(seen.stop, min(FEWEST, seen.places.size))
    smooth, losses = smoother(seen.places[:count]), seen.capped[:count]
    coefficients, shrinkage = smooth.fit(losses[None])
    return Fit(smooth, losses, coefficients[0], shrinkage[0], seen.deviations[:, :count])


def _estimates(fit: Fit, shown: Features, seed: int, bootstrap: int) -> dict[str, Any]:
    """Return the places that the curve shows, as values, with intervals where curves are redrawn."""
    few = len(fit.deviations) == 1 and fit.losses.size < _FEWEST_REDRAWN
    draws = _redrawn(fit, bootstrap, seed) if bootstrap and not few else None
    facts = {}
    for name in ("low", "high", "steepest", "minimum"):
        place = float(getattr(shown, name)[0])
        if not np.isfinite(place):
            continue
        ends = _interval(place, getattr(draws, name)) if draws else None
        if ends and name == "minimum":
            region = minimum_region(fit)
            ends = min(ends[0], region[0]), max(ends[1], region[1])
        low, high = np.exp(ends).tolist() if ends else (None, None)
        facts[name] = Fact(float(np.exp(place)), low, high, len(fit.deviations))
    return facts


def _redrawn(fit: Fit, count: int, seed: int) -> Features:
    """Return the features of ``count`` curves with the noise of this one drawn anew.

    Each is f + ε r + Σ wⱼ dⱼ: the smooth curve; its residuals with signs drawn for runs of
    neighbors, so that noise keeps its size along the axis and some of its memory; and, with
    several repeats, the smoothed deviations of repeats drawn with replacement.

    Source: C. F. J. Wu, "Jackknife, bootstrap and other resampling methods" (1986), section 7.
    """
    rng = generator(seed, "ranges", "bootstrap")
    mean, size, smooth = fit.mean, fit.losses.size, fit.smoother
    residuals = (fit.losses - mean) * np.sqrt(size / fit.free)
    runs = -(-(size + _RUN) // _RUN)
    signs = np.repeat(rng.choice([-1.0, 1.0], size=(count, runs)), _RUN, axis=1)
    start = rng.integers(_RUN, size=count)[:, None] + np.arange(size)
    drawn = mean + residuals * np.take_along_axis(signs, start, axis=1)
    repeats = len(fit.deviations)
    if repeats > 1:
        weight = rng.multinomial(repeats, np.full(repeats, 1 / repeats), size=count) / repeats
        shift = ((fit.deviations @ smooth.basis) * fit.shrinkage) @ smooth.basis.T
        drawn = drawn + np.sqrt(repeats / (repeats - 1)) * (weight @ shift)
    return features(smooth, smooth.fit(drawn)[0])


def _interval(value: float, draws: Floats) -> tuple[float, float] | None:
    """Return the interval of a place from its redrawn places, None where most have none.

    A smooth curve is flatter than the truth, and redrawn ones flatter again. So their distances from
    ``value`` are mirrored, [2v − q₊, 2v − q₋]; the interval also covers the one not mirrored.

    Source: A. C. Davison and D. V. Hinkley, "Bootstrap Methods and their Application" (1997), 5.2
    and 5.3.
    """
    shown = draws[np.isfinite(draws)]
    if shown.size < max(2, draws.size // 2):
        return None
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(shown, [tail, 1 - tail])
    reach = low, high, 2 * value - high, 2 * value - low
    return float(min(reach)), float(max(reach))


def _mirrored(bounds: Bounds, scale: float) -> Bounds:
    """Return the bounds of a curve that was read over ``scale`` / value."""
    turned: dict[str, Any] = vars(bounds) | {"direction": "rising"}
    turned |= {n: inverse(fact, scale) for n, fact in turned.items() if isinstance(fact, Fact)}
    return Bounds(**turned | {"low": turned["high"], "high": turned["low"]})


def inverse(place: Fact, scale: float = 1.0) -> Fact:
    """Return ``scale`` / ``place``; the ends of its interval trade places."""
    value, low, high = (
        None if number is None else scale / float(number)
        for number in (place.value, place.high, place.low)
    )
    return Fact(value, low, high, place.n)


def checked(name: str, values: ArrayLike, losses: ArrayLike) -> tuple[Floats, Floats]:
    """Return values, shape (k,), and losses, shape (repeats, k), or raise ``ValueError``."""
    x = np.asarray(values, dtype=np.float64)
    y = np.atleast_2d(np.asarray(losses, dtype=np.float64))
    if x.ndim != 1 or not x.size or y.ndim != 2 or y.shape[1] != x.size or not len(y):
        raise ValueError(
            f"losses: expected shape ({x.size},) or (repeats, {x.size}), one loss for each of the "
            f"{name}, at least one, got {np.shape(losses)}"
        )
    if not (np.isfinite(x) & (x > 0)).all() or (np.diff(x) <= 0).any():
        raise ValueError(f"{name}: expected finite, above 0, strictly increasing; sort them first")
    return x, y
