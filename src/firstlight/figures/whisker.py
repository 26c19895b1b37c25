"""One mark for a fact: its value with its interval."""

from typing import Any

from firstlight.record import Fact


def whisker(
    ax: Any, fact: Fact, at: float, *, scale: float = 1.0, vertical: bool = False, **style: Any
) -> None:
    """Draw a fact's value as a mark and its interval, if it has one, as a line."""
    if isinstance(fact.value, str) or fact.value is None:
        return
    value, error = scale * float(fact.value), None
    if fact.low is not None and fact.high is not None:
        error = [[value - scale * fact.low], [scale * fact.high - value]]
    place, axis = ((at, value), "yerr") if vertical else ((value, at), "xerr")
    look = {"markersize": 5.5, "capsize": 2.5, "fmt": "o", **style}
    ax.errorbar([place[0]], [place[1]], **{axis: error}, **look)
