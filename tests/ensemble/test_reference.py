"""The stacked torch backend against a plain loop over nn.Module and torch.optim, in float64."""

from typing import Any

import numpy as np
import pytest
import torch

from ensemble_reference import ACTIVATIONS, train_loop
from firstlight.ensemble.reference import Stack, losses
from firstlight.ensemble.spec import Network, Training
from firstlight.ensemble.train import train

RATES = np.array([0.003, 0.05, 0.2])
SEEDS = np.array([5, 0, 2**64 - 1], dtype=np.uint64)


def problem(network: Network, training: Training, samples: int = 11, own: bool = True) -> Any:
    """Return parameters (R, P), x and y for three networks; y fits the loss."""
    rng = np.random.default_rng(1)
    each = (len(SEEDS), samples) if own else (samples,)
    parameters = rng.normal(0, 0.8, (len(SEEDS), network.parameters))
    x = rng.normal(size=(*each, network.widths[0]))
    y = rng.normal(size=(*each, network.widths[-1]))
    if training.loss == "hinge":
        y = np.sign(y)
    if training.loss == "cross-entropy":
        y = np.eye(network.widths[-1])[y.argmax(-1)]
    return parameters, x, y


def train_stacked(*problem: Any, **rest: Any) -> Any:
    """Return the trained parameters and the snapshots."""
    network, training, parameters, x, y = problem
    trained = train(network, training, parameters, (x, y), backend="torch", **rest)
    return trained.parameters, trained.snapshots


def assert_equal_to_loop(network: Network, training: Training, own: bool = True) -> None:
    parameters, x, y = problem(network, training, own=own)
    expected = train_loop(network, training, parameters, x, y, seeds=SEEDS, rates=RATES)
    epochs = range(training.epochs + 1)
    found, snapshots = train_stacked(
        network,
        training,
        parameters,
        x,
        y,
        seeds=SEEDS,
        learning_rate=RATES,
        checkpoints=epochs,
        dtype="float64",
    )
    np.testing.assert_allclose(found, expected[-1], rtol=1e-10, atol=1e-10)
    np.testing.assert_array_equal(snapshots[0], parameters)
    np.testing.assert_allclose(snapshots[1:], expected, rtol=1e-10, atol=1e-10)
    assert np.abs(found - parameters).max(axis=1).min() > 1e-3  # every network was trained


@pytest.mark.parametrize("optim", [("adam", 0.0), ("sgd", 0.0), ("sgd", 0.9)], ids=str)
@pytest.mark.parametrize("loss", ["squared-error", "cross-entropy", "hinge"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_equals_the_loop(activation: Any, loss: Any, optim: Any) -> None:
    """11 samples in batches of 4: the last one is short."""
    network = Network((2, 3, 2, 3), activation, slope=0.3)
    kind, momentum = optim
    training = Training(loss, kind, momentum, batch_size=4, epochs=3)
    assert_equal_to_loop(network, training)


@pytest.mark.parametrize("batch_size", [1, 5, 11, 64])
@pytest.mark.parametrize(
    "widths", [(1, 1), (4, 2), (1, 2, 1), (1, *[2] * 9, 1), (3, 7, 1, 20, 2)], ids=str
)
def test_equals_the_loop_for_every_shape(widths: tuple[int, ...], batch_size: int) -> None:
    assert_equal_to_loop(Network(widths, "tanh"), Training(batch_size=batch_size, epochs=2))


def test_equals_the_loop_on_shared_data_with_other_moments() -> None:
    training = Training(betas=(0.5, 0.9), eps=1e-3, batch_size=3, epochs=3)
    assert_equal_to_loop(Network((2, 4, 1)), training, own=False)


def test_shared_data_may_come_as_a_stack_of_one() -> None:
    network, training = Network((2, 4, 1)), Training(batch_size=3)
    parameters, x, y = problem(network, training, own=False)
    flat, _ = train_stacked(network, training, parameters, x, y, seeds=SEEDS)
    piled, _ = train_stacked(network, training, parameters, x[None], y[None], seeds=SEEDS)
    np.testing.assert_array_equal(flat, piled)


def test_networks_do_not_touch_each_other() -> None:
    """In any order, and beside a network that has gone to NaN, each ends with the same weights."""
    network, training = Network((2, 4, 3)), Training(batch_size=4, epochs=3)
    parameters, x, y = problem(network, training)
    options = {"dtype": "float64"}
    whole, _ = train_stacked(
        network, training, parameters, x, y, seeds=SEEDS, learning_rate=RATES, **options
    )
    turn = [2, 0, 1]
    turned, _ = train_stacked(
        network,
        training,
        parameters[turn],
        x[turn],
        y[turn],
        seeds=SEEDS[turn],
        learning_rate=RATES[turn],
        **options,
    )
    np.testing.assert_array_equal(turned, whole[turn])
    parameters[1] = np.nan
    spoilt, _ = train_stacked(
        network, training, parameters, x, y, seeds=SEEDS, learning_rate=RATES, **options
    )
    np.testing.assert_array_equal(spoilt[[0, 2]], whole[[0, 2]])
    assert np.isnan(spoilt[1]).all()


@pytest.mark.parametrize("activation", ["relu", "leaky-relu"])
def test_derivatives_at_the_corner(activation: Any) -> None:
    """Zero weights put every hidden unit at exactly 0: ReLU's derivative is 0, leaky's its slope."""
    network = Network((1, 1, 1), activation, slope=0.25)
    stack = Stack(
        network,
        Training(),
        [[0.0, 0.0, 1.0, 0.0]],
        [[1.0]],
        [[-1.0]],
        learning_rate=1.0,
        dtype="float64",
    )
    gradient = stack.gradient(torch.zeros(1, 1, dtype=torch.int64))
    hidden = {"relu": 0.0, "leaky-relu": 0.5}[activation]
    assert gradient.tolist() == [[hidden, hidden, 0.0, 2.0]]


def test_the_hinge_has_no_gradient_at_its_corner() -> None:
    z = torch.tensor([[[1.0, 0.5, 2.0]]], requires_grad=True)
    found = losses(Training("hinge"), z, torch.ones(1, 1, 3))
    found.sum().backward()
    assert found.tolist() == pytest.approx([0.5 / 3])
    assert z.grad is not None
    assert z.grad.flatten().tolist() == pytest.approx([0.0, -1 / 3, 0.0])


def test_float32_stays_near_float64_and_the_input_is_left_alone() -> None:
    network, training = Network((2, 4, 3)), Training(batch_size=4, epochs=3)
    parameters, x, y = problem(network, training)
    kept, progress = parameters.copy(), []
    single, _ = train_stacked(
        network, training, parameters, x, y, seeds=SEEDS, progress=lambda *now: progress.append(now)
    )
    double, _ = train_stacked(network, training, parameters, x, y, seeds=SEEDS, dtype="float64")
    assert (single.dtype, double.dtype) == (np.float32, np.float64)
    np.testing.assert_allclose(single, double, rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(parameters, kept)
    assert progress == [(3, 3)]


def test_checkpoints_are_kept_and_no_epochs_change_nothing() -> None:
    network = Network((2, 3, 1))
    parameters, x, y = problem(network, Training())
    last, some = train_stacked(
        network, Training(epochs=2), parameters, x, y, seeds=SEEDS, checkpoints=(0, 2)
    )
    np.testing.assert_array_equal(some[0], parameters.astype(np.float32))
    np.testing.assert_array_equal(some[1], last)
    assert (some[0] != some[1]).any()
    same, none = train_stacked(
        network, Training(epochs=0), parameters, x, y, seeds=SEEDS, dtype="float64"
    )
    np.testing.assert_array_equal(same, parameters)
    assert none.shape == (0, *parameters.shape)


def test_targets_of_another_shape_are_not_broadcast() -> None:
    with pytest.raises(ValueError, match="y: expected the shape of the outputs"):
        losses(Training(), torch.zeros(2, 1, 5), torch.zeros(2, 5, 5))
