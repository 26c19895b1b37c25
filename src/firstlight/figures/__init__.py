"""Figures: one file a study, each with a tuple ``PLOTS``; Record → Figure, nothing is run again."""

import importlib
import io
from pathlib import Path

from matplotlib.figure import Figure

from firstlight.figures.style import Plot as Plot
from firstlight.figures.style import look
from firstlight.files import write_atomically


def plots(study: str) -> tuple[Plot, ...]:
    """Return the figures of a study, in the order of its page.

    Raises:
        ValueError: no figures are known for this study.
    """
    module = f"{__name__}.{study.replace('-', '_')}"
    try:
        found: tuple[Plot, ...] = importlib.import_module(module).PLOTS
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise ValueError(f"study: expected one that has figures, got {study!r}") from None
    return found


def to_svg(figure: Figure) -> bytes:
    """Return the figure as SVG: the same figure gives the same bytes (no date, no random ids)."""
    buffer = io.BytesIO()
    with look():
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def save(figure: Figure, path: str | Path) -> Path:
    """Write the figure as an SVG file, never half of it, and return its path."""
    path = Path(path)
    write_atomically(path, to_svg(figure))
    return path
