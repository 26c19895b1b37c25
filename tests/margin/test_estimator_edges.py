"""The margin classifier at its edges: smallest data and bad input."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from firstlight.margin.estimator import MarginClassifier
from margin_problems import identical, separable

# Most draws are not separable, and several tests stop early on purpose.
pytestmark = pytest.mark.filterwarnings("ignore:not converged after")


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
    last = MarginClassifier(learning_rate=1e300, max_epochs=1, shuffle=False)
    with pytest.raises(ValueError, match="expected finite weights"):
        last.fit([[1e10], [1e10]], [0, 1], sample_weight=[0, 1])
    np.testing.assert_array_equal(model.coef_, before)
