"""The margin classifier against scikit-learn and a plain loop, and when it stops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array, csr_array, csr_matrix
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Perceptron, SGDClassifier
from sklearn.utils._test_common.instance_generator import _get_expected_failed_checks
from sklearn.utils.estimator_checks import check_estimator

from firstlight.margin.estimator import MarginClassifier
from margin_problems import COARSE, QUIET, identical, problems, same, separable

# Most draws are not separable, and several tests stop early on purpose.
pytestmark = pytest.mark.filterwarnings("ignore:not converged after")


def peer(margin, rate, epochs, **options):
    """Return scikit-learn's classifier of the same criterion, with nothing that stops it early."""
    common = {"penalty": None, "eta0": rate, "shuffle": False, "tol": None, "max_iter": epochs}
    if margin == 0:
        return Perceptron(**common, **options)
    return SGDClassifier(loss="hinge", learning_rate="constant", **common, **options)


def reference(X, y, margin, intercept, orders, weight):
    """Return (w, b, updates of each epoch) of a two-class loop in NumPy; y is ±1, the rate 1."""
    w, b, updates = np.zeros(X.shape[1]), 0.0, []
    s = np.ones(len(y)) if weight is None else weight
    for order in orders:
        updates.append(0)
        for i in order:
            if y[i] * (w @ X[i] + b) <= margin and s[i] > 0:
                w = w + s[i] * y[i] * X[i]
                b += s[i] * y[i] * intercept
                updates[-1] += 1
        if updates[-1] == 0:
            break
    return w, b, updates


# Against scikit-learn


@pytest.mark.parametrize("margin", [0.0, 1.0], ids=["perceptron", "hinge"])
@pytest.mark.parametrize("intercept", [True, False], ids=["intercept", "no intercept"])
@QUIET
@given(problems(), st.sampled_from([1.0, 0.01, 0.3, 7.0]), st.integers(1, 12))
def test_weights_equal_scikit_learn_on_dense_data(margin, intercept, problem, rate, epochs):
    X, y, weight, class_weight = problem
    options = {"fit_intercept": intercept, "class_weight": class_weight}
    model = MarginClassifier(
        margin, learning_rate=rate, max_epochs=epochs, shuffle=False, **options
    ).fit(X, y, weight)
    for run in {epochs, model.n_iter_}:  # epochs after one without an update change nothing
        same(model, peer(margin, rate, run, **options).fit(X, y, sample_weight=weight))
    assert model.n_iter_ == epochs or model.converged_


@pytest.mark.parametrize("margin", [0.0, 1.0], ids=["perceptron", "hinge"])
@QUIET
@given(problems(), st.sampled_from([1.0, 0.3]), st.integers(1, 8))
def test_weights_equal_scikit_learn_on_sparse_data(margin, problem, rate, epochs):
    X, y, weight, class_weight = problem
    options = {"fit_intercept": False, "class_weight": class_weight}
    model = MarginClassifier(
        margin, learning_rate=rate, max_epochs=epochs, shuffle=False, **options
    ).fit(csr_matrix(X), y, weight)
    same(model, peer(margin, rate, epochs, **options).fit(csr_matrix(X), y, sample_weight=weight))


@QUIET
@given(st.sampled_from([csr_array, csr_matrix, coo_array]), problems())
def test_sparse_and_dense_copies_give_identical_weights_with_intercept(kind, problem):
    X, y, weight, class_weight = problem
    model = MarginClassifier(1.0, max_epochs=5, random_state=3, class_weight=class_weight)
    dense = model.fit(X, y, weight)
    sparse = MarginClassifier(**model.get_params()).fit(kind(X), y, weight)
    identical(sparse, dense)
    np.testing.assert_allclose(
        sparse.decision_function(kind(X)), dense.decision_function(X), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("margin", [0.0, 1.0], ids=["perceptron", "hinge"])
@QUIET
@given(problems(), st.integers(1, 4))
def test_partial_fit_equals_scikit_learn(margin, problem, passes):
    X, y, weight, _ = problem
    model, other = MarginClassifier(margin, shuffle=False), peer(margin, 1.0, 1)
    for _ in range(passes):
        for part in (slice(None, None, 2), slice(1, None, 2)):
            options = {"classes": np.unique(y)}
            if weight is not None:
                options["sample_weight"] = weight[part] + 0.5  # no part may weigh nothing
            model.partial_fit(X[part], y[part], **options)
            other.partial_fit(X[part], y[part], **options)
            same(model, other)


def test_int64_sparse_indices_are_taken():
    X, y = separable()
    S = csr_matrix(X)
    S.indices, S.indptr = S.indices.astype(np.int64), S.indptr.astype(np.int64)
    model = MarginClassifier(shuffle=False)
    identical(model.fit(S, y), MarginClassifier(shuffle=False).fit(X, y))


@pytest.mark.parametrize("margin", [0.0, 1.0])
def test_check_estimator_fails_nowhere_that_perceptron_does_not(margin):
    results = check_estimator(MarginClassifier(margin), on_fail=None, on_skip=None)
    failed = {result["check_name"] for result in results if result["status"] == "failed"}
    passed = {result["check_name"] for result in results if result["status"] == "passed"}
    assert failed <= set(_get_expected_failed_checks(Perceptron()))
    assert {"check_classifiers_train", "check_estimators_pickle"} <= passed


# Against a plain loop


@pytest.mark.parametrize("shuffle", [False, True])
@QUIET
@given(
    problems(most_classes=2, numbers=(COARSE,)),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.booleans(),
    st.integers(0, 99),
)
def test_weights_equal_a_plain_loop(shuffle, problem, margin, intercept, seed):
    X, y, weight, _ = problem
    model = MarginClassifier(
        margin, fit_intercept=intercept, max_epochs=6, shuffle=shuffle, random_state=seed
    ).fit(X, y, weight)
    rng, n = np.random.RandomState(seed), len(y)
    orders = [rng.permutation(n) if shuffle else np.arange(n) for _ in range(6)]
    signs = np.where(y == 1, 1, -1)
    w, b, updates = reference(X, signs, margin, intercept, orders, weight)
    np.testing.assert_array_equal(model.coef_[0], w)
    assert model.intercept_[0] == b
    assert model.n_updates_.tolist() == [sum(updates)]
    assert (model.n_iter_, model.converged_) == (len(updates), updates[-1] == 0)


# When training stops


@pytest.mark.parametrize("margin", [0.0, 1.0], ids=["perceptron", "hinge"])
def test_fit_stops_only_after_an_epoch_without_an_update(margin):
    X, y = separable()
    model = MarginClassifier(margin, shuffle=False).fit(X, y)
    assert model.converged_
    assert 2 < model.n_iter_ < model.max_epochs
    assert (y * model.decision_function(X) > margin).all()
    same(model, peer(margin, 1.0, model.n_iter_).fit(X, y))
    same(model, peer(margin, 1.0, model.n_iter_ - 1).fit(X, y))
    earlier = peer(margin, 1.0, model.n_iter_ - 2).fit(X, y)
    assert not np.array_equal(earlier.coef_, model.coef_)
    assert model.partial_fit(X, y).n_updates_.tolist() == [0]


def test_a_stop_at_max_epochs_is_said():
    X, y = separable()
    with pytest.warns(ConvergenceWarning, match="max_epochs=2"):
        model = MarginClassifier(1.0, max_epochs=2, shuffle=False).fit(X, y)
    assert (model.n_iter_, model.converged_) == (2, False)
    assert model.n_updates_[0] > 0


def test_a_point_on_the_margin_is_updated():
    # After one step w = (1, 0): both margins are exactly 1, and hinge must step again.
    X, y = np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([1, -1])
    model = MarginClassifier(1.0, fit_intercept=False, shuffle=False).fit(X, y)
    assert model.coef_.tolist() == [[2.0, 0.0]]
    assert (model.n_iter_, model.n_updates_.tolist()) == (2, [2])


def test_a_sample_of_weight_zero_neither_moves_the_weights_nor_holds_up_the_end():
    X, y = separable()
    wrong = np.r_[y, -y[:1]]
    weight = np.r_[np.ones(len(y)), 0.0]
    model = MarginClassifier(shuffle=False).fit(np.r_[X, X[:1]], wrong, weight)
    assert model.converged_
    identical(model, MarginClassifier(shuffle=False).fit(X, y))


def test_a_point_at_the_origin_never_gets_beyond_the_margin_without_intercept():
    X, y = np.array([[1.0], [-1.0], [0.0]]), np.array([1, 0, 1])
    model = MarginClassifier(fit_intercept=False, max_epochs=7).fit(X, y)
    assert (model.n_iter_, model.converged_) == (7, False)


@pytest.mark.parametrize("seed", range(5))
def test_updates_stay_within_novikoffs_bound(seed):
    X, y = separable(seed=seed)
    model = MarginClassifier(fit_intercept=False, random_state=seed).fit(X, y)
    gap = (y * (X[:, 0] - X[:, 1])).min() / np.sqrt(2)
    assert 0 < model.n_updates_[0] <= (np.linalg.norm(X, axis=1).max() / gap) ** 2
