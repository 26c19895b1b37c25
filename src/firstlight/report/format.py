"""Numbers as readers expect them: decimals follow the width of the interval."""

import math
import re

from firstlight.record import Fact, Value

KINDS = ("number", "percent", "points", "signed", "count")
"""``percent`` and ``points`` are given as shares: 0.01 is 1 % and 1 point."""

NONE = "–"
"""What stands where there is nothing to say."""

_GAP = "\u202f"  # narrow no-break space, before a unit
_MINUS = "\u2212"


def decimals(low: float | None, high: float | None) -> int | None:
    """Return the decimals that show two digits of an interval's width; None without an interval.

    Args:
        low: lower end, in the unit that is printed.
        high: upper end.

    Example:
        >>> decimals(96.57, 96.73)
        2
        >>> decimals(350, 440)
        0
    """
    if low is None or high is None or not 0 < high - low < math.inf:
        return None
    return min(8, max(0, 1 - math.floor(math.log10(high - low))))


def number(value: float, places: int | None = None, signed: bool = False) -> str:
    """Return a number with a true minus sign and thousands separators.

    Args:
        value: the number; one that is not finite becomes a dash.
        places: decimals; by default as many as show four significant digits.
        signed: whether a plus sign is written too.

    Example:
        >>> number(20000)
        '20,000'
        >>> number(0.5)
        '0.5'
    """
    if not math.isfinite(value):
        return NONE
    sign = "+" if signed else ""
    if places is not None:
        text = f"{value:{sign},.{places}f}"
    elif float(value).is_integer() and abs(value) < 1e15:
        text = f"{value:{sign},.0f}"
    elif 1e-4 <= abs(value) < 1e6:
        after = max(0, 3 - math.floor(math.log10(abs(value))))
        text = f"{value:{sign},.{after}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    else:
        text = _power(f"{value:{sign}.2e}")
    if not text.strip("+-0.,"):
        text = text.lstrip("+-")  # zero after rounding has no sign
    return text.replace("-", _MINUS)


def _power(text: str) -> str:
    """Return Python's ``1.20e-07`` as ``1.2 × 10⁻⁷``."""
    mantissa, exponent = text.split("e")
    mantissa = mantissa.rstrip("0").rstrip(".")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa} × 10{raised}"


def plain(value: Value) -> str:
    """Return any value of a record as text: a dash for None, yes or no, four digits."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else number(value)


def _scale(kind: str) -> float:
    return 100.0 if kind in ("percent", "points") else 1.0


def _unit(kind: str) -> str:
    return {"percent": f"{_GAP}%", "points": f"{_GAP}points"}.get(kind, "")


def _custom(value: Value, pattern: str) -> str:
    """Return ``value`` under a Python format, with our minus sign and per cent."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return NONE
    return pattern.format(value).replace("-", _MINUS).replace("%", f"{_GAP}%")


def _check(kind: str) -> None:
    if kind not in KINDS and "{" not in kind:
        known = ", ".join(KINDS)
        raise ValueError(
            f"kind: expected one of {known} or a format such as '{{:.2f}}', got {kind!r}"
        )


def value(fact: Fact, kind: str = "number") -> str:
    """Return a fact's value, with as many decimals as its interval deserves.

    Args:
        fact: a fact of a record.
        kind: one of ``KINDS``, or a Python format such as ``"{:.2%}"``.

    Example:
        >>> value(Fact(0.96653, 0.9657, 0.9673), "percent").replace("\u202f", " ")
        '96.65 %'
    """
    _check(kind)
    if "{" in kind:
        return _custom(fact.value, kind)
    if fact.value is None or isinstance(fact.value, (str, bool)):
        return plain(fact.value)
    low, high = _ends(fact, kind)
    places = 0 if kind == "count" else decimals(low, high)
    if places is None and _scale(kind) != 1.0:
        places = 2
    signed = kind in ("points", "signed")
    return number(fact.value * _scale(kind), places, signed) + _unit(kind)


def interval(fact: Fact, kind: str = "number") -> str:
    """Return a fact's 95 % interval as ``low to high``, or a dash where it has none.

    Example:
        >>> interval(Fact(0.96653, 0.9657, 0.9673), "percent").replace("\u202f", " ")
        '96.57 to 96.73 %'
    """
    _check(kind)
    if fact.low is None or fact.high is None:
        return NONE
    if "{" in kind:
        low, high = _custom(fact.low, kind), _custom(fact.high, kind)
        unit = f"{_GAP}%"
        return f"{low.removesuffix(unit) if high.endswith(unit) else low} to {high}"
    ends = _ends(fact, kind)
    places = decimals(*ends)
    signed = kind in ("points", "signed")
    texts = [number(end, places, signed) for end in ends if end is not None]
    return " to ".join(texts) + _unit(kind)


def _ends(fact: Fact, kind: str) -> tuple[float | None, float | None]:
    """Return the interval in the unit that is printed."""
    scale = _scale(kind)
    low = None if fact.low is None else fact.low * scale
    high = None if fact.high is None else fact.high * scale
    return low, high


def estimate(fact: Fact, kind: str = "number") -> str:
    """Return value, interval and n as one phrase: ``96.65 % (95 % interval 96.57 to 96.73 %)``."""
    if fact.low is None or fact.high is None:
        return value(fact, kind)
    return f"{value(fact, kind)} (95{_GAP}% interval {interval(fact, kind)})"


def size(fact: Fact) -> str:
    """Return a fact's n with thousands separators, or a dash."""
    return NONE if fact.n is None else number(fact.n)


def tie(text: str) -> str:
    """Return text in which no line can break between a number and its per cent sign."""
    return re.sub(r"(?<=\d) (?=%)", _GAP, text)


_SENTENCE_END = re.compile(r"(?<=[.!?]) (?=[A-Z(“\"])")
_NO_END = re.compile(r"(\b(e\.g|i\.e|vs|[Ff]ig|[Ee]q|[Ss]ec|cf|al)|\b[A-Z])\.$")


def first_sentence(text: str) -> str:
    """Return the first sentence of a text; a decimal point or an abbreviation ends none.

    Example:
        >>> first_sentence("Hinge, by 0.6 points. The gap is clear.")
        'Hinge, by 0.6 points.'
    """
    for end in _SENTENCE_END.finditer(text):
        sentence = text[: end.start()]
        if not _NO_END.search(sentence):
            return sentence
    return text
