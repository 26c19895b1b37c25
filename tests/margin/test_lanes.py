"""The kernel against a plain loop, scikit-learn and its own symmetries."""

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Perceptron, SGDClassifier

from firstlight.margin import lanes
from firstlight.margin.estimator import MarginClassifier
from firstlight.margin.lanes import LANES, train


def sets(count: int, points: int = 20, features: int = 2, seed: int = 0) -> tuple[Any, Any]:
    """Return separable sets through the origin, each with both classes."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(count, points, features))
    y = np.where(X @ rng.normal(size=features) > 0, 1, -1)
    flip = (y == y[:, :1]).all(axis=1)
    X[flip, 0] *= -1
    y[flip, 0] *= -1
    return X, y


def reference(X: Any, y: Any, margin: float, rate: float, limit: int) -> tuple[Any, int, bool]:
    """Train one set as the definition says."""
    w = np.zeros(X.shape[1])
    for epoch in range(1, limit + 1):
        updates = 0
        for point, label in zip(X, y, strict=True):
            score = 0.0
            for k in range(len(w)):
                score += w[k] * point[k]
            if label * score <= margin:
                w += rate * label * point
                updates += 1
        if not updates:
            return w, epoch, True
    return w, limit, False


SHAPES = [(1, 20, 2), (7, 1, 2), (LANES, 2, 1), (LANES + 1, 5, 2), (150, 20, 2), (33, 8, 5)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("margin", "rate"), [(0.0, 1.0), (1.0, 1.0), (1.0, 0.01), (0.3, 0.7)])
def test_equals_a_plain_loop(shape: tuple[int, ...], margin: float, rate: float) -> None:
    X, y = sets(*shape)
    found = train(X, y, margin=margin, learning_rate=rate, max_epochs=40)
    for r in range(len(X)):
        w, epochs, converged = reference(X[r], y[r], margin, rate, 40)
        np.testing.assert_allclose(found.weights[r], w, rtol=1e-12, atol=1e-12)
        assert (found.epochs[r], found.converged[r]) == (epochs, converged)


@pytest.mark.parametrize("shape", [(12, 20, 2), (12, 30, 4)], ids=str)
@pytest.mark.parametrize("rate", [1.0, 0.01])
def test_equals_scikit_learn(shape: tuple[int, ...], rate: float) -> None:
    X, y = sets(*shape, seed=3)
    same: dict[str, Any] = {"fit_intercept": False, "shuffle": False, "tol": None, "eta0": rate}
    for margin in (0.0, 1.0):
        found = train(X, y, margin=margin, learning_rate=rate, max_epochs=500)
        for r in range(len(X)):
            epochs = int(found.epochs[r])
            peer = (
                Perceptron(max_iter=epochs, **same)
                if margin == 0
                else SGDClassifier(
                    loss="hinge", penalty=None, learning_rate="constant", max_iter=epochs, **same
                )
            )
            weights = peer.fit(X[r], y[r]).coef_[0]
            np.testing.assert_allclose(found.weights[r], weights, rtol=1e-12, atol=1e-12)


@pytest.mark.filterwarnings("ignore:not converged")  # some sets are cut off on purpose
def test_equals_the_estimator() -> None:
    X, y = sets(5, seed=4)
    for margin in (0.0, 1.0):
        found = train(X, y, margin=margin, max_epochs=300)
        for r in range(5):
            one = MarginClassifier(
                margin=margin, fit_intercept=False, shuffle=False, max_epochs=300
            )
            one.fit(X[r], y[r])
            np.testing.assert_allclose(one.coef_[0], found.weights[r], rtol=1e-12, atol=1e-12)
            assert one.n_iter_ == found.epochs[r]
            assert one.converged_ == found.converged[r]


def test_neighbours_threads_and_repetition_change_no_bit() -> None:
    X, y = sets(200)
    options: dict[str, Any] = {"margin": 1.0, "max_epochs": 300, "checkpoints": [2, 50, 300]}
    found = train(X, y, **options, threads=1)
    order = np.random.default_rng(1).permutation(len(X))
    moved = train(X[order], y[order], **options, threads=3)
    again = train(X, y, **options)
    for name in ("weights", "epochs", "converged", "checkpoints"):
        expected = getattr(found, name)
        np.testing.assert_array_equal(getattr(moved, name), expected[order])
        np.testing.assert_array_equal(getattr(again, name), expected)
    alone = [train(X[r : r + 1], y[r : r + 1], **options).weights[0] for r in range(20)]
    np.testing.assert_array_equal(alone, found.weights[:20])


def test_checkpoints_equal_shorter_trainings() -> None:
    X, y = sets(100)
    marks = [1, 3, 10, 64, 200]
    found = train(X, y, margin=1.0, max_epochs=120, checkpoints=marks)
    for c, mark in enumerate(marks):
        short = train(X, y, margin=1.0, max_epochs=min(mark, 120))
        np.testing.assert_array_equal(found.checkpoints[:, c], short.weights)


def test_the_learning_rate_only_scales_the_perceptron() -> None:
    X, y = sets(80)
    one, slow = train(X, y), train(X, y, learning_rate=0.25)  # a power of two: exact
    np.testing.assert_array_equal(slow.weights, 0.25 * one.weights)
    np.testing.assert_array_equal(slow.epochs, one.epochs)


def test_hinge_depends_on_margin_over_rate_alone() -> None:
    X, y = sets(80)
    one = train(X, y, margin=4.0, max_epochs=200)
    same = train(X, y, margin=1.0, learning_rate=0.25, max_epochs=200)
    other = train(X, y, margin=1.0, max_epochs=200)
    np.testing.assert_array_equal(same.weights, 0.25 * one.weights)
    assert not np.array_equal(other.epochs, one.epochs)


def test_updates_that_cancel_are_not_convergence() -> None:
    """Two equal points with opposite labels bring w back to 0 in every epoch."""
    found = train([[[1.0, 0.0], [1.0, 0.0]]], [[1, -1]], max_epochs=9)
    assert found.weights.tolist() == [[0.0, 0.0]]
    assert found.epochs.tolist() == [9]
    assert found.converged.tolist() == [False]


def test_one_class_and_no_sets() -> None:
    found = train([[[0.5, 0.25], [0.25, 0.5]]], [[1, 1]])
    assert found.weights.tolist() == [[0.5, 0.25]]
    assert found.converged.all()
    assert train(np.zeros((0, 3, 2)), np.zeros((0, 3))).weights.shape == (0, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"X": np.ones((3, 2))}, r"X: expected shape \(sets, points, features\), got \(3, 2\)"),
        ({"y": np.ones((2, 4))}, r"y: expected shape \(2, 3\) like X, got \(2, 4\)"),
        ({"X": np.full((2, 3, 2), np.nan)}, r"X\[0\]: expected finite numbers"),
        ({"y": np.array([[1, 1, -1], [0, 1, 1]])}, r"y\[1\]: expected labels -1 and 1"),
        ({"margin": -1.0}, "margin >= 0"),
        ({"margin": float("nan")}, "margin >= 0"),
        ({"learning_rate": 0.0}, "rate > 0"),
        ({"max_epochs": 0}, "max_epochs >= 1"),
        ({"checkpoints": [3, 2]}, "checkpoints: expected rising epochs"),
        ({"checkpoints": [0, 2]}, "checkpoints: expected rising epochs"),
        ({"threads": 0}, "threads: expected at least 1"),
    ],
)
def test_refuses_bad_input(changes: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"X": np.ones((2, 3, 2)), "y": np.ones((2, 3)), **changes}
    with pytest.raises(ValueError, match=message):
        train(**arguments)


def test_compiles_in_memory_where_the_cache_cannot_be_used(monkeypatch: Any) -> None:
    def refuse(*args: Any, cache: bool = False, **options: Any) -> Any:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda block: block

    monkeypatch.setattr(lanes, "njit", refuse)
    lanes._compiled.cache_clear()
    try:
        assert lanes._compiled() is lanes._block
    finally:
        lanes._compiled.cache_clear()
