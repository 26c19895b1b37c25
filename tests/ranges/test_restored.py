"""After a range test everything is bit for bit what it was, however the test ended."""

import copy
import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from firstlight.ranges import ModelStep, batch_size, learning_rate
from guard_models import MODELS, OPTIMIZERS, assert_same, fingerprint, groups, loader, train

STEPS = 40
CASES = list(itertools.product(MODELS, OPTIMIZERS))
ERRORS = (ValueError, KeyboardInterrupt)


def made(model: str, optimizer: str, steps: int = 2) -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    network = MODELS[model]()
    updates = OPTIMIZERS[optimizer](groups(network))
    train(network, updates, steps)
    return network, updates


class Failing:
    """Cross-entropy that raises an error at one call."""

    def __init__(self, at: int, error: type[BaseException]) -> None:
        self.at, self.error, self.calls = at, error, 0

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        self.calls += 1
        if self.calls - 1 == self.at:
            raise self.error
        return nn.functional.cross_entropy(outputs, targets)


@pytest.mark.parametrize("at", range(0, STEPS, 10))
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("case", CASES, ids="-".join)
@pytest.mark.parametrize("half", [False, True], ids=["float32", "scaled"])
def test_all_is_restored_after_an_error_at_every_tenth_step(
    at: int, error: type[BaseException], case: tuple[str, str], half: bool
) -> None:
    model, optimizer = made(*case)
    scaler = torch.amp.GradScaler("cpu", init_scale=16.0) if half else None
    batches = loader()
    step = ModelStep(
        model,
        optimizer,
        Failing(at, error),
        scaler=scaler,
        autocast=torch.bfloat16 if half else None,
    )
    before = fingerprint(model, optimizer, scaler, batches)
    with pytest.raises(error):
        learning_rate(step, batches, steps=STEPS, low=1e-5, high=0.1)
    assert_same(fingerprint(model, optimizer, scaler, batches), before)


@pytest.mark.parametrize("mode", ["ramp", "plateaus", "runs"])
@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_all_is_restored_after_a_whole_test_and_the_next_gives_the_same_bits(
    mode: Any, case: tuple[str, str]
) -> None:
    model, optimizer = made(*case, steps=0)
    scaler = torch.amp.GradScaler("cpu", init_scale=16.0)
    batches = loader()
    step = ModelStep(
        model,
        optimizer,
        nn.CrossEntropyLoss(),
        scaler=scaler,
        autocast=torch.bfloat16,
        micro_batch=3,
    )
    before = fingerprint(model, optimizer, scaler, batches)
    curves = []
    for _ in range(2):
        curve = learning_rate(
            step, batches, mode=mode, candidates=6, steps=None if mode == "ramp" else 4, repeats=2
        )
        assert_same(fingerprint(model, optimizer, scaler, batches), before)
        curves.append(curve)
    first, second = curves
    assert first.losses.tobytes() == second.losses.tobytes()
    assert first.values.tobytes() == second.values.tobytes()
    assert (str(first.bounds), first.stopped) == (str(second.bounds), second.stopped)
    assert not (first.losses[0] == first.losses[1]).all()


@pytest.mark.parametrize("at", range(0, STEPS, 10))
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_all_is_restored_after_an_error_in_a_batch_size_test(
    at: int, error: type[BaseException], case: tuple[str, str]
) -> None:
    model, optimizer = made(*case)
    step = ModelStep(model, optimizer, Failing(at, error))
    before = fingerprint(model, optimizer)
    data = (
        torch.randn(36, 3, 2, 2, generator=torch.Generator().manual_seed(0)),
        torch.arange(36) % 3,
    )
    with pytest.raises(error):
        batch_size(step, data, lr=0.01, sizes=[4, 8, 16], epochs=3)
    assert_same(fingerprint(model, optimizer), before)


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_two_batch_size_tests_in_a_row_give_the_same_bits(case: tuple[str, str]) -> None:
    model, optimizer = made(*case, steps=0)
    step = ModelStep(model, optimizer, nn.CrossEntropyLoss())
    before = fingerprint(model, optimizer)
    data = (
        torch.randn(36, 3, 2, 2, generator=torch.Generator().manual_seed(0)),
        torch.arange(36) % 3,
    )
    curves = [batch_size(step, data, lr=0.01, sizes=[4, 8, 16], repeats=2) for _ in range(2)]
    assert_same(fingerprint(model, optimizer), before)
    assert curves[0].losses.tobytes() == curves[1].losses.tobytes()
    assert not (curves[0].losses[0] == curves[0].losses[1]).any()


def test_the_users_scheduler_is_not_touched() -> None:
    model, optimizer = made("tied", "sgd")
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    optimizer.step()
    scheduler.step()
    state = copy.deepcopy(scheduler.state_dict())
    batches = loader()
    before = fingerprint(model, optimizer, None, batches)
    learning_rate(ModelStep(model, optimizer, nn.functional.cross_entropy), batches, candidates=5)
    assert scheduler.state_dict() == state
    assert_same(fingerprint(model, optimizer, None, batches), before)


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_training_mode_is_used_and_the_mode_comes_back(mode: str) -> None:
    model, optimizer = made("batch norm", "sgd")
    getattr(model, mode)()
    model[3].eval()
    modes: list[list[bool]] = []

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        modes.append([module.training for module in model.modules()])
        return nn.functional.cross_entropy(outputs, targets)

    before = [module.training for module in model.modules()]
    learning_rate(ModelStep(model, optimizer, loss), loader(), candidates=5)
    assert [module.training for module in model.modules()] == before
    frozen_parts_stay = [True, True, True, True, False, True, True]
    assert modes == [[True] * 7 if mode == "eval" else frozen_parts_stay] * 5
