"""What is trained together: the constants of a piece of machine code, and the networks it trains."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firstlight.ensemble.codegen.llvm import KINDS, Kind
from firstlight.ensemble.spec import Network, Training
from firstlight.types import Floats, Numbers


@dataclass(frozen=True)
class Plan:
    """The constants of one piece of machine code.

    Args:
        network: the shape.
        training: loss and optimizer; batch size and epochs are arguments of the function.
        dtype: ``float32`` or ``float64``.
        only_bias: train the output's biases alone, for networks whose last hidden layer is dead.
    """

    network: Network
    training: Training
    dtype: str = "float32"
    only_bias: bool = False

    @property
    def kind(self) -> Kind:
        """The floating type."""
        return KINDS[self.dtype]

    @property
    def width(self) -> int:
        """Numbers in one sample: inputs, then targets."""
        return self.network.widths[0] + self.network.widths[-1]

    @property
    def trained(self) -> range:
        """Indices of the parameters that are trained."""
        count = self.network.parameters
        return range(count - self.network.widths[-1] if self.only_bias else 0, count)


@dataclass(frozen=True)
class Chunk:
    """Some networks of an ensemble, and their data.

    Args:
        plan: the networks' shape and training.
        parameters: shape (R, P), trained in place.
        samples: shape (R, n, inputs + outputs) or, for the same samples in all networks,
            (1, n, inputs + outputs).
        seeds: shape (R,), of the shuffles.
        rates: shape (R,), learning rates.
        checkpoints: epochs after which the parameters are kept, ascending, at most the last epoch.
        snapshots: shape (C, R, P), filled with the parameters at the checkpoints.
    """

    plan: Plan
    parameters: Numbers
    samples: Numbers
    seeds: NDArray[np.uint64]
    rates: Floats
    checkpoints: Sequence[int]
    snapshots: Numbers

    @property
    def count(self) -> int:
        """Samples of each network."""
        return int(self.samples.shape[1])
