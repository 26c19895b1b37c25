"""The sample study's answers."""

from firstlight.record import Record, Verdict, fact_of
from firstlight.text import counted, value


def answers(record: Record) -> list[Verdict]:
    """Return the verdict on question 1.1."""
    accuracy = value(record.facts.get("accuracy", criterion="hinge"), "percent")
    headline = f"On average {accuracy} of the unit square."
    return [Verdict("1.1", "answered", headline, [fact_of("accuracy", criterion="hinge")])]


def remarks(record: Record) -> dict[str, list[str]]:
    """Return what is said below the verdicts."""
    return {"1.1": ["A single set may differ by several points."]}


def scale(record: Record) -> str:
    """Return how large a run was."""
    return counted(record.config["repeats"], "training set")
