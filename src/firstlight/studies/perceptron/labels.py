"""How problem 1 names its criteria."""

CRITERIA = {"perceptron": "the perceptron criterion", "hinge": "the hinge loss"}
"""Criterion → its name in a sentence, in the order of the arrays."""

DIFFERENCE = "difference"
"""The coordinate of hinge minus perceptron on the same training sets."""

STATISTICS = ("value", "low", "high")
"""The last axis of a curve: a mean and its 95 % interval."""
