"""What must not change the margin classifier's answer."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstlight.margin.estimator import MarginClassifier
from margin_problems import COARSE, QUIET, identical, problems, separable

# Most draws are not separable, and several tests stop early on purpose.
pytestmark = pytest.mark.filterwarnings("ignore:not converged after")


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
    held = warm.fit(X, y).coef_
    before = held.copy()
    warm.fit(X, y)
    np.testing.assert_array_equal(held, before)  # an array once handed out stays as it was
    identical(warm, MarginClassifier(max_epochs=4, **options).fit(X, y))
    cold = MarginClassifier(max_epochs=2, **options)
    identical(cold.fit(X, y).fit(X, y), MarginClassifier(max_epochs=2, **options).fit(X, y))


def test_pickle_keeps_the_classifier():
    X, y = separable()
    model = MarginClassifier(random_state=0).fit(X, y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))
