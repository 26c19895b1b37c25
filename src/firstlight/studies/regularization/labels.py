"""What the figures of the regularization study share: arms in fixed colours, dots with whiskers."""

from firstlight.plotting.style import COLOURS
from firstlight.record import Record

LABEL = {
    "plain": "Plain",
    "norm_hidden": "BN hidden",
    "norm_input": "BN hidden + input",
    "dropout": "Dropout",
    "norm_dropout": "BN + dropout",
}
"""Arm → its short name in figures; BN is batch normalization."""

COLOUR = {
    "plain": COLOURS[5],
    "norm_hidden": COLOURS[0],
    "norm_input": COLOURS[2],
    "dropout": COLOURS[1],
    "norm_dropout": COLOURS[3],
}
"""Arm → its colour in every figure."""

MARKER = {"plain": "o", "norm_hidden": "s", "norm_input": "D", "dropout": "^", "norm_dropout": "v"}
"""Arm → its mark, so that colour is never the only difference."""


def arms(record: Record) -> list[str]:
    """Return the arms of a record, in the order of its config."""
    return [arm for arm in record.config["arms"] if f"test_accuracy.{arm}" in record.facts]


def per_seed(record: Record) -> str:
    """Return ``"5 seeds"`` or ``"1 seed"``."""
    n = int(record.config["seeds"])
    return f"{n} seed" if n == 1 else f"{n} seeds"
