"""The margin classifier against scikit-learn, a plain loop and what must not change the answer."""

import doctest
import errno
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array, csr_array, csr_matrix
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import Perceptron, SGDClassifier
from sklearn.utils._test_common.instance_generator import _get_expected_failed_checks
from sklearn.utils.estimator_checks import check_estimator

from firstlight import linear, margin_loop
from firstlight.linear import MarginClassifier

# Most draws are not separable, and several tests stop early on purpose.
pytestmark = pytest.mark.filterwarnings(
    "ignore:not converged after:" + ConvergenceWarning.__module__ + ".ConvergenceWarning"
)
QUIET = settings(
    deadline=None, max_examples=30, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
COARSE = st.integers(-4, 4).map(float)  # exact sums, hence many margins exactly at the limit
FINE = st.floats(-10, 10, allow_subnormal=False)
WEIGHTS = {COARSE: st.sampled_from([0.0, 0.5, 1.0, 2.0]), FINE: st.floats(0.1, 3)}


@st.composite
def problems(draw, most_classes=4, numbers=(COARSE, FINE)):
    """Draw (X, y, sample_weight, class_weight) with at least one sample of every class."""
    k = draw(st.integers(2, most_classes))
    n, d = draw(st.integers(k, 20)), draw(st.integers(1, 5))
    elements = draw(st.sampled_from(numbers))
    X = draw(hnp.arrays(np.float64, (n, d), elements=elements))
    y = draw(hnp.arrays(np.int64, n, elements=st.integers(0, k - 1)))
    y[:k] = np.arange(k)
    weight = draw(st.one_of(st.none(), hnp.arrays(np.float64, n, elements=WEIGHTS[elements])))
    if weight is not None:
        weight[0] = 1.0  # scikit-learn refuses weights that are all zero
    label_weight = st.fixed_dictionaries(dict.fromkeys(range(k), st.floats(0.1, 3)))
    class_weight = draw(st.one_of(st.none(), st.just("balanced"), label_weight))
    return X, y, weight, class_weight


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


def separable(n=40, seed=0):
    """Return points of the unit square and labels ±1 by x1 > x2, none within .05 of the line."""
    X = np.random.default_rng(seed).uniform(0, 1, (10 * n, 2))
    X = X[np.abs(X[:, 0] - X[:, 1]) > 0.05][:n]
    return X, np.where(X[:, 0] > X[:, 1], 1, -1)


def same(model, other):
    np.testing.assert_allclose(model.coef_, other.coef_, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(model.intercept_, other.intercept_, rtol=1e-12, atol=1e-12)


def identical(model, other):
    np.testing.assert_array_equal(model.coef_, other.coef_)
    np.testing.assert_array_equal(model.intercept_, other.intercept_)


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


@pytest.mark.parametrize("kind", [csr_array, csr_matrix, coo_array])
@QUIET
@given(problems())
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


@pytest.mark.parametrize("margin", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("shuffle", [False, True])
@QUIET
@given(problems(most_classes=2, numbers=(COARSE,)), st.booleans(), st.integers(0, 99))
def test_weights_equal_a_plain_loop(margin, shuffle, problem, intercept, seed):
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


def test_the_loop_gives_the_same_compiled_and_as_plain_python(monkeypatch):
    X, y = separable(n=15)
    compiled = MarginClassifier(1.0, max_epochs=20, random_state=0).fit(X, y)
    monkeypatch.setattr(margin_loop, "_run_pass", margin_loop.one_pass)
    identical(MarginClassifier(1.0, max_epochs=20, random_state=0).fit(X, y), compiled)


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


# What must not change the answer


@QUIET
@given(problems(), st.sampled_from([2.0**-9, 0.5, 64.0]), st.sampled_from([0.0, 1.0]))
def test_only_margin_over_learning_rate_matters(problem, factor, margin):
    X, y, weight, class_weight = problem  # powers of two scale without rounding
    options = {"max_epochs": 6, "random_state": 0, "class_weight": class_weight}
    one = MarginClassifier(margin, **options).fit(X, y, weight)
    scaled = MarginClassifier(margin * factor, learning_rate=factor, **options).fit(X, y, weight)
    np.testing.assert_array_equal(scaled.coef_, factor * one.coef_)
    np.testing.assert_array_equal(scaled.intercept_, factor * one.intercept_)
    np.testing.assert_array_equal(scaled.predict(X), one.predict(X))
    assert scaled.n_iter_ == one.n_iter_


def test_the_learning_rate_alone_changes_hinge_but_not_the_perceptron():
    X, y = separable()
    points = np.random.default_rng(1).uniform(0, 1, (1000, 2))
    slow, fast = (
        [
            MarginClassifier(margin, learning_rate=rate, max_epochs=5, shuffle=False)
            .fit(X, y)
            .predict(points)
            for margin in (0.0, 1.0)
        ]
        for rate in (0.01, 3.0)
    )
    assert np.array_equal(slow[0], fast[0])
    assert not np.array_equal(slow[1], fast[1])


@QUIET
@given(problems(numbers=(COARSE,)), st.randoms(use_true_random=False))
def test_features_may_stand_in_any_order(problem, random):
    X, y, weight, _ = problem
    columns = random.sample(range(X.shape[1]), X.shape[1])
    options = {"margin": 1.0, "max_epochs": 5, "random_state": 1}
    one = MarginClassifier(**options).fit(X, y, weight)
    other = MarginClassifier(**options).fit(X[:, columns], y, weight)
    np.testing.assert_array_equal(other.coef_, one.coef_[:, columns])


@QUIET
@given(problems(most_classes=2))
def test_swapping_the_two_classes_turns_the_signs(problem):
    X, y, weight, _ = problem
    options = {"margin": 1.0, "max_epochs": 5, "random_state": 1}
    one = MarginClassifier(**options).fit(X, y, weight)
    other = MarginClassifier(**options).fit(X, 1 - y, weight)
    np.testing.assert_array_equal(other.coef_, -one.coef_)
    np.testing.assert_array_equal(other.intercept_, -one.intercept_)


@QUIET
@given(problems())
def test_each_row_of_many_classes_is_the_classifier_of_one_class_against_the_rest(problem):
    X, y, weight, _ = problem
    if y.max() < 2:
        return
    options = {"margin": 1.0, "max_epochs": 5, "random_state": 2}
    many = MarginClassifier(**options).fit(X, y, weight)
    for c in range(len(many.classes_)):
        one = MarginClassifier(**options).fit(X, y == c, weight)
        np.testing.assert_array_equal(many.coef_[c], one.coef_[0])
        assert many.intercept_[c] == one.intercept_[0]
        assert many.n_updates_[c] == one.n_updates_[0]


def test_labels_may_be_strings_numbers_or_truth_values():
    X, y = separable()
    one = MarginClassifier(random_state=0).fit(X, y)
    for labels in (np.array(["no", "yes"]), np.array([2.0, 9.0]), np.array([False, True])):
        other = MarginClassifier(random_state=0).fit(X, labels[(y == 1).astype(int)])
        identical(other, one)
        assert set(other.predict(X)) == set(labels)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    X, y = separable()
    weights = [
        MarginClassifier(1.0, max_epochs=3, random_state=seed).fit(X, y).coef_ for seed in (5, 5, 6)
    ]
    assert np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


def test_passes_of_partial_fit_add_up_to_fit():
    X, y = separable()
    whole = MarginClassifier(1.0, max_epochs=4, random_state=0).fit(X, y)
    parts = MarginClassifier(1.0, random_state=np.random.RandomState(0))
    for _ in range(4):
        parts.partial_fit(X, y, classes=[-1, 1])
    identical(parts, whole)
    assert (parts.n_iter_, parts.converged_) == (1, False)


def test_warm_start_goes_on_and_a_cold_one_starts_again():
    X, y = separable()
    options = {"margin": 1.0, "shuffle": False}
    warm = MarginClassifier(max_epochs=2, warm_start=True, **options)
    warm.fit(X, y).fit(X, y)
    identical(warm, MarginClassifier(max_epochs=4, **options).fit(X, y))
    cold = MarginClassifier(max_epochs=2, **options)
    identical(cold.fit(X, y).fit(X, y), MarginClassifier(max_epochs=2, **options).fit(X, y))


def test_pickle_keeps_the_classifier():
    X, y = separable()
    model = MarginClassifier(random_state=0).fit(X, y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))


# Edges


def test_one_sample_of_each_class_and_one_feature_is_enough():
    model = MarginClassifier(fit_intercept=False, shuffle=False).fit([[2.0], [-3.0]], ["b", "a"])
    assert model.coef_.tolist() == [[2.0]]
    assert model.intercept_.tolist() == [0.0]
    assert model.predict([[1.0], [0.0], [-1.0]]).tolist() == ["b", "a", "a"]


def test_float32_and_whole_numbers_train_in_float64():
    X = np.array([[3, 1], [1, 3], [2, -1], [-1, 2]])
    y = [1, 0, 1, 0]
    one = MarginClassifier(1.0, shuffle=False).fit(X.astype(np.float64), y)
    for kind in (np.float32, np.int32):
        identical(MarginClassifier(1.0, shuffle=False).fit(X.astype(kind), y), one)
    assert one.coef_.dtype == np.float64


@pytest.mark.parametrize(
    ("parameter", "values"),
    [
        ("margin", [-1, np.nan, np.inf, "1", None]),
        ("learning_rate", [0, -0.5, np.nan, np.inf, "fast"]),
        ("max_epochs", [0, -3, 2.5, np.nan, None]),
        ("fit_intercept", ["yes", 2]),
        ("shuffle", ["no", None]),
        ("warm_start", ["no"]),
        ("class_weight", ["even", 3.0]),
        ("random_state", [-1, "seed"]),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_bad_parameter_is_named_in_one_line(method, parameter, values):
    X, y = separable()
    for value in values:
        model = MarginClassifier(**{parameter: value})
        with pytest.raises(
            ValueError, match=f"'{parameter}' parameter .* must be .* Got "
        ) as error:
            getattr(model, method)(X, y)
        assert "\n" not in str(error.value)


ONE = np.ones((4, 1))
BAD_DATA = {
    "one class": (ONE, [1, 1, 1, 1], {}, "at least 2 classes, got 1 class"),
    "NaN": (ONE * np.nan, [0, 1, 0, 1], {}, "NaN"),
    "infinity": (ONE * np.inf, [0, 1, 0, 1], {}, "infinity"),
    "no sample": (np.empty((0, 2)), [], {}, "0 sample"),
    "no feature": (np.empty((4, 0)), [0, 1, 0, 1], {}, "0 feature"),
    "lengths": (ONE, [0, 1], {}, "inconsistent numbers of samples"),
    "regression": (ONE, [0.1, 0.2, 0.3, 0.4], {}, "Unknown label type"),
    "negative weight": (ONE, [0, 1, 0, 1], {"sample_weight": [1, 1, -2, 1]}, r"sample_weight\[2\]"),
    "weight NaN": (ONE, [0, 1, 0, 1], {"sample_weight": [1, 1, np.nan, 1]}, "NaN"),
    "weights short": (ONE, [0, 1, 0, 1], {"sample_weight": [1, 1]}, "sample_weight.shape"),
}


@pytest.mark.parametrize(("X", "y", "options", "message"), BAD_DATA.values(), ids=BAD_DATA.keys())
def test_bad_data_are_refused(X, y, options, message):
    model = MarginClassifier()
    with pytest.raises(ValueError, match=message):
        model.fit(X, y, **options)
    with pytest.raises(NotFittedError):
        model.predict(ONE)


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_bad_class_weights_are_refused(weight):
    with pytest.raises(ValueError, match="class_weight: expected finite numbers of at least 0"):
        MarginClassifier(class_weight={0: weight, 1: 1.0}).fit(ONE, [0, 1, 0, 1])


def test_partial_fit_refuses_what_it_cannot_know():
    y = [0, 1, 0, 1]
    with pytest.raises(ValueError, match="classes: expected every label on the first call"):
        MarginClassifier().partial_fit(ONE, y)
    with pytest.raises(ValueError, match="compute_class_weight"):
        MarginClassifier(class_weight="balanced").partial_fit(ONE, y, classes=[0, 1])
    model = MarginClassifier()
    with pytest.raises(ValueError, match=r"y\[1\]: expected one of the classes \[0, 2\], got 1"):
        model.partial_fit(ONE, y, classes=[0, 2])
    model.partial_fit(ONE, y, classes=[0, 1])  # the refused call left nothing behind
    with pytest.raises(ValueError, match="as on the first call"):
        model.partial_fit(ONE, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="features"):
        model.partial_fit(np.ones((4, 2)), y)


def test_warm_start_refuses_other_classes_or_features():
    model = MarginClassifier(warm_start=True, max_epochs=1).fit(ONE, [0, 1, 0, 1])
    before = model.coef_.copy()
    with pytest.raises(ValueError, match="warm_start: expected the classes"):
        model.fit(ONE, [0, 1, 2, 1])
    with pytest.raises(ValueError, match="features"):
        model.fit(np.ones((4, 2)), [0, 1, 0, 1])
    np.testing.assert_array_equal(model.coef_, before)


def test_an_overflow_is_an_error_and_leaves_the_old_weights():
    X, y = separable()
    model = MarginClassifier(random_state=0).fit(X, y)
    before = model.coef_.copy()
    with pytest.raises(ValueError, match=r"epoch 1, sample \d+: .* overflow"):
        model.fit(X * 1e300, y)
    with pytest.raises(ValueError, match="expected finite weights"):
        MarginClassifier(learning_rate=1e300, max_epochs=1).fit([[1e10], [1e10]], [0, 1], [1, 0])
    np.testing.assert_array_equal(model.coef_, before)


# Compiled code on disk


@pytest.fixture
def fresh_loop():
    """Forget the compiled loop before the test and after it."""
    margin_loop._compiled.cache_clear()
    yield
    margin_loop._compiled.cache_clear()


def test_a_full_disk_does_not_stop_training(fresh_loop, monkeypatch, tmp_path):
    from numba.core import caching, config

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(caching.IndexDataCacheFile, "save", full)
    X, y = separable()
    assert MarginClassifier(random_state=0).fit(X, y).converged_
    assert not list(tmp_path.rglob("*.nbc"))


def test_without_a_writable_folder_training_works_and_import_loads_no_numba(tmp_path):
    """Files stand where numba would make its folders, which stops even the superuser."""
    package = tmp_path / "firstlight"
    package.mkdir()
    for name in ("__init__.py", "linear.py", "margin_loop.py"):
        shutil.copy(Path(linear.__file__).parent / name, package)
    (package / "__pycache__").touch()
    (tmp_path / "home").touch()
    home = str(tmp_path / "home")
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "HOME": home, "XDG_CACHE_HOME": home}
    env.pop("NUMBA_CACHE_DIR", None)
    program = (
        "import sys, firstlight.linear as linear; print(linear.__file__, 'numba' in sys.modules)\n"
        "model = linear.MarginClassifier().fit([[1.0], [-1.0]], [1, 0]); print(model.converged_)\n"
        "from firstlight.margin_loop import _compiled; print(type(_compiled(True)._cache).__name__)"
    )
    command = [sys.executable, "-B", "-c", program]
    done = subprocess.run(command, env=env, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(package / "linear.py"), "False", "True", "NullCache"]


def test_the_docstrings_examples_run():
    for module in (linear, margin_loop):
        result = doctest.testmod(module)
        assert result.attempted > 0
        assert result.failed == 0
