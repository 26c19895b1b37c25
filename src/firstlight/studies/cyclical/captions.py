"""What is said about the range tests' figures, and how far their axes reach."""

from typing import Any

import numpy as np

from firstlight.studies.cyclical.labels import Floats, counted, means, place, told
from firstlight.record import Record


def frame(record: Record) -> tuple[float, float]:
    """Return the ends of the loss axis, from the descent: a diverging loss may be astronomic."""
    curves = [measured(record, kind)[1].mean(axis=0) for kind in ("candidates", "ramp")]
    known = np.concatenate([curve[np.isfinite(curve)] for curve in curves])
    if not known.size:
        return 0.0, 1.0
    first = [c[: max(1, len(c) // 4)] for c in curves]
    levels = [float(np.median(level)) for level in first if np.isfinite(level).all()]
    start, least = max(levels, default=float(known.max())), float(known.min())
    room = max(0.4 * (start - least), 0.1 * abs(start))
    shown = [f for f in means(measured(record, "candidates")[1]) if below(f.value, start + room)]
    ends = [end for f in shown for end in (f.low, f.high) if end is not None]
    bottom, top = min([least, *ends]), max([float(known.max()), *ends])
    return max(bottom - 0.1 * room, least - room), min(top + 0.1 * room, start + room)


def below(value: Any, top: float) -> bool:
    """Return whether a mean loss is told and within the frame."""
    return isinstance(value, float) and value <= top


def measured(record: Record, kind: str) -> tuple[Floats, Floats]:
    """Return values and losses, shape (repeat, value), of one range test."""
    arrays = record.arrays
    return arrays[f"{kind}.values"].values, arrays[f"{kind}.losses"].values


def _repeats(record: Record, kind: str) -> str:
    n = len(record.arrays[f"{kind}.losses"].values)
    if n == 1:
        return "One repeat, so no interval."
    return f"Mean over {counted(n, 'repeat')} with 95 % interval (Student’s t)."


def _lost(record: Record, kinds: dict[str, str]) -> str:
    """Return a sentence that names the values at which a loss is not finite; "" if none.

    Args:
        record: the record.
        kinds: range test → how the sentence calls it.
    """
    parts = []
    for kind, name in kinds.items():
        values, losses = measured(record, kind)
        lost = values[~np.isfinite(losses).all(axis=0)]
        if lost.size:
            last = told(lost[0]) + (" and above" if lost.size > 1 else "")
            parts.append(f"{name} at {last}")
    return f" Crosses: a loss is not finite {', '.join(parts)}." if parts else ""


def _reasons(record: Record, kinds: dict[str, str]) -> str:
    """Return a sentence for each curve that the rule could not read."""
    facts = record.facts
    missing = {
        kind: name for kind, name in kinds.items() if facts[f"{kind}.verdict"].value != "read"
    }
    return "".join(
        f" {name[0].upper()}{name[1:]} not all can be told: {facts[f'{kind}.reason'].value}."
        for kind, name in missing.items()
    )


def rates_caption(record: Record) -> str:
    """Return what is said below the loss over the learning rate."""
    runs = record.config["range_mode"] == "runs"
    part = "last quarter of a run" if runs else "second half of a plateau"
    text = (
        f"Training loss over the learning rate, batches of {record.config['batch_size']:,}. Left: the "
        f"mean loss over the {part}. {_repeats(record, 'candidates')} Right: thin, the loss of each "
        "batch before its update; thick, smoothed to both sides for the eye (Gaussian, 2 % of the "
        "steps). Shaded: 95 % intervals of the bounds."
    )
    mean = measured(record, "candidates")[1].mean(axis=0)
    if (mean[np.isfinite(mean)] > frame(record)[1]).any():
        text += " Arrows: losses above the frame."
    kinds = {"candidates": "from the candidates", "ramp": "from the ramp"}
    return (
        text
        + _lost(record, {"candidates": "with the candidates", "ramp": "with the ramp"})
        + _reasons(record, kinds)
    )


def rates_alt(record: Record) -> str:
    """Return the loss over the learning rate in words."""
    facts = ", ".join(f"{name} {told(place(record, name))}" for name in ("lr_min", "lr_max"))
    return f"Training loss over learning rates on a logarithmic axis, two panels; {facts}."


def sizes_caption(record: Record) -> str:
    """Return what is said below the loss over the batch size."""
    kinds = {"batch_epochs": "at equal epochs", "batch_updates": "at equal updates"}
    return (
        f"Training loss over the batch size at the fixed rate lr_min = {told(place(record, 'lr_min'))}: "
        f"mean over the last quarter of a training’s updates. {_repeats(record, 'batch_epochs')} "
        "The axes of the loss differ. Shaded: 95 % intervals of bounds that were read."
        + _lost(record, kinds)
        + _reasons(
            record, {**kinds, "batch_epochs": "at equal epochs, read from large batches to small,"}
        )
    )


def sizes_alt(record: Record) -> str:
    """Return the loss over the batch size in words."""
    ends = []
    for kind in ("epochs", "updates"):
        values, losses = measured(record, f"batch_{kind}")
        first, last = losses[:, 0].mean(), losses[:, -1].mean()
        ends.append(
            f"at equal {kind} {first:.3f} with {told(values[0])} images, {last:.3f} with {told(values[-1])}"
        )
    return "Training loss over the batch size: " + "; ".join(ends) + "."
