"""The perceptron criterion and the hinge loss: an estimator, and thousands of them at once."""

from firstlight.margin.estimator import MarginClassifier as MarginClassifier
