"""The configs of problems 1 to 3: each parameter, its default, its range and its unit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_args

from firstlight.configs.base import Config, bounded

Arm = Literal["plain", "norm_hidden", "norm_input", "dropout", "norm_dropout"]
ARMS: tuple[Arm, ...] = get_args(Arm)
Function = Literal["abs", "xsin", "step"]
FUNCTIONS: tuple[Function, ...] = get_args(Function)
Rectifier = Literal["relu", "leaky-relu"]
RECTIFIERS: tuple[Rectifier, ...] = get_args(Rectifier)
Init = Literal["he", "rai", "torch", "xavier", "orthogonal"]
INITS: tuple[Init, ...] = get_args(Init)
Activation = Literal["linear", "tanh", "sigmoid", "relu"]
ACTIVATIONS: tuple[Activation, ...] = get_args(Activation)


@dataclass(frozen=True, kw_only=True)
class PerceptronConfig(Config):
    """Perceptron criterion against hinge loss on two-dimensional points.

    Many training sets are drawn from the unit square, labelled by x1 > x2, and both criteria are
    trained on the same sets until they converge.
    """

    study: ClassVar[str] = "perceptron"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"quick": {}, "full": {"repeats": 20_000}}

    train_points: int = bounded(20, 2, 10_000, "points")
    """Training points in each set."""
    test_points: int = bounded(1_000, 1, 1_000_000, "points")
    """Test points, the same for every training set."""
    repeats: int = bounded(2_000, 2, 1_000_000, "training sets")
    """Independent training sets."""
    learning_rate: float = bounded(1.0, 1e-12, 1e6)
    """Step size of each update; only margin / learning rate matters."""
    max_epochs: int = bounded(10_000, 1, 10_000_000, "epochs")
    """Passes over a training set after which an unconverged classifier is left as it is."""


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
    training_seeds: int = bounded(5, 2, 1_000, "seeds")
    """Independent short trainings of each kind."""
    steps: int = bounded(40, 1, 100_000, "steps")
    """Updates of each short training."""
    batch_size: int = bounded(64, 1, 10_000, "images")
    """Images in each update."""
    learning_rate: float = bounded(0.1, 1e-9, 10.0)
    """Step size of plain stochastic gradient descent."""


@dataclass(frozen=True, kw_only=True)
class DyingReluConfig(Config):
    """Deep narrow networks on a function of one variable: how many collapse to a constant.

    Every combination of function, activation and initialization is simulated; ReLU and leaky ReLU
    start from the same weights and see the same points in the same order.
    """

    study: ClassVar[str] = "dying-relu"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"quick": {}, "full": {"epochs": 300}}

    function: tuple[Function, ...] = field(default=FUNCTIONS, metadata={"choices": FUNCTIONS})
    """What is learned on [−√7, √7]: abs |x|, xsin x·sin(5x), step 1{x>0} + 0.2·sin(5x)."""
    activation: tuple[Rectifier, ...] = field(default=RECTIFIERS, metadata={"choices": RECTIFIERS})
    """Activation of the hidden layers."""
    init: tuple[Init, ...] = field(default=("he", "rai", "torch"), metadata={"choices": INITS})
    """How weights begin: he, rai, torch (PyTorch's default), xavier, orthogonal."""
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
        "full": {"seeds": 5, "train_images": 60_000, "test_images": 10_000, "epochs": 10},
    }

    arms: tuple[Arm, ...] = field(default=ARMS, metadata={"choices": ARMS})
    """What is trained: any of plain, norm_hidden, norm_input, dropout, norm_dropout."""
    seeds: int = bounded(2, 1, 1_000, "seeds")
    """Independent trainings of each arm."""
    train_images: int = bounded(10_000, 100, 60_000, "images")
    """Images used for training and validation together."""
    test_images: int = bounded(10_000, 100, 10_000, "images")
    """Images of the test set that are used."""
    validation_share: float = bounded(1 / 12, 0.01, 0.5)
    """Share of the training images held out for validation."""
    epochs: int = bounded(3, 1, 1_000, "epochs")
    """Passes over the training images."""
    batch_size: int = bounded(64, 2, 10_000, "images")
    """Images per update."""
    learning_rate: float = bounded(5e-3, 1e-9, 10.0)
    """Largest rate of Adam's one-cycle schedule."""
    input_dropout: float = bounded(0.2, 0.0, 0.95)
    """Probability that a pixel is dropped in the dropout arms."""
    hidden_dropout: float = bounded(0.5, 0.0, 0.95)
    """Probability that a hidden unit is dropped in the dropout arms."""
