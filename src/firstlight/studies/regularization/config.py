"""The config of problem 3: batch normalization and dropout."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from firstlight.config import Config, bounded
from firstlight.studies.regularization.labels import ARMS, Arm


@dataclass(frozen=True, kw_only=True)
class RegularizationConfig(Config):
    """Batch normalization, dropout and both on LeNet-5 and MNIST.

    Every arm is trained with the same seeds and the same batches; the test set is used once, at the
    end.
    """

    study: ClassVar[str] = "regularization"
    data_set: ClassVar[str | None] = "mnist"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {},
        "class": {"train_images": 60_000, "test_images": 10_000, "epochs": 3},
        "full": {"train_images": 60_000, "test_images": 10_000, "epochs": 10},
    }

    arms: tuple[Arm, ...] = field(default=ARMS, metadata={"choices": ARMS})
    """What is trained: any of plain, norm_hidden, norm_input, dropout, norm_dropout, norm_dropout_last."""
    seeds: int = bounded(5, 1, 1_000, "seeds")
    """Independent trainings of each arm."""
    train_images: int = bounded(6_000, 100, 60_000, "images")
    """Images used for training and validation together."""
    test_images: int = bounded(2_000, 100, 10_000, "images")
    """Images of the test set that are used."""
    validation_share: float = bounded(1 / 12, 0.02, 0.5)
    """Share of the training images held out for validation."""
    epochs: int = bounded(4, 1, 1_000, "epochs")
    """Passes over the training images."""
    batch_size: int = bounded(64, 2, 10_000, "images")
    """Images per update."""
    learning_rate: float = bounded(5e-3, 1e-9, 10.0)
    """Largest rate of Adam's one-cycle schedule."""
    input_dropout: float = bounded(0.2, 0.0, 0.95)
    """Probability that a pixel is dropped in the dropout arms."""
    hidden_dropout: float = bounded(0.5, 0.0, 0.95)
    """Probability that an output of a hidden layer is dropped in the dropout arms."""
