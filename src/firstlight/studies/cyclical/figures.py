"""Figures of the cyclical study: images, range tests, algorithm, curves, scores, differences."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from firstlight.plotting.flowchart import draw as draw_diagram
from firstlight.plotting.flowchart_layout import layout, parse
from firstlight.studies.cyclical.labels import COLOUR, LABEL, MARKER, per_seed, policies
from firstlight.studies.cyclical.figures_ranges import RATES, SIZES
from firstlight.studies.cyclical.figures_training import BATCH_CURVES, CURVES, MEASURE, SCHEDULES
from firstlight.plotting.style import MUTED, Plot, new_figure
from firstlight.plotting.marks import whisker
from firstlight.record import Record

SCORES = (
    ("best_accuracy", "best_difference", "Best validation accuracy"),
    ("test_accuracy", "difference", "Test accuracy"),
)
"""Both scores of a policy: its fact, the fact of a paired difference, and its name."""


def draw_examples(record: Record) -> Figure:
    """Three typical images each of three classes."""
    images = record.arrays["examples"].values
    rows, cols = images.shape[:2]
    figure, axes = new_figure("narrow", 1.3 * rows, rows, cols, record=record, squeeze=False)
    for row in range(rows):
        for col in range(cols):
            ax = axes[row, col]
            ax.imshow(images[row, col], cmap="gray_r", vmin=0, interpolation="nearest")
            ax.set(xticks=[], yticks=[])
            ax.grid(visible=False)
            ax.spines[:].set_visible(False)
        name = str(record.facts[f"example.{row}"].value)
        axes[row, 0].set_ylabel(name, rotation=0, ha="right", va="center", labelpad=8)
    return figure


def draw_blocks(record: Record) -> Figure:
    """The algorithm that determines the batch size, from the description that it runs by."""
    text = str(record.facts["algorithm"].value)
    figure, ax = new_figure("full", layout(text).height, record=record)
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.set(w_pad=0, h_pad=0)  # type: ignore[call-arg]  # the constrained one has them
    draw_diagram(ax, text)
    return figure


def draw_comparison(record: Record) -> Figure:
    """Best validation accuracy and test accuracy of every policy, and one dot for each seed."""
    names = policies(record)
    figure, axes = new_figure("full", 1.1 + 0.36 * len(names), 1, 2, record=record, sharey=True)
    for ax, (score, _, title) in zip(axes, SCORES, strict=True):
        for row, policy in enumerate(names):
            look: dict[str, Any] = {"color": COLOUR[policy], "fmt": MARKER[policy]}
            whisker(ax, record.facts[f"{score}.{policy}"], row, scale=100, **look)
            _dots(ax, _scores(record, score, policy), row)
        _within(ax)
        ax.set(xlabel="Accuracy (%)", title=title)
    axes[0].set_yticks(range(len(names)), [LABEL[policy] for policy in names])
    axes[0].set_ylim(len(names) - 0.4, -0.6)
    return figure


def draw_differences(record: Record) -> Figure:
    """Paired differences between all policies, of validation and of test accuracy."""
    pairs = _pairs(record)
    figure, axes = new_figure("full", 1.1 + 0.27 * len(pairs), 1, 2, record=record, sharey=True)
    for ax, (score, head, title) in zip(axes, SCORES, strict=True):
        ax.axvline(0, color=MUTED, linewidth=1, linestyle="--")
        for row, (first, second) in enumerate(pairs):
            fact = record.facts[f"{head}.{first}.{second}"]
            whisker(ax, fact, row, scale=100, color=COLOUR[first], fmt=MARKER[first])
            a, b = (_scores(record, score, policy) for policy in (first, second))
            _dots(ax, None if a is None or b is None else a - b, row)
        ax.set(xlabel="Difference (points)", title=title)
    axes[0].set_yticks(range(len(pairs)), [f"{LABEL[a]} − {LABEL[b]}" for a, b in pairs])
    axes[0].set_ylim(len(pairs) - 0.4, -0.6)
    return figure


def _pairs(record: Record) -> list[tuple[str, str]]:
    names = [name.split(".") for name in record.facts if name.startswith("difference.")]
    return [(first, second) for _, first, second in names]


def _scores(record: Record, score: str, policy: str) -> NDArray[np.float64] | None:
    """Return a score of each seed, shape (seed,); None where the record holds only its mean."""
    if score == "best_accuracy":
        curve = record.arrays[f"curve.{policy}"].values
        return np.asarray(curve[:, :, MEASURE["validation_accuracy"]].max(axis=1))
    array = record.arrays.get(f"{score}.{policy}")
    return None if array is None else array.values


def _dots(ax: Any, scores: NDArray[np.float64] | None, row: int) -> None:
    if scores is not None and len(scores) > 1:
        places = np.full(len(scores), row + 0.27)
        ax.plot(100 * scores, places, "o", color=MUTED, markersize=2.5)


def _within(ax: Any) -> None:
    """Keep an axis of accuracies within what is possible; its margins may reach beyond."""
    low, high = ax.get_xlim()
    ax.set_xlim(max(low, -1.0), min(high, 101.0))


def _intervals(record: Record) -> str:
    n = per_seed(record)
    if int(record.config["seeds"]) == 1:
        return f"{n}, so no interval"
    return f"mean over {n} with 95 % interval (Student’s t). Small dots: single seeds"


def _comparison_alt(record: Record) -> str:
    told = [
        f"{LABEL[p]} {100 * record.value(f'best_accuracy.{p}'):.2f} % (test {100 * record.value(f'test_accuracy.{p}'):.2f} %)"
        for p in policies(record)
    ]
    return "Best validation accuracy of each policy: " + ", ".join(told) + "."


def _differences_alt(record: Record) -> str:
    facts = [record.facts[f"difference.{a}.{b}"] for a, b in _pairs(record)]
    clear = sum(f.low is not None and f.high is not None and f.low * f.high > 0 for f in facts)
    return (
        f"{len(facts)} paired differences; on the test set the intervals of {clear} exclude zero."
    )


def _steps(record: Record) -> str:
    """Return the algorithm's blocks, numbered, with where each leads."""
    blocks = parse(str(record.facts["algorithm"].value))
    number = {block["name"]: at for at, block in enumerate(blocks, 1)}
    lines = []
    for at, block in enumerate(blocks, 1):
        ways = [(word, block[way]) for word, way in (("yes", "next"), ("no", "otherwise"))]
        leads = [f"{word}: {number[to]}" for word, to in ways if to is not None]
        if len(leads) == 1:
            leads = [f"then {number[block['next']]}"]
        lines.append(f"{at}. {block['text']}" + (f" ({', '.join(leads)})" if leads else ""))
    return "; ".join(lines) + "."


def _examples_alt(record: Record) -> str:
    classes = len(record.arrays["examples"].values)
    shown = ", ".join(str(record.facts[f"example.{i}"].value) for i in range(classes))
    return f"Grey images of {shown}, a row for each class."


PLOTS: tuple[Plot, ...] = (
    Plot(
        "examples",
        draw_examples,
        lambda r: (
            f"Images of {r.facts['data'].value}: of three classes drawn by chance the three images "
            "that lie closest to the mean of their class. 28 × 28 pixels; what is dark here is bright in the data."
        ),
        _examples_alt,
    ),
    RATES,
    CURVES,
    SIZES,
    Plot(
        "blocks",
        draw_blocks,
        "The algorithm that determines the batch size by itself, drawn from the description that it runs by.",
        lambda r: "Block diagram. " + _steps(r),
        when=lambda r: "algorithm" in r.facts,
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
            "that covers zero cannot tell which is better."
        ),
        _differences_alt,
        when=lambda r: bool(_pairs(r)),
    ),
)
"""The figures of this study, in the order of its page."""
