import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim.lr_scheduler import ChainedScheduler, ConstantLR, CyclicLR, SequentialLR

from firstlight.schedules import (
    SampleScheduler,
    Schedule,
    constant,
    exp_range,
    ramp,
    triangle,
    triangle2,
)

BATCH, HALF = 32, 5  # samples in a batch, batches in half a cycle
LOW, HIGH = 0.01, 0.5
CYCLE = 2 * HALF * BATCH


def sgd(*rates: float, **names: Any) -> torch.optim.SGD:
    groups = [{"params": [torch.nn.Parameter(torch.ones(2))], "lr": rate} for rate in rates]
    return torch.optim.SGD(groups, lr=1.0, **names)


def rates(optimizer: torch.optim.Optimizer) -> list[float]:
    return [float(group["lr"]) for group in optimizer.param_groups]


def run(scheduler: Any, steps: int, *samples: int) -> list[list[float]]:
    """Step and return the rates that each update used."""
    used = []
    for _ in range(steps):
        used.append(rates(scheduler.optimizer))
        scheduler.optimizer.step()
        scheduler.step(*samples)
    return used


@pytest.mark.parametrize(
    ("mode", "schedule"),
    [
        ("triangular", triangle(LOW, HIGH, CYCLE)),
        ("triangular2", triangle2(LOW, HIGH, CYCLE)),
        ("exp_range", exp_range(LOW, HIGH, CYCLE, gamma=0.97 ** (1 / BATCH))),
    ],
)
def test_a_fixed_batch_gives_what_pytorchs_cyclic_scheduler_gives(
    mode: Any, schedule: Schedule
) -> None:
    """PyTorch's gamma is for an update and 1 unless given; the momentum is left alone there too."""
    theirs = CyclicLR(sgd(1.0), LOW, HIGH, HALF, mode=mode, gamma=0.97, cycle_momentum=False)
    ours = SampleScheduler(sgd(1.0), schedule, batch_size=BATCH)
    expected = [rate for (rate,) in run(theirs, 57)]
    assert [rate for (rate,) in run(ours, 57)] == pytest.approx(expected, rel=1e-11)
    assert max(expected) / min(expected) > 30


def test_each_update_uses_the_schedule_at_the_samples_before_it() -> None:
    schedule = triangle(LOW, HIGH, 100)
    scheduler = SampleScheduler(sgd(1.0), schedule)
    seen = 0
    for size in (3, 50, 1, 0, 128, 17, 1):
        assert rates(scheduler.optimizer) == [schedule(seen)] == scheduler.get_last_lr()
        scheduler.optimizer.step()
        scheduler.step(size)
        seen += size
    assert scheduler.samples == seen == 200


def test_a_count_given_goes_before_the_fixed_one() -> None:
    scheduler = SampleScheduler(sgd(1.0), ramp(1, 2, 100), batch_size=10)
    run(scheduler, 2)
    run(scheduler, 1, 7)
    assert scheduler.samples == 27


def test_groups_keep_their_ratios_and_all_else() -> None:
    optimizer = sgd(0.2, 0.02, 0.0, momentum=0.8, weight_decay=0.1)
    scheduler = SampleScheduler(optimizer, triangle(LOW, HIGH, CYCLE), batch_size=BATCH)
    others = [
        {k: v for k, v in g.items() if k not in ("lr", "params")} for g in optimizer.param_groups
    ]
    for first, second, third in run(scheduler, 23):
        assert second == pytest.approx(first / 10, rel=1e-12)
        assert third == 0
    after = [
        {k: v for k, v in g.items() if k not in ("lr", "params")} for g in optimizer.param_groups
    ]
    assert after == others
    assert after[0]["momentum"] == 0.8


def test_adams_betas_are_left_alone() -> None:
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.ones(1))], lr=0.1, betas=(0.8, 0.95))
    run(SampleScheduler(optimizer, triangle(LOW, HIGH, 50), batch_size=10), 7)
    assert optimizer.param_groups[0]["betas"] == (0.8, 0.95)


def test_a_rate_kept_as_a_tensor_stays_that_tensor() -> None:
    rate = torch.tensor(1.0)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=rate)
    scheduler = SampleScheduler(optimizer, triangle(LOW, HIGH, CYCLE), batch_size=BATCH)
    run(scheduler, HALF)
    assert optimizer.param_groups[0]["lr"] is rate
    assert float(rate) == pytest.approx(HIGH)
    saved = scheduler.state_dict()
    run(scheduler, 3)
    assert float(saved["_last_lr"][0]) == pytest.approx(HIGH)
    now = float(scheduler.get_last_lr()[0])
    scheduler.state_dict()["_last_lr"][0].fill_(9.0)
    assert float(scheduler.get_last_lr()[0]) == now


def fresh() -> SampleScheduler:
    return SampleScheduler(sgd(0.2, 0.1), triangle2(LOW, HIGH, CYCLE), batch_size=BATCH)


@pytest.mark.parametrize("optimizer_first", [True, False])
@pytest.mark.parametrize("steps", [0, 1, 13])
def test_a_saved_training_goes_on_as_if_never_stopped(steps: int, optimizer_first: bool) -> None:
    whole = run(fresh(), steps + 20)
    old, new = fresh(), fresh()
    run(old, steps)
    run(new, 4)  # what it did before does not matter
    file = io.BytesIO()
    torch.save((old.optimizer.state_dict(), old.state_dict()), file)
    file.seek(0)
    optimizer_state, state = torch.load(file, weights_only=True)
    if optimizer_first:
        new.optimizer.load_state_dict(optimizer_state)
    new.load_state_dict(state)
    if not optimizer_first:
        new.optimizer.load_state_dict(optimizer_state)
    assert new.get_last_lr() == old.get_last_lr()
    assert run(new, 20) == whole[steps:]


def test_a_state_can_be_loaded_twice_and_is_not_tied_to_its_scheduler() -> None:
    old = fresh()
    run(old, 8)
    state = old.state_dict()
    before = copy.deepcopy(state)
    first, second = fresh(), fresh()
    for scheduler in (first, second, second):
        scheduler.load_state_dict(state)
        assert state == before
    assert first.get_last_lr() is not second.get_last_lr()
    run(old, 3)
    run(first, 5)
    assert state == before
    assert second.samples == 8 * BATCH


def test_loading_a_state_leaves_the_optimizers_rate_to_the_optimizers_state() -> None:
    old, new = fresh(), fresh()
    run(old, 8)
    before = rates(new.optimizer)
    new.load_state_dict(old.state_dict())
    assert rates(new.optimizer) == before
    assert run(new, 2)[1] == run(old, 2)[1]


def test_samples_seen_before_can_be_given() -> None:
    later = SampleScheduler(sgd(1.0), ramp(1, 2, 100), samples=50)
    assert rates(later.optimizer) == [ramp(1, 2, 100)(50)]


def test_a_second_scheduler_keeps_the_groups_first_ratios() -> None:
    optimizer = sgd(0.2, 0.1)
    SampleScheduler(optimizer, constant(3.0))
    SampleScheduler(optimizer, constant(5.0))
    assert rates(optimizer) == [5.0, 2.5]


@pytest.mark.parametrize("copied", [lambda s: pickle.loads(pickle.dumps(s)), copy.deepcopy])
def test_a_copy_goes_on_alone(copied: Callable[[SampleScheduler], SampleScheduler]) -> None:
    old = fresh()
    run(old, 6)
    new = copied(old)
    assert new.optimizer is not old.optimizer
    ahead = run(new, 9)
    assert rates(old.optimizer) == ahead[0]
    assert run(old, 9) == ahead


def test_it_can_follow_another_scheduler() -> None:
    optimizer = sgd(0.2, 0.1)
    warm = ConstantLR(optimizer, factor=0.5, total_iters=100)
    ours = SampleScheduler(optimizer, triangle(LOW, HIGH, CYCLE), batch_size=BATCH)
    both = SequentialLR(optimizer, [warm, ours], milestones=[3])
    used = [rate for rate, _ in run(both, 3 + 2 * HALF)]
    assert used[:3] == [0.1] * 3
    assert used[3:] == [rate for rate, _ in run(fresh_triangle(), 2 * HALF)]


def fresh_triangle() -> SampleScheduler:
    return SampleScheduler(sgd(0.2, 0.1), triangle(LOW, HIGH, CYCLE), batch_size=BATCH)


def test_it_can_come_first_and_be_followed() -> None:
    optimizer = sgd(0.2, 0.1)
    ours = SampleScheduler(optimizer, triangle(LOW, HIGH, CYCLE), batch_size=BATCH)
    after = ConstantLR(optimizer, factor=0.5, total_iters=100)
    both = SequentialLR(optimizer, [ours, after], milestones=[4])
    used = [rate for rate, _ in run(both, 6)]
    assert used[:4] == [rate for rate, _ in run(fresh_triangle(), 4)]
    assert used[4:] == [0.1, 0.1]


def test_a_chain_of_one_changes_nothing() -> None:
    chain = ChainedScheduler([fresh_triangle()])
    assert run(chain, 12) == run(fresh_triangle(), 12)


def test_the_usual_warning_comes_when_the_optimizer_has_not_stepped() -> None:
    scheduler = fresh()
    with pytest.warns(UserWarning, match=r"before `optimizer.step\(\)`"):
        scheduler.step()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: run(SampleScheduler(sgd(1.0), constant(1)), 1), "samples in the batch, got None"),
        (lambda: run(SampleScheduler(sgd(1.0), constant(1)), 1, -1), "samples: expected"),
        (lambda: SampleScheduler(sgd(1.0), constant(1), batch_size=-1), "batch_size: expected"),
        (lambda: SampleScheduler(sgd(1.0), constant(1), samples=float("nan")), "got nan"),
        (lambda: SampleScheduler(sgd(0.0, 1.0), constant(1)), "first group with a rate above 0"),
        (lambda: SampleScheduler(sgd(1.0), lambda seen: -1.0), "got -1.0 at 0 samples"),
        (lambda: fresh().load_state_dict({"last_epoch": 3}), "'samples'"),
        (lambda: fresh().load_state_dict(SampleScheduler(sgd(1.0), constant(1)).state_dict()),
         "expected 2 parameter groups, as here, got 1"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_a_refused_step_changes_nothing() -> None:
    scheduler = SampleScheduler(sgd(1.0), ramp(1, 2, 10))
    run(scheduler, 2, 3)
    before = scheduler.state_dict()
    with pytest.raises(ValueError, match="got None"):
        scheduler.step()
    assert scheduler.state_dict() == before
