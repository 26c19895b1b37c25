"""How problem 1 names its criteria, and which differences matter to it."""

CRITERIA = {"perceptron": "the perceptron criterion", "hinge": "the hinge loss"}
"""Criterion → its name in a sentence, in the order of the arrays."""

DIFFERENCE = "difference"
"""The coordinate of hinge minus perceptron on the same training sets."""

STATISTICS = ("value", "low", "high")
"""The last axis of a curve: a mean and its 95 % interval."""

MATTERS = {"1.3": 0.001, "1.4": 0.001}
"""Question → the smallest difference of interest, as a share of the square: one of 1,000 points."""

HALFWAY = 0.5
"""How far out a line lies on average that ends anywhere in its gap: 0 the middle, 1 the edge."""

UNITS: dict[str | tuple[str, str], str] = {
    "accuracy": "percent", "test_accuracy": "percent", "disagreement": "percent",
    "converged": "percent", "one_class": "percent", "epochs": "epochs",
    ("accuracy", DIFFERENCE): "points", ("test_accuracy", DIFFERENCE): "points",
    ("disagreement", DIFFERENCE): "points", ("first", "accuracy"): "percent",
    ("first", "area"): "percent", ("first", "epochs"): "epochs", ("first", "only_right"): "test points",
    ("early", "epochs"): "epochs", ("early", "accuracy"): "percent",
    ("early", "disagreement"): "percent", ("early", DIFFERENCE): "points",
}  # fmt: skip  # in few lines
"""Measure, or measure and a label of it → unit, where it has one."""
