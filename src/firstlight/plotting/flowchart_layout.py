"""Former names, only until studies/cyclical/figures.py uses ``flowchart.HEIGHT`` and ``json``."""

import json
from types import SimpleNamespace
from typing import Any

from firstlight.plotting.flowchart import HEIGHT


def layout(blocks: str) -> Any:
    """Return what has the diagram's ``height``."""
    return SimpleNamespace(height=HEIGHT)


def parse(blocks: str) -> Any:
    """Return the blocks of a description."""
    return json.loads(blocks)
