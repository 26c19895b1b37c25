"""Train the margin classifier on many training sets at once, one training set per SIMD lane.

The loss is L = max(0, a − y(w·x)): a = 0 is the perceptron criterion, a = 1 the hinge loss. There
is no bias and no regularization; every set starts from w = 0 and keeps the order of its points.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import register_jitable
from numpy.typing import ArrayLike, NDArray

from firstlight.record.provenance import cores
from firstlight.types import Floats

LANES = 64
"""Training sets that one thread carries side by side: eight vectors of eight float64 each."""
_VECTOR = 8


@dataclass(frozen=True)
class Trained:
    """The classifiers of R training sets with d features.

    Args:
        weights: shape (R, d), after the last epoch.
        epochs: shape (R,), epochs run, the last one without update included where converged.
        converged: shape (R,), whether a whole epoch made no update.
        checkpoints: shape (R, C, d), the weights after each epoch of ``checkpoints``; a set that
            stopped earlier keeps its last weights.
    """

    weights: Floats
    epochs: NDArray[np.int64]
    converged: NDArray[np.bool_]
    checkpoints: Floats


@register_jitable
def _epoch_of_two(Z: Any, W: Any, margin: Any, rate: Any, width: Any) -> None:
    """Pass once over the points of ``width`` lanes with two features, both in one sweep.

    No branch, so the lanes become vectors; half the loads and stores of the general case.
    """
    for i in range(Z.shape[0]):  # the points, in their order
        for lane in range(width):  # training sets side by side
            z0, z1 = Z[i, 0, lane], Z[i, 1, lane]  # y·x
            w0, w1 = W[0, lane], W[1, lane]
            hit = w0 * z0 + w1 * z1 <= margin  # y(w·x) <= a
            W[0, lane] = w0 + rate * z0 if hit else w0
            W[1, lane] = w1 + rate * z1 if hit else w1


@register_jitable
def _epoch(Z: Any, W: Any, steps: Any, margin: Any, rate: Any, width: Any) -> None:
    """Pass once over the points of ``width`` lanes; no branch, so the lanes become vectors."""
    n, d = Z.shape[0], Z.shape[1]
    if d == 2:
        _epoch_of_two(Z, W, margin, rate, width)
        return
    for i in range(n):
        for lane in range(width):
            steps[lane] = 0.0
        for k in range(d):
            for lane in range(width):
                steps[lane] += W[k, lane] * Z[i, k, lane]
        for lane in range(width):
            steps[lane] = rate if steps[lane] <= margin else 0.0
        for k in range(d):
            for lane in range(width):
                W[k, lane] += steps[lane] * Z[i, k, lane]


@register_jitable
def _changes(W: Any, before: Any, changed: Any, width: Any) -> None:
    """Say which lanes ended the epoch with other weights, and keep the weights for the next."""
    for lane in range(width):
        changed[lane] = 0
    for k in range(W.shape[0]):
        for lane in range(width):
            changed[lane] |= W[k, lane] != before[k, lane]
            before[k, lane] = W[k, lane]


@register_jitable
def _clear(Z: Any, W: Any, margin: Any, lane: Any) -> bool:
    """Say whether every point of ``lane`` lies beyond the margin, so that no epoch can update."""
    for i in range(Z.shape[0]):
        total = 0.0
        for k in range(Z.shape[1]):
            total += W[k, lane] * Z[i, k, lane]
        if total <= margin:
            return False
    return True


@register_jitable
def _load(signed: Any, r: Any, lane: Any, Z: Any, W: Any, before: Any) -> None:
    """Put training set ``r`` into ``lane`` with w = 0."""
    for k in range(W.shape[0]):
        W[k, lane] = before[k, lane] = 0.0
        for i in range(Z.shape[0]):
            Z[i, k, lane] = signed[r, i, k]


@register_jitable
def _move(source: Any, target: Any, Z: Any, W: Any, before: Any) -> None:
    """Copy lane ``source`` to ``target``; what ``source`` does from now on is looked at no more."""
    for k in range(W.shape[0]):
        W[k, target], before[k, target] = W[k, source], before[k, source]
        for i in range(Z.shape[0]):
            Z[i, k, target] = Z[i, k, source]


def _block(
    signed: Any, margin: Any, rate: Any, limit: Any, marks: Any, out: Any, scratch: Any
) -> None:
    """Train every set of ``signed`` (R, n, d) = y·x; a lane that finishes takes the next set.

    The scratch space comes from outside: allocating it here would double the compile time.
    """
    weights, epochs, converged, history = out
    Z, W, before, steps, table = scratch
    owner, epoch, mark, due, changed = table[0], table[1], table[2], table[3], table[4]
    count, stops = signed.shape[0], marks.shape[0]
    live, waiting = 0, 0
    while True:
        while live < LANES and waiting < count:
            _load(signed, waiting, live, Z, W, before)
            owner[live], epoch[live], mark[live] = waiting, 0, 0
            due[live] = marks[0] if stops else limit
            live, waiting = live + 1, waiting + 1
        if live == 0:
            return
        width = (live + _VECTOR - 1) // _VECTOR * _VECTOR
        _epoch(Z, W, steps, margin, rate, width)
        _changes(W, before, changed, width)
        for lane in range(live - 1, -1, -1):  # downwards: what fills a gap has been looked at
            epoch[lane] += 1
            if changed[lane] and epoch[lane] < min(due[lane], limit):
                continue
            # Updates may cancel within an epoch: the same weights alone do not prove convergence.
            still = changed[lane] == 0 and _clear(Z, W, margin, lane)
            last, r = still or epoch[lane] >= limit, owner[lane]
            while mark[lane] < stops and (last or marks[mark[lane]] <= epoch[lane]):
                for k in range(W.shape[0]):
                    history[r, mark[lane], k] = W[k, lane]
                mark[lane] += 1
            due[lane] = marks[mark[lane]] if mark[lane] < stops else limit
            if last:
                for k in range(W.shape[0]):
                    weights[r, k] = W[k, lane]
                epochs[r], converged[r] = epoch[lane], still
                live -= 1
                _move(live, lane, Z, W, before)
                for row in range(4):
                    table[row, lane] = table[row, live]


@cache
def _compiled() -> Callable[..., None]:
    """Return the block compiled once and for every caller, from the cache on disk if possible."""
    real, whole = types.float64, types.int64
    sets, lanes = real[:, :, ::1], real[:, ::1]
    several: Any = types.Tuple  # numba publishes no types
    out = several((lanes, whole[::1], types.boolean[::1], sets))
    scratch = several((sets, lanes, lanes, real[::1], whole[:, ::1]))
    signature = types.void(sets, real, real, whole, whole[::1], out, scratch)
    try:
        block = njit(signature, nogil=True, cache=True)(_block)
    except Exception:  # a read-only home, a full disk, a damaged cache: none must stop a run
        block = njit(signature, nogil=True)(_block)
    return block


def _signed(X: ArrayLike, y: ArrayLike) -> Floats:
    """Return y·x after checking both; y(w·x) = w·(y·x) exactly, since y is ±1."""
    points, labels = np.asarray(X, np.float64), np.asarray(y, np.float64)
    if points.ndim != 3 or 0 in points.shape[1:]:
        raise ValueError(f"X: expected shape (sets, points, features), got {points.shape}")
    if labels.shape != points.shape[:2]:
        raise ValueError(f"y: expected shape {points.shape[:2]} like X, got {labels.shape}")
    for r in np.flatnonzero(~np.isfinite(points).all(axis=(1, 2)))[:1]:
        raise ValueError(f"X[{r}]: expected finite numbers, got NaN or infinity; remove them")
    for r in np.flatnonzero((np.abs(labels) != 1).any(axis=1))[:1]:
        raise ValueError(f"y[{r}]: expected labels -1 and 1, got {np.unique(labels[r])[:3]}")
    return np.ascontiguousarray(points * labels[:, :, None])


def train(
    X: ArrayLike,
    y: ArrayLike,
    *,
    margin: float = 0.0,
    learning_rate: float = 1.0,
    max_epochs: int = 10_000,
    checkpoints: Sequence[int] = (),
    threads: int | None = None,
) -> Trained:
    """Train one classifier on each of R training sets: w += rate·y·x wherever y(w·x) <= margin.

    Every product and sum is rounded by itself, in the order of a plain loop, so the result of a
    set depends neither on its neighbors nor on the number of threads. A library that fuses
    multiplication and addition may differ in the last bits.

    Args:
        X: shape (R, n, d), the points of each set, finite.
        y: shape (R, n), labels −1 and 1.
        margin: a, at least 0: 0 is the perceptron criterion, 1 the hinge loss.
        learning_rate: step size, above 0.
        max_epochs: epochs after which a set is left as it is, at least 1.
        checkpoints: rising epochs, from 1, after which the weights are recorded too.
        threads: threads to use; None takes every core.

    Returns:
        The weights, epochs, convergence and checkpoints of the R sets, in their order.

    Raises:
        ValueError: for a shape, label or number outside these ranges.

    Example:
        >>> train([[[1.0, 0.0], [0.0, 1.0]]], [[1, -1]]).weights.tolist()
        [[1.0, -1.0]]

    Source: F. Rosenblatt, "The perceptron", Psychological Review 65 (1958).
    """
    if not (0 <= margin < np.inf and 0 < learning_rate < np.inf and max_epochs >= 1):
        got = f"margin {margin}, learning_rate {learning_rate}, max_epochs {max_epochs}"
        raise ValueError(f"train: expected margin >= 0, rate > 0, max_epochs >= 1, got {got}")
    if threads is not None and threads < 1:
        raise ValueError(f"threads: expected at least 1 or None for every core, got {threads}")
    signed, marks = _signed(X, y), np.array(checkpoints, np.int64)
    if (np.diff(marks, prepend=0) < 1).any():
        raise ValueError(f"checkpoints: expected rising epochs from 1, got {list(checkpoints)}")
    sets, points, features = signed.shape
    weights = np.zeros((sets, features))
    epochs, converged = np.zeros(sets, np.int64), np.zeros(sets, np.bool_)
    history = np.zeros((sets, marks.size, features))
    block = _compiled()

    def work(low: int, high: int) -> None:
        out = (weights[low:high], epochs[low:high], converged[low:high], history[low:high])
        lanes, W, before = np.zeros((points, features, LANES)), *np.zeros((2, features, LANES))
        scratch = (lanes, W, before, np.zeros(LANES), np.zeros((5, LANES), np.int64))
        rates = (float(margin), float(learning_rate), int(max_epochs))
        block(signed[low:high], *rates, marks, out, scratch)

    workers = max(1, min(threads or cores(), sets // _VECTOR))
    bounds = [sets * k // workers for k in range(workers + 1)]
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, bounds[:-1], bounds[1:]))
    return Trained(weights, epochs, converged, history)
