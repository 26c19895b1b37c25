"""How problem 3 names its arms, layers and measures, and where each arm normalizes and drops."""

from dataclasses import dataclass
from typing import Literal, get_args

Arm = Literal["plain", "norm_hidden", "norm_input", "dropout", "norm_dropout"]
ARMS: tuple[Arm, ...] = get_args(Arm)

LAYERS = ("input", "conv1", "conv2", "fc1", "fc2")
"""Where batch normalization may stand; all but the first are hidden layers."""

SOURCES = {"conv2": "conv1", "fc1": "conv2", "fc2": "fc1", "output": "fc2"}
"""Layer → the layer whose output is its input."""


@dataclass(frozen=True)
class Variant:
    """One arm of the study.

    Args:
        short: its name in figures and tables; BN is batch normalization.
        long: its name in a sentence.
        norms: the layers with batch normalization.
        drops: whether it has dropout.
        color: its place among the colors of all figures.
        marker: its mark, so that color is never the only difference.
    """

    short: str
    long: str
    norms: tuple[str, ...]
    drops: bool
    color: int
    marker: str


_NORM = "batch normalization"
VARIANTS = {
    "plain": Variant("Plain", "the plain network", (), False, 5, "o"),
    "norm_hidden": Variant("BN hidden", f"{_NORM} of the hidden layers", LAYERS[1:], False, 0, "s"),
    "norm_input": Variant("BN hidden + input", f"{_NORM} of the input too", LAYERS, False, 2, "D"),
    "dropout": Variant("Dropout", "dropout", (), True, 1, "^"),
    "norm_dropout": Variant("BN + dropout", f"{_NORM} with dropout", LAYERS[1:], True, 3, "v"),
}
"""Every arm, in the order of ``ARMS``."""


def short(*arms: object) -> str:
    """Return an arm's short name, or the name of the difference of two arms."""
    return " − ".join(VARIANTS[str(arm)].short for arm in arms)


ACCURACY = {images: f"{images}_accuracy" for images in ("train", "validation", "test")}
LOSS = {images: f"{images}_loss" for images in ACCURACY}
"""Images → the measure: the share that is classified correctly, and the mean cross-entropy."""

SHARES = (*ACCURACY.values(), "coadaptation")
"""The measures that lie between 0 and 1."""

LEARNED = {"gamma": "γ", "beta": "β"}
"""What batch normalization learns, a scale and a shift → its symbol."""

MOVING = {"running_mean": "Mean", "running_var": "Variance"}
"""What it averages while training → what that is called."""

REMOVAL = {"quantity": "removal", "first": "dropout", "second": "plain"}
CORRELATION = {
    layer: {"quantity": "coadaptation", "layer": layer, "first": "dropout", "second": "plain"}
    for layer in ("fc1", "fc2")
}
MOVEMENT = {"quantity": "covariate_shift", "first": "norm_hidden", "second": "plain"}
CHANGES = (REMOVAL, *CORRELATION.values(), MOVEMENT)
"""The coordinates of each ``change``: a measure, first arm − second arm, paired over seeds."""
