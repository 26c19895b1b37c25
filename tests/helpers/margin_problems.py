"""Training sets for the tests of the margin classifiers."""

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

QUIET = settings(
    deadline=None, max_examples=20, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
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
