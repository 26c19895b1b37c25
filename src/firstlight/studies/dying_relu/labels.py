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

MATTERS = {"2.2": 0.03, "2.3": 0.05}
"""The smallest difference of interest, in shares of networks: from what was reported (2.2), and
between the two activations (2.3)."""

DEFINITIONS = {"collapsed": "constant", "flat": "flat"}
"""The two definitions of collapse, as an adjective of the output."""
TRACED = {"dead_layer": "dead layer", **DEFINITIONS, "fitted": f"R² > {GOOD}"}
"""What is traced against training time, each as a share of networks."""
FATES = {
    "born_dead": "born dead",
    "died_in_training": "died in training",
    "no_dead_layer": "no dead layer",
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
POOLED = "All"
"""The functions together, as the head of a row or column."""
MOMENTS = {
    "before": "before training",
    "after": "after the first epoch",
    "unbiased": "after it, with all biases set back to zero",
}
"""When the silent layers are counted of leaky networks that turn constant in the first epoch."""

STATISTICS = ("value", "low", "high")
"""The last axis of a curve: an estimate and its 95 % interval."""
SAMPLE = 50
"""The first simulations of a combination, whose trained networks are kept and drawn."""

UNITS: dict[str | tuple[str, str], str] = {
    "dead_layer": "percent", "collapsed": "percent", "flat": "percent", "fitted": "percent",
    "born_dead": "percent", "born_dead_pooled": "percent", "born_dead_theory": "percent",
    "died_in_training": "percent", "no_dead_layer": "percent", "diverged": "percent",
    "change": "points", "first_epoch": "points", "helps_from": "epochs", "silent_layers": "layers",
    "grid_points": "points of the domain",
}  # fmt: skip  # in few lines
"""Measure → unit, where it has one."""
