"""Problem 1: the perceptron criterion against the hinge loss."""
