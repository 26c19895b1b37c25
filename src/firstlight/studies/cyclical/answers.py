"""The answers to questions 4.1 to 4.7, worded from the facts of a run."""

from collections.abc import Mapping

from firstlight.studies.cyclical.config import CyclicalConfig
from firstlight.record import Fact
from firstlight.stats import direction

Facts = Mapping[str, Fact]

NAMES = {
    "fixed_low": "the fixed rate lr_min",
    "fixed_high": "the fixed rate lr_max",
    "cyclical_rate": "the cyclical learning rate",
    "growing_batch": "the cyclical batch size that grows",
    "shrinking_batch": "the cyclical batch size that shrinks",
}
"""How a sentence calls each policy."""

MINUS = "−"


def _number(fact: Fact) -> float:
    return float(fact.value)  # type: ignore[arg-type]  # these facts are numbers


def _size(value: float | None) -> str:
    """Return a rate or a size in three digits, without exponent where that is readable."""
    if value is None:
        return "not told"
    text = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return text.replace("e-0", "e-").replace("-", MINUS)


def _with_interval(fact: Fact) -> str:
    value = None if fact.value is None else _number(fact)
    if fact.low is None or fact.high is None:
        return _size(value)
    return f"{_size(value)} (95 % interval {_size(fact.low)} to {_size(fact.high)})"


def _seeds(fact: Fact) -> str:
    return f"n = {fact.n} seed" + ("s" if fact.n != 1 else "")


def _share(fact: Fact) -> str:
    text = f"{100 * _number(fact):.2f} %"
    if fact.low is None or fact.high is None:
        return f"{text} ({_seeds(fact)}, so no interval)"
    return f"{text} (95 % interval {100 * fact.low:.2f} to {100 * fact.high:.2f} %, {_seeds(fact)})"


def _points(fact: Fact) -> str:
    text = f"{100 * _number(fact):+.2f} points".replace("-", MINUS)
    if fact.low is None or fact.high is None:
        return f"{text} ({_seeds(fact)}, so no interval)"
    span = f"{100 * fact.low:.2f} to {100 * fact.high:.2f}".replace("-", MINUS)
    return f"{text} (95 % interval {span}, {_seeds(fact)})"


def _pair(facts: Facts, first: str, second: str, head: str) -> Fact:
    """Return first − second, whichever way round the record holds it."""
    found = facts.get(f"{head}.{first}.{second}")
    if found is not None:
        return found
    other = facts[f"{head}.{second}.{first}"]
    ends = [None if end is None else -end for end in (other.high, other.low)]
    return Fact(-_number(other), ends[0], ends[1], other.n)


def compared(facts: Facts, first: str, second: str, head: str = "difference") -> str:
    """Return whether ``first`` scores better than ``second`` on the test set, with the numbers."""
    fact = _pair(facts, first, second, head)
    sign = direction(fact)
    if sign == 0:
        return (
            f"cannot tell at this n whether {NAMES[first]} or {NAMES[second]} is better: "
            f"{_points(fact)}"
        )
    better, worse = (first, second) if sign > 0 else (second, first)
    return f"{NAMES[better]} is better than {NAMES[worse]}: {_points(_pair(facts, better, worse, head))}"


def _data_set(facts: Facts) -> str:
    def count(name: str) -> str:
        return f"{int(_number(facts[f'images.{name}'])):,}"

    least, most = count("least_per_class"), count("most_per_class")
    each = f"{least} images each" if least == most else f"{least} to {most} images each"
    shown = ", ".join(str(facts[f"example.{i}"].value) for i in range(3))
    return (
        f"{facts['data'].value} has {count('total')} images in {count('classes')} classes, {each}: "
        f"{count('official_train')} for training and {count('official_test')} for the test. Of the "
        f"former this run trains on {count('train')} and holds out {count('validation')} for "
        f"validation; of the latter it uses {count('test')}, once. Shown: three typical images each "
        f"of {shown}."
    )


def _read(facts: Facts, kind: str) -> str:
    if facts[f"{kind}.verdict"].value != "read":
        return f"the bounds cannot be told: {facts[f'{kind}.reason'].value}"
    return (
        f"the loss starts to fall at {_with_interval(facts[f'{kind}.low'])} and slows at "
        f"{_with_interval(facts[f'{kind}.high'])}; it is steepest at "
        f"{_size(_told(facts, f'{kind}.steepest'))}, lowest at "
        f"{_size(_told(facts, f'{kind}.minimum'))}"
    )


def _told(facts: Facts, name: str) -> float | None:
    return None if facts[name].value is None else _number(facts[name])


def _rates(facts: Facts, config: CyclicalConfig) -> str:
    source = {
        "candidates": "the candidates' curve", "ramp": "the ramp",
        "lowest loss": "the candidate with the lowest loss and the one below it",
    }[str(facts["lr_source"].value)]  # fmt: skip
    how = "a run each" if config.range_mode == "runs" else "plateaus of one run"
    return (
        f"lr_min = {_with_interval(facts['lr_min'])} and lr_max = "
        f"{_with_interval(facts['lr_max'])}, from {source}. With {config.candidates} candidates "
        f"({how}, {_epochs(config.range_epochs)}) "
        f"{_read(facts, 'candidates')}; over the ramp, whose rate grows at every update, "
        f"{_read(facts, 'ramp')}."
    )


def _epochs(count: float) -> str:
    return f"{count:g} epoch" + ("" if count == 1 else "s")


def _cyclical_rate(facts: Facts, config: CyclicalConfig) -> str:
    if "cyclical_rate" not in config.policies:
        return "cannot tell: the cyclical learning rate was not trained in this run."
    return (
        f"With the learning rate moving between lr_min and lr_max in {config.cycles} cycles whose "
        f"amplitude decays to {config.final_amplitude:g}, after {_epochs(config.epochs)} of batch "
        f"size {config.batch_size}: validation loss "
        f"{_number(facts['final_loss.cyclical_rate']):.3f}, best validation accuracy "
        f"{_share(facts['best_accuracy.cyclical_rate'])}, test accuracy "
        f"{_share(facts['test_accuracy.cyclical_rate'])}."
    )


def _trend(facts: Facts, kind: str, seen: str) -> str:
    """Return what a batch-size curve shows; ``seen`` says it where a trend was found."""
    reason = facts[f"batch_{kind}.reason"].value
    if facts[f"batch_{kind}.steepest"].value is None:
        return f"at equal {kind} no trend can be told: {reason}"
    told = facts[f"batch_{kind}.verdict"].value == "read"
    return f"at equal {kind} {seen}" + ("" if told else f" ({reason})")


def _batch_test(facts: Facts) -> str:
    first = _trend(
        facts, "epochs",
        "the loss rises with the batch size, the other way round than with the learning rate, since "
        "larger batches make fewer updates",
    )  # fmt: skip
    second = _trend(
        facts, "updates", "it falls as the batch size grows, as it does with the learning rate"
    )
    return f"At the fixed rate lr_min, {first}; {second}."


def _batch_bounds(facts: Facts) -> str:
    parts = []
    for name in ("batch_min", "batch_max"):
        edge = facts[f"{name}_source"].value == "edge"
        why = "the edge of the sizes tried, since the curve cannot tell" if edge else "read"
        text = _size(_number(facts[name])) if edge else _with_interval(facts[name])
        parts.append(f"{name.replace('batch', 'b')} = {text} ({why})")
    noise = facts["noise_scale.after"]
    return (
        f"{parts[0]}; {parts[1]}, from the curve at equal epochs, read from large batches to small "
        f"ones. The gradient noise scale is {_with_interval(facts['noise_scale.before'])} before "
        f"training and {_with_interval(noise)} after it (median over trainings): the batch size "
        f"beyond which larger ones hardly save updates. The algorithm that finds the bounds by "
        f"itself is drawn as a block diagram."
    )


def _trajectory(facts: Facts, config: CyclicalConfig) -> str:
    argument = (
        "The noise of stochastic gradient descent goes with lr / (B (1 − momentum)); so the "
        "counterpart of a decaying learning rate is a growing batch size"
    )
    pair = ("growing_batch", "shrinking_batch")
    if not set(pair) <= set(config.policies):
        return f"{argument}; not both were trained in this run, so it was not measured."
    fact = _pair(facts, *pair, "difference")
    meets = {1: "The measurement agrees", -1: "The measurement contradicts", 0: "Measured"}
    updates = [int(_number(facts[f"updates.{policy}"])) for policy in pair]
    low, used, high = (
        _size(_number(facts[name])) for name in ("batch_min", "batch_used", "batch_max")
    )
    span = f"between b_min = {low} and " + (
        f"b_max = {high}" if used == high else f"{used}, a tenth of the images and below b_max"
    )
    return (
        f"{argument}. Both batch policies move {span}. "
        f"{meets[direction(fact)]}: {compared(facts, *pair)}. For the same images the "
        f"growing one makes {updates[0]:,} updates, the shrinking one {updates[1]:,}, both at "
        f"lr_min. Test accuracy: growing {_share(facts['test_accuracy.growing_batch'])}, shrinking "
        f"{_share(facts['test_accuracy.shrinking_batch'])}."
    )


def _comparison(facts: Facts, config: CyclicalConfig) -> str:
    scores = {p: _number(facts[f"best_accuracy.{p}"]) for p in config.policies}
    order = sorted(scores, key=lambda policy: -scores[policy])
    best = order[0]
    lines = [
        f"On the test set, {compared(facts, 'cyclical_rate', batch)}."
        for batch in ("growing_batch", "shrinking_batch")
        if {"cyclical_rate", batch} <= set(order)
    ]
    lines += [
        "Best validation accuracy: "
        + ", ".join(f"{NAMES[p]} {_share(facts[f'best_accuracy.{p}'])}" for p in order)
        + "."
    ]
    for other in order[1:]:
        text = f"On the test set, {compared(facts, best, other)}."
        if text not in lines:
            lines.append(text)
    if len(order) == 1:
        lines.append("Only one policy was trained, so there is nothing to compare.")
    return " ".join(lines)


def answers(facts: Facts, config: CyclicalConfig, stand_in: str | None) -> dict[str, str]:
    """Return question → answer, every number and every direction taken from the facts.

    Args:
        facts: of the whole run.
        config: the study's parameters.
        stand_in: the name of the data that stand in for Fashion-MNIST, or None.
    """
    found = {
        "4.1": _data_set(facts),
        "4.2": _rates(facts, config),
        "4.3": _cyclical_rate(facts, config),
        "4.4": _batch_test(facts),
        "4.5": _batch_bounds(facts),
        "4.6": _trajectory(facts, config),
        "4.7": _comparison(facts, config),
    }
    prefix = "" if stand_in is None else f"On {stand_in} (stand-in data): "
    return {question: prefix + text for question, text in found.items()}
