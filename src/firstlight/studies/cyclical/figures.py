"""Figures of problem 4: images, range tests, algorithm, training curves, scores, differences."""

from itertools import combinations
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from firstlight.plotting.flowchart import draw as draw_diagram
from firstlight.plotting.flowchart_layout import layout, parse
from firstlight.plotting.marks import interval_rows
from firstlight.plotting.style import COLOURS, Plot, new_figure
from firstlight.record import Fact, Record
from firstlight.stats import direction
from firstlight.studies.cyclical.figures_ranges import RATES, SIZES
from firstlight.studies.cyclical.figures_training import (
    BATCH_CURVES,
    CURVES,
    SCHEDULES,
    curve_of,
)
from firstlight.studies.cyclical.labels import DIFFERENCES, POLICY, QUANTITIES
from firstlight.text import counted, listed, value
from firstlight.types import Floats


def draw_examples(record: Record) -> Figure:
    """Draw three typical images each of three classes."""
    images = record.data["examples"].values
    rows, cols = images.shape[:2]
    figure, axes = new_figure("narrow", 1.3 * rows, rows, cols, record=record, squeeze=False)
    for name, line, panels in zip(_shown(record), images, axes, strict=True):
        for image, ax in zip(line, panels, strict=True):
            ax.imshow(image, cmap="gray_r", vmin=0, interpolation="nearest")
            ax.set(xticks=[], yticks=[])
            ax.grid(visible=False)
            ax.spines[:].set_visible(False)
        panels[0].set_ylabel(name, rotation=0, ha="right", va="center", labelpad=8)
    return figure


def _shown(record: Record) -> list[str]:
    return [str(entry.value.value) for entry in record.facts.select("example").entries()]


def draw_blocks(record: Record) -> Figure:
    """Draw the algorithm that determines the batch size, from the description that it runs by."""
    text = str(record.facts.get("algorithm").value)
    figure, ax = new_figure("full", layout(text).height, record=record)
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.set(w_pad=0, h_pad=0)  # type: ignore[call-arg]  # the constrained one has them
    draw_diagram(ax, text)
    return figure


def draw_comparison(record: Record) -> Figure:
    """Draw both accuracies of every policy, and one dot for each seed."""
    policies = record.config["policies"]
    figure, axes = new_figure("full", 1.1 + 0.36 * len(policies), 1, 2, record=record, sharey=True)
    for ax, measure in zip(axes, DIFFERENCES, strict=True):
        facts = [record.facts.get(measure, policy=policy) for policy in policies]
        rows = [_row(POLICY[p].short, p, fact) for p, fact in zip(policies, facts, strict=True)]
        dots = [_seeds(record, measure, policy) for policy in policies]
        interval_rows(ax, rows, scale=100, dots=_several(dots))
        low, high = ax.get_xlim()  # its margins may reach beyond what is possible
        ax.set(xlabel="Accuracy (%)", xlim=(max(low, -1.0), min(high, 101.0)))
        ax.set_title(QUANTITIES[measure][0])
    return figure


def draw_differences(record: Record) -> Figure:
    """Draw the paired differences between all policies, of both accuracies."""
    pairs = _pairs(record)
    figure, axes = new_figure("full", 1.1 + 0.27 * len(pairs), 1, 2, record=record, sharey=True)
    for ax, (measure, difference) in zip(axes, DIFFERENCES.items(), strict=True):
        rows, dots = [], []
        for first, second in pairs:
            label = f"{POLICY[first].short} − {POLICY[second].short}"
            rows.append(_row(label, first, record.facts.pair(difference, first, second)))
            one, other = (_seeds(record, measure, policy) for policy in (first, second))
            dots.append(one - other)
        interval_rows(ax, rows, scale=100, zero=True, dots=_several(dots))
        ax.set(xlabel="Difference (points)", title=QUANTITIES[measure][0])
    return figure


def _row(label: str, policy: str, fact: Fact) -> tuple[str, Fact, dict[str, Any]]:
    """Return a row with a policy's look."""
    return label, fact, {"color": COLOURS[POLICY[policy].color], "fmt": POLICY[policy].marker}


def _several(dots: list[Floats]) -> list[Floats]:
    """Return the values of single seeds; nothing where one seed is all there is."""
    return dots if len(dots[0]) > 1 else []


def _seeds(record: Record, measure: str, policy: str) -> Floats:
    """Return an accuracy of each seed, shape (seed,)."""
    if measure == "best_accuracy":
        return np.asarray(curve_of(record, policy, "validation_accuracy")[1].max(axis=1))
    scores: Floats = record.data[measure].sel(policy=policy).values
    return scores


def _pairs(record: Record) -> list[tuple[str, str]]:
    return list(combinations(record.config["policies"], 2))


def _intervals(record: Record) -> str:
    n = counted(record.config["seeds"], "seed")
    if record.config["seeds"] == 1:
        return f"{n}, so no interval"
    return f"mean over {n} with 95 % interval (Student’s t). Small dots: single seeds"


def _comparison_alt(record: Record) -> str:
    lines = []
    for policy in record.config["policies"]:
        best, test = (value(record.facts.get(m, policy=policy), "{:.2%}") for m in DIFFERENCES)
        lines.append(f"{POLICY[policy].short} {best} (test {test})")
    return f"Best validation accuracy of each policy: {', '.join(lines)}."


def _differences_alt(record: Record) -> str:
    facts = [record.facts.pair("difference", *pair) for pair in _pairs(record)]
    clear = sum(direction(fact) != 0 for fact in facts)
    return (
        f"{counted(len(facts), 'paired difference')}; on the test set the intervals of {clear} "
        "exclude zero."
    )


def _steps(record: Record) -> str:
    """Return the algorithm's blocks, numbered, with where each leads."""
    blocks = parse(str(record.facts.get("algorithm").value))
    number = {block["name"]: at for at, block in enumerate(blocks, 1)}
    lines = []
    for at, block in enumerate(blocks, 1):
        ways = [(word, block[way]) for word, way in (("yes", "next"), ("no", "otherwise"))]
        leads = [f"{word}: {number[to]}" for word, to in ways if to is not None]
        if len(leads) == 1:
            leads = [f"then {number[block['next']]}"]
        lines.append(f"{at}. {block['text']}" + (f" ({', '.join(leads)})" if leads else ""))
    return "; ".join(lines) + "."


PLOTS = (
    Plot(
        "examples",
        draw_examples,
        lambda r: (
            f"Images of {r.facts.get('data').value}: of three classes drawn by chance the three images "
            "that lie closest to the mean of their class. 28 × 28 pixels; what is dark here is bright in the data."
        ),
        lambda r: f"Gray images of {listed(_shown(r))}, a row for each class.",
    ),
    RATES,
    CURVES,
    SIZES,
    Plot(
        "blocks",
        draw_blocks,
        "The algorithm that determines the batch size by itself, drawn from the description that it runs by.",
        lambda r: f"Block diagram. {_steps(r)}",
    ),
    SCHEDULES,
    BATCH_CURVES,
    Plot(
        "comparison",
        draw_comparison,
        lambda r: f"Accuracy under each policy: {_intervals(r)}.",
        _comparison_alt,
    ),
    Plot(
        "differences",
        draw_differences,
        lambda r: (
            f"First minus second, with the same weights at the start: {_intervals(r)}. An interval "
            "that covers zero does not decide which is better."
        ),
        _differences_alt,
        when=lambda r: len(r.config["policies"]) > 1,
    ),
)
"""The figures of this study, in the order of its page."""
