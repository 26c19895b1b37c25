"""Time the margin kernel against a loop over scikit-learn's estimators on the same training sets.

scikit-learn is given what it likes best: the number of epochs that each set needs, no shuffle, no
stopping rule, and no fit beyond the weights. Both sides must end with the same weights.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firstlight.margin.lanes import Trained, train
from firstlight.record.provenance import cores
from firstlight.seeds import generator

MARGINS = {"perceptron": 0.0, "hinge": 1.0}
TOLERANCE = 1e-12
"""Largest difference of a weight, relative to the largest weight of its set."""


def _estimator(criterion: str, epochs: int) -> Any:
    from sklearn.linear_model import Perceptron, SGDClassifier

    same = {"fit_intercept": False, "shuffle": False, "tol": None, "max_iter": epochs}
    if criterion == "perceptron":
        return Perceptron(**same)
    return SGDClassifier(loss="hinge", penalty=None, learning_rate="constant", eta0=1.0, **same)


def _loop(X: Any, y: Any, epochs: dict[str, NDArray[np.int64]]) -> dict[str, Any]:
    """Fit scikit-learn's estimators one by one and return their weights."""
    out = {}
    for criterion in MARGINS:
        fits = (
            _estimator(criterion, int(count)).fit(points, labels).coef_[0]
            for points, labels, count in zip(X, y, epochs[criterion], strict=True)
        )
        out[criterion] = np.array(list(fits))
    return out


def _ours(X: Any, y: Any, max_epochs: int) -> dict[str, Trained]:
    """Train both criteria on all sets with the kernel."""
    return {c: train(X, y, margin=a, max_epochs=max_epochs) for c, a in MARGINS.items()}


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = perf_counter()
    result = work()
    return perf_counter() - started, result


def _largest_difference(ours: dict[str, Trained], theirs: dict[str, Any]) -> float:
    """Return the largest difference of a weight, relative to its set's largest weight."""
    worst = 0.0
    for criterion, trained in ours.items():
        size = np.abs(trained.weights).max(axis=1, keepdims=True)
        gap = np.abs(trained.weights - theirs[criterion]) / np.maximum(size, 1.0)
        worst = max(worst, float(gap.max()))
    return worst


def measure(
    sets: int = 2_000, rounds: int = 3, max_epochs: int = 10_000, seed: int = 0
) -> list[dict[str, Any]]:
    """Return the medians over rounds of both ways of training ``sets`` sets of 20 points.

    Sets whose points all have one label are redrawn, because scikit-learn refuses them. The warm-up
    is one untimed training with the kernel, which compiles it, and one untimed fit of each
    estimator; the two ways then take turns.

    Args:
        sets: training sets, at least 2.
        rounds: timed rounds of each way, at least 1.
        max_epochs: epochs after which an unconverged set is left as it is.
        seed: seed of the sets.

    Raises:
        ArithmeticError: if the two ways end with different weights.
    """
    rng = generator(seed, "bench", "perceptron")
    X = rng.random((sets, 20, 2))
    while (mixed := (X[..., 0] > X[..., 1]).mean(axis=1) % 1 == 0).any():
        X[mixed] = rng.random((int(mixed.sum()), 20, 2))
    y = np.where(X[..., 0] > X[..., 1], 1, -1)
    epochs = {c: t.epochs for c, t in _ours(X, y, max_epochs).items()}
    _loop(X[:1], y[:1], {c: e[:1] for c, e in epochs.items()})
    plain, fast = [], []
    for _ in range(rounds):
        seconds, theirs = _timed(lambda: _loop(X, y, epochs))
        plain.append(seconds)
        # The kernel's turn is so short that one reading would be noise.
        turns = [_timed(lambda: _ours(X, y, max_epochs)) for _ in range(9)]
        fast.append(median(turn[0] for turn in turns))
    gap = _largest_difference(turns[-1][1], theirs)
    if not gap <= TOLERANCE:
        raise ArithmeticError(f"weights: expected equal to {TOLERANCE:g}, got a gap of {gap:.3g}")
    return _rows(sets, median(plain), median(fast), gap)


def _rows(sets: int, plain: float, fast: float, gap: float) -> list[dict[str, Any]]:
    fits = 2 * sets
    rows = [("scikit-learn, one by one", plain), ("firstlight, all at once", fast)]
    return [
        {
            "way": way,
            "fits": fits,
            "seconds": seconds,
            "fits_per_second": fits / seconds,
            "times_faster": plain / seconds,
            "largest_difference": gap,
        }
        for way, seconds in rows
    ]


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the measurements as aligned text."""
    lines = [f"{'way':<26}{'trainings':>10}{'seconds':>10}{'per second':>13}{'faster':>9}"]
    lines += [
        f"{row['way']:<26}{row['fits']:>10,}{row['seconds']:>10.4f}"
        f"{row['fits_per_second']:>13,.0f}{row['times_faster']:>8.1f}×"
        for row in rows
    ]
    gap = rows[-1]["largest_difference"]
    lines.append(f"Weights agree to {gap:.1g} (limit {TOLERANCE:g}); {cores()} cores.")
    return "\n".join(lines)


def run(data: Path | None = None) -> str:
    """Return the comparison as text; ``data`` is not used, the points are drawn."""
    return table(measure())
