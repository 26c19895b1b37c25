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
    "fixed_low": PolicyLabel("the fixed rate lr_min", "Fixed rate lr_min", 5, "s"),
    "fixed_high": PolicyLabel("the fixed rate lr_max", "Fixed rate lr_max", 4, "^"),
    "cyclical_rate": PolicyLabel("the cyclical learning rate", "Cyclical rate", 0, "o"),
    "growing_batch": PolicyLabel("the growing batch size", "Growing batch", 2, "D"),
    "shrinking_batch": PolicyLabel("the shrinking batch size", "Shrinking batch", 1, "v"),
}
"""Every policy, in the order of the config."""

BATCHES = ("growing_batch", "shrinking_batch")
"""The policies of problem 4.6, which move the batch size."""
CYCLICAL = ("cyclical_rate", *BATCHES)
"""The policies that question 4.7 compares; the others are constants to compare them with."""

MEASURES = ("train_loss", "validation_loss", "train_accuracy", "validation_accuracy")
"""What is scored along a training: the labels of the axis ``measure``."""


QUANTITIES = {
    "best_accuracy": ("Best validation accuracy", "percent"),
    "final_accuracy": ("Validation accuracy at the end", "percent"),
    "final_loss": ("Validation loss at the end (nats)", "number"),
    "test_accuracy": ("Test accuracy", "percent"),
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

BUDGETS: dict[str, Literal["rising", "falling"]] = {"epochs": "rising", "updates": "falling"}
"""What is held equal in the two batch-size tests → how the loss should change with the size."""

PLACES = {
    "low": "starts to fall",
    "steepest": "steepest",
    "high": "slows",
    "minimum": "lowest",
    "rises_at": "rises again",
    "diverges_at": "diverges",
    "valley": "fastai’s valley",
}
"""What is read off a curve of losses, and how it is called."""
