"""The ratios of Xavier and He again: NumPy in float64, other random numbers, images of MNIST."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from firstlight import studies
from firstlight.context import Context
from firstlight.data import Dataset, load
from firstlight.record import Record
from firstlight.studies.initialization.config import InitializationConfig
from firstlight.types import Floats

NETWORKS, IMAGES, WIDTH, LAYERS = 40, 50, 100, 5
SCALES: dict[str, Callable[[int, int], float]] = {
    "xavier": lambda inputs, outputs: (2 / (inputs + outputs)) ** 0.5,
    "he": lambda inputs, outputs: (2 / inputs) ** 0.5,
}
FUNCTIONS: dict[str, tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]] = {
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(float)),
}
CASES = [(activation, init) for activation in FUNCTIONS for init in SCALES]


@pytest.fixture(scope="module")
def mnist() -> Dataset:
    """The images that come with firstlight."""
    return load("mnist", "embedded")


@pytest.fixture(scope="module")
def found(mnist: Dataset) -> Record:
    """The study itself, with as few trainings and deep networks as it allows."""
    config = InitializationConfig(
        activations=("tanh", "sigmoid", "relu"), sigmas=(1.0,), seeds=16, images=IMAGES,
        width=WIDTH, layers=LAYERS, depth=2, training_seeds=2, steps=1,
    )  # fmt: skip
    return studies.run(config, Context(dataset=mnist))


def ratios(rng: np.random.Generator, x: Floats, y: Any, activation: str, init: str) -> Floats:
    """Return the deviation of activations, last layer over first, and of gradients, first over last."""
    phi, slope = FUNCTIONS[activation]
    widths = [x.shape[1], *[WIDTH] * (LAYERS + 1), 10]
    weights = [SCALES[init](a, b) * rng.standard_normal((a, b)) for a, b in pairwise(widths)]
    z, a = [], [x @ weights[0]]
    for w in weights[1:-1]:
        z.append(a[-1] @ w)
        a.append(phi(z[-1]))
    scores = np.exp(a[-1] @ weights[-1])
    delta = scores / scores.sum(axis=1, keepdims=True) - np.eye(10)[y]
    gradients = []
    for w, at in zip(weights[:1:-1], z[::-1], strict=True):
        delta = (delta @ w.T) * slope(at)
        gradients.append(delta.std())
    return np.array([a[-1].std() / a[1].std(), gradients[-1] / gradients[0]])


@pytest.mark.parametrize(("activation", "init"), CASES)
def test_ratios(found: Record, mnist: Dataset, activation: str, init: str) -> None:
    """Four standard errors, of this mean and of the study's; both are means of logarithms."""
    rng = np.random.default_rng([CASES.index((activation, init)), 2024])
    chosen = rng.choice(len(mnist.test_images), IMAGES, replace=False)
    x, y = mnist.test_images[chosen].reshape(IMAGES, -1) / 255, mnist.test_labels[chosen]
    logs = np.log([ratios(rng, x, y, activation, init) for _ in range(NETWORKS)])
    for way, direction in enumerate(("activation", "gradient")):
        fact = found.facts.get("ratio", direction=direction, activation=activation, init=init)
        assert fact.low is not None
        assert fact.high is not None
        errors = logs[:, way].std() / NETWORKS**0.5, np.log(fact.high / fact.low) / 4.26
        tolerance = 4 * float(np.hypot(*errors))
        assert tolerance < 0.2
        assert logs[:, way].mean() == pytest.approx(np.log(float(fact)), abs=tolerance)


def test_he_keeps_what_xavier_loses(found: Record) -> None:
    """With ReLU each layer of Xavier halves the mean square: after four, a quarter is left."""
    for direction in ("activation", "gradient"):
        where = {"direction": direction, "activation": "relu"}
        he, xavier = (found.facts.value("ratio", **where, init=i) for i in ("he", "xavier"))
        assert he / xavier == pytest.approx(4, rel=0.03)
        assert he == pytest.approx(1, abs=0.15)
