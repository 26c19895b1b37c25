"""The batch-size range test: against plain training, short of memory, and its errors."""

import copy
import math
from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from firstlight.ranges import ModelStep, batch_size, read_curve
from firstlight.ranges.batch_range import last_quarter
from firstlight.ranges.batches import budget, index_batches

entropy = nn.functional.cross_entropy
N = 100


def plain() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)).double()


def normalized() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.Linear(8, 3)
    ).double()


def problem() -> tuple[Tensor, Tensor]:
    draws = torch.Generator().manual_seed(1)
    x = torch.randn(N, 6, generator=draws, dtype=torch.float64)
    return x, x[:, :3].argmax(dim=1)


def step_of(model: nn.Module, loss: Any = entropy, **kwargs: Any) -> ModelStep:
    return ModelStep(
        model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), loss, **kwargs
    )


class Full:
    """Cross-entropy on a device with room for so many samples."""

    def __init__(self, room: int, error: type[Exception] = RuntimeError) -> None:
        self.room, self.error, self.failed, self.seen = room, error, 0, Counter[int]()

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if len(outputs) > self.room:
            self.failed += 1
            raise self.error("CUDA out of memory. Tried to allocate 20.00 MiB")
        self.seen[len(outputs)] += 1
        return entropy(outputs, targets)


UNITS: list[dict[str, Any]] = [{"epochs": 2}, {"updates": 9}, {"samples": 170}, {"epochs": 0.5}]


@pytest.mark.parametrize("length", UNITS, ids=str)
@pytest.mark.parametrize("micro", [None, 7])
def test_every_size_equals_plain_training_from_the_same_weights(
    length: Any, micro: int | None
) -> None:
    model, (x, y), sizes = plain(), problem(), [8, 24, 96]
    curve = batch_size(
        step_of(model), (x, y), lr=0.05, sizes=sizes, micro_batch=micro, seed=3, **length
    )
    for at, size in enumerate(sizes):
        twin = copy.deepcopy(model)
        optimizer = torch.optim.SGD(twin.parameters(), lr=0.05, momentum=0.9)
        losses, counts = [], []
        for indices in index_batches(
            N, size, budget(**{"epochs": None, "updates": None, "samples": None, **length}), 3, 0
        ):
            optimizer.zero_grad()
            loss = entropy(twin(x[indices]), y[indices])
            losses.append(loss.item())
            counts.append(len(indices))
            loss.backward()
            optimizer.step()
        last = max(1, len(losses) // 4)
        mean = np.dot(losses[-last:], counts[-last:]) / sum(counts[-last:])
        assert curve.losses[0, at] == pytest.approx(mean, rel=1e-9)
    assert curve.values.tolist() == sizes
    assert curve.stopped is None


def test_data_sets_and_functions_give_the_same_curve_as_tensors() -> None:
    x, y = problem()
    sizes = [8, 32]
    step = step_of(plain())
    curves = [
        batch_size(step, data, lr=0.05, sizes=sizes, epochs=2)
        for data in ((x, y), TensorDataset(x, y), ({"input": x}, y))
    ]
    assert (curves[0].losses == curves[1].losses).all()
    assert (curves[0].losses == curves[2].losses).all()
    seen: list[int] = []

    def make(size: int) -> list[tuple[Tensor, Tensor]]:
        seen.append(size)
        return [(x[at : at + size], y[at : at + size]) for at in range(0, N, size)]

    calls: list[tuple[float, float]] = []
    for length, updates in (
        ({"epochs": 2}, [26, 8]),
        ({"updates": 9}, [9, 9]),
        ({"samples": 150}, [20, 6]),
    ):
        calls.clear()
        batch_size(step, make, lr=0.05, sizes=sizes, progress=lambda *c: calls.append(c), **length)
        assert Counter(size for size, _ in calls) == {8.0: updates[0], 32.0: updates[1]}
    assert seen == [8, 8, 32, 32, 8, 32, 32, 32, 8, 8, 32, 32]


class Noise:
    """A step without a framework: gradient descent on noisy θ²/2."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.theta, self.resets = 1.0, getattr(self, "resets", -1) + 1

    def __call__(self, batch: Any, lr: float) -> float:
        loss = self.theta**2 / 2
        self.theta -= lr * self.theta
        return loss


def test_a_function_is_reset_before_every_size() -> None:
    step = Noise()
    curve = batch_size(
        step,
        lambda size: range(0, N, size),
        lr=0.1,
        sizes=[10, 20, 50],
        epochs=2,
        reset=step.reset,
        repeats=2,
    )
    expected = [np.mean([0.81**k / 2 for k in range(n - max(1, n // 4), n)]) for n in (20, 10, 4)]
    assert curve.losses == pytest.approx(np.array([expected] * 2), rel=1e-12)
    assert step.resets == 6


@pytest.mark.parametrize("error", [RuntimeError, MemoryError, torch.OutOfMemoryError])
@pytest.mark.parametrize("room", [100, 50, 31, 3, 1])
def test_the_micro_batch_shrinks_when_memory_runs_out_and_the_batch_does_not(
    room: int, error: type[Exception]
) -> None:
    sizes, data = [8, 32, 96], problem()
    model = plain()
    before = copy.deepcopy(model.state_dict())
    full = Full(room, error)
    tight = batch_size(step_of(model, full), data, lr=0.05, sizes=sizes, epochs=2)
    roomy = batch_size(step_of(model), data, lr=0.05, sizes=sizes, epochs=2)
    assert tight.losses == pytest.approx(roomy.losses, rel=1e-9)
    assert tight.values.tolist() == sizes
    assert max(full.seen) <= room
    assert (full.failed > 0) == (room < 96)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_the_state_before_a_size_is_put_back_when_memory_runs_out_in_its_middle() -> None:
    calls = [0]

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        calls[0] += 1
        if len(outputs) == 32 and calls[0] > 20:
            raise MemoryError
        return entropy(outputs, targets)

    data, sizes = problem(), [8, 32]
    tight = batch_size(step_of(plain(), loss), data, lr=0.05, sizes=sizes, epochs=4)
    roomy = batch_size(step_of(plain()), data, lr=0.05, sizes=sizes, epochs=4)
    assert tight.losses == pytest.approx(roomy.losses, rel=1e-9)


def test_batch_normalization_sees_the_same_batch_over_the_whole_curve() -> None:
    full = Full(1_000)
    batch_size(step_of(normalized(), full), problem(), lr=0.05, sizes=[16, 32, 96], updates=3)
    assert full.seen == {16: 3 * (1 + 2 + 6)}
    full.seen.clear()
    batch_size(
        step_of(normalized(), full),
        problem(),
        lr=0.05,
        sizes=[16, 32, 96],
        updates=3,
        micro_batch=8,
    )
    assert full.seen == {8: 3 * (2 + 4 + 12)}
    full.seen.clear()
    batch_size(step_of(normalized(), full), problem(), lr=0.05, sizes=[16, 49], updates=2)
    assert full.seen == {16: 2 * 3, 17: 2}


@pytest.mark.parametrize("room", [20, 9, 5])
def test_with_batch_normalization_the_whole_curve_starts_again_with_smaller_micro_batches(
    room: int,
) -> None:
    data, sizes = problem(), [16, 32, 96]
    final = {20: 16, 9: 8, 5: 4}[room]
    full = Full(room)
    model = normalized()
    before = copy.deepcopy(model.state_dict())
    tight = batch_size(step_of(model, full), data, lr=0.05, sizes=sizes, updates=3, repeats=2)
    given = batch_size(
        step_of(model), data, lr=0.05, sizes=sizes, updates=3, repeats=2, micro_batch=final
    )
    assert tight.losses.tobytes() == given.losses.tobytes()
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_memory_that_late_sizes_lack_starts_the_normalized_curve_again() -> None:
    calls = Counter[int]()

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        calls[len(outputs)] += 1
        if len(outputs) == 16 and calls[16] == 5:
            raise MemoryError
        return entropy(outputs, targets)

    tight = batch_size(step_of(normalized(), loss), problem(), lr=0.05, sizes=[16, 32], updates=3)
    given = batch_size(
        step_of(normalized()), problem(), lr=0.05, sizes=[16, 32], updates=3, micro_batch=8
    )
    assert tight.losses.tobytes() == given.losses.tobytes()
    assert calls == {16: 5, 8: 3 * (2 + 4)}


@pytest.mark.parametrize("make", [plain, normalized])
def test_memory_that_does_not_suffice_for_anything_is_an_error(make: Any) -> None:
    with pytest.raises(RuntimeError, match="out of memory"):
        batch_size(step_of(make(), Full(0)), problem(), lr=0.05, sizes=[16, 32])
    with pytest.raises(ValueError, match="shape"):
        batch_size(
            step_of(make(), lambda *_: (_ for _ in ()).throw(ValueError("shape"))),
            problem(),
            lr=0.05,
            sizes=[16],
        )


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_size_that_diverges_is_left_and_the_next_is_tried(bad: float) -> None:
    calls = Counter[int]()

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        calls[len(outputs)] += 1
        return entropy(outputs, targets) * (bad if len(outputs) == 20 else 1)

    curve = batch_size(step_of(plain(), loss), problem(), lr=0.05, sizes=[10, 20, 50], updates=4)
    assert np.isfinite(curve.losses[0]).tolist() == [True, False, True]
    assert str(curve.losses[0, 1]) == str(bad)
    assert calls == {10: 4, 20: 1, 50: 4}
    assert curve.stopped == f"The loss became {bad} at update 1 with batch size 20."


@pytest.mark.parametrize("sign", [-1.0, 0.0])
def test_losses_of_any_sign_are_taken(sign: float) -> None:
    curve = batch_size(
        step_of(plain(), lambda a, b: sign * entropy(a, b)), problem(), lr=0.05, sizes=[10, 20, 50]
    )
    assert np.isfinite(curve.losses).all()
    assert curve.stopped is None


def test_default_sizes_double_as_far_as_the_data_go() -> None:
    def sizes(n: int) -> list[float]:
        x = torch.zeros(n, 1)
        return batch_size(
            step_of(nn.Linear(1, 1), nn.functional.mse_loss), (x, x), lr=1e-3, updates=1
        ).values.tolist()

    assert sizes(10_000) == [64, 128, 256, 512, 1024, 2048, 4096, 8192]
    assert sizes(1_000) == [64, 128, 256, 512]
    with pytest.raises(ValueError, match="sizes: expected at least 64 samples, got 63; give sizes"):
        sizes(63)


def test_five_epochs_is_the_budget_if_none_is_given() -> None:
    calls: list[float] = []
    batch_size(
        step_of(plain()), problem(), lr=0.05, sizes=[10], progress=lambda s, _: calls.append(s)
    )
    assert calls == [10.0] * 50


def test_the_last_quarter_is_weighted_by_samples() -> None:
    losses, samples = np.arange(1.0, 12.0), np.array([4] * 10 + [1])
    assert last_quarter(losses, samples) == pytest.approx((10 * 4 + 11 * 1) / 5)
    assert last_quarter([3.0], [1]) == 3.0
    assert last_quarter([1.0, 2.0, 3.0], [1, 1, 1]) == 3.0
    for bad in (([], []), ([1.0], [1, 2]), ([[1.0]], [[1]])):
        with pytest.raises(ValueError, match="losses, samples: expected two vectors of one length"):
            last_quarter(*bad)


@pytest.mark.parametrize(("length", "direction"), [("epochs", "rising"), ("updates", "falling")])
def test_bounds_are_read_off_the_measured_losses(length: str, direction: Any) -> None:
    settings: Any = {"lr": 0.05, "sizes": [4, 8, 16, 32, 64], "repeats": 2, "seed": 3, length: 4}
    curve = batch_size(step_of(plain()), problem(), **settings)
    assert curve.bounds == read_curve(curve.values, curve.losses, seed=3, direction=direction)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"lr": 0.0}, ValueError, "lr: expected a finite rate above 0, got 0.0"),
        ({"lr": math.nan}, ValueError, "lr: expected a finite rate above 0"),
        ({"epochs": 1, "updates": 1}, ValueError, "expected one of epochs, updates or samples, got epochs and updates"),
        ({"epochs": 0}, ValueError, "epochs: expected above 0, got 0"),
        ({"samples": -1}, ValueError, "samples: expected above 0, got -1"),
        ({"sizes": []}, ValueError, "sizes: expected whole numbers above 0 in rising order"),
        ({"sizes": [8, 8]}, ValueError, "in rising order"),
        ({"sizes": [0, 8]}, ValueError, "above 0"),
        ({"sizes": [8.5]}, ValueError, "whole numbers"),
        ({"sizes": [8, 128]}, ValueError, "sizes: expected at most 100, all the samples, got 128"),
        ({"micro_batch": 0}, ValueError, "micro_batch: expected"),
        ({"repeats": 0}, ValueError, "repeats: expected at least 1"),
        ({"data": (torch.zeros(3, 1),)}, ValueError, "data: expected a pair"),
        ({"data": (torch.zeros(3, 1), torch.zeros(2))}, ValueError, "one target for each input, got 2 for 3"),
        ({"data": (torch.zeros(0, 1), torch.zeros(0))}, ValueError, "data: expected at least 1 sample, got 0"),
        ({"data": 3}, TypeError, "data: expected \\(inputs, targets\\), a map-style data set or a function"),
        ({"data": lambda _: []}, ValueError, "data: expected batches of 8 samples, got none"),
        ({"step": lambda *_: 1.0}, ValueError, "reset: expected a function that starts afresh"),
        ({"step": lambda *_: 1.0, "micro_batch": 2}, ValueError, "a function makes its own"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_named(arguments: Any, error: type[Exception], text: str) -> None:
    given = {"step": step_of(plain()), "data": problem(), "lr": 0.1, "sizes": [8], **arguments}
    if "step" in arguments and "micro_batch" in arguments:
        given["reset"] = int
    with pytest.raises(error, match=text) as caught:
        batch_size(**given)
    assert "\n" not in str(caught.value)


def test_a_normalized_micro_batch_must_fit_into_the_smallest_size() -> None:
    for micro in (1, 9):
        with pytest.raises(
            ValueError, match="micro_batch: expected 2 to 8, the smallest size, got"
        ):
            batch_size(step_of(normalized()), problem(), lr=0.1, sizes=[8, 16], micro_batch=micro)


def test_loss_rises_with_the_size_at_equal_epochs() -> None:
    x, y = problem()
    sizes = [5, 10, 20, 50, 100]
    epochs = batch_size(step_of(plain()), (x, y), lr=0.02, sizes=sizes, epochs=10, repeats=3)
    assert all(a < b for a, b in pairwise(epochs.losses.mean(axis=0)))
    assert epochs.losses.shape == (3, 5)
