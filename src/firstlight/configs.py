"""Every config: each parameter of a study, its default, its range and its unit.

A config is also the command line and the JSON. Standard library only, so that ``--help`` is
instant.
"""

import math
from collections.abc import Mapping
from dataclasses import Field, asdict, dataclass, field, fields
from typing import Any, ClassVar, Literal, get_args

from firstlight.errors import ConfigError

Preset = Literal["quick", "full"]
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

RangeMode = Literal["runs", "plateaus"]
RANGE_MODES: tuple[RangeMode, ...] = get_args(RangeMode)
Policy = Literal["fixed_low", "fixed_high", "cyclical_rate", "growing_batch", "shrinking_batch"]
POLICIES: tuple[Policy, ...] = get_args(Policy)


def bounded(default: Any, low: float, high: float = math.inf, unit: str = "") -> Any:
    """Return a dataclass field whose value must lie in [low, high]; ``unit`` is for people.

    Where the default is a tuple, the value is one too: at least one number, all of them different.
    """
    return field(default=default, metadata={"low": low, "high": high, "unit": unit})


def _check_number(name: str, value: object, spec: Field[Any]) -> None:
    whole = isinstance(spec.default, int)
    kinds = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds):
        kind = "a whole number" if whole else "a number"
        raise ConfigError(f"{name}: expected {kind}, got {value!r}; give {name} as {kind}")
    low, high = spec.metadata["low"], spec.metadata["high"]
    if not (low <= value <= high and math.isfinite(value)):
        bounds = f"at least {low:g}" if math.isinf(high) else f"from {low:g} to {high:g}"
        unit = f" {spec.metadata['unit']}" if spec.metadata["unit"] else ""
        raise ConfigError(f"{name}: expected {bounds}{unit}, got {value}; change {name}")


def _check_numbers(name: str, values: object, spec: Field[Any]) -> None:
    if not isinstance(values, tuple) or not values:
        raise ConfigError(f"{name}: expected one or more numbers, got {values!r}; give {name} some")
    for index, value in enumerate(values):
        _check_number(f"{name}[{index}]", value, spec)
    if len(set(values)) != len(values):
        raise ConfigError(f"{name}: expected each value once, got {', '.join(map(str, values))}")


def _check_choices(name: str, value: object, choices: tuple[str, ...]) -> None:
    if not isinstance(value, tuple) or not value:
        raise ConfigError(f"{name}: expected one or more of {', '.join(choices)}, got {value!r}")
    for index, item in enumerate(value):
        if item not in choices:
            expected = ", ".join(choices)
            raise ConfigError(f"{name}[{index}]: expected one of {expected}, got {item!r}")
    if len(set(value)) != len(value):
        raise ConfigError(f"{name}: expected each value once, got {', '.join(value)}")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Base of all configs: checks every field against its declared range."""

    study: ClassVar[str]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]]
    data_set: ClassVar[str | None] = None  # what the study trains on, if it needs a data set

    seed: int = bounded(0, 0, 2**32 - 1)
    """Every random number of the run follows from this one."""

    def __post_init__(self) -> None:
        for spec in fields(self):
            value = getattr(self, spec.name)
            if "low" in spec.metadata:
                many = isinstance(spec.default, tuple)
                (_check_numbers if many else _check_number)(spec.name, value, spec)
            elif "choices" in spec.metadata:
                _check_choices(spec.name, value, spec.metadata["choices"])
            elif "options" in spec.metadata and value not in spec.metadata["options"]:
                expected = " or ".join(spec.metadata["options"])
                raise ConfigError(f"{spec.name}: expected {expected}, got {value!r}")

    def as_dict(self) -> dict[str, Any]:
        """Return the parameters as JSON-ready values (tuples become lists)."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Config":
        """Return the config with these values; unknown names raise ``ConfigError``."""
        known = {spec.name: spec for spec in fields(cls)}
        for name in values:
            if name not in known:
                raise ConfigError(
                    f"{cls.study}: unknown parameter {name!r}; known: {', '.join(known)}"
                )
        given: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.items()
        }
        return cls(**given)

    @classmethod
    def preset(cls, name: str, **changes: Any) -> "Config":
        """Return the named preset (``quick`` or ``full``) with some parameters changed."""
        if name not in cls.presets:
            raise ConfigError(f"preset: expected {' or '.join(cls.presets)}, got {name!r}")
        return cls.from_dict({**cls.presets[name], **changes})


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


@dataclass(frozen=True, kw_only=True)
class CyclicalConfig(Config):
    """Range tests of learning rate and batch size, and both cyclical policies, on MiniGoogLeNet.

    The range tests decide between which bounds the policies move; every policy sees the same number
    of images from the same initial weights. The test set is used once, at the end.
    """

    study: ClassVar[str] = "cyclical"
    data_set: ClassVar[str | None] = "fashion-mnist"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {},
        "full": {
            "width": 1.0, "train_images": 60_000, "test_images": 10_000, "range_mode": "runs",
            "range_epochs": 5.0, "ramp_epochs": 5.0, "batch_epochs": 5.0, "batch_updates": 35,
            "batch_sizes": (64, 128, 256, 512, 1024, 2048, 4096, 8192), "epochs": 48, "seeds": 3,
            "range_repeats": 3,
        },
    }  # fmt: skip

    width: float = bounded(0.125, 0.01, 4.0)
    """Factor on the channels of every layer of MiniGoogLeNet."""
    train_images: int = bounded(9_000, 200, 60_000, "images")
    """Images used for training and validation together."""
    test_images: int = bounded(2_000, 100, 10_000, "images")
    """Images of the test set that are used."""
    validation_share: float = bounded(1 / 12, 0.01, 0.5)
    """Share of the training images held out for validation."""
    batch_size: int = bounded(64, 2, 8_192, "images")
    """Images per update, wherever the batch size is not what varies."""
    micro_batch: int = bounded(64, 2, 8_192, "images")
    """Images in one forward pass; batch normalization sees so many, whatever the batch size."""
    momentum: float = bounded(0.9, 0.0, 0.999)
    """Momentum of stochastic gradient descent."""
    range_mode: RangeMode = field(default="plateaus", metadata={"options": RANGE_MODES})
    """How the candidate rates are tried: runs (each in a training of its own) or plateaus of one."""
    rate_low: float = bounded(1e-9, 1e-12, 1.0)
    """Smallest learning rate of the range test."""
    rate_high: float = bounded(10.0, 1e-6, 1e3)
    """Largest learning rate of the range test."""
    candidates: int = bounded(10, 5, 100, "rates")
    """Candidate rates, evenly spaced on a logarithmic scale."""
    range_epochs: float = bounded(1.0, 0.05, 1_000.0, "epochs")
    """Length of each run, or of all plateaus together."""
    ramp_epochs: float = bounded(1.0, 0.05, 1_000.0, "epochs")
    """Length of the ramp, the range test in which the rate grows at every update."""
    range_repeats: int = bounded(1, 1, 100, "repeats")
    """Independent repeats of every range test."""
    batch_sizes: tuple[int, ...] = bounded((64, 256, 1_024, 4_096, 8_192), 2, 65_536, "images")
    """Batch sizes of the batch-size test, in rising order."""
    batch_epochs: float = bounded(1.0, 0.05, 1_000.0, "epochs")
    """Passes over the images for each batch size, in the test at equal epochs."""
    batch_updates: int = bounded(2, 1, 100_000, "updates")
    """Updates for each batch size, in the test at equal updates."""
    policies: tuple[Policy, ...] = field(default=POLICIES, metadata={"choices": POLICIES})
    """What is compared: fixed_low, fixed_high, cyclical_rate, growing_batch, shrinking_batch."""
    epochs: int = bounded(2, 1, 1_000, "epochs")
    """Passes over the images under each policy."""
    cycles: int = bounded(2, 1, 100, "cycles")
    """Cycles in the whole training; it ends at the end of one."""
    final_amplitude: float = bounded(0.1, 1e-6, 1.0)
    """Amplitude at the end of the training, of 1 at its beginning."""
    seeds: int = bounded(2, 1, 1_000, "seeds")
    """Independent trainings under each policy."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.rate_low < self.rate_high:
            raise ConfigError(
                f"rate_low: expected below rate_high = {self.rate_high:g}, got {self.rate_low:g}"
            )
        if len(self.batch_sizes) < 5 or list(self.batch_sizes) != sorted(self.batch_sizes):
            sizes = ", ".join(map(str, self.batch_sizes))
            raise ConfigError(
                f"batch_sizes: expected at least 5 sizes in rising order, got {sizes}"
            )


STUDIES: dict[str, type[Config]] = {
    c.study: c
    for c in (
        PerceptronConfig, InitializationConfig, DyingReluConfig, RegularizationConfig,
        CyclicalConfig,
    )
}  # fmt: skip
"""Every study by its name, in the assignment's order."""


def config_of(study: str) -> type[Config]:
    """Return the config class of a study, or raise ``ConfigError`` naming the known ones."""
    if study not in STUDIES:
        raise ConfigError(f"study: expected one of {', '.join(STUDIES)}, got {study!r}")
    return STUDIES[study]
