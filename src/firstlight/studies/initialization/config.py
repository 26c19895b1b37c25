"""The config of problem 2.1: vanishing and exploding signals."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_args

from firstlight.config import Config, bounded

Activation = Literal["linear", "tanh", "sigmoid", "relu"]
ACTIVATIONS: tuple[Activation, ...] = get_args(Activation)


@dataclass(frozen=True, kw_only=True)
class InitializationConfig(Config):
    """Vanishing and exploding signals: how the scale of the initial weights passes through layers.

    Every activation starts from every initialization: normal with each of the given deviations,
    Xavier and He. All of them are scaled from the same standard normal numbers.
    """

    study: ClassVar[str] = "initialization"
    data_set: ClassVar[str | None] = "mnist"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {},
        "class": {"images": 1_000, "training_seeds": 20, "steps": 500},
        "full": {"images": 1_000, "training_seeds": 50, "steps": 500},
    }

    activations: tuple[Activation, ...] = field(
        default=ACTIVATIONS, metadata={"choices": ACTIVATIONS}
    )
    """Activation of the hidden layers; linear only checks the theory and is not trained."""
    sigmas: tuple[float, ...] = bounded((0.01, 0.1, 0.14, 0.28, 1.0), 1e-3, 10.0)
    """Standard deviations of the normal initialization, beside Xavier and He."""
    seeds: int = bounded(50, 2, 1_000, "seeds")
    """Independent networks of each kind, before training."""
    images: int = bounded(150, 32, 10_000, "images")
    """Test images that are passed through each network."""
    width: int = bounded(100, 2, 1_000, "units")
    """Units in each layer but the last."""
    layers: int = bounded(5, 2, 20, "layers")
    """Hidden layers with the activation, after the linear first one."""
    depth: int = bounded(50, 2, 100, "layers")
    """Hidden layers of the deep networks."""
    training_seeds: int = bounded(10, 2, 1_000, "seeds")
    """Independent short trainings of each kind."""
    steps: int = bounded(40, 1, 100_000, "steps")
    """Updates of each short training."""
    batch_size: int = bounded(64, 1, 10_000, "images")
    """Images in each update."""
    learning_rate: float = bounded(0.1, 1e-9, 10.0)
    """Step size of plain stochastic gradient descent."""
