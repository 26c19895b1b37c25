"""The stacked trainings against plain PyTorch, one network at a time."""

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from firstlight.studies.initialization.labels import LARGEST_LOSS
from firstlight.studies.initialization.training import batches, loss, stack, step
from initialization_samples import CONFIG, INITS, plain, seen


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu"])
def test_a_step_is_a_step_of_sgd(activation: str) -> None:
    images = seen()
    x, y = images.train_x[:8].float() / 255, images.train_y[:8]
    nets = stack(CONFIG, 0, images)
    for _ in range(2):
        step(activation, nets, x, y, 0.05)
    losses = loss(activation, nets, images)
    for k, init in enumerate(INITS):
        model = plain(activation, init, 0)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        for _ in range(2):
            optimizer.zero_grad()
            torch.autograd.backward(functional.cross_entropy(model(x), y))
            optimizer.step()
        expected = float(functional.cross_entropy(model(images.x), images.y).detach())
        assert losses[k] == pytest.approx(min(expected, 100.0), rel=1e-3)
        for weights, parameter in zip(nets, model.parameters(), strict=True):
            assert torch.allclose(weights[k], parameter.detach(), rtol=1e-3, atol=1e-4)


def test_a_lost_training_is_recorded_at_the_limit() -> None:
    images = seen()
    nets = stack(CONFIG, 0, images)
    nets[-1][0] = math.nan
    nets[-1][1] *= 1e6
    losses = loss("tanh", nets, images)
    assert losses[:2].tolist() == [LARGEST_LOSS, LARGEST_LOSS]
    assert (losses[2:] < LARGEST_LOSS).all()


def test_batches_are_whole_epochs_and_pairs() -> None:
    """Every image once an epoch; the same batches whatever is trained, others for another seed."""
    images, longer = seen(), replace(CONFIG, steps=15)
    once = list(batches(longer, images, 0))
    assert len(once) == 15
    first = torch.cat([y for _, y in once[:8]])
    assert torch.equal(first.sort().values, images.train_y.sort().values)
    again, other = (list(batches(longer, images, index)) for index in (0, 1))
    assert all(torch.equal(a[0], b[0]) for a, b in zip(once, again, strict=True))
    assert not torch.equal(once[0][0], other[0][0])
    assert not torch.equal(once[0][0], once[8][0])
