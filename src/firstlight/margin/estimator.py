"""The margin classifier: perceptron criterion and hinge loss as a scikit-learn estimator.

Dense and sparse data share one compiled loop, ``one_pass``.
"""

import math
import warnings
from collections.abc import Callable
from functools import cache
from numbers import Integral, Real
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state, compute_class_weight
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from firstlight.types import Floats, Numbers


class MarginClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Linear classifier trained one sample at a time on L = max(0, a − y(w·x + b)), y = ±1.

    ``margin`` a = 0 gives the perceptron criterion, a = 1 the hinge loss. There is no
    regularization. The step is

        w += η·s·y·x,  b += η·s·y  wherever y(w·x + b) <= a,

    with the learning rate η and the sample's weight s = sample weight × class weight. The <= lets
    training start from w = 0. With more than two classes, one classifier is trained for each class
    against the rest; in a classifier's own loss the rest has class weight 1.

    Dense and sparse copies of the same data give the same weights. scikit-learn's ``Perceptron``
    and ``SGDClassifier`` slow the intercept down a hundredfold on sparse data; this one does not.

    Args:
        margin: a, at least 0.
        learning_rate: η, above 0. From w = 0 it does not change the perceptron's predictions;
            those of hinge depend on a/η alone.
        fit_intercept: whether to learn b; otherwise b = 0.
        max_epochs: most passes over the training set that ``fit`` makes, at least 1.
        shuffle: whether each epoch visits the samples in a new random order.
        random_state: seed, ``RandomState`` or None; used by ``shuffle`` alone.
        class_weight: class → weight, ``"balanced"`` (``fit`` only) for n / (k · count of the
            class), or None for 1 each.
        warm_start: whether ``fit`` goes on from the weights of the last one.

    Attributes:
        coef_: shape (1, d), or (k, d) for k > 2 classes.
        intercept_: shape (1,), or (k,).
        classes_: shape (k,), sorted; with two classes the second is y = +1.
        n_iter_: epochs that the last ``fit`` ran, the one without an update included.
        converged_: whether that last epoch made no update, that is, whether every sample of
            positive weight lies beyond the margin. Nothing else stops ``fit`` before
            ``max_epochs``. After ``partial_fit``: whether its one pass made no update.
        n_updates_: shape (1,), or (k,), updates in the last ``fit`` or ``partial_fit``.
        n_features_in_: d.

    Source: F. Rosenblatt, Psychological Review 65 (1958); the loss with a margin as in C. C.
    Aggarwal, "Neural Networks and Deep Learning" (2018), section 1.2.1.

    Example:
        >>> X = [[0.9, 0.2], [0.7, 0.1], [0.2, 0.8], [0.3, 0.6]]
        >>> y = [1, 1, -1, -1]
        >>> model = MarginClassifier(margin=1.0, fit_intercept=False, shuffle=False).fit(X, y)
        >>> model.converged_, model.predict([[0.6, 0.5], [0.4, 0.5]]).tolist()
        (True, [1, -1])
    """

    _parameter_constraints: dict[str, list[Any]] = {  # noqa: RUF012  # the name and form scikit-learn reads
        "margin": [Interval(Real, 0, np.inf, closed="left")],
        "learning_rate": [Interval(Real, 0, np.inf, closed="neither")],
        "fit_intercept": ["boolean"],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "warm_start": ["boolean"],
    }
    classes_: Numbers
    coef_: Floats
    intercept_: Floats

    def __init__(
        self,
        margin: float = 0.0,
        *,
        learning_rate: float = 1.0,
        fit_intercept: bool = True,
        max_epochs: int = 1000,
        shuffle: bool = True,
        random_state: Any = None,
        class_weight: Any = None,
        warm_start: bool = False,
    ) -> None:
        self.margin = margin
        self.learning_rate = learning_rate
        self.fit_intercept = fit_intercept
        self.max_epochs = max_epochs
        self.shuffle = shuffle
        self.random_state = random_state
        self.class_weight = class_weight
        self.warm_start = warm_start

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train until an epoch makes no update, at most ``max_epochs`` epochs.

        Args:
            X: shape (n, d), array or sparse matrix, finite.
            y: shape (n,), labels of at least two classes.
            sample_weight: shape (n,), at least 0; None is 1 each.

        Raises:
            ValueError: a parameter, X, y or a weight is out of range, or float64 overflows.

        Warns:
            ConvergenceWarning: the last epoch still made an update.
        """
        self._validate_params()
        warm = self.warm_start and hasattr(self, "coef_")
        X, y = self._checked(X, y, reset=not warm)
        self._learn(X, y, np.unique(y), sample_weight, int(self.max_epochs), warm)
        if not self.converged_:
            warnings.warn(
                f"not converged after max_epochs={self.max_epochs} epochs: the last one still made "
                "updates; raise max_epochs, unless no line separates the classes by the margin",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Make one pass over the samples, starting from the present weights.

        Args:
            X: shape (n, d), array or sparse matrix, finite.
            y: shape (n,), labels among ``classes``.
            classes: every label of every call to come; needed on the first call only.
            sample_weight: shape (n,), at least 0; None is 1 each.

        Raises:
            ValueError: as ``fit``; also where ``classes`` is missing on the first call or changes
                later, y has a label outside it, or class weights are ``"balanced"``.
        """
        self._validate_params()
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight: expected a dict or None in partial_fit, got 'balanced', which needs "
                "all of y; compute the weights with sklearn.utils.compute_class_weight"
            )
        first = not hasattr(self, "coef_")
        X, y = self._checked(X, y, reset=first)
        self._learn(X, y, self._all_classes(classes, first, y), sample_weight, 1, not first)
        return self

    def decision_function(self, X: Any) -> Floats:
        """Return w·x + b, shape (n,), or (n, k) for k > 2 classes, for X of shape (n, d)."""
        check_is_fitted(self, "coef_")
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float64, reset=False)
        scores = safe_sparse_dot(X, self.coef_.T, dense_output=True) + self.intercept_
        return np.asarray(scores[:, 0] if len(self.classes_) == 2 else scores)

    def predict(self, X: Any) -> Numbers:
        """Return the label of each row of X, shape (n, d); at w·x + b = 0, the first class."""
        scores = self.decision_function(X)
        best = (scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)
        return np.asarray(self.classes_[best])

    def _checked(self, X: Any, y: Any, reset: bool) -> tuple[Any, Numbers]:
        X, y = validate_data(
            self, X, y, accept_sparse="csr", dtype=np.float64, order="C", reset=reset
        )
        check_classification_targets(y)
        return X, y

    def _all_classes(self, classes: Any, first: bool, y: Numbers) -> Numbers:
        if first and classes is None:
            raise ValueError("classes: expected every label on the first call, got None; pass them")
        known = unique_labels(classes) if first else self.classes_
        if classes is not None and not np.array_equal(unique_labels(classes), known):
            raise ValueError(
                f"classes: expected {known.tolist()} as on the first call, got "
                f"{unique_labels(classes).tolist()}; leave them out or start a new classifier"
            )
        for i in np.flatnonzero(~np.isin(y, known))[:1]:
            raise ValueError(
                f"y[{i}]: expected one of the classes {known.tolist()}, got "
                f"{y[[i]].tolist()[0]!r}; name every label in classes on the first call"
            )
        return np.asarray(known)

    def _learn(
        self, X: Any, y: Numbers, classes: Numbers, sample_weight: Any, max_epochs: int, warm: bool
    ) -> None:
        """Train from the present weights or from zero; set the attributes only at the end."""
        task = self._task(X, y, classes, sample_weight)
        k = task.positive.size
        W, b = np.zeros((k, X.shape[1])), np.zeros(k)
        if warm:
            if not np.array_equal(self.classes_, classes):
                raise ValueError(
                    f"warm_start: expected the classes {self.classes_.tolist()} of the last fit, "
                    f"got {classes.tolist()}; set warm_start=False"
                )
            W, b = self.coef_.copy(), self.intercept_.copy()
        shuffle = check_random_state(self.random_state).permutation if self.shuffle else None
        outcome = _train(task, W, b, max_epochs, shuffle)
        self.classes_, self.coef_, self.intercept_ = classes, W, b
        self.n_iter_, self.converged_, self.n_updates_ = outcome

    def _task(self, X: Any, y: Numbers, classes: Numbers, sample_weight: Any) -> "_Task":
        k = len(classes)
        if k < 2:
            raise ValueError(
                f"y: expected at least 2 classes, got {k} class; add samples of another class"
            )
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        for i in np.flatnonzero(weight < 0)[:1]:
            raise ValueError(f"sample_weight[{i}]: expected at least 0, got {weight[i]}; change it")
        balance = compute_class_weight(self.class_weight, classes=classes, y=y).astype(np.float64)
        if not (np.isfinite(balance).all() and (balance >= 0).all()):
            raise ValueError(
                f"class_weight: expected finite numbers of at least 0, got {balance.tolist()}; "
                "change class_weight"
            )
        return _Task(
            *_rows(X),
            codes=np.searchsorted(classes, y).astype(np.intp),
            positive=np.arange(k, dtype=np.intp) if k > 2 else np.array([1], dtype=np.intp),
            sample_weight=weight,
            class_weight=np.column_stack([np.ones(k), balance]) if k > 2 else balance[None],
            margin=float(self.margin),
            learning_rate=float(self.learning_rate),
            fit_intercept=bool(self.fit_intercept),
        )

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that sparse input is welcome."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class _Task(NamedTuple):
    """What k one-against-the-rest classifiers have to learn from n samples: ``one_pass``'s input."""

    values: Floats  # (m,), the entries, row after row; row i is values[starts[i]:starts[i + 1]]
    columns: Numbers  # (m,), the feature of each entry; (d,) where shared
    starts: Numbers  # (n + 1,)
    shared: bool  # whether every row has the same columns, as dense data have
    codes: NDArray[np.intp]  # (n,), the class of each sample as an index
    positive: NDArray[np.intp]  # (k,), the class for which each classifier says +1
    sample_weight: Floats  # (n,), at least 0
    class_weight: Floats  # (k, 2), of the negative and of the positive samples
    margin: float
    learning_rate: float
    fit_intercept: bool


def _rows(X: Any) -> tuple[Floats, Numbers, Numbers, bool]:
    """Return the first four fields of a task for a float64 array or CSR matrix; no copy of X."""
    if issparse(X):
        return X.data, X.indices, X.indptr, False
    n, d = X.shape
    # SciPy's own choice of index type, so that dense and sparse data share one compiled loop.
    kind = np.int32 if X.size <= np.iinfo(np.int32).max else np.int64
    starts = np.arange(n + 1, dtype=kind) * kind(d)
    return np.ascontiguousarray(X).reshape(-1), np.arange(d, dtype=kind), starts, True


def _train(
    task: _Task, W: Floats, b: Floats, max_epochs: int, shuffle: Callable[[int], Numbers] | None
) -> tuple[int, bool, NDArray[np.int64]]:
    """Move W and b in place until an epoch makes no update; return epochs, whether so, updates."""
    order = np.arange(task.codes.size, dtype=np.intp)
    active, total = np.arange(b.size, dtype=np.intp), np.zeros(b.size, dtype=np.int64)
    epoch = 0
    while active.size and epoch < max_epochs:
        epoch += 1
        if shuffle is not None:
            order = shuffle(order.size).astype(np.intp, copy=False)
        updates = np.zeros_like(total)
        bad = _run_pass(*task, order, active, W, b, updates)
        if bad >= 0:
            raise _overflow(f"epoch {epoch}, sample {bad}: expected a finite decision value")
        total += updates
        active = active[updates[active] > 0]  # a classifier without an update never moves again
    if not (np.isfinite(W).all() and np.isfinite(b).all()):
        raise _overflow(f"epoch {epoch}: expected finite weights")
    return epoch, active.size == 0, total


def _overflow(what: str) -> ValueError:
    advice = "scale the features (e.g. StandardScaler) or lower learning_rate and weights"
    return ValueError(f"{what}, got an overflow of float64; {advice}")


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
