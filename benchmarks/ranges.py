"""Our rule for a learning-rate curve beside those of Lightning, pytorch-lr-finder and fastai."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.ranges_peers import Rule, rules
from benchmarks.ranges_shapes import FLAT, NOISES, RISING, SHAPES, Shape, sample, truth
from firstlight.seeds import generator
from firstlight.types import Floats


@dataclass(frozen=True)
class Accuracy:
    """Suggestions over the true steepest value, for one rule and one noise.

    Args:
        rule: whose.
        noise: standard deviation over the loss.
        middle: median ratio over shapes and seeds.
        spread: what the middle half of the ratios spans, as a factor.
        worst: the median ratio of the shape that is furthest from 1.
        answered: share of curves with a suggestion.
    """

    rule: str
    noise: float
    middle: float
    spread: float
    worst: float
    answered: float


def suggestions(rule: Rule, values: Floats, curves: Floats) -> Floats:
    """Return what a rule suggests for each curve, NaN for no answer.

    Args:
        rule: the rule.
        values: shape (k,).
        curves: shape (curves, k).
    """
    rates = [rule(values, losses) for losses in curves]
    return np.array([np.nan if rate is None else rate for rate in rates])


def accuracy(
    name: str, rule: Rule, noise: float, seeds: int, shapes: Sequence[Shape] = SHAPES
) -> Accuracy:
    """Return how close one rule comes to the steepest value at one noise."""
    ratios = []
    for shape in shapes:
        values, curves = sample(shape, noise, seeds)
        ratios.append(suggestions(rule, values, curves) / truth(shape).steepest)
    answers = [r[np.isfinite(r)] for r in ratios]
    every = np.concatenate(answers)
    if not every.size:
        return Accuracy(name, noise, np.nan, np.nan, np.nan, 0.0)
    medians = np.array([np.median(r) for r in answers if r.size])
    low, high = np.quantile(every, [0.25, 0.75])
    worst = medians[np.abs(np.log(medians)).argmax()]
    share = every.size / sum(r.size for r in ratios)
    return Accuracy(name, noise, float(np.median(every)), high / low, float(worst), share)


def hard_curves(seeds: int) -> dict[str, tuple[Floats, Floats, float | None]]:
    """Return curves that a finder should refuse, and some that it should not, by name.

    Each is (values, curves, the right answer), with None for the first two, which have none.
    """
    rng = generator(0, "bench", "ranges")
    values = np.logspace(-6, 0, 100)
    t, size = np.linspace(0, 1, values.size), (seeds, values.size)
    flat = np.concatenate([2.3 + 0.2 * draw(rng, size) for draw in FLAT.values()])
    up = np.concatenate([2.3 + f(t) + 0.2 * rng.normal(size=size) for f in RISING.values()])
    shapes = {shape.name: shape for shape in SHAPES}
    curves: dict[str, tuple[Floats, Floats, float | None]] = {
        "flat": (values, flat, None),
        "rising": (values, up, None),
    }
    for kind, name in {
        "NaN from step 75": "sigmoid",
        "negative": "negative",
        "10 candidates": "few candidates",
    }.items():
        curves[kind] = (*sample(shapes[name], 0.05, seeds), truth(shapes[name]).steepest)
    curves["NaN from step 75"][1][:, 75:] = np.nan
    return curves


def near(rule: Rule, values: Floats, curves: Floats, target: float | None) -> tuple[float, float]:
    """Return the shares of curves with an answer, and with one within a factor 2 of ``target``."""
    rates = suggestions(rule, values, curves)
    answered = np.isfinite(rates)
    if target is None:
        return float(answered.mean()), np.nan
    right = answered & (np.abs(np.log(np.where(answered, rates, 1.0) / target)) <= np.log(2))
    return float(answered.mean()), float(right.mean())


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep libraries from logging each curve that they cannot read."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)


def measure(seeds: int = 20) -> tuple[list[Accuracy], dict[str, dict[str, tuple[float, float]]]]:
    """Return the accuracy of each rule at each noise, and its answers to hard curves.

    Args:
        seeds: curves of each shape and noise.
    """
    known, _ = rules()
    with _quiet(), np.errstate(all="ignore"):
        rows = [accuracy(n, rule, noise, seeds) for noise in NOISES for n, rule in known.items()]
        hard = {
            kind: {name: near(rule, *curves) for name, rule in known.items()}
            for kind, curves in hard_curves(seeds).items()
        }
    return rows, hard


def table(
    rows: Sequence[Accuracy],
    hard: Mapping[str, Mapping[str, tuple[float, float]]],
    missing: Sequence[str] = (),
) -> str:
    """Return both comparisons as aligned text."""
    lines = [f"Suggestion ÷ true steepest value, {len(SHAPES)} shapes; middle half: ×"]
    lines += [f"{'noise':<7}{'rule':<20}{'median':>9}{'half':>8}{'worst shape':>13}{'answers':>9}"]
    lines += [
        f"{row.noise:<7.0%}{row.rule:<20}{row.middle:>9.3g}{row.spread:>8.3g}{row.worst:>13.3g}"
        f"{row.answered:>9.0%}"
        for row in rows
    ]
    names = list(next(iter(hard.values())))
    lines += [
        "",
        "Curves with an answer (right within a factor 2); none is right for flat and rising",
    ]
    lines += [f"{'curve':<18}" + "".join(f"{name:>20}" for name in names)]
    lines += [
        f"{kind:<18}" + "".join(f"{_share(*answers[name]):>20}" for name in names)
        for kind, answers in hard.items()
    ]
    if missing:
        lines.append(f"Not installed, so not shown: {', '.join(missing)}.")
    return "\n".join(lines)


def _share(answered: float, right: float) -> str:
    return f"{answered:.0%}" if np.isnan(right) else f"{answered:.0%} ({right:.0%})"


def run(data: Path | None = None) -> str:
    """Return the comparison as text; ``data`` is not used, the curves are drawn."""
    return table(*measure(), missing=rules()[1])
