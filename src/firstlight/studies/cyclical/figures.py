"""Figures of problem 4: images, block diagram, trainings, scores; the range tests have their own file."""

import json
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from firstlight.plotting import flowchart
from firstlight.plotting.marks import (
    interval_rows,
    legend_above,
    log_axis,
    reference,
    thinned,
    ticks_at,
)
from firstlight.plotting.style import COLORS, MUTED, Plot, new_figure
from firstlight.record import Fact, Record
from firstlight.studies.cyclical.figures_ranges import RATES, SIZES
from firstlight.studies.cyclical.labels import BATCHES, MATTERS, POLICY
from firstlight.studies.cyclical.words import limit, loss_of_guessing, trained
from firstlight.text import counted, digits, listed, number, value
from firstlight.types import Floats

LEADER = "cyclical_rate"
"""The policy that the others are compared with in the figure of 4.7."""


def draw_examples(record: Record) -> Figure:
    """Draw typical images of three classes in one row."""
    images = record.data["examples"].values
    classes, each = images.shape[:2]
    figure, axes = new_figure("full", 1.2, 1, classes * each, record=record, squeeze=False)
    for ax, image in zip(axes[0], images.reshape(-1, *images.shape[2:]), strict=True):
        ax.imshow(image, cmap="gray_r", vmin=0, vmax=255, interpolation="nearest")
        ax.set(xticks=[], yticks=[])
        ax.grid(visible=False)
        ax.spines[:].set_visible(False)
    for at, name in enumerate(_shown(record)):
        axes[0, each * at].set_title(name)
    return figure


def _shown(record: Record) -> list[str]:
    return [str(entry.value.value) for entry in record.facts.select("example").entries()]


def draw_blocks(record: Record) -> Figure:
    """Draw the algorithm that determines the batch size, and the way that the run took in it."""
    text, trace = (str(record.facts.get(name).value) for name in ("algorithm", "trace"))
    figure, ax = new_figure("full", flowchart.HEIGHT, record=record)
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.set(w_pad=0, h_pad=0)  # type: ignore[call-arg]  # the constrained one has them
    flowchart.draw(ax, text, json.loads(trace))
    return figure


def _steps(record: Record) -> str:
    """Return the algorithm's blocks, numbered, with where each leads."""
    blocks = json.loads(str(record.facts.get("algorithm").value))
    place = {block["name"]: at for at, block in enumerate(blocks, 1)}
    lines = []
    for at, block in enumerate(blocks, 1):
        ways = [(word, block[way]) for word, way in (("yes", "next"), ("no", "otherwise"))]
        leads = [f"{word}: {place[to]}" for word, to in ways if to is not None]
        if len(leads) == 1:
            leads = [f"then {place[block['next']]}"]
        lines.append(f"{at}. {block['text']}" + (f" ({', '.join(leads)})" if leads else ""))
    took = ", ".join(str(place[name]) for name in json.loads(str(record.facts.get("trace").value)))
    return f"{'; '.join(lines)}. The run took the steps {took}."


def draw_comparison(record: Record) -> Figure:
    """Draw the test accuracy of every policy, and its difference to that of the cyclical rate."""
    policies, versus = trained(record), _versus(record)
    height = 0.75 + 0.26 * len(policies)
    figure, axes = new_figure(
        "full", height, 1, 2 if versus else 1, record=record, sharey=True, squeeze=False
    )
    ax = axes[0, 0]
    facts = {policy: record.facts.get("test_accuracy", policy=policy) for policy in policies}
    rows = [_row(policy, fact) for policy, fact in facts.items()]
    interval_rows(ax, rows, scale=100, dots=[_seeds(record, policy) for policy in policies])
    reference(ax, 100 / record.facts.value("images", part="classes"), vertical=True)
    ax.set(xlabel="Test accuracy (%)", xlim=(0, min(100.0, ax.get_xlim()[1])))
    if versus:
        ax = axes[0, 1]
        ax.axvspan(*(100 * side * MATTERS["4.7"] for side in (-1, 1)), color="#e3e5e8", zorder=0)
        rows = [_row(policy, versus.get(policy, Fact(None))) for policy in policies]
        interval_rows(ax, rows, scale=100, zero=True)
        ax.set_xlabel("Difference to the cyclical rate (points)")
    return figure


def _versus(record: Record) -> dict[str, Fact]:
    """Return the difference of each other policy to the cyclical rate."""
    policies = trained(record)
    others = [policy for policy in policies if policy != LEADER and LEADER in policies]
    return {policy: record.facts.pair("difference", policy, LEADER) for policy in others}


def _row(policy: str, fact: Fact) -> tuple[str, Fact, dict[str, Any]]:
    """Return a row with a policy's look."""
    label = POLICY[policy]
    return label.short, fact, {"color": COLORS[label.color], "marker": label.marker}


def _seeds(record: Record, policy: str) -> Floats:
    """Return the test accuracy of each seed; none where one seed is all there is."""
    scores: Floats = np.asarray(record.arrays.get("test_accuracy", policy=policy).values)
    return scores if len(scores) > 1 else scores[:0]


def _comparison_caption(record: Record) -> str:
    seeds = counted(record.config["seeds"], "seed")
    fewer = {
        int(float(fact))
        for _, fact in record.facts.select("policy_seeds").items()
        if float(fact) < record.config["seeds"]
    }
    seeds += f" ({number(min(fewer))} where there are fewer dots)" if fewer else ""
    both = bool(_versus(record))
    return (
        f"{'Left: mean' if both else 'Mean'} over {seeds}, with its 95 % interval for other seeds and "
        "images; small dots: single seeds; dashed: guessing."
        + f" Right: in pairs of equal weights; gray: below {limit('4.7')}."
        * both
    )


def _comparison_alt(record: Record) -> str:
    lines = [
        f"{POLICY[policy].short} {value(record.facts.get('test_accuracy', policy=policy), '{:.1%}')}"
        for policy in trained(record)
    ]
    return f"Test accuracy of each policy: {', '.join(lines)}."


PARTS = (
    ("train", "Training images", COLORS[0], "o", (0, (4, 2))),
    ("validation", "Validation images", COLORS[1], "s", "-"),
)
"""Both curves of a training: name, label, color, mark, dashes."""


def curve_of(record: Record, policy: str, measure: str) -> tuple[Floats, Floats]:
    """Return the epochs done, shape (point,), and the scores, shape (seed, point)."""
    points = record.arrays.get("points", policy=policy).values
    curve = record.arrays.get("curve", policy=policy)
    at = list(curve.labels["measure"]).index(measure)
    return points / record.facts.value("images", part="train"), curve.values[:, :, at]


def schedule_of(record: Record, policy: str, name: str) -> tuple[Floats, Floats]:
    """Return the epochs done before a step and the schedule's value at it, thinned, to the end.

    The last batch of a training holds what is left over, so its size is that of the one before.
    """
    values, samples, sizes = (
        record.arrays.get(n, policy=policy).values for n in (name, "samples", "sizes")
    )
    if name == "sizes":
        values = np.append(values[:-1], values[-2:-1] if len(values) > 1 else values)
    shown = thinned(len(values))
    seen = np.append(samples[shown], samples[-1] + sizes[-1])
    return seen / record.facts.value("images", part="train"), np.append(values[shown], values[-1])


def _draw_curves(ax: Any, x: Floats, y: Floats, **style: Any) -> None:
    """Draw the mean over seeds, and each seed thinly."""
    if len(y) > 1:
        ax.plot(x, y.T, color=style["color"], linewidth=0.6, alpha=0.45)
    every = max(1, len(x) // 12)
    ax.plot(x, y.mean(axis=0), markersize=4, markevery=every, **style)


def _epochs(ax: Any) -> None:
    ax.set_xlabel("Epochs (images seen / training images)")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlim(left=0)


def draw_cyclical(record: Record) -> Figure:
    """Draw loss and accuracy of the training with the cyclical rate, and the rate below each."""
    figure, axes = new_figure(
        "full", 2.85, 2, 2, record=record, sharex=True, height_ratios=(1.0, 0.42)
    )
    for ax, what, scale in ((axes[0, 0], "loss", 1.0), (axes[0, 1], "accuracy", 100.0)):
        for part, label, color, marker, dashes in PARTS:
            x, y = curve_of(record, "cyclical_rate", f"{part}_{what}")
            look = {"color": color, "marker": marker, "linestyle": dashes}
            _draw_curves(ax, x, scale * y, label=label, **look)
    axes[0, 0].set(title="Loss", ylabel="Cross-entropy (nats)")
    log_axis(axes[0, 0].yaxis)
    axes[0, 1].set(title="Accuracy", ylabel="Correct (%)")
    steps, rates = schedule_of(record, "cyclical_rate", "rates")
    for ax in axes[1]:
        ax.plot(steps, rates, color=COLORS[POLICY["cyclical_rate"].color], linewidth=1.3)
        for name in ("lr_min", "lr_max"):
            reference(ax, record.facts.value(name))
        ax.set(ylabel="Rate", ylim=(0, None))
        ax.yaxis.set_major_locator(MaxNLocator(3))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: digits(v)))
        _epochs(ax)
    legend_above(figure, *axes[0, 0].get_legend_handles_labels())
    return figure


def draw_batches(record: Record) -> Figure:
    """Draw both cyclical batch sizes over the training, and the validation accuracy under them."""
    shown = trained(record, BATCHES)
    widths = (1.0,) * len(shown) + (1.25,)
    figure, axes = new_figure("full", 2.5, 1, len(shown) + 1, record=record, width_ratios=widths)
    low, high = (record.facts.value(name) for name in ("batch_min", "batch_used"))
    for ax, policy in zip(axes, shown, strict=False):
        label = POLICY[policy]
        steps, sizes = schedule_of(record, policy, "sizes")
        ax.plot(steps, sizes, drawstyle="steps-post", color=COLORS[label.color], linewidth=1.1)
        ax.set_yscale("log", base=2)
        reference(ax, low)
        reference(ax, high)
        updates = counted(record.facts.value("updates", policy=policy), "update")
        ax.set(title=f"{label.short}\n{updates}", xlabel="Epochs", ylim=(low / 1.35, high * 1.35))
        ax.set_xlim(left=0)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=4))
        ticks_at(ax.yaxis, sorted({low, *_between(record, low, high), high}))
        for at, va, noise in ((high * 1.05, "bottom", "least"), (low / 1.05, "top", "most")):
            ax.text(0.98, at, f"{noise} noise", transform=ax.get_yaxis_transform(), ha="right",
                    va=va, size=8, color=MUTED)  # fmt: skip
    axes[0].set_ylabel("Batch size (images)")
    _draw_accuracies(axes[-1], record, shown)
    return figure


def _between(record: Record, low: float, high: float) -> list[float]:
    """Return the sizes tried that are well inside both bounds."""
    return [size for size in record.config["batch_sizes"] if 1.4 * low < size < high / 1.4]


def _draw_accuracies(ax: Any, record: Record, policies: list[str]) -> None:
    for policy in policies:
        label = POLICY[policy]
        x, y = curve_of(record, policy, "validation_accuracy")
        dashes = "-" if policy == BATCHES[0] else (0, (4, 2))
        look = {"color": COLORS[label.color], "marker": label.marker, "linestyle": dashes}
        _draw_curves(ax, x, 100 * y, label=label.short, **look)
    guess = 100 / record.facts.value("images", part="classes")
    reference(ax, guess)
    ax.text(0.98, guess, "guessing", transform=ax.get_yaxis_transform(), ha="right", va="bottom",
            size=8, color=MUTED)  # fmt: skip
    top = max(ax.get_ylim()[1], 5 * guess)
    ax.set(title="Validation accuracy\n(%)", xlabel="Epochs", ylim=(0, 1.3 * top))
    ax.set_yticks([tick for tick in ax.get_yticks() if tick <= min(top, 100)])
    ax.set_xlim(left=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=4))
    ax.legend(loc="upper left")


def _averaged(record: Record) -> str:
    seeds = int(record.config["seeds"])
    return (
        "One seed" if seeds == 1 else f"Thick: mean over {counted(seeds, 'seed')}; thin: each seed"
    )


def _ends(record: Record, policy: str) -> str:
    x, y = curve_of(record, policy, "validation_accuracy")
    first, last = (number(100 * y[:, i].mean(), 1) for i in (0, -1))
    return (
        f"{first} % validation accuracy after {digits(x[0])} of {counted(round(x[-1]), 'epoch')}, "
        f"{last} % at the end"
    )


def _batches_caption(record: Record) -> str:
    low, used, high = (digits(record.facts.value(f"batch_{end}")) for end in ("min", "used", "max"))
    upper = f"b_max = {high}"
    if used != high:
        upper = f"{used}, a tenth of the images, since b_max = {high} is more"
    return (
        f"Batch size over the training at the rate {digits(record.facts.value('policy_rate'))}; "
        f"dashed: b_min = {low} and {upper}. Right: {_averaged(record).lower()}."
    )


CURVES = Plot(
    "cyclical_curves",
    draw_cyclical,
    lambda r: (
        f"{_averaged(r)}. Training scores: of as many images as there are validation images, without "
        f"dropout. Loss of guessing: {number(loss_of_guessing(r.facts), 2)}. Dashed: lr_min, lr_max."
    ),
    lambda r: f"Loss, accuracy and learning rate over the training: {_ends(r, 'cyclical_rate')}.",
    when=lambda r: "cyclical_rate" in r.config["policies"],
)
BATCH_CURVES = Plot(
    "batch_curves",
    draw_batches,
    _batches_caption,
    lambda r: (
        f"Zigzag of the batch size, and accuracy. {listed(f'{POLICY[p].short}: {_ends(r, p)}' for p in trained(r, BATCHES))}."
    ),
    when=lambda r: bool(trained(r, BATCHES)),
)


PLOTS = (
    Plot(
        "examples",
        draw_examples,
        lambda r: (
            f"{r.facts.get('data').value}: of the three classes whose mean images differ most, the "
            f"{number(r.data['examples'].shape[1])} images nearest to the mean of their class. 28 × 28 "
            "pixels; dark here is bright in the data."
        ),
        lambda r: f"Gray images of {listed(_shown(r))}.",
    ),
    RATES,
    CURVES,
    SIZES,
    Plot(
        "blocks",
        draw_blocks,
        "The algorithm that determines the batch size by itself. Blue: the way that it took in this "
        "run; × tells how often.",
        lambda r: f"Block diagram. {_steps(r)}",
    ),
    BATCH_CURVES,
    Plot("comparison", draw_comparison, _comparison_caption, _comparison_alt),
)
"""The figures of this study, in the order of its page."""
