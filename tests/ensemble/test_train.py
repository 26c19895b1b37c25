"""The kernel trains as PyTorch trains: same data, weights and order, network by network."""

import itertools
import subprocess
import sys
from importlib import import_module
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ensemble_reference import train_loop
from firstlight.ensemble import Network, Trained, Training, train
from firstlight.ensemble.spec import Activation, Loss
from firstlight.seeds import generator

SHAPES = [
    (1, 2, 1),
    (1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1),
    (2, 3, 2),
    (3, 4, 4, 2),
    (1, 8, 1),
    (4, 2, 3, 5),
    (2, 5, 5, 5, 1),
    (1, 1, 1),
    (6, 4, 3),
    (2, 3),
]
OPTIMIZERS: list[dict[str, Any]] = [
    {"optimizer": "adam"},
    {"optimizer": "sgd"},
    {"optimizer": "sgd", "momentum": 0.9},
]
RATES, SEEDS = (1e-3, 1e-2, 3e-3), (5, 6, 2**64 - 1)


@pytest.fixture(autouse=True)
def _kept_here(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep compiled code in a folder of the tests."""
    monkeypatch.setenv("FIRSTLIGHT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def problem(network: Network, loss: str, samples: int, networks: int = 3) -> tuple[Any, Any, Any]:
    """Return parameters, inputs and targets that single precision holds exactly."""
    rng = generator(0, "kernel", str(network), loss)
    parameters = 0.7 * rng.normal(size=(networks, network.parameters))
    x = rng.normal(size=(networks, samples, network.widths[0]))
    y = rng.normal(size=(networks, samples, network.widths[-1]))
    if loss == "cross-entropy":
        y = np.eye(network.widths[-1])[rng.integers(0, network.widths[-1], (networks, samples))]
    if loss == "hinge":
        y = np.sign(y)
    return tuple(a.astype(np.float32).astype(np.float64) for a in (parameters, x, y))  # type: ignore[return-value]


def both(network: Network, training: Training, dtype: str, samples: int = 75) -> tuple[Any, Any]:
    """Return the reference's parameters and the kernel's."""
    parameters, x, y = problem(network, training.loss, samples)
    expected = train_loop(network, training, parameters, x, y, seeds=SEEDS, rates=RATES)[-1]
    found = train(
        network,
        training,
        parameters,
        (x, y),
        seeds=np.array(SEEDS, dtype=np.uint64),
        learning_rate=RATES,
        dtype=dtype,
        backend="kernel",
        skip_dead=False,
    )
    return expected, found.parameters


@pytest.mark.slow
@pytest.mark.parametrize("activation", get_args(Activation))
@pytest.mark.parametrize("number", range(len(SHAPES)), ids=lambda n: "-".join(map(str, SHAPES[n])))
def test_fifty_steps_equal_a_loop_in_double_precision(number: int, activation: Activation) -> None:
    """Every shape meets every activation, and in turn every loss and optimizer."""
    turn = number + list(get_args(Activation)).index(activation)
    losses, optimizers = itertools.cycle(get_args(Loss)), itertools.cycle(OPTIMIZERS)
    loss = next(itertools.islice(losses, turn, None))
    training = Training(
        loss,
        **next(itertools.islice(optimizers, turn // 3 + number, None)),
        batch_size=16,
        epochs=10,
    )
    expected, found = both(Network(SHAPES[number], activation, 0.3), training, "float64")
    assert training.steps(75) == 50
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    "optimizer", OPTIMIZERS, ids=lambda o: f"{o['optimizer']}-{o.get('momentum', 0)}"
)
@pytest.mark.parametrize("loss", get_args(Loss))
def test_every_loss_meets_every_optimizer(loss: Loss, optimizer: dict[str, Any]) -> None:
    training = Training(loss, **optimizer, batch_size=16, epochs=10)
    expected, found = both(Network((2, 3, 2), "tanh"), training, "float64")
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("activation", get_args(Activation))
def test_single_precision_stays_within_its_rounding(activation: Activation) -> None:
    """Adam divides by the gradient's own size, so rounding grows with the steps, not with them²."""
    training = Training(batch_size=16, epochs=10)
    expected, found = both(Network((2, 3, 3, 1), activation, 0.3), training, "float32")
    scale = np.abs(expected).max(axis=1, keepdims=True)
    assert found.dtype == np.float32
    assert (np.abs(found - expected) / scale).max() < 1e-5


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.integers(1, 4), min_size=2, max_size=5),
    st.sampled_from(get_args(Activation)),
    st.sampled_from(get_args(Loss)),
    st.integers(1, 40),
    st.integers(1, 20),
)
def test_random_shapes_equal_the_loop(
    widths: list[int], activation: Activation, loss: Loss, samples: int, batch: int
) -> None:
    training = Training(loss, batch_size=batch, epochs=2)
    expected, found = both(Network(tuple(widths), activation, 0.1), training, "float64", samples)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)


DEEP = Network((1, *[2] * 9, 1))


def he(network: Network, count: int) -> Any:
    """Return He-normal weights with zero biases."""
    parameters = np.zeros((count, network.parameters))
    rng = generator(1, "he")
    for weights, _ in network.unpack(parameters):
        weights[...] = rng.normal(size=weights.shape) * np.sqrt(2 / weights.shape[-1])
    return parameters


def absolute(count: int, samples: int = 200) -> Any:
    x = generator(2, "x").uniform(-(7**0.5), 7**0.5, (count, samples, 1))
    return x, np.abs(x)


def deep(count: int = 150, **more: Any) -> Trained:
    more = {"data": absolute(count), "epochs": 3} | more
    training = Training(epochs=more.pop("epochs"))
    data = more.pop("data")
    return train(DEEP, training, he(DEEP, count), data, seeds=np.arange(count), **more)


def test_born_dead_networks_are_skipped_with_the_same_answer_to_the_bit() -> None:
    short, whole = deep(checkpoints=(0, 1, 3)), deep(checkpoints=(0, 1, 3), skip_dead=False)
    assert 100 < short.skipped < 150
    assert whole.skipped == 0
    np.testing.assert_array_equal(short.parameters, whole.parameters)
    np.testing.assert_array_equal(short.snapshots, whole.snapshots)
    moved = (short.parameters != short.snapshots[0]).sum(axis=1)
    assert (moved == 1).sum() == short.skipped  # the output's bias, and nothing else


def test_threads_and_chunks_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    one = deep(threads=1)
    np.testing.assert_array_equal(deep(threads=3).parameters, one.parameters)
    # The package exports the function of the same name, so the module is looked up by its path.
    monkeypatch.setattr(import_module("firstlight.ensemble.train"), "CHUNK", 37)
    np.testing.assert_array_equal(deep().parameters, one.parameters)


def test_a_network_does_not_depend_on_the_others() -> None:
    order = generator(3, "order").permutation(40)
    x, y = absolute(40)
    training, start = Training(epochs=2), he(DEEP, 40)
    seeds = np.arange(40)
    straight = train(DEEP, training, start, (x, y), seeds=seeds)
    mixed = train(DEEP, training, start[order], (x[order], y[order]), seeds=seeds[order])
    np.testing.assert_array_equal(mixed.parameters, straight.parameters[order])


def test_data_may_come_in_pieces_or_be_shared() -> None:
    x, y = absolute(150)
    given = deep(data=(x, y))
    pieces = deep(data=lambda first, last: (x[first:last], y[first:last]))
    np.testing.assert_array_equal(given.parameters, pieces.parameters)
    shared = deep(data=(x[0], y[0]))
    repeated = deep(data=(np.repeat(x[:1], 150, 0), np.repeat(y[:1], 150, 0)))
    np.testing.assert_array_equal(shared.parameters, repeated.parameters)


def test_checkpoints_are_the_shorter_trainings() -> None:
    longer = deep(checkpoints=(0, 2, 3), epochs=3)
    np.testing.assert_array_equal(longer.snapshots[0], he(DEEP, 150).astype(np.float32))
    np.testing.assert_array_equal(longer.snapshots[1], deep(epochs=2).parameters)
    np.testing.assert_array_equal(longer.snapshots[2], longer.parameters)


def test_progress_ends_at_all_networks() -> None:
    seen: list[tuple[int, int]] = []
    deep(progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (150, 150)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_large_shape_falls_back_and_says_so() -> None:
    network = Network((1, 30, 30, 1))
    result = train(network, Training(), he(network, 2), absolute(2), seeds=[1, 2], backend="auto")
    assert result.backend == "torch"
    assert "at most 600 parameters, these have 1021" in str(result.remark)
    with pytest.raises(ValueError, match="use backend='torch'"):
        train(network, Training(), he(network, 2), absolute(2), seeds=[1, 2], backend="kernel")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"parameters": np.zeros((3, 4))}, "parameters: expected shape"),
        ({"seeds": [1, 2]}, "seeds: expected 3 whole numbers"),
        ({"seeds": [1, 2, -3]}, "seeds: expected 3 whole numbers"),
        ({"learning_rate": [1, 0, 1]}, r"learning_rate\[1\]: expected a finite number above 0"),
        ({"checkpoints": (2, 1)}, "checkpoints: expected ascending"),
        ({"checkpoints": (9,)}, "checkpoints: expected ascending epochs from 0 to 1"),
        ({"data": (np.zeros((5, 2)), np.zeros((5, 1)))}, "x: expected shape"),
        ({"data": (np.zeros(5), np.zeros((5, 1)))}, "x: expected shape"),
        ({"data": (np.zeros((5, 1)), np.zeros((2, 5, 1)))}, r"y: .*\(3, samples, 1\), got \(2, 5"),
        ({"data": (np.zeros((5, 1)), np.zeros((4, 1)))}, "as many targets as inputs"),
        ({"data": (np.zeros((0, 1)), np.zeros((0, 1)))}, "at least 1, got 0 inputs"),
        ({"data": (np.full((5, 1), np.nan), np.zeros((5, 1)))}, "finite numbers"),
        ({"dtype": "float16"}, "expected dtype float32 or float64"),
        ({"backend": "gpu"}, "'gpu'"),
    ],
)
def test_bad_input_is_named(change: dict[str, Any], words: str) -> None:
    network = Network((1, 2, 1))
    good: dict[str, Any] = {
        "parameters": np.zeros((3, network.parameters)),
        "data": (np.zeros((5, 1)), np.zeros((5, 1))),
        "seeds": [1, 2, 3],
    }
    arguments = good | change
    with pytest.raises(ValueError, match=words):
        train(network, Training(), arguments.pop("parameters"), arguments.pop("data"), **arguments)


def test_the_kernel_needs_no_torch() -> None:
    code = (
        "import sys, numpy as np\nfrom firstlight.ensemble import Network, Training, train\n"
        "n = Network((1, 2, 1))\nx = np.zeros((4, 1))\n"
        "train(n, Training(), np.ones((2, 7)), (x, x), seeds=[0, 1])\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
