"""How problem 4 names, orders and marks what it measures: each name once."""

from typing import Literal, NamedTuple


class PolicyLabel(NamedTuple):
    """How a policy is called and drawn.

    Args:
        long: its name in a sentence.
        short: its name in figures and tables.
        color: number of its color in the house style.
        marker: its mark, so that color is never the only difference.
    """

    long: str
    short: str
    color: int
    marker: str


POLICY = {
    "cyclical_rate": PolicyLabel("the cyclical learning rate", "Cyclical rate", 0, "o"),
    "growing_batch": PolicyLabel("the growing batch size", "Growing batch", 2, "D"),
    "shrinking_batch": PolicyLabel("the shrinking batch size", "Shrinking batch", 1, "v"),
    "fixed_low": PolicyLabel("the fixed rate lr_min", "Fixed rate lr_min", 5, "s"),
    "fixed_high": PolicyLabel("the fixed rate lr_max", "Fixed rate lr_max", 4, "^"),
    "growing_literal": PolicyLabel(
        "the growing batch size at lr_min", "Growing batch, lr_min", 2, "d"
    ),
    "shrinking_literal": PolicyLabel(
        "the shrinking batch size at lr_min", "Shrinking batch, lr_min", 1, "<"
    ),
}
"""Every policy, in the order of figures and tables."""

BATCHES = ("growing_batch", "shrinking_batch")
"""The policies of problem 4.6, which move the batch size at a rate at which networks learn."""
LITERAL = {"growing_literal": "growing", "shrinking_literal": "shrinking"}
"""The same two at the assignment's own rate, lr_min, and how a sentence about both calls each."""
CYCLICAL = ("cyclical_rate", *BATCHES)
"""The policies that question 4.7 compares."""
CONSTANTS = ("fixed_low", "fixed_high")
"""Constant rates to compare them with."""

MATTERS = {"4.6": 0.01, "4.7": 0.01}
"""Question → the smallest difference of test accuracy that matters, as a share of the images."""

MEASURES = ("train_loss", "validation_loss", "train_accuracy", "validation_accuracy")
"""What is scored along a training: the labels of the axis ``measure``."""


QUANTITIES = {
    "best_accuracy": ("Best validation accuracy", "percent"),
    "final_accuracy": ("Validation accuracy at the end", "percent"),
    "train_accuracy": ("Training accuracy at the end", "percent"),
    "test_accuracy": ("Test accuracy", "percent"),
    "train_loss": ("Training loss at the end (nats)", "number"),
    "final_loss": ("Validation loss at the end (nats)", "number"),
    "test_loss": ("Test loss (nats)", "number"),
    "updates": ("Updates", "count"),
}
"""What a training under a policy leaves: its name, and how it is written."""

DIFFERENCES = {"best_accuracy": "best_difference", "test_accuracy": "difference"}
"""The accuracies that policies are compared by → the fact of a paired difference."""

RANGES = {"candidates": "the candidates", "ramp": "the ramp"}
"""Both range tests of the learning rate, and their names in a sentence."""
LOWEST = "lowest loss"
"""Where the bounds of the rate come from if neither range test could be read."""

RATE_RULES = {
    "low": "where the loss starts to fall",
    "steepest": "where the loss falls fastest",
    "high": "where the loss levels off",
    LOWEST: "the candidate below the one with the lowest loss",
}
"""How the rate is chosen at which the batch-size policies run."""

Direction = Literal["rising", "falling"]

BATCH_TESTS: dict[str, tuple[str, Direction]] = {
    "batch_epochs": ("equal epochs at lr_min", "rising"),
    "batch_learning": ("equal epochs at a rate that learns", "rising"),
    "batch_updates": ("equal updates at a rate that learns", "falling"),
}
"""The batch-size tests: their names in a sentence, and how the loss should change with the size."""

PLACES = {
    "low": "starts to fall",
    "steepest": "steepest",
    "high": "levels off",
    "minimum": "lowest",
    "rises_at": "rises again",
    "diverges_at": "diverges",
    "valley": "fastai’s valley",
}
"""What is read off a curve of losses, and how it is called; the page leaves fastai's out."""

SHOWN_PLACES = ("low", "steepest", "high", "minimum", "rises_at", "diverges_at")
"""The places that the page shows."""

UNITS: dict[str | tuple[str, str], str] = {
    "best_accuracy": "percent", "final_accuracy": "percent", "test_accuracy": "percent",
    "final_loss": "nats", "test_loss": "nats", "train_loss": "nats", "batch_loss": "nats",
    "batch_change": "nats", "difference": "points", "best_difference": "points",
    "updates": "updates", "batch_size_updates": "updates", "images": "images",
    "batch_min": "images", "batch_max": "images", "batch_used": "images", "noise_scale": "images",
    "policy_seeds": "seeds", "image_side": "pixels",
}  # fmt: skip  # in few lines
"""Measure → unit, where it has one."""
