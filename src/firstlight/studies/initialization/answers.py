"""The answer to question 2.1, computed from the facts and from nothing else."""

from firstlight.record import Fact, Facts, Outcome, Record, Reference, Verdict, fact_of
from firstlight.stats import direction
from firstlight.studies.initialization import labels
from firstlight.studies.initialization.labels import ACTIVATIONS, GUESSING
from firstlight.text import counted, estimate, listed, sentence, value

VANISHED, EXPLODED = 0.1, 10.0
"""A scale vanishes where the whole interval of its ratio lies below, and explodes where above."""
NO_BETTER = 0.99
"""A network with a loss above this share of ``GUESSING`` has learned nothing."""
SATURATING = ("tanh", "sigmoid")
NEEDED = (*SATURATING, "relu")
HE = {"activation": "relu", "first": "he", "second": "xavier"}
"""Where He is compared with Xavier."""


def answers(record: Record) -> list[Verdict]:
    """Return the verdict on question 2.1."""
    facts, small, missing = record.facts, _small(record), _missing(record)
    if missing:
        return [Verdict("2.1", "not-run", f"Not answered: this run left out {listed(missing)}.")]
    xavier = listed(_xavier(facts, activation, small) for activation in SATURATING)
    signs = [*he_signs(facts), *(s for a in NEEDED for s in helps(facts, a, "xavier", small))]
    outcome: Outcome = "better" if any(signs) else "cannot-tell"
    other = labels.inits(record.config["sigmas"])[small]
    claim = f"Against {other}, Xavier {xavier}; {he_verdict(facts)}."
    pairs = [{"activation": a, "first": "xavier", "second": small} for a in SATURATING]
    evidence = [
        *(reference for pair in pairs for reference in _evidence(pair)),
        fact_of("closer", direction="activation", **HE),
        *_evidence(HE),
        fact_of("agreement", quantity="activation", count="within"),
    ]
    return [Verdict("2.1", outcome, claim, evidence)]


def remarks(record: Record) -> dict[str, list[str]]:
    """Return what the page says below the verdict."""
    if _missing(record):
        return {}
    words = (_course, _saturation, _steps, _relu, _theory)
    return {"2.1": [paragraph(record) for paragraph in words]}


def helps(facts: Facts, activation: str, first: str, second: str) -> tuple[int, int]:
    """Return whether ``first`` is better than ``second``: for the gradient's scale, and the loss.

    Each is 1 (better), −1 (worse) or 0 (could not be determined).
    """
    where = {"activation": activation, "first": first, "second": second}
    return (
        -direction(facts.get("closer", direction="gradient", **where)),
        -direction(facts.get("difference", quantity="loss", **where)),
    )


def course(fact: Fact) -> int:
    """Return −1 where a ratio vanishes, 1 where it explodes, else 0."""
    if fact.low is None or fact.high is None:
        return 0
    return int(fact.low > EXPLODED) - int(fact.high < VANISHED)


def he_signs(facts: Facts) -> tuple[int, int, int]:
    """Return whether He suits ReLU better than Xavier: activations, gradients, and the loss."""
    forward = -direction(facts.get("closer", direction="activation", **HE))
    return (forward, *helps(facts, "relu", "he", "xavier"))


def he_verdict(facts: Facts) -> str:
    """Return whether He suits ReLU better than Xavier: by all three measures, or by some."""
    signs = he_signs(facts)
    if min(signs) == 1:
        return "He suits ReLU better than Xavier"
    if max(signs) == -1:
        return "Xavier suits ReLU better than He"
    return "whether He suits ReLU better depends on the measure"


def trains(record: Record) -> bool:
    """Return whether a record has networks that were trained."""
    return bool(labels.trained(record.config["activations"]))


def _missing(record: Record) -> list[str]:
    return [ACTIVATIONS[a] for a in NEEDED if a not in record.config["activations"]]


def _small(record: Record) -> str:
    return labels.normal(min(record.config["sigmas"]))


def _evidence(pair: dict[str, str]) -> list[Reference]:
    gradient = fact_of("closer", direction="gradient", **pair)
    return [gradient, fact_of("difference", quantity="loss", **pair)]


def _xavier(facts: Facts, activation: str, small: str) -> str:
    """Return what Xavier does for an activation, as the end of a clause."""
    scale, lower = helps(facts, activation, "xavier", small)
    name = ACTIVATIONS[activation]
    if scale != 1:
        return f"is not shown to help {name}"
    if lower == 1 and _learned(facts, activation, small):
        return f"helps {name}"
    return f"helps only the gradients of {name}"


def _learned(facts: Facts, activation: str, small: str) -> bool:
    """Return whether Xavier or the smallest σ does better than guessing."""
    after = [facts.value("loss_after", activation=activation, init=i) for i in ("xavier", small)]
    return min(after) <= NO_BETTER * GUESSING


def _where(record: Record, way: str, sign: int) -> str:
    """Return with which activations and initializations a scale vanishes or explodes."""
    names, clauses = labels.inits(record.config["sigmas"]), []
    for activation in NEEDED:
        ratios = record.facts.select("ratio", direction=way, activation=activation).entries()
        inits = [names[str(e.coords["init"])] for e in ratios if course(e.value) == sign]
        if inits:
            clauses.append(f"{ACTIVATIONS[activation]} with {listed(inits)}")
    return "; ".join(clauses) or "nowhere"


def _course(record: Record) -> str:
    return (
        f"From layer 1 to layer {record.config['layers']}, a scale is said to vanish where the whole "
        f"95 % interval of the ratio of its two ends lies below {VANISHED:g}, and to explode where "
        f"it lies above {EXPLODED:g}. Before training, gradients vanish on their way back: "
        f"{_where(record, 'gradient', -1)}; they explode: {_where(record, 'gradient', 1)}. "
        f"Activations vanish: {_where(record, 'activation', -1)}; "
        f"they explode: {_where(record, 'activation', 1)}."
    )


def _saturation(record: Record) -> str:
    """Say how many units are saturated with the largest σ, where gradients hardly pass."""
    names, last, shares = labels.inits(record.config["sigmas"]), record.config["layers"], []
    for init in (labels.normal(max(record.config["sigmas"])), "xavier"):
        for activation in SATURATING:
            fact = record.facts.get("saturated", activation=activation, init=init, layer=last)
            shares.append(f"{ACTIVATIONS[activation]} {value(fact, '{:.1%}')} with {names[init]}")
    return f"Saturated in layer {last}: {listed(shares)}."


def _steps(record: Record) -> str:
    """Say what became of the loss where Xavier brings the gradient's scale closer to one."""
    small, clauses = _small(record), []
    other = labels.inits(record.config["sigmas"])[small]
    losses = {
        1: f"Xavier's loss is lower than that of {other}",
        -1: f"Xavier's loss is higher than that of {other}",
        0: f"whether Xavier's loss is lower than that of {other} could not be determined",
    }
    for activation in SATURATING:
        scale, lower = helps(record.facts, activation, "xavier", small)
        what = losses[lower]
        if scale != 1:
            what = "Xavier is not shown to bring the scale of gradients closer to one"
        elif not _learned(record.facts, activation, small):
            what = f"neither Xavier nor {other} gets below the loss of guessing"
        clauses.append(f"with {ACTIVATIONS[activation]}, {what}")
    return f"After {counted(record.config['steps'], 'step')} {'; '.join(clauses)}."


def _relu(record: Record) -> str:
    """Compare He with Xavier for ReLU by activations, gradients and loss."""
    ratios = []
    for init in ("he", "xavier"):
        where = {"direction": "activation", "activation": "relu", "init": init}
        measured = estimate(record.facts.get("ratio", **where), "log")
        theory = value(record.facts.get("predicted_ratio", **where), "log")
        ratios.append(f"{measured} with {labels.SCHEMES[init]}, predicted {theory}")
    better = {1: "He is better", -1: "Xavier is better", 0: "could not be determined"}
    signs = zip(("activations", "gradients", "loss"), he_signs(record.facts), strict=True)
    words = "; ".join(f"{word}: {better[sign]}" for word, sign in signs)
    return (
        f"With ReLU, activations of layer {record.config['layers']} over layer 1: "
        f"{'; '.join(ratios)}. {sentence(words)}."
    )


def _theory(record: Record) -> str:
    checked, within, single = (
        int(record.facts.value("agreement", quantity="activation", count=count))
        for count in ("checked", "within", "within_single")
    )
    head = "Theory agrees" if checked == within else "Theory does not agree everywhere"
    return (
        f"{head}: the predicted mean square of activations lies in {within} of {checked} "
        f"simultaneous 95 % intervals of the measured means ({single} of the single ones)."
    )
