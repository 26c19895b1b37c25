"""How the sample study names its criteria."""

CRITERIA = {"perceptron": "the perceptron criterion", "hinge": "the hinge loss"}
