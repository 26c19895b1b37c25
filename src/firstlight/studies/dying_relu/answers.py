"""The words that answer questions 2.2 and 2.3, computed from the facts and from nothing else."""

from collections.abc import Mapping, Sequence

from firstlight import stats
from firstlight.studies.dying_relu.config import DyingReluConfig
from firstlight.data.toy import FORMULAS
from firstlight.record import Fact

Facts = Mapping[str, Fact]

REPORTED = 0.9
"""Lu et al. report that over 90 % of the networks collapse."""
INTERVAL = f"{100 * stats.CONFIDENCE:.0f} % interval "
LEVEL = 1 - stats.CONFIDENCE
INITS = {
    "he": "He initialization",
    "rai": "randomized asymmetric initialization",
    "torch": "PyTorch's default initialization",
    "xavier": "Xavier initialization",
    "orthogonal": "orthogonal initialization",
}
"""How a sentence calls each initialization."""
WORDS = {"collapsed": "constant", "flat": "flat"}
"""How a sentence calls an output, by the definition."""


def _number(fact: Fact) -> float:
    if isinstance(fact.value, str) or fact.value is None:
        raise TypeError(f"fact: expected a number, got {fact.value!r}")
    return float(fact.value)


def _percent(fact: Fact, label: str = "") -> str:
    """Return a share with its interval; ``label`` says what the interval is."""
    text = f"{100 * _number(fact):.1f} %"
    if fact.low is None or fact.high is None:
        return text
    return f"{text} ({label}{100 * fact.low:.1f} to {100 * fact.high:.1f} %)"


def _points(fact: Fact) -> str:
    """Return a difference of shares, signed, in percentage points."""
    text = f"{100 * _number(fact):+.1f} points"
    if fact.low is not None and fact.high is not None:
        text += f" ({100 * fact.low:+.1f} to {100 * fact.high:+.1f})"
    return text.replace("-", "−")


def _p(fact: Fact) -> str:
    value = _number(fact)
    return "p < 0.0001" if value < 1e-4 else f"p = {value:.2g}"


def _list(parts: Sequence[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return ", ".join(parts[:-1]) + " and " + parts[-1]


def _epochs(count: float) -> str:
    return f"{count:,.0f} epoch" + ("s" if count != 1 else "")


def _networks(config: DyingReluConfig) -> str:
    hidden = config.depth - 1
    layers = f"{hidden} hidden layer" + ("s" if hidden != 1 else "")
    return f"{layers} of width {config.width}"


def against_reported(fact: Fact) -> int:
    """Return 1 or −1 where the whole interval lies above or below 90 %, and 0 for "cannot tell"."""
    if fact.low is None or fact.high is None:
        return 0
    return int(fact.low > REPORTED) - int(fact.high < REPORTED)


def _claim(signs: Mapping[str, int], n: int) -> str:
    """Say on which functions over 90 % collapsed."""
    heads = {
        1: f"Yes, over {100 * REPORTED:.0f} % collapsed, as Lu et al. report",
        -1: f"No, fewer than the reported {100 * REPORTED:.0f} % collapsed",
        0: f"Cannot tell at n = {n:,} whether over {100 * REPORTED:.0f} % collapsed, as reported",
    }
    if len(set(signs.values())) == 1:
        return heads[next(iter(signs.values()))]
    words = {
        1: f"over {100 * REPORTED:.0f} %, as Lu et al. report, on ",
        -1: f"fewer than {100 * REPORTED:.0f} % on ",
        0: f"at n = {n:,} cannot tell on ",
    }
    parts = [
        words[sign] + _list([FORMULAS[f] for f, s in signs.items() if s == sign])
        for sign in (1, -1, 0)
        if sign in signs.values()
    ]
    return f"It depends on the function: {'; '.join(parts)}"


def _shares(facts: Facts, config: DyingReluConfig, name: str, end: str, label: str = "") -> str:
    """Return ``92.4 % (…) on |x| and 92.3 % (…) on x·sin(5x)``; the first interval is labelled."""
    return _list(
        [
            f"{_percent(facts[f'{name}.{f}.{end}'], '' if k else label)} on {FORMULAS[f]}"
            for k, f in enumerate(config.function)
        ]
    )


def _compared(facts: Facts, config: DyingReluConfig, init: str) -> str:
    """Say what another initialization does to ReLU; its networks are others, so not in pairs."""
    signs = set()
    for function in config.function:
        here = facts[f"collapsed.{function}.relu.{init}"]
        base = facts[f"collapsed.{function}.relu.{config.init[0]}"]
        known = None not in (here.low, here.high, base.low, base.high)
        fewer = known and (here.high or 0.0) < (base.low or 0.0)
        more = known and (here.low or 0.0) > (base.high or 0.0)
        signs.add(int(more) - int(fewer))
    told = {-1: "fewer", 1: "more", 0: "the intervals overlap"}
    verdict = told[signs.pop()] if len(signs) == 1 else "not the same for every function"
    shares = _shares(facts, config, "collapsed", f"relu.{init}")
    return f"With {INITS[init]}: {verdict}; {shares}."


def _collapse(facts: Facts, config: DyingReluConfig) -> str:
    """Answer 2.2: what fraction collapsed, and is it over 90 %."""
    if "relu" not in config.activation:
        return "Not answered: this run left out relu."
    end = f"relu.{config.init[0]}"
    signs: dict[str, int] = {
        f: against_reported(facts[f"collapsed.{f}.{end}"]) for f in config.function
    }
    others = [_compared(facts, config, init) for init in config.init[1:]]
    return " ".join(
        [
            f"{_claim(signs, config.simulations)}: "
            f"{_shares(facts, config, 'collapsed', end, INTERVAL)} ended as a constant.",
            f"These are {config.simulations:,} ReLU networks a function, with "
            f"{_networks(config)}, {INITS[config.init[0]]} and {_epochs(config.epochs)} of training.",
            f"Born dead, before any training, were {_shares(facts, config, 'born_dead', end)}; "
            f"a layer died in training in {_shares(facts, config, 'died_in_training', end)}.",
            *others,
        ]
    )


def _direction(facts: Facts, name: str, end: str) -> int:
    """Return −1 where leaky ReLU has significantly fewer, 1 where more, 0 for "cannot tell"."""
    if _number(facts[f"mcnemar.{name}.{end}"]) >= LEVEL:
        return 0
    change = _number(facts[f"change.{name}.{end}"])
    return int(change > 0) - int(change < 0)


def _helped(signs: Mapping[str, set[int]]) -> str:
    """Return the first clause of the answer, from the directions by definition."""
    kinds = {name: next(iter(s)) if len(s) == 1 else None for name, s in signs.items()}
    if all(kind == -1 for kind in kinds.values()):
        return "Yes, by both definitions leaky ReLU leaves fewer networks constant and fewer flat"
    if all(kind == 0 for kind in kinds.values()):
        return "Cannot tell at this n whether leaky ReLU helped, by either definition"
    if all(kind == 1 for kind in kinds.values()):
        return "No, by both definitions leaky ReLU leaves more networks constant and more flat"
    words = {
        -1: "fewer networks are {0} with leaky ReLU",
        1: "more networks are {0} with leaky ReLU",
        0: "whether fewer networks are {0} cannot be told at this n",
        None: "whether fewer networks are {0} depends on the function",
    }
    parts = [words[kind].format(WORDS[name]) for name, kind in kinds.items()]
    if len(set(kinds.values())) == 1:
        return f"It depends on the function: {parts[0]}, and likewise for {WORDS['flat']} ones"
    return f"It depends on the definition: {'; '.join(parts)}"


def _pair(facts: Facts, function: str, init: str, name: str) -> str:
    """Return the two shares of one definition, their difference and since when it helps."""
    leaky, relu = (_percent(facts[f"{name}.{function}.{a}.{init}"]) for a in ("leaky-relu", "relu"))
    end = f"{function}.{init}"
    since = facts[f"helps_from.{name}.{end}"].value
    told = ""
    if since is not None:
        told = (
            ", fewer already before training" if since == 0 else f", fewer from epoch {since:,} on"
        )
    return (
        f"{WORDS[name]} {leaky} against {relu} with ReLU, difference "
        f"{_points(facts[f'change.{name}.{end}'])}, McNemar's {_p(facts[f'mcnemar.{name}.{end}'])}"
        f"{told}"
    )


def _course(facts: Facts, function: str, init: str, config: DyingReluConfig) -> str:
    """Return how the share of flat leaky networks went, after 1, 10, 100, … epochs."""
    end = f"{function}.leaky-relu.{init}"
    marks = [10**k for k in range(6) if f"flat_after.{10**k}.{end}" in facts]
    shares = {mark: facts[f"flat_after.{mark}.{end}"] for mark in marks}
    shares[config.epochs] = facts[f"flat.{end}"]
    steps = [f"{100 * _number(fact):.1f} % after {mark:,}" for mark, fact in shares.items()]
    return f"flat leaky networks by epochs: {_list(steps)}"


def _leaky(facts: Facts, config: DyingReluConfig) -> str:
    """Answer 2.3: did leaky ReLU help, by which definition, after how much training."""
    if "leaky-relu" not in config.activation:
        return "Not answered: this run left out leaky-relu."
    init = config.init[0]
    course = {f: _course(facts, f, init, config) for f in config.function}
    if "relu" not in config.activation:
        shares = _shares(facts, config, "collapsed", f"leaky-relu.{init}", INTERVAL)
        head = f"{shares} ended as a constant; no comparison, since this run left out relu."
        return " ".join([head, *(f"On {FORMULAS[f]}, {text}." for f, text in course.items())])
    signs = {
        name: {_direction(facts, name, f"{f}.{init}") for f in config.function} for name in WORDS
    }
    pairs = [
        f"On {FORMULAS[f]}: {'; '.join(_pair(facts, f, init, name) for name in WORDS)}; {course[f]}."
        for f in config.function
    ]
    head = (
        f"{_helped(signs)}, after {_epochs(config.epochs)} of training from {INITS[init]}; the "
        f"same {config.simulations:,} initial weights and training sets a function for both "
        f"(in brackets {INTERVAL.strip()}s)."
    )
    return " ".join([head, *pairs])


def verdicts(facts: Facts, config: DyingReluConfig) -> dict[str, str]:
    """Return the answers by question of the assignment, for the run's first initialization.

    "Over 90 %" is claimed only where the whole interval lies above, and that leaky ReLU helped only
    where McNemar's test on the paired networks is significant at 5 %.
    """
    return {"2.2": _collapse(facts, config), "2.3": _leaky(facts, config)}
