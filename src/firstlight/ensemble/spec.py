"""What an ensemble is: many independent networks of one shape, trained in one way."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar, get_args

import numpy as np
from numpy.typing import ArrayLike

from firstlight.types import Floats, Numbers

if TYPE_CHECKING:
    from torch import Tensor

Values = TypeVar("Values", Numbers, "Tensor")
Activation = Literal["relu", "leaky-relu", "tanh", "sigmoid", "elu", "identity"]
Loss = Literal["squared-error", "cross-entropy", "hinge"]
Optimizer = Literal["adam", "sgd"]


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(choices)}, got {value!r}")


@dataclass(frozen=True)
class Network:
    """The shape that all networks of an ensemble share.

    Args:
        widths: units of every layer, from the inputs to the outputs, e.g. ``(1, 2, 2, 1)``.
        activation: of every hidden layer; the output is linear.
        slope: of leaky ReLU below zero; α of ELU.

    Raises:
        ValueError: fewer than two widths, one below 1, an unknown activation or an infinite slope.

    Example:
        >>> Network((1, 2, 2, 1)).parameters
        13
    """

    widths: tuple[int, ...]
    activation: Activation = "relu"
    slope: float = 0.01

    def __post_init__(self) -> None:
        if len(self.widths) < 2 or min(self.widths) < 1:
            raise ValueError(f"widths: expected 2 or more counts of at least 1, got {self.widths}")
        _one_of("activation", self.activation, get_args(Activation))
        if not np.isfinite(self.slope):
            raise ValueError(f"slope: expected a finite number, got {self.slope}")

    @property
    def layers(self) -> tuple[tuple[int, int], ...]:
        """Return (inputs, outputs) of every layer."""
        return tuple(zip(self.widths[:-1], self.widths[1:], strict=True))

    @property
    def parameters(self) -> int:
        """Return the number of weights and biases of one network."""
        return sum((inputs + 1) * outputs for inputs, outputs in self.layers)

    def unpack(self, parameters: Values) -> list[tuple[Values, Values]]:
        """Return views (weights, biases) of every layer.

        Args:
            parameters: shape (…, P), an array or a tensor. Layer after layer: the weights, row by row as in
                ``torch.nn.Linear.weight``, then the biases.

        Returns:
            For each layer, shapes (…, outputs, inputs) and (…, outputs).
        """
        layers, at = [], 0
        for inputs, outputs in self.layers:
            end = at + inputs * outputs
            shape = (*parameters.shape[:-1], outputs, inputs)
            biases = parameters[..., end : end + outputs]
            layers.append((parameters[..., at:end].reshape(shape), biases))
            at = end + outputs
        return layers


@dataclass(frozen=True)
class Training:
    """How every network of an ensemble is trained.

    Args:
        loss: ``squared-error``: mean over batch and outputs of (z − y)²; ``cross-entropy``: mean
            over the batch, y one-hot; ``hinge``: mean over batch and outputs of max(0, 1 − y·z),
            y = ±1.
        optimizer: ``adam`` (as ``torch.optim.Adam``) or ``sgd`` (as ``torch.optim.SGD``).
        momentum: of SGD, from 0.
        betas: decay of Adam's two moments.
        eps: added to the root of Adam's second moment.
        batch_size: samples in each update; the last batch of an epoch may be shorter.
        epochs: passes over each network's samples.

    Raises:
        ValueError: an unknown loss or optimizer, or a number outside its range.

    Example:
        >>> Training(batch_size=64, epochs=2).steps(100)
        4
    """

    loss: Loss = "squared-error"
    optimizer: Optimizer = "adam"
    momentum: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    batch_size: int = 64
    epochs: int = 1

    def __post_init__(self) -> None:
        _one_of("loss", self.loss, get_args(Loss))
        _one_of("optimizer", self.optimizer, get_args(Optimizer))
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum: expected from 0 to below 1, got {self.momentum}")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas: expected from 0 to below 1, got {self.betas}")
        if not self.eps > 0:
            raise ValueError(f"eps: expected above 0, got {self.eps}")
        if self.batch_size < 1 or self.epochs < 0:
            raise ValueError(
                f"expected batch_size >= 1 and epochs >= 0, got {self.batch_size}, {self.epochs}"
            )

    def steps(self, samples: int) -> int:
        """Return the updates that each network makes in the whole training."""
        return self.epochs * -(-samples // self.batch_size)


def per_network(name: str, value: ArrayLike, count: int) -> Floats:
    """Return one finite value above zero for each network; a single number serves for all."""
    array = np.broadcast_to(np.asarray(value, dtype=np.float64), (count,))
    for r in np.flatnonzero(~(np.isfinite(array) & (array > 0)))[:1]:
        raise ValueError(f"{name}[{r}]: expected a finite number above 0, got {array[r]}")
    return np.ascontiguousarray(array)
