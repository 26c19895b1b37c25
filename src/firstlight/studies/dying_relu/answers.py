"""The answers to questions 2.2 and 2.3, computed from the record and from nothing else.

They are for the run's first initialization. "Over 90 %" is claimed only where the whole interval
lies above, and that leaky ReLU helped only where McNemar's test on the paired networks is
significant at 5 %.
"""

from collections.abc import Mapping
from itertools import product

from firstlight import stats
from firstlight.record import Fact, Outcome, Record, Verdict, fact_of
from firstlight.studies.dying_relu import labels
from firstlight.studies.dying_relu.labels import ACTIVATIONS, DEFINITIONS, FUNCTIONS, INITS
from firstlight.text import counted, estimate, listed, number, value

SHARE = f"{100 * labels.REPORTED:.0f} %"


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
    collapse, leaky = [], []
    if "relu" in record.config["activation"]:
        others = [_other_init(record, init) for init in record.config["init"][1:]]
        collapse = [_before_and_after(record), *others]
    if "leaky-relu" in record.config["activation"]:
        leaky = [_paired(record), _course(record)]
    return {"2.2": collapse, "2.3": leaky}


def _shares(record: Record, measure: str, activation: str, init: str = "") -> dict[str, Fact]:
    """Return function → the share of networks at the end."""
    where = {"activation": activation, "init": init or record.config["init"][0]}
    return {f: record.facts.get(measure, function=f, **where) for f in record.config["function"]}


def _on_functions(shares: Mapping[str, Fact]) -> str:
    """Return ``92.7 % on |x| and 92.9 % on x·sin(5x)``."""
    return listed(f"{value(fact, 'percent')} on {FUNCTIONS[f]}" for f, fact in shares.items())


def _apart(fact: Fact, low: float | None, high: float | None) -> int:
    """Return 1 or −1 where the fact's interval lies wholly above or below a range, else 0."""
    if fact.low is None or fact.high is None or low is None or high is None:
        return 0
    return int(fact.low > high) - int(fact.high < low)


def _collapse(record: Record) -> Verdict:
    """Answer 2.2: what fraction collapsed, and is it over 90 %."""
    shares = _shares(record, "collapsed", "relu")
    signs = {f: _apart(fact, labels.REPORTED, labels.REPORTED) for f, fact in shares.items()}
    networks = counted(record.config["simulations"], "network")
    if len(set(signs.values())) == 1:
        claim = {
            1: f"Yes, over {SHARE} of the ReLU networks collapsed, as Lu et al. report",
            -1: f"No, fewer than the reported {SHARE} of the ReLU networks collapsed",
            0: f"Whether over {SHARE} collapsed could not be determined from {networks} per function",
        }[next(iter(signs.values()))]
        headline = f"{claim}: {_on_functions(shares)}."
    else:
        kinds = {1: f"over {SHARE} on", -1: "fewer on", 0: "undecided on"}
        groups = {kind: [FUNCTIONS[f] for f in signs if signs[f] == kind] for kind in kinds}
        parts = [f"{kinds[kind]} {listed(group)}" for kind, group in groups.items() if group]
        headline = f"Whether over {SHARE} collapsed depends on the function: {'; '.join(parts)}."
    evidence = [
        fact_of(measure, function=f, activation="relu", init=record.config["init"][0])
        for measure, f in product(("collapsed", "born_dead", "died_in_training"), shares)
    ]
    return Verdict("2.2", "answered" if any(signs.values()) else "cannot-tell", headline, evidence)


def _before_and_after(record: Record) -> str:
    """Say how many networks were born dead, by theory too, and how many died in training."""
    init, depth, width = record.config["init"][0], record.config["depth"], record.config["width"]
    born = record.data["born_dead"].sel(activation="relu", init=init).values
    pooled = estimate(stats.proportion(int(born.sum()), born.size), "percent")
    exact, theory = record.data["theory_exact"], ""
    if init in ("he", "xavier") and width == 2 and depth in exact.exact_depth:
        theory = f" (by theory {100 * float(exact.sel(exact_depth=depth)):.1f} %)"
    return (
        f"From {INITS[init]} initialization, {pooled} of all ReLU networks were born dead, before any "
        f"training{theory}. A layer died in training in "
        f"{_on_functions(_shares(record, 'died_in_training', 'relu'))}."
    )


def _other_init(record: Record, init: str) -> str:
    """Say what another initialization does to ReLU; its networks are others, so not in pairs."""
    base, shares = _shares(record, "collapsed", "relu"), _shares(record, "collapsed", "relu", init)
    signs = {_apart(fact, base[f].low, base[f].high) for f, fact in shares.items()}
    unknown = "a difference could not be determined (the intervals overlap)"
    claims = {-1: "fewer collapse", 1: "more collapse", 0: unknown}
    claim = claims[signs.pop()] if len(signs) == 1 else "the answer depends on the function"
    names = f"{INITS[init]} instead of {INITS[record.config['init'][0]]}"
    return f"With {names} initialization {claim}: {_on_functions(shares)}."


def _leaky(record: Record) -> Verdict:
    """Answer 2.3: did leaky ReLU help, by which definition."""
    signs: dict[str, set[int]] = {definition: set() for definition in DEFINITIONS}
    evidence = []
    for definition, function in product(DEFINITIONS, record.config["function"]):
        where = {"definition": definition, "function": function, "init": record.config["init"][0]}
        decided = record.facts.value("mcnemar", **where) < 1 - stats.CONFIDENCE
        change = record.facts.value("change", **where)
        signs[definition].add(int(decided) * (int(change > 0) - int(change < 0)))
        evidence += [fact_of("change", **where), fact_of("mcnemar", **where)]
    outcome: Outcome = "answered"
    if len(every := set().union(*signs.values())) == 1:
        outcome = "cannot-tell" if every == {0} else "better"
    kinds = {name: next(iter(s)) if len(s) == 1 else None for name, s in signs.items()}
    return Verdict("2.3", outcome, _helped(record, kinds), evidence)


def _helped(record: Record, kinds: Mapping[str, int | None]) -> str:
    """Return whether leaky ReLU helped, from the sign by definition; None where it varies."""
    flat = kinds["flat"]
    if kinds["collapsed"] != flat:
        words = {
            -1: "fewer leaky networks are {}",
            1: "more leaky networks are {}",
            0: "whether fewer are {} could not be determined",
            None: "whether fewer are {} depends on the function",
        }
        parts = (words[kind].format(DEFINITIONS[name]) for name, kind in kinds.items())
        return f"It depends on the definition of collapse: {'; '.join(parts)}."
    if not flat:
        reason = "could not be determined" if flat == 0 else "depends on the function"
        return f"Whether leaky ReLU helped {reason}, by either definition of collapse."
    leaky, relu = (_range(_shares(record, "collapsed", a)) for a in ("leaky-relu", "relu"))
    answer, words_flat = ("Yes", "fewer") if flat < 0 else ("No", "more")
    return (
        f"{answer}: after {counted(record.config['epochs'], 'epoch')} {leaky} of the leaky networks "
        f"are constant, against {relu} with ReLU; {words_flat} are flat too."
    )


def _range(shares: Mapping[str, Fact]) -> str:
    """Return ``5.6 % to 13.5 %``, the smallest and the largest share over the functions."""
    ends = min(shares.values(), key=float), max(shares.values(), key=float)
    return " to ".join(dict.fromkeys(value(fact, "percent") for fact in ends))


def _paired(record: Record) -> str:
    """Say what is compared, and from which epoch on leaky ReLU has significantly fewer."""
    functions = record.config["function"]
    if "relu" not in record.config["activation"]:
        shares = _on_functions(_shares(record, "collapsed", "leaky-relu"))
        return f"Without ReLU there is no comparison; of the leaky networks {shares} were constant."
    since: dict[tuple[str, int], list[str]] = {}
    for definition, f in product(DEFINITIONS, functions):
        where = {"definition": definition, "function": f, "init": record.config["init"][0]}
        epoch = record.facts.get("helps_from", **where).value
        if isinstance(epoch, int):
            since.setdefault((definition, epoch), []).append(FUNCTIONS[f])
    parts = []
    for (definition, epoch), on in sorted(since.items()):
        when = f"from epoch {number(epoch)} on" if epoch else "already before training"
        places = f" on {listed(on)}" if len(on) < len(functions) else ""
        parts.append(f"{DEFINITIONS[definition]} {when}{places}")
    paired = (
        f"Compared are the same {counted(record.config['simulations'], 'network')} per function, "
        "with the same initial weights, training points and order for both activations."
    )
    return f"{paired} Significantly fewer leaky networks are {listed(parts)}." if parts else paired


def _course(record: Record) -> str:
    """Say how the share of flat leaky networks went, after 1, 10, 100, … epochs."""
    where, courses = {"activation": "leaky-relu", "init": record.config["init"][0]}, []
    for function, final in _shares(record, "flat", "leaky-relu").items():
        course = record.facts.select("flat_after", function=function, **where)
        shares = {int(entry.coords["epoch"]): entry.value for entry in course.entries()}
        shares[record.config["epochs"]] = final
        steps = [f"{value(fact, 'percent')} after {number(e)}" for e, fact in shares.items()]
        courses.append(f"on {FUNCTIONS[function]} {listed(steps)}")
    return f"Flat leaky networks by epochs of training: {'; '.join(courses)}."
