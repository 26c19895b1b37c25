"""How problem 3 names its arms, layers and measures, and where each arm normalizes and drops."""

from dataclasses import dataclass
from math import inf
from typing import Literal, get_args

Arm = Literal[
    "plain", "norm_hidden", "norm_input", "dropout", "norm_dropout", "norm_dropout_last"
]  # fmt: skip
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
        drops: the layers behind which there is dropout.
        color: its place among the colors of all figures.
        marker: its mark, so that color is never the only difference.
    """

    short: str
    long: str
    norms: tuple[str, ...]
    drops: tuple[str, ...]
    color: int
    marker: str


_NORM, _HIDDEN = "batch normalization", LAYERS[1:]
VARIANTS = {
    "plain": Variant("Plain", "the plain network", (), (), 5, "o"),
    "norm_hidden": Variant("BN hidden", _NORM, _HIDDEN, (), 0, "s"),
    "norm_input": Variant("BN hidden + input", f"{_NORM} of the input too", LAYERS, (), 2, "D"),
    "dropout": Variant("Dropout", "dropout", (), LAYERS, 1, "^"),
    "norm_dropout": Variant("BN + dropout", "the combination of both", _HIDDEN, LAYERS, 3, "v"),
    "norm_dropout_last": Variant(
        "BN + dropout last", "dropout behind the last normalization only",
        _HIDDEN, ("fc2",), 4, "P",
    ),
}  # fmt: skip
"""Every arm, in the order of ``ARMS``."""

CLASSES = 10

MATTERS: dict[str, float] = dict.fromkeys(("3.3", "3.4", "3.5"), 0.005)
"""Question → the smallest difference of test accuracy that matters, as a share: half a point.

One image in 200. It is well below the steps that readers choose between here, several points from
dropout to batch normalization, and above what 2,000 test images and a handful of seeds can tell
from chance, so that the data may also say that there is no difference that matters.
"""


def short(*arms: object) -> str:
    """Return an arm's short name, or the name of the difference of two arms."""
    return " − ".join(VARIANTS[str(arm)].short for arm in arms)


ACCURACY = {images: f"{images}_accuracy" for images in ("train", "validation", "test")}
LOSS = {images: f"{images}_loss" for images in ACCURACY}
"""Images → the measure: the share that is classified correctly, and the mean cross-entropy."""

CORRECT = {images: f"{images}_correct" for images in (*ACCURACY, "moving")}
"""Images → the array that says which of them are classified correctly; ``moving`` are the test images
once more, with the moving averages of the training."""

WITHIN = {
    **dict.fromkeys((*LOSS.values(), "covariate_shift", "variance_shift", "variance_training"), (0.0, inf)),
    "coadaptation": (0.0, 1.0),
    "removal": (-1.0, 1.0),
}  # fmt: skip
"""What is measured in a training → between what its mean must lie, and so its interval."""

LEARNED = {"gamma": "γ", "beta": "β"}
"""What batch normalization learns, a scale and a shift → its symbol."""

MOVING = {"running_mean": "Mean", "running_var": "Variance"}
"""What it averages while training → what that is called."""

REMOVAL = {"quantity": "removal", "images": "train", "first": "dropout", "second": "plain"}
CORRELATION = {
    layer: {"quantity": "coadaptation", "layer": layer, "first": "dropout", "second": "plain"}
    for layer in ("fc1", "fc2")
}
MOVEMENT = {"quantity": "covariate_shift", "first": "norm_hidden", "second": "plain"}
CHANGES = (REMOVAL, *CORRELATION.values(), MOVEMENT)
"""The coordinates of each ``change``: a measure, first arm − second arm, paired over seeds."""

PAIRS: tuple[tuple[Arm, Arm], ...] = (
    ("norm_input", "norm_hidden"),
    ("norm_hidden", "dropout"),
    ("norm_input", "dropout"),
    ("norm_dropout", "norm_hidden"),
    ("norm_dropout", "dropout"),
    ("norm_dropout_last", "norm_hidden"),
    ("norm_dropout_last", "norm_dropout"),
)
"""The comparisons that questions 3.3 to 3.5 ask for, first minus second."""

UNITS: dict[str | tuple[str, str], str] = {
    "train_accuracy": "percent", "validation_accuracy": "percent", "test_accuracy": "percent",
    "moving_accuracy": "percent", "train_loss": "nats", "validation_loss": "nats",
    "test_loss": "nats", "gap": "points", "removal": "points", "recomputing": "points",
    "difference": "points", "loss_difference": "nats", "mcnemar_seeds": "seeds", "images": "images",
}  # fmt: skip  # in few lines
"""Measure → unit, where it has one."""
