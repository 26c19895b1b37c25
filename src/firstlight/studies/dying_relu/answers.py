"""The answers to questions 2.2 and 2.3, computed from the record and from nothing else.

They are for the run's first initialization and for all functions together, unless two functions
contradict each other. What is decided is decided by the whole interval.
"""

from collections.abc import Mapping

from firstlight import stats
from firstlight.record import Fact, Outcome, Record, Verdict, fact_of
from firstlight.studies.dying_relu import labels
from firstlight.studies.dying_relu.labels import ACTIVATIONS, DEFINITIONS, FUNCTIONS, INITS, MATTERS
from firstlight.text import counted, interval, listed, number, value

SHARE = f"{100 * labels.REPORTED:.0f} %"


def scale(record: Record) -> str:
    """Return how large the run was, in words."""
    config = record.config
    functions, networks = len(config["function"]), counted(config["simulations"], "network")
    each = f" for each of {functions} functions" if functions > 1 else ""
    points, epochs = counted(config["points"], "point"), counted(config["epochs"], "epoch")
    return f"{networks}{each}, {points}, {epochs}"


def answers(record: Record) -> list[Verdict]:
    """Return the verdict on each question."""
    missing = [name for a, name in ACTIVATIONS.items() if a not in record.config["activation"]]
    left_out = f"Not answered: this run left out {listed(missing)}."
    no_relu = ACTIVATIONS["relu"] in missing
    return [
        Verdict("2.2", "not-run", left_out) if no_relu else _collapse(record),
        Verdict("2.3", "not-run", left_out) if missing else _leaky(record),
    ]


def remarks(record: Record) -> dict[str, list[str]]:
    """Return what the page says below each verdict."""
    there = record.config["activation"]
    collapse = [_before_and_after(record)] if "relu" in there else []
    return {"2.2": collapse, "2.3": [_paired(record)] if "leaky-relu" in there else []}


def _first(record: Record) -> str:
    init: str = record.config["init"][0]
    return init


def _share(record: Record, measure: str, activation: str) -> Fact:
    """Return the share of all networks of an activation at the end."""
    return record.facts.get(measure, activation=activation, init=_first(record))


def _reached(share: Fact) -> int:
    """Return 1 where a share is certainly close to what was reported or above, −1 below, else 0."""
    least = labels.REPORTED - MATTERS["2.2"]
    if share.low is None or share.high is None:
        return 0
    return int(share.low >= least) - int(share.high < least)


def _collapse(record: Record) -> Verdict:
    """Answer 2.2: what fraction collapsed, and is it close to over 90 %."""
    share, at = _share(record, "collapsed", "relu"), {"activation": "relu", "init": _first(record)}
    each = {f: record.facts.get("collapsed", function=f, **at) for f in record.config["function"]}
    sides = {_reached(fact) for fact in each.values()}
    reached = _reached(share)
    evidence = [fact_of(name, **at) for name in ("collapsed", "born_dead", "died_in_training")]
    outcome: Outcome = "answered" if reached else "cannot-tell"
    decision = {1: "yes", -1: "no", 0: ""}[reached]
    networks, reported = f"{value(share, 'percent')} of the ReLU networks", "that Lu et al. report"
    if {1, -1} <= sides:
        outcome, decision = "answered", "depends"
        headline = _by_function(each)
    elif reached > 0:
        word = "over" if stats.direction(_beyond(share)) > 0 else "close to"
        headline = f"Yes: {networks} collapsed to a constant, {word} the {SHARE} {reported}."
    elif reached < 0:
        far = f"more than {_points('2.2')} below the {SHARE} {reported}"
        headline = f"No: {networks} collapsed to a constant, {far}."
    else:
        ends = interval(share, "percent")
        headline = f"Could not be determined: {ends} of the ReLU networks collapse; Lu et al. report {SHARE}."
    return Verdict("2.2", outcome, headline, evidence, decision)


def _beyond(share: Fact) -> Fact:
    """Return a share less the reported one."""
    low, high = (None if e is None else e - labels.REPORTED for e in (share.low, share.high))
    return Fact(float(share) - labels.REPORTED, low, high, share.n)


def _by_function(each: Mapping[str, Fact]) -> str:
    """Return the headline where functions contradict each other; it names the two extremes."""
    least, most = min(each, key=lambda f: float(each[f])), max(each, key=lambda f: float(each[f]))
    ends = " and ".join(f"{value(each[f], 'percent')} on {FUNCTIONS[f]}" for f in (least, most))
    return f"It depends on the function: {ends} collapsed; Lu et al. report over {SHARE}."


def _points(question: str) -> str:
    return counted(100 * MATTERS[question], "point")


def _before_and_after(record: Record) -> str:
    """Say how many networks were born dead, by theory too, and how many died in training."""
    init = _first(record)
    born = value(_share(record, "born_dead", "relu"), "percent")
    died = value(_share(record, "died_in_training", "relu"), "percent")
    exact = record.facts.find("born_dead_theory", init=init)
    theory = f" (theory: {100 * float(exact):.1f} %)" if exact else ""
    return (
        f"From {INITS[init]} initialization, {born} were born dead, before any training{theory}; in "
        f"another {died} a layer died in training. Close means down to {_points('2.2')} below {SHARE}."
    )


def _sign(record: Record, definition: str, **function: str) -> int | None:
    """Return the sign of leaky − ReLU, 0 for no difference that matters, None for not known."""
    change = record.facts.get("change", definition=definition, init=_first(record), **function)
    outcome = stats.decide(change, MATTERS["2.3"])
    return {"better": stats.direction(change), "no-difference": 0}.get(outcome)


def _kind(record: Record, definition: str) -> str:
    """Return how the leaky networks compare, by one definition, all functions together."""
    each = {_sign(record, definition, function=f) for f in record.config["function"]}
    if {1, -1} <= each:
        return "mixed"
    kinds = {-1: "fewer", 1: "more", 0: "as-many", None: "unknown"}
    return kinds[_sign(record, definition)]


CALLS: dict[str, tuple[Outcome, str, str]] = {
    "fewer": ("better", "leaky-relu", "Yes"),
    "more": ("better", "relu", "No"),
    "as-many": ("no-difference", "no-difference", "It made no difference that matters"),
    "unknown": ("cannot-tell", "", "Whether leaky ReLU helped could not be determined"),
    "mixed": ("answered", "depends", "It depends on the function"),
}
"""How the leaky networks compare, by both definitions alike → outcome, decision, first words."""
CLAUSES: dict[str, str] = {
    "fewer": "fewer leaky networks are {}",
    "more": "more leaky networks are {}",
    "as-many": "as many are {}",
    "unknown": "whether fewer are {} could not be determined",
    "mixed": "whether fewer are {} depends on the function",
}


def _leaky(record: Record) -> Verdict:
    """Answer 2.3: did leaky ReLU help, by which definition."""
    kinds = {definition: _kind(record, definition) for definition in DEFINITIONS}
    evidence = [fact_of("change", definition=d, init=_first(record)) for d in DEFINITIONS]
    constant, flat = kinds["collapsed"], kinds["flat"]
    if constant != flat:
        parts = (CLAUSES[kind].format(DEFINITIONS[name]) for name, kind in kinds.items())
        headline = f"It depends on the definition of collapse: {'; '.join(parts)}."
        outcome: Outcome = "cannot-tell" if constant == "unknown" else "answered"
        return Verdict(
            "2.3", outcome, headline, evidence, "" if constant == "unknown" else "depends"
        )
    outcome, decision, words = CALLS[constant]
    leaky, relu = (value(_share(record, "collapsed", a), "percent") for a in ("leaky-relu", "relu"))
    headline = (
        f"{words}: after {counted(record.config['epochs'], 'epoch')} {leaky} of the leaky networks are "
        f"constant, against {relu} with ReLU"
    )
    more = {"fewer": "; fewer are flat too", "more": "; more are flat too"}.get(constant, "")
    return Verdict("2.3", outcome, f"{headline}{more}.", evidence, decision)


def _paired(record: Record) -> str:
    """Say what is compared, and from which epoch on leaky ReLU has fewer."""
    if "relu" not in record.config["activation"]:
        share = value(_share(record, "collapsed", "leaky-relu"), "percent")
        return f"Without ReLU there is no comparison; {share} of the leaky networks were constant."
    since: dict[int, list[str]] = {}
    for definition, adjective in DEFINITIONS.items():
        epoch = record.facts.get("helps_from", definition=definition, init=_first(record)).value
        if isinstance(epoch, int):
            since.setdefault(epoch, []).append(adjective)
    parts = [
        f"{listed(words)} {f'from epoch {number(epoch)} on' if epoch else 'already before training'}"
        for epoch, words in sorted(since.items())
    ]
    count = len(record.config["function"]) * record.config["simulations"]
    more = f" Fewer, by more than {_points('2.3')}, are {listed(parts)}." if parts else ""
    return (
        f"Compared are the same {counted(count, 'network')}: both activations start from the same "
        "weights and see the same points in the same order; less than "
        f"{_points('2.3')} apart would count as no difference.{more}"
    )
