"""The config of problems 2.2 and 2.3: networks that collapse."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_args

from firstlight.config import Config, bounded
from firstlight.studies.study import checkpoints

Function = Literal["abs", "xsin", "step"]
FUNCTIONS: tuple[Function, ...] = get_args(Function)
Rectifier = Literal["relu", "leaky-relu"]
RECTIFIERS: tuple[Rectifier, ...] = get_args(Rectifier)
Init = Literal["he", "rai", "torch", "xavier", "orthogonal"]
INITS: tuple[Init, ...] = get_args(Init)
Scope = Literal["first", "all"]


@dataclass(frozen=True, kw_only=True)
class DyingReluConfig(Config):
    """Deep narrow networks on a function of one variable: how many collapse to a constant.

    Every combination of function, activation and initialization is simulated, or only the first
    initialization on functions after the first (``other_inits``); ReLU and leaky ReLU start from
    the same weights and see the same points in the same order.
    """

    study: ClassVar[str] = "dying-relu"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {},
        "class": {"epochs": 300, "other_inits": "all"},  # 95 s on two cores: nothing to leave out
        "full": {"epochs": 300, "other_inits": "all"},
    }

    function: tuple[Function, ...] = field(default=FUNCTIONS, metadata={"choices": FUNCTIONS})
    """What is learned on [−√7, √7]: abs |x|, xsin x·sin(5x), step 1{x>0} + 0.2·sin(5x)."""
    activation: tuple[Rectifier, ...] = field(default=RECTIFIERS, metadata={"choices": RECTIFIERS})
    """Activation of the hidden layers."""
    init: tuple[Init, ...] = field(default=("he", "rai", "torch"), metadata={"choices": INITS})
    """How weights begin: he, rai, torch (PyTorch's default), xavier, orthogonal."""
    other_inits: Scope = field(default="first", metadata={"options": get_args(Scope)})
    """Initializations after the first: on the first function only, or on all functions."""
    slope: float = bounded(0.01, 0.0, 1.0)
    """Slope of leaky ReLU below zero."""
    width: int = bounded(2, 1, 128, "units")
    """Units in each hidden layer."""
    depth: int = bounded(10, 2, 100, "layers")
    """Layers with weights: the hidden ones and the linear output."""
    simulations: int = bounded(1_000, 1, 1_000_000, "networks")
    """Independent networks of each combination, each with points of its own."""
    points: int = bounded(3_000, 2, 60_000, "points")
    """Training points of each network, uniform on the domain."""
    batch_size: int = bounded(64, 1, 60_000, "points")
    """Points in each update."""
    epochs: int = bounded(100, 1, 100_000, "epochs")
    """Passes over the training points."""
    learning_rate: float = bounded(1e-3, 1e-12, 10.0)
    """Step size of Adam."""

    @property
    def checkpoints(self) -> list[int]:
        """Return the epochs after which networks are measured: 0, 1, 2, 5, 10, … to the last.

        Example:
            >>> DyingReluConfig(epochs=12).checkpoints
            [0, 1, 2, 5, 10, 12]
        """
        return [0, *checkpoints(self.epochs)]

    def inits_on(self, function: Function) -> tuple[Init, ...]:
        """Return the initializations simulated on one of the functions.

        Example:
            >>> DyingReluConfig().inits_on("step")
            ('he',)
        """
        everywhere = self.other_inits == "all" or function == self.function[0]
        return self.init if everywhere else self.init[:1]
