"""Batches, the training loop, the schedule and the evaluation, against plain PyTorch."""

import numpy as np
import pytest
import torch
from torch import nn

from firstlight.data.batches import count, shuffled
from firstlight.models.lenet5 import LAYERS, LeNet5
from firstlight.train import PLAIN, evaluate, fit, one_cycle


def data(n: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 10, (n,), generator=draw)
    images = torch.rand(n, 28, 28, generator=draw) - 0.5
    for image, label in zip(images, labels.tolist(), strict=True):
        image[2 * label : 2 * label + 4] += 1
    return images, labels


@pytest.mark.parametrize(("n", "size"), [(10, 4), (8, 4), (9, 4), (1, 4), (3, 1), (65, 64), (5, 9)])
def test_every_sample_once_an_epoch(n: int, size: int) -> None:
    batches = list(shuffled(n, size, np.random.default_rng(0)))
    assert sorted(torch.cat(batches).tolist()) == list(range(n))
    assert len(batches) == count(n, size)
    assert all(len(batch) == size for batch in batches[:-1])


def test_what_is_left_over_makes_a_short_batch_but_never_a_single_sample() -> None:
    def lengths(n: int) -> list[int]:
        return [len(batch) for batch in shuffled(n, 4, np.random.default_rng(0))]

    assert [lengths(n) for n in (8, 9, 10, 1)] == [[4, 4], [4, 5], [4, 4, 2], [1]]


def test_batches_follow_from_the_generator() -> None:
    first, second, other = (
        torch.cat(list(shuffled(50, 8, np.random.default_rng(s)))) for s in (1, 1, 2)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(("n", "size"), [(0, 4), (4, 0)])
def test_batches_refuse_nothing(n: int, size: int) -> None:
    with pytest.raises(ValueError, match="batches: expected n and batch_size of at least 1"):
        next(shuffled(n, size, np.random.default_rng(0)))


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


def test_fit_equals_a_plain_loop() -> None:
    """The same batches and rates give the same weights as the loop everybody writes.

    No normalization behind a bias: such a bias has no gradient but rounding, which Adam magnifies.
    """
    x, y = data()
    ours = LeNet5(torch.Generator().manual_seed(1), norm=LAYERS[:1])
    theirs = LeNet5(torch.Generator().manual_seed(1), norm=LAYERS[:1])
    rate = one_cycle(0.01, 8)
    batches = [b for e in (0, 1) for b in shuffled(len(x), 10, np.random.default_rng(e))]
    seen: list[int] = []
    mine = torch.optim.Adam(ours.parameters(), fused=True)
    losses = fit(ours, x, y, batches[:4], mine, rate, after_step=seen.append, path=PLAIN).losses
    fit(ours, x, y, batches[4:], mine, rate, first_step=4, after_step=seen.append, path=PLAIN)
    optimizer = torch.optim.Adam(theirs.parameters(), lr=1.0)
    expected = []
    theirs.train()
    for step, batch in enumerate(batches):
        optimizer.param_groups[0]["lr"] = rate(step)
        loss = nn.CrossEntropyLoss()(theirs(x[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        expected.append(float(loss.detach()))
    assert seen == list(range(1, 9))
    assert losses.tolist() == pytest.approx(expected[:4], rel=1e-4)
    for name, value in ours.state_dict().items():
        assert torch.allclose(value, theirs.state_dict()[name], rtol=1e-3, atol=1e-4), name


def test_fit_learns() -> None:
    x, y = data(20)
    model = LeNet5(torch.Generator().manual_seed(1))
    batches = [torch.arange(20)] * 60
    losses = fit(model, x, y, batches, torch.optim.Adam(model.parameters()), lambda _: 0.003).losses
    assert losses[0] > 2 > 0.5 > losses[-1]


def test_fit_without_batches_changes_nothing() -> None:
    x, y = data(4)
    model = LeNet5(torch.Generator().manual_seed(1))
    before = model.fc1.weight.clone()
    losses = fit(model, x, y, [], torch.optim.Adam(model.parameters()), lambda _: 0.1).losses
    assert losses.shape == (0,)
    assert torch.equal(before, model.fc1.weight)


def test_evaluate_against_plain_pytorch() -> None:
    x, y = data(11)
    model = LeNet5(torch.Generator().manual_seed(1), norm=LAYERS).train()
    score = evaluate(model, x, y, batch_size=4)
    assert model.training
    logits = model.eval()(x).double().detach()
    assert score.loss == pytest.approx(float(nn.functional.cross_entropy(logits, y)), rel=1e-6)
    assert np.array_equal(score.correct, (logits.argmax(1) == y).numpy())
    assert score.accuracy == score.correct.mean()


def test_lengths_must_agree() -> None:
    x, y = data(6)
    model = LeNet5(torch.Generator().manual_seed(1))
    with pytest.raises(ValueError, match=r"labels: expected shape \(6,\)"):
        evaluate(model, x, y[:5])
    with pytest.raises(ValueError, match=r"labels: expected shape \(6,\)"):
        fit(model, x, y[:, None], [], torch.optim.Adam(model.parameters()), lambda _: 0.1)
    with pytest.raises(ValueError, match="images: expected at least 1"):
        evaluate(model, x[:0], y[:0])
