"""The one-cycle schedule, against PyTorch's."""

import pytest
import torch
from torch import nn

from firstlight.schedules import one_cycle


@pytest.mark.parametrize(("steps", "warm_up"), [(100, 0.3), (37, 0.5), (10, 0.3)])
def test_one_cycle_equals_pytorchs(steps: int, warm_up: float) -> None:
    rate = one_cycle(0.01, steps, warm_up=warm_up)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.01, total_steps=steps, pct_start=warm_up, cycle_momentum=False
    )
    for step in range(steps):
        assert rate(step) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9, abs=1e-12)
        optimizer.step()
        if step < steps - 1:
            schedule.step()


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_one_cycle_of_very_few_steps_is_finite_and_positive(steps: int) -> None:
    rate = one_cycle(0.01, steps)
    assert all(0 < rate(step) <= 0.01 for step in range(steps))


@pytest.mark.parametrize("bad", [(0.0, 5, 0.3), (0.1, 0, 0.3), (0.1, 5, 1.0)])
def test_one_cycle_refuses(bad: tuple[float, int, float]) -> None:
    with pytest.raises(ValueError, match="one_cycle: expected"):
        one_cycle(bad[0], bad[1], warm_up=bad[2])
