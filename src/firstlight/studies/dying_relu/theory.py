"""What theory says of a shape before anything is trained: P(born dead) and the safe width."""

import numpy as np
from numpy.typing import NDArray

from firstlight import seeds
from firstlight.studies.dying_relu.config import DyingReluConfig
from firstlight.ensemble import theory
from firstlight.ensemble.spec import Network
from firstlight.record import Array

WIDTHS = tuple(range(1, 17))
DEPTHS = tuple(range(2, 101))
EXACT_DEPTHS = tuple(range(2, 31))
"""Depths for which the exact value of width 2 is drawn."""
RISKS = (0.1, 0.01)
"""Risks of being born dead for which the safe width is drawn."""
SIMULATED_WIDTHS = (2, 3, 4, 5, 6, 8)
SIMULATED_DEPTHS = (3, 5, 10, 20)
SIMULATED = 2_000
"""Networks of each shape whose share of born dead is compared with the theory."""


def _simulated(seed: int, study: str) -> NDArray[np.float64]:
    """Return value, low and high of the share that is born dead, shape (widths, depths, 3)."""
    rows = []
    for width in SIMULATED_WIDTHS:
        for depth in SIMULATED_DEPTHS:
            network = Network((1, *[width] * (depth - 1), 1))
            fact = theory.probability(
                network, "he", SIMULATED, seeds.integer(seed, study, "theory", width, depth)
            )
            rows.append((fact.value, fact.low, fact.high))
    table = np.array(rows, dtype=np.float64)
    return table.reshape(len(SIMULATED_WIDTHS), len(SIMULATED_DEPTHS), 3)


def theory_arrays(config: DyingReluConfig) -> dict[str, Array]:
    """Return P(born dead) of He's weights, zero biases and one input, by width and depth.

    ``theory.lower`` and ``theory.upper`` are the bounds of Lu et al., ``theory.exact`` is for
    width 2, ``theory.simulated`` holds shares of networks drawn for this, and ``theory.safe_width``
    the widths at which the upper bound stays below each ``theory.risk``.

    Args:
        config: only its seed matters.
    """
    upper = [[theory.upper_bound(width, depth) for depth in DEPTHS] for width in WIDTHS]
    lower = [[theory.lower_bound(width, depth) for depth in DEPTHS] for width in WIDTHS]
    exact = [theory.exact(2, depth) for depth in EXACT_DEPTHS]
    safe = [[theory.safe_width(depth, risk) for depth in DEPTHS] for risk in RISKS]
    one_dimensional = {
        "width": WIDTHS, "depth": DEPTHS, "risk": RISKS, "simulated_width": SIMULATED_WIDTHS,
        "simulated_depth": SIMULATED_DEPTHS, "exact_depth": EXACT_DEPTHS,
    }  # fmt: skip
    arrays = {f"theory.{n}": Array(np.array(v), (n,)) for n, v in one_dimensional.items()}
    arrays["theory.upper"] = Array(np.array(upper), ("width", "depth"))
    arrays["theory.lower"] = Array(np.array(lower), ("width", "depth"))
    arrays["theory.exact"] = Array(np.array(exact, dtype=np.float64), ("exact_depth",))
    arrays["theory.safe_width"] = Array(np.array(safe), ("risk", "depth"))
    arrays["theory.simulated"] = Array(
        _simulated(config.seed, config.study),
        ("simulated_width", "simulated_depth", "value_low_high"),
    )
    arrays["theory.simulated_count"] = Array(np.array([SIMULATED]), ("one",))
    return arrays
