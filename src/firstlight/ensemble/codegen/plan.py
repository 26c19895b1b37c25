"""What the machine code of an ensemble is written for: everything that is a constant in it."""

from dataclasses import dataclass

from firstlight.ensemble.codegen.vector import KINDS, Kind
from firstlight.ensemble.spec import Network, Training


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
