"""What the study calls things, and the numbers that its definitions name: each stands here once."""

FUNCTIONS = {"abs": "|x|", "xsin": "x·sin(5x)", "step": "1{x>0} + 0.2·sin(5x)"}
"""Each function by its formula."""
ACTIVATIONS = {"relu": "ReLU", "leaky-relu": "leaky ReLU"}
INITS = {
    "he": "He",
    "rai": "RAI",
    "torch": "PyTorch",
    "xavier": "Xavier",
    "orthogonal": "orthogonal",
}

CONSTANT = 1e-6
"""An output whose range on the grid is smaller is called constant: the network has collapsed."""
FLAT = 0.01
"""An output whose range is smaller than this share of the target's is called flat."""
GOOD = 0.9
"""A network whose R² is larger is called fitted."""
REPORTED = 0.9
"""Lu et al. report that more than this share of the networks collapses."""

DEFINITIONS = {"collapsed": "constant", "flat": "flat"}
"""The two definitions of collapse, as an adjective of the output."""
TRACED = {"dead_layer": "dead layer", **DEFINITIONS, "fitted": f"R² > {GOOD}"}
"""What is traced against training time, each as a share of networks."""
FATES = {
    "born_dead": "born dead",
    "died_in_training": "died in training",
    "trained": "no dead layer",
}
"""What became of a network's layers; every network has one of these fates."""
FINAL = {
    **DEFINITIONS,
    "dead_layer": TRACED["dead_layer"],
    **FATES,
    "fitted": TRACED["fitted"],
    "diverged": "output not finite",
}
"""What is said of networks after training, each as a share of them."""

STATISTICS = ("value", "low", "high")
"""The last axis of a curve: an estimate and its 95 % interval."""
SAMPLE = 64
"""The first simulations of a combination, whose trained weights are kept for a figure."""
SHOWN = 4
"""Networks drawn of those that collapsed, and as many of those that did not."""
