"""Numbers as readers expect them: decimals follow the width of the interval."""

import math
import re
from collections.abc import Iterable

from firstlight.record.facts import Fact, Outcome, Value

KINDS = ("number", "percent", "points", "gap", "signed", "count", "log")
"""``percent``, ``points`` and ``gap`` are given as shares: 0.01 is 1 % and 1 point. ``points`` have
signs; a ``gap`` has none, where the words around it say which is larger. ``log`` is for what lies on
a logarithmic axis: three digits each, however wide the interval."""

NONE = "–"
"""What stands where there is nothing to say."""

OUTCOME_MARKS: dict[Outcome, str] = {
    "answered": "✓", "better": "✓", "no-difference": "=", "cannot-tell": "?",
    "did-not-learn": "✗", "not-run": NONE,
}  # fmt: skip
"""The sign of an outcome, in the terminal and on the page; ``OUTCOME_WORDS`` says what it means."""

OUTCOME_WORDS: dict[Outcome, str] = {
    "answered": "answered",
    "better": "decided",
    "no-difference": "no difference that matters",
    "cannot-tell": "could not be determined",
    "did-not-learn": "the networks did not learn",
    "not-run": "not run",
}

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


def digits(value: float, *, power: bool = False) -> str:
    """Return a number in three digits, or whole from 100 on: what can be read off an axis.

    Args:
        value: the number; from a million on it is a multiple of a power of ten.
        power: whether it always is.

    Example:
        >>> digits(0.00123456), digits(1.3e-7), digits(8192), digits(2.5e21)
        ('0.00123', '1.3 × 10⁻⁷', '8,192', '2.5 × 10²¹')
    """
    if math.isfinite(value) and value and (power or abs(value) >= 1e6):
        return _power(f"{value:.2e}").replace("-", _MINUS)
    return number(value, 0) if abs(value) >= 100 else number(float(f"{value:.3g}"))


def _tiny(fact: Fact) -> bool:
    """Return whether a fact is written in powers of ten: one of its numbers would be anyway."""
    ends = (fact.value, fact.low, fact.high)
    return any(isinstance(end, float) and 0 < abs(end) < 1e-4 for end in ends)


def _power(text: str) -> str:
    """Return Python's ``1.20e-07`` as ``1.2 × 10⁻⁷``."""
    mantissa, exponent = text.split("e")
    mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa} × {_raised(int(exponent))}"


def _raised(exponent: int) -> str:
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def power_of_ten(exponent: float) -> str:
    """Return a power of ten, as a tick of an axis.

    Example:
        >>> power_of_ten(-2), power_of_ten(-7)
        ('0.01', '10⁻⁷')
    """
    whole = round(exponent)
    return f"{10.0**whole:g}" if -2 <= whole <= 2 else _raised(whole)


def plain(value: Value) -> str:
    """Return any value of a record as text: a dash for None, yes or no, four digits."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else number(value)


def _scale(kind: str) -> float:
    return 100.0 if kind in ("percent", "points", "gap") else 1.0


def _unit(kind: str) -> str:
    return {"percent": f"{_GAP}%"}.get(kind, f"{_GAP}points" if kind in ("points", "gap") else "")


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
    if kind == "log":
        return digits(fact.value, power=_tiny(fact))
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
    if kind == "log":
        low, high = (digits(end, power=_tiny(fact)) for end in (fact.low, fact.high))
        return f"{low} to {high}"
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


def estimate(fact: Fact, kind: str = "number", name: str = f"95{_GAP}% interval ") -> str:
    """Return value and interval as one phrase; the interval's ``name`` may be left out in a table.

    Example:
        >>> estimate(Fact(0.96653, 0.9657, 0.9673), "percent").replace("\u202f", " ")
        '96.65 % (95 % interval 96.57 to 96.73 %)'
    """
    if fact.low is None or fact.high is None:
        return value(fact, kind)
    return f"{value(fact, kind)} ({name}{interval(fact, kind)})"


def p_value(p: float) -> str:
    """Return a p-value with its sign of relation.

    Example:
        >>> p_value(0.0312), p_value(3e-9)
        ('p = 0.031', 'p < 0.0001')
    """
    return "p < 0.0001" if p < 1e-4 else f"p = {number(float(f'{p:.2g}'))}"


def listed(items: Iterable[str], last: str = "and") -> str:
    """Return items as a list in a sentence.

    Example:
        >>> listed(["a", "b", "c"]), listed(["a", "b"], "or")
        ('a, b and c', 'a or b')
    """
    words = list(items)
    return f" {last} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def counted(n: float, noun: str) -> str:
    """Return a number with its noun, which takes an s unless the number is one.

    Example:
        >>> counted(1, "seed"), counted(2000, "seed"), counted(0.5, "epoch")
        ('1 seed', '2,000 seeds', '0.5 epochs')
    """
    return f"{number(n)} {noun}{'' if n == 1 else 's'}"


def sentence(text: str) -> str:
    """Return text with a capital first letter; the rest stays as it is.

    Example:
        >>> sentence("batch norm and ReLU")
        'Batch norm and ReLU'
    """
    return text[:1].upper() + text[1:]


def cells(fact: Fact, kind: str = "number") -> list[str]:
    """Return a fact as three cells of a table: value, interval and n."""
    return [value(fact, kind), interval(fact, kind), size(fact)]


def size(fact: Fact) -> str:
    """Return a fact's n with thousands separators, or a dash."""
    return NONE if fact.n is None else number(fact.n)


def tie(text: str) -> str:
    """Return text in which no line breaks within a number: before its per cent sign, or 1.2 × 10⁻⁷."""
    tied = re.sub(r"(?<=\d) (?=%)", _GAP, text)
    return re.sub(r"(?<=\d) × (?=10)", "\u00a0×\u00a0", tied)
