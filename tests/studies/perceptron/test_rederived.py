"""The averages of problem 1 again: another program, other random numbers, points that are counted."""

import numpy as np
import pytest

from firstlight import studies
from firstlight.record import Record
from firstlight.studies.perceptron.config import PerceptronConfig
from firstlight.studies.perceptron.labels import CRITERIA
from firstlight.types import Floats

SETS, POINTS, EPOCHS = 1_600, 20, 500


@pytest.fixture(scope="module")
def many() -> Record:
    """A record with enough training sets to tell the criteria apart."""
    return studies.run(PerceptronConfig(repeats=4_000, train_points=POINTS, max_epochs=EPOCHS))


def trained(margin: float, X: Floats, y: Floats) -> Floats:
    """Return the weights of every set: add y·x wherever y(w·x) <= margin, pass after pass."""
    weights, live = np.zeros((2, len(X))), np.arange(len(X))
    signed = np.moveaxis(X * y[..., None], 0, -1)  # points, coordinates, sets
    for _ in range(EPOCHS):
        w = weights[:, live]
        for z in signed[:, :, live]:
            w += np.where(w[0] * z[0] + w[1] * z[1] <= margin, z, 0.0)
        changed = (w != weights[:, live]).any(axis=0)
        weights[:, live] = w
        live = live[changed]
    return weights.T


@pytest.fixture(scope="module")
def decisions() -> dict[str, Floats]:
    """For each criterion, what the line of each set says of the same points, and the truth."""
    rng = np.random.default_rng(2024)
    X, T = rng.random((SETS, POINTS, 2)), rng.random((3_000, 2))
    y = np.where(X[..., 0] > X[..., 1], 1.0, -1.0)
    lines = {"perceptron": trained(0.0, X, y), "hinge": trained(1.0, X, y)}
    found = {name: np.where(w @ T.T > 0, 1.0, -1.0) for name, w in lines.items()}
    return found | {"truth": np.where(T[:, 0] > T[:, 1], 1.0, -1.0)}


def tolerance(record: Record, measure: str, criterion: str, error: float) -> float:
    """Return four standard errors of the difference from the record's value."""
    fact = record.facts.get(measure, criterion=criterion)
    assert fact.low is not None
    assert fact.high is not None
    return 4 * float(np.hypot(error, (fact.high - fact.low) / 3.92))


@pytest.mark.parametrize("name", CRITERIA)
def test_accuracies(many: Record, decisions: dict[str, Floats], name: str) -> None:
    right = (decisions[name] == decisions["truth"]).mean(axis=1)
    expected = many.facts.value("accuracy", criterion=name)
    error = right.std() / np.sqrt(SETS)
    assert right.mean() == pytest.approx(
        expected, abs=tolerance(many, "accuracy", name, float(error))
    )


@pytest.mark.parametrize("name", CRITERIA)
def test_disagreements(many: Record, decisions: dict[str, Floats], name: str) -> None:
    """Each set is compared with one other only, so that the shares are independent."""
    sides = decisions[name]
    apart = (sides[0::2] != sides[1::2]).mean(axis=1)
    expected = many.facts.value("disagreement", criterion=name)
    error = apart.std() / np.sqrt(SETS / 2)
    assert apart.mean() == pytest.approx(
        expected, abs=tolerance(many, "disagreement", name, float(error))
    )


def test_the_paired_difference(many: Record, decisions: dict[str, Floats]) -> None:
    right = {name: (decisions[name] == decisions["truth"]).mean(axis=1) for name in CRITERIA}
    difference = right["hinge"] - right["perceptron"]
    expected = many.facts.value("accuracy", criterion="difference")
    error = float(difference.std() / np.sqrt(SETS))
    assert difference.mean() == pytest.approx(
        expected, abs=tolerance(many, "accuracy", "difference", error)
    )
