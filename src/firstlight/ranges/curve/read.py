"""One rule that reads bounds off the curve of a range test, or says why it cannot."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firstlight.ranges.curve.after import basin, cut_off, divergence, rise
from firstlight.ranges.curve.intervals import Fit, interval, noise, redrawn
from firstlight.ranges.curve.significance import descends
from firstlight.ranges.curve.features import Features, features
from firstlight.ranges.curve.points import Points, finite, points
from firstlight.ranges.curve.valley import valley
from firstlight.ranges.curve.spline import FEW, smoother
from firstlight.record import Fact

Array = NDArray[np.float64]

READ, CANNOT_TELL = "read", "cannot tell"
UNKNOWN = Fact(None)
FEWEST_REDRAWN = 30
"""Values from which on a single sweep shows its noise, so that intervals can be told."""
FEWEST = 5  # finite losses that a curve must have


@dataclass(frozen=True)
class Bounds:
    """What a range curve shows; every number is a value of the axis, None where it cannot be told.

    Args:
        low: where 10 % of the whole descent has happened: the loss starts to fall.
        high: where 90 % has happened: the loss slows.
        steepest: where the loss falls fastest over the logarithm of the value.
        minimum: where the loss is lowest.
        rises_at: where the loss, after its minimum, has risen beyond the noise.
        diverges_at: where the loss is first not finite, or back above its level before the descent.
        valley: what fastai's valley rule suggests, for comparison.
        verdict: "read" if low, high and steepest can be told, otherwise "cannot tell".
        reason: why not, one sentence; empty when read.
    """

    low: Fact
    high: Fact
    steepest: Fact
    minimum: Fact
    rises_at: Fact
    diverges_at: Fact
    valley: Fact
    verdict: str
    reason: str


@dataclass(frozen=True)
class Curve:
    """A measured range curve and what was read off it.

    Args:
        values: shape (k,), strictly increasing.
        losses: shape (repeats, k), not finite where a repeat diverged.
        bounds: what was read.
        stopped: why the sweep ended early, one sentence, or None.
    """

    values: Array
    losses: Array
    bounds: Bounds
    stopped: str | None = None


def read_curve(
    values: ArrayLike, losses: ArrayLike, *, seed: int = 0, bootstrap: int = 200
) -> Bounds:
    """Read bounds for the learning rate, or the batch size, off the curve of a range test.

    The rule, with x the logarithm of the value:

    1. The curve ends before the first value at which a loss is not finite. Repeats are averaged,
       outliers drawn in, and many steps grouped into at most 160 points.
    2. A permutation test asks whether the loss falls at all. Shuffled curves fall as clearly by
       chance; noise alone, or a rise, passes in at most 5 % of cases. Of 12 values or fewer the
       straightness of the fall and the noise between repeats count as well.
    3. A penalised spline f(x), with its strength from the restricted likelihood, smooths the points
       up to where the curve has risen half of its descent again. It looks to both sides, so it
       does not lag. Of 12 points or fewer it keeps about as near to them as the nearest curve that
       falls, then rises.
    4. With the levels before and after the descent, ``low`` and ``high`` are where 10 % and 90 % of
       the way between them is done; ``steepest`` is where −df/dx is largest.
       Where the curve falls from its first value on, or to its last, the bound on that side is not
       told; the other is that of the part seen, and the verdict is "cannot tell".
    5. Intervals repeat steps 3 and 4 with the noise drawn anew (wild bootstrap), and with repeats
       drawn anew where there are several. A single sweep of fewer than 30 values has none: a smooth
       curve goes through nearly all of them, whatever their noise. They hold noise, not what smoothing and few values hide;
       that of the minimum holds the whole stretch that the noise does not tell from it.

    Only falls are read. A batch-size curve at equal updates falls and can be read as it is. At equal
    epochs a larger batch makes fewer updates and the loss rises: nothing to read. Pass ``-losses``
    to read where such a rise starts and ends; ``minimum`` is then the largest loss.

    Args:
        values: shape (k,), above 0, strictly increasing: learning rates or batch sizes.
        losses: shape (k,) or (repeats, k); may be negative, zero, huge or not finite.
        seed: of the bootstrap.
        bootstrap: redrawn curves behind the intervals; 0 for none.

    Returns:
        The bounds, in units of ``values``, with 95 % intervals; or why they cannot be told.

    Raises:
        ValueError: shapes that do not fit, values out of order, a negative ``bootstrap``.

    Example:
        >>> x = np.logspace(-5, 0, 60)
        >>> bounds = read_curve(x, 2.3 - 2 / (1 + (x / 1e-3) ** -2))
        >>> bounds.verdict, round(bounds.steepest.value, 4)
        ('read', 0.001)

    Source: L. N. Smith, "Cyclical Learning Rates for Training Neural Networks" (2017), section 3.3,
    for the two bounds; the shares 10 % and 90 % are ours.
    """
    x, y = _checked(values, losses, bootstrap)
    end = finite(y)
    lost = float(x[end]) if end < x.size else None
    x, y = x[:end], y[:, :end]
    shown = valley(x, np.clip(y, -1e150, 1e150).mean(axis=0)) if end else None
    aside = {"diverges_at": Fact(lost), "valley": Fact(shown)}
    if end < FEWEST:
        return _bounds(
            aside, f"{end} finite losses from the first on; at least {FEWEST} are needed"
        )
    part = points(np.log(x), y)
    if not descends(part.tame, part.runs):
        more = "; try more values, or repeats" if part.places.size <= FEW else ""
        return _bounds(aside, f"no fall of the loss stands out of the noise{more}")
    fit = _fit(part)
    found = features(fit.smooth, fit.coefficients[None])
    aside |= _after(part, fit, found, lost)
    late, early = _ends(part, fit, lost)
    told = _told(fit, found, seed, bootstrap)
    return _bounds(aside | _without(told, late, early), _reason(late, early))


def _fit(part: Points) -> Fit:
    kept = max(part.stop, min(FEWEST, part.places.size))
    smooth = smoother(part.places[:kept])
    seen = part.capped[:kept]
    coefficients, strength = smooth.fit(seen[None])
    return Fit(smooth, seen, coefficients[0], strength[0], part.apart[:, :kept])


def _after(part: Points, fit: Fit, found: Features, lost: float | None) -> dict[str, Fact]:
    """Return where the loss rises and diverges after its minimum."""
    sd = noise(fit)
    level = fit.smooth.level @ fit.coefficients
    up = rise(fit.smooth, level, fit.kept, float(found.bottom[0]), sd)
    if up is None and part.stop < part.places.size:
        up = float(part.places[part.stop])
    back = divergence(part, float(found.minimum[0]), float(found.top[0]), sd)
    rises = lost if up is None else float(np.exp(up))
    return {
        "rises_at": Fact(rises),
        "diverges_at": Fact(lost if back is None else float(np.exp(back))),
    }


def _ends(part: Points, fit: Fit, lost: float | None) -> tuple[bool, bool]:
    """Return whether the descent began before the first value, and goes on after the last."""
    late, early = cut_off(fit.smooth, fit.coefficients, fit.kept, noise(fit))
    return late, early and lost is None and part.stop == part.places.size


def _told(fit: Fit, found: Features, seed: int, bootstrap: int) -> dict[str, Fact]:
    """Return the four places as values, with intervals where curves are redrawn."""
    few = len(fit.apart) == 1 and fit.losses.size < FEWEST_REDRAWN
    draws = redrawn(fit, bootstrap, seed) if bootstrap and not few else None
    out = {}
    for name in ("low", "high", "steepest", "minimum"):
        place = float(getattr(found, name)[0])
        if not np.isfinite(place):
            out[name] = UNKNOWN
            continue
        ends = interval(place, getattr(draws, name)) if draws else None
        if ends and name == "minimum":
            near = basin(fit.smooth, fit.smooth.level @ fit.coefficients, fit.kept, noise(fit))
            ends = min(ends[0], near[0]), max(ends[1], near[1])
        low, high = np.exp(ends).tolist() if ends else (None, None)
        out[name] = Fact(float(np.exp(place)), low, high, len(fit.apart))
    return out


def _without(told: dict[str, Fact], late: bool, early: bool) -> dict[str, Fact]:
    """Return what remains told where an end of the descent was not seen."""
    hidden = {"low"} if late else set()
    hidden |= {"high", "minimum"} if early else set()
    return {name: UNKNOWN if name in hidden else fact for name, fact in told.items()}


def _reason(late: bool, early: bool) -> str:
    if late and early:
        return "the loss falls from the first value to the last; take a wider range"
    if late:
        return "the loss already falls at the first value; start lower"
    return "the loss still falls at the last value; go higher" if early else ""


def _bounds(facts: dict[str, Fact], reason: str) -> Bounds:
    names = ("low", "high", "steepest", "minimum", "rises_at", "diverges_at", "valley")
    shown = {name: facts.get(name, UNKNOWN) for name in names}
    missing = [n for n in ("low", "high", "steepest") if shown[n].value is None]
    if missing and not reason:
        reason = f"the smooth curve shows no {' and no '.join(missing)}"
    return Bounds(
        **shown, verdict=CANNOT_TELL if missing else READ, reason=reason if missing else ""
    )


def _checked(values: ArrayLike, losses: ArrayLike, bootstrap: int) -> tuple[Array, Array]:
    x = np.asarray(values, dtype=np.float64)
    y = np.atleast_2d(np.asarray(losses, dtype=np.float64))
    if x.ndim != 1 or y.ndim != 2 or y.shape[1] != x.size or len(y) == 0:
        raise ValueError(
            f"losses: expected shape ({x.size},) or (repeats, {x.size}) for values of shape {x.shape}, got {np.shape(losses)}"
        )
    if not (np.isfinite(x) & (x > 0)).all() or (np.diff(x) <= 0).any():
        raise ValueError("values: expected finite, above 0, strictly increasing; sort them first")
    if bootstrap < 0:
        raise ValueError(f"bootstrap: expected 0 or more redrawn curves, got {bootstrap}")
    return x, y
