"""Train linear margin classifiers sample by sample, with one loop for dense and sparse data.

The loss of classifier c on the sample (x, y), y = ±1, is L = max(0, a − y(w_c·x + b_c)); its
subgradient step is w_c += η·s·y·x and b_c += η·s·y wherever y(w_c·x + b_c) <= a, with the margin a,
the learning rate η and the sample's weight s.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from firstlight.types import Floats, Numbers


@dataclass(frozen=True)
class Rows:
    """Samples as compressed rows: row i is ``values[starts[i]:starts[i + 1]]``.

    Args:
        values: shape (m,), the stored entries, row after row.
        columns: shape (m,), the feature of each entry; shape (d,) where ``shared``.
        starts: shape (n + 1,), where each row begins.
        shared: whether every row has the same columns, as dense data have.
    """

    values: Floats
    columns: Numbers
    starts: Numbers
    shared: bool


@dataclass(frozen=True)
class Task:
    """What k one-against-the-rest classifiers have to learn from n samples.

    Args:
        codes: shape (n,), the class of each sample as an index.
        positive: shape (k,), the class for which each classifier says +1.
        sample_weight: shape (n,), at least 0.
        class_weight: shape (k, 2), weight of the negative and of the positive samples.
        margin: a, at least 0.
        learning_rate: η, above 0.
        fit_intercept: whether b moves.
    """

    codes: NDArray[np.intp]
    positive: NDArray[np.intp]
    sample_weight: Floats
    class_weight: Floats
    margin: float
    learning_rate: float
    fit_intercept: bool


@dataclass(frozen=True)
class Outcome:
    """How a training ended.

    Args:
        epochs: passes over the samples, the last one without an update included.
        converged: whether that last pass made no update.
        updates: shape (k,), number of updates of each classifier.
    """

    epochs: int
    converged: bool
    updates: NDArray[np.int64]


def rows(X: Any) -> Rows:
    """Return samples of shape (n, d), a float64 array or CSR matrix, as ``Rows``; no copy of X.

    Example:
        >>> rows(np.array([[1.0, 2.0], [3.0, 4.0]])).starts.tolist()
        [0, 2, 4]
    """
    if issparse(X):
        return Rows(X.data, X.indices, X.indptr, shared=False)
    n, d = X.shape
    # SciPy's own choice of index type, so that dense and sparse data share one compiled loop.
    kind = np.int32 if X.size <= np.iinfo(np.int32).max else np.int64
    starts = np.arange(n + 1, dtype=kind) * kind(d)
    return Rows(np.ascontiguousarray(X).reshape(-1), np.arange(d, dtype=kind), starts, shared=True)


def class_pairs(weights: Floats) -> Floats:
    """Return ``Task.class_weight`` for weights of the classes, shape (2,) or (k,) with k > 2.

    Example:
        >>> class_pairs(np.array([0.5, 2.0, 3.0])).tolist()
        [[1.0, 0.5], [1.0, 2.0], [1.0, 3.0]]
    """
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise ValueError(
            f"class_weight: expected finite numbers of at least 0, got {weights.tolist()}; "
            "change class_weight"
        )
    if weights.size == 2:
        return weights[np.newaxis]
    return np.column_stack([np.ones_like(weights), weights])


def one_pass(
    values: Floats,
    columns: Numbers,
    starts: Numbers,
    shared: bool,
    codes: NDArray[np.intp],
    positive: NDArray[np.intp],
    sample_weight: Floats,
    class_weight: Floats,
    margin: float,
    learning_rate: float,
    fit_intercept: bool,
    order: NDArray[np.intp],
    active: NDArray[np.intp],
    W: Floats,
    b: Floats,
    updates: NDArray[np.int64],
) -> int:
    """Visit the samples in ``order``, move W and b, count updates; plain Python, made to compile.

    Returns the sample whose w·x + b is not finite, or −1 where all are.
    """
    for i in order:
        x = values[starts[i] : starts[i + 1]]
        where = columns if shared else columns[starts[i] : starts[i + 1]]
        for c in active:
            w, score = W[c], 0.0
            for p in range(x.size):
                score += w[where[p]] * x[p]
            score += b[c]
            if not math.isfinite(score):
                return int(i)
            side = 1 if codes[i] == positive[c] else 0
            y = 2.0 * side - 1.0
            # This order of products is scikit-learn's, so that the weights agree in every bit.
            step = learning_rate * y * (class_weight[c, side] * sample_weight[i])
            # A step of nothing is no update: a sample of weight 0 must not hold up the end.
            if y * score > margin or step == 0.0:
                continue
            updates[c] += 1
            for p in range(x.size):
                w[where[p]] += x[p] * step
            if fit_intercept:
                b[c] += step
    return -1


@cache
def _compiled(keep: bool) -> Callable[..., int]:
    """Return ``one_pass`` as machine code, kept on disk where ``keep`` and a folder allow it."""
    from numba import njit

    loop: Callable[..., int]
    try:
        loop = njit(cache=keep)(one_pass)
    except RuntimeError:  # numba found no folder that it may write to
        loop = njit()(one_pass)
    return loop


def _run_pass(*arguments: Any) -> int:
    try:
        return _compiled(True)(*arguments)
    except OSError:  # the disk is full or the kept code unreadable; the loop itself opens no file
        return _compiled(False)(*arguments)


def train(
    samples: Rows,
    task: Task,
    W: Floats,
    b: Floats,
    max_epochs: int,
    shuffle: Callable[[int], NDArray[np.intp]] | None = None,
) -> Outcome:
    """Pass over the samples until a whole epoch makes no update, at most ``max_epochs`` times.

    A classifier that came through an epoch without an update can never move again, so it rests.

    Args:
        samples: n rows with d features.
        task: classes, weights, margin and learning rate.
        W: shape (k, d), changed in place.
        b: shape (k,), changed in place.
        max_epochs: at least 1.
        shuffle: n → a permutation of range(n), drawn anew for each epoch; None keeps the order.

    Raises:
        ValueError: a decision value or a weight is no longer a finite number.
    """
    order = np.arange(task.codes.size, dtype=np.intp)
    active, total = np.arange(task.positive.size, dtype=np.intp), np.zeros(b.size, dtype=np.int64)
    epoch = 0
    while active.size and epoch < max_epochs:
        epoch += 1
        if shuffle is not None:
            order = shuffle(order.size).astype(np.intp, copy=False)
        updates = np.zeros_like(total)
        bad = _run_pass(
            *(samples.values, samples.columns, samples.starts, samples.shared),
            *(task.codes, task.positive, task.sample_weight, task.class_weight),
            *(task.margin, task.learning_rate, task.fit_intercept),
            *(order, active, W, b, updates),
        )
        if bad >= 0:
            raise _overflow(f"epoch {epoch}, sample {bad}: expected a finite decision value")
        total += updates
        active = active[updates[active] > 0]
    if not (np.isfinite(W).all() and np.isfinite(b).all()):
        raise _overflow(f"epoch {epoch}: expected finite weights")
    return Outcome(epoch, active.size == 0, total)


def _overflow(what: str) -> ValueError:
    advice = "scale the features (e.g. StandardScaler) or lower learning_rate and weights"
    return ValueError(f"{what}, got an overflow of float64; {advice}")
