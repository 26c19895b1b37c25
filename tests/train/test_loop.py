"""The training loop, exact gradients of large batches, and the evaluation, against plain PyTorch."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from firstlight.data.batches import shuffled
from firstlight.models.lenet5 import LAYERS, LeNet5
from firstlight.schedules import one_cycle
from firstlight.train import PLAIN, accumulate, evaluate, fit
from firstlight.train.loop import length, map_tensors


def data(n: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 10, (n,), generator=draw)
    images = torch.rand(n, 28, 28, generator=draw) - 0.5
    for image, label in zip(images, labels.tolist(), strict=True):
        image[2 * label : 2 * label + 4] += 1
    return images, labels


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


def network() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))


def batch(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(1)
    return torch.randn(n, 6, generator=draw), torch.randint(0, 3, (n,), generator=draw)


@pytest.mark.parametrize("micro", [1, 2, 3, 7, 16, 17, 18, 100, None])
def test_micro_batches_give_the_whole_batchs_gradient(micro: int | None) -> None:
    x, y = batch(17)
    whole, parts = network(), network()
    expected = functional.cross_entropy(whole(x), y)
    expected.backward()
    expected = expected.detach()
    loss = accumulate(parts, functional.cross_entropy, x, y, micro_batch=micro)
    assert float(loss) == pytest.approx(float(expected), rel=1e-6)
    for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
        assert torch.allclose(a.grad, b.grad, rtol=1e-5, atol=1e-7)  # type: ignore[arg-type]


def test_gradients_are_added_to_those_that_are_there() -> None:
    x, y = batch(8)
    once, twice = network(), network()
    accumulate(once, functional.cross_entropy, x, y)
    for _ in range(2):
        accumulate(twice, functional.cross_entropy, x, y, micro_batch=3)
    for a, b in zip(once.parameters(), twice.parameters(), strict=True):
        assert torch.allclose(2 * a.grad, b.grad, rtol=1e-5, atol=1e-7)  # type: ignore[operator,arg-type]


def test_parts_of_tuples_and_mappings() -> None:
    x = torch.arange(6)
    assert length({"a": x, "b": (x, x)}) == 6
    found = map_tensors(lambda tensor: tensor[2:4], {"a": x, "b": (x, [x]), "c": "text"})
    assert found["a"].tolist() == found["b"][0].tolist() == found["b"][1][0].tolist() == [2, 3]
    assert found["c"] == "text"


def test_bad_batches_are_refused() -> None:
    x, y = batch(4)
    with pytest.raises(ValueError, match="micro_batch: expected at least 1, got 0"):
        accumulate(network(), functional.cross_entropy, x, y, micro_batch=0)
    with pytest.raises(ValueError, match="at least 1 sample"):
        accumulate(network(), functional.cross_entropy, x[:0], y[:0])
    with pytest.raises(TypeError, match="batch: expected tensors"):
        length(3)


def test_a_fit_in_micro_batches_equals_a_fit_in_whole_ones() -> None:
    x, y = batch(40)
    order = [torch.arange(25), torch.arange(25, 40), torch.arange(40)]
    models = network(), network()
    losses = []
    for model, micro in zip(models, (None, 8), strict=True):
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9)
        # in float32: bfloat16 rounds by more than the tolerance
        done = fit(model, x, y, order, optimizer, lambda _: 0.1, micro_batch=micro, path=PLAIN)
        losses.append(done.losses)
    assert torch.allclose(losses[0], losses[1], rtol=1e-5)
    for a, b in zip(*(model.parameters() for model in models), strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-6)
