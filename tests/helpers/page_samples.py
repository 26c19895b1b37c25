"""A small made-up study, so that the page is tested without training anything."""

from typing import Any

import numpy as np
import pytest
from jinja2 import ChoiceLoader, DictLoader
from matplotlib.figure import Figure

from firstlight.plotting.style import COLOURS, Plot, new_figure
from firstlight.record.record import Array, Fact, Record
from firstlight.report import page, view

TEMPLATE = """
{% from "macros.html" import problem, question, verdict, figure, facts, fact, estimate, table, formula with context %}
{{ problem("1", "The perceptron criterion and the hinge loss") }}
<p>A linear classifier in the plane is given {{ config.train_points }} points of the unit square and must find the diagonal
that separates the classes. One training set is an anecdote, so the experiment is repeated on {{ config.repeats }} training
sets, all drawn independently, and both criteria see the same points in the same order.</p>
{% call formula() %}<i>L</i> = max{0, <i>a</i> − <i>y</i>(<b>w</b> · <b>x</b>)}{% endcall %}
{{ question("1.1", "How accurate is the perceptron criterion on new points, once it has converged?") }}
<p>It classifies {{ estimate("accuracy.perceptron", "percent") }} of the unit square correctly.</p>
{{ figure("wide") }}
{{ figure("narrow") }}
{{ figure("never") }}
{{ facts([
  ("Accuracy, perceptron criterion", "accuracy.perceptron", "percent"),
  ("Accuracy, hinge loss", "accuracy.hinge", "percent"),
  ("Difference in accuracy, hinge minus perceptron", "accuracy.difference", "points"),
  ("Epochs to convergence, median", "epochs", "number"),
  ("Author's remark", "remark"),
], "Accuracy over the whole unit square, exact for each classifier.") }}
{{ verdict("1.1") }}
{{ question("1.2", "Does the hinge loss do better?") }}
<p>The remark was: {{ fact("remark") }}</p>
{{ table(["Layer", "Shape", "Channels", "Mean γ", "Lowest γ", "Highest γ", "Mean β", "Running mean", "Running variance"],
  [["C1", "6 × 28 × 28", 6, 0.98123, 0.91, 1.13, -0.0123, 0.0004, 1.02],
   ["C3", "16 × 10 × 10", 16, 1.01, 0.88, 1.2, 0.0321, -0.2, None]], "Learned scales & shifts.") }}
{{ verdict("1.2") }}
{{ question("1.3", "Which of them, and why?") }}
{{ verdict("1.3") }}
"""


def wide(record: Record) -> Figure:
    """Draw two panels over the full width."""
    figure, axes = new_figure("full", 3.0, cols=2, record=record, sharey=True)
    epochs = np.arange(1, 41)
    for panel, name in zip(axes, ("perceptron", "hinge"), strict=True):
        for i, rows in enumerate(record.arrays["accuracy"].values):
            panel.plot(epochs, rows, color=COLOURS[i], label=f"training set {i + 1}")
        panel.set(title=f"Criterion: {name}", xlabel="epoch")
    axes[0].set_ylabel("accuracy, %")
    axes[0].legend(loc="lower right")
    return figure


def narrow(record: Record) -> Figure:
    """Draw one panel at the smaller width."""
    figure, axes = new_figure("narrow", 2.8, record=record)
    axes.hist(record.arrays["accuracy"].values.ravel(), bins=20, color=COLOURS[0])
    axes.set(xlabel="accuracy, %", ylabel="simulations")
    return figure


def _never(record: Record) -> Figure:
    raise AssertionError("a figure whose `when` says no must not be drawn")


PLOTS = (
    Plot("wide", wide, lambda r: f"Accuracy against epochs; {r.config['repeats']} sets.", "Rising curves."),
    Plot("narrow", narrow, "Accuracies <b>of all</b> runs.", lambda r: f"A histogram, seed {r.config['seed']}."),
    Plot("never", _never, "Nothing.", "Nothing.", when=lambda r: False),
)  # fmt: skip


def record(**changes: Any) -> Record:
    """Return the made-up study's record."""
    rise = 100 - 12 * np.exp(-np.arange(40) / 9)[None, :] * np.array([1.0, 1.3, 0.7])[:, None]
    content: dict[str, Any] = {
        "study": "perceptron",
        "config": {"train_points": 20, "repeats": 2000, "learning_rate": 1e-9, "seed": 0},
        "facts": {
            "accuracy.perceptron": Fact(0.966532, 0.96571, 0.96735, 2000),
            "accuracy.hinge": Fact(0.972911, 0.97224, 0.97358, 2000),
            "accuracy.difference": Fact(0.006379, 0.00571, 0.00705, 2000),
            "epochs": Fact(4.0, 4.0, 4.0, 2000),
            "remark": Fact("<script>alert('facts')</script>"),
        },
        "verdicts": {
            "1.1": "On average 96.65 % of the unit square. A single set may differ by several points.",
            "1.2": "Yes, by 0.64 points on average. The interval excludes zero.",
        },
        "arrays": {"accuracy": Array(rise, ("set", "epoch"))},
        "provenance": {
            "versions": {"firstlight": "0.1.0", "python": "3.12.1", "numpy": "2.1.0"},
            "processor": "Example processor <4 GHz>",
            "seed": 0,
            "data_sha256": {"train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a402"},
            "duration_s": 1.234,
        },
        "notices": (),
    }  # fmt: skip
    return Record(**{**content, **changes})


def install(monkeypatch: pytest.MonkeyPatch, template: str = TEMPLATE) -> None:
    """Put the made-up study in the place of the real one, for the length of a test."""
    original = page.environment

    def environment() -> Any:
        env = original()
        own = DictLoader({"studies/perceptron.html": template})
        env.loader = ChoiceLoader([own, env.loader])
        return env

    monkeypatch.setattr(page, "environment", environment)
    monkeypatch.setattr(view, "plots", lambda study: PLOTS)
