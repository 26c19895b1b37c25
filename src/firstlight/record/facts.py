"""Facts, the numbers of a record, and verdicts, the answers that rest on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from firstlight.record.table import Label, Table, dotted

if TYPE_CHECKING:
    import pandas as pd

Value = float | int | str | bool | None

Outcome = Literal["answered", "better", "no-difference", "cannot-tell", "did-not-learn", "not-run"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
"""answered: a question that compares nothing. better: the interval of the difference excludes zero;
the headline says which. no-difference: none that matters. cannot-tell: the data do not decide.
did-not-learn: there is nothing to compare. not-run: this run left out what the question needs."""


@dataclass(frozen=True)
class Fact:
    """One number: a value and, where it is an estimate, its 95 % interval and sample size.

    Args:
        value: a number, text, truth value, or None where it could not be determined.
        low: lower end of the 95 % interval, in the value's unit.
        high: upper end.
        n: number of independent observations behind the estimate.

    Example:
        >>> -Fact(0.5, 0.25, 0.75, 10)
        Fact(value=-0.5, low=-0.75, high=-0.25, n=10)
    """

    value: Value
    low: float | None = None
    high: float | None = None
    n: int | None = None

    def __float__(self) -> float:
        if isinstance(self.value, str) or self.value is None:
            raise TypeError(f"fact: expected a number, got {self.value!r}")
        return float(self.value)

    def __neg__(self) -> "Fact":
        low = None if self.high is None else -self.high
        high = None if self.low is None else -self.low
        return Fact(-float(self), low, high, self.n)


class Facts(Table[Fact]):
    """The facts of a record, by measure and coordinates.

    Example:
        >>> facts = Facts()
        >>> facts.put("difference", Fact(0.5, 0.25, 0.75, 10), first="hinge", second="perceptron")
        >>> facts.value("difference", first="hinge", second="perceptron")
        0.5
        >>> facts.pair("difference", "perceptron", "hinge").value
        -0.5
    """

    def value(self, measure: str, /, **coords: Label) -> float:
        """Return a fact's value as a number.

        Raises:
            KeyError: there is no such fact.
            TypeError: its value is no number.
        """
        return float(self.get(measure, **coords))

    def pair(self, measure: str, first: Label, second: Label, /, **coords: Label) -> Fact:
        """Return the difference ``first − second``, whichever way round it was put.

        Raises:
            KeyError: the two were not compared.
        """
        found = self.find(measure, **coords, first=first, second=second)
        if found is not None:
            return found
        return -self.get(measure, **coords, first=second, second=first)

    def table(self, measure: str) -> "pd.DataFrame":
        """Return one measure as a frame: its coordinates, then value, low, high and n."""
        import pandas as pd

        rows = [{**e.coords, **_columns(e.value)} for e in self.select(measure).entries()]
        return pd.DataFrame(rows)

    def to_frame(self) -> "pd.DataFrame":
        """Return every fact as a row: name, measure, coordinates, value, low, high and n."""
        import pandas as pd

        rows = [
            {"name": dotted(e.measure, e.coords), "measure": e.measure, **e.coords}
            | _columns(e.value)
            for e in self.entries()
        ]
        frame = pd.DataFrame(rows)
        ends = ["value", "low", "high", "n"]
        return frame[[*(c for c in frame.columns if c not in ends), *ends]] if rows else frame


def _columns(fact: Fact) -> dict[str, Any]:
    return {"value": fact.value, "low": fact.low, "high": fact.high, "n": fact.n}


@dataclass(frozen=True)
class Reference:
    """Names one fact: its measure and coordinates.

    Example:
        >>> Reference("accuracy", (("arm", "dropout"),)) == fact_of("accuracy", arm="dropout")
        True
    """

    measure: str
    coords: tuple[tuple[str, Label], ...] = ()


def fact_of(measure: str, /, **coords: Label) -> Reference:
    """Return a reference to a fact, for a verdict's evidence.

    Example:
        >>> fact_of("accuracy", arm="dropout")
        Reference(measure='accuracy', coords=(('arm', 'dropout'),))
    """
    return Reference(measure, tuple(coords.items()))


@dataclass(frozen=True)
class Verdict:
    """The answer to one question.

    Args:
        question: its number in the assignment, ``"1.3"``.
        outcome: one of ``OUTCOMES``.
        headline: one sentence, computed from the facts.
        evidence: the facts that it rests on.
        decision: what was decided, as a short label ("hinge", "no-difference", "yes"), so that the
            answers of two runs can be compared; "" where nothing was.

    Raises:
        ValueError: the outcome is unknown.

    Example:
        >>> Verdict("1.3", "better", "Hinge, by 0.6 points.", [fact_of("accuracy")]).outcome
        'better'
    """

    question: str
    outcome: Outcome
    headline: str
    evidence: Sequence[Reference] = ()
    decision: str = ""

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise ValueError(
                f"outcome: expected one of {', '.join(OUTCOMES)}, got {self.outcome!r}"
            )
