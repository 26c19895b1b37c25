"""Fresh statistics of batch normalization for an evaluation, against statistics computed apart."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from firstlight.data.batches import shuffled
from firstlight.models import LeNet5, MiniGoogLeNet
from firstlight.models.lenet5 import LAYERS
from firstlight.train import PLAIN, evaluate, fit, recalibrated


def images(n: int, *shape: int) -> Tensor:
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(n))


def lenet() -> LeNet5:
    weights, masks = (torch.Generator().manual_seed(seed) for seed in (1, 2))
    return LeNet5(weights, norm=LAYERS, input_dropout=0.2, hidden_dropout=0.5, masks=masks)


def state(model: nn.Module) -> dict[str, Any]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


@pytest.mark.parametrize(("n", "batch_size"), [(12, 4), (11, 4), (9, 4), (5, 99)])
def test_statistics_are_those_of_the_batches(n: int, batch_size: int) -> None:
    """Two layers, so that the second sees what the first hands on: in float64 with NumPy."""
    model = nn.Sequential(
        nn.BatchNorm2d(3), nn.Flatten(), nn.Dropout(), nn.BatchNorm1d(12)
    ).double()
    x = images(n, 3, 2, 2).double() * 5 + 2
    expected: dict[str, list[Any]] = {"mean0": [], "var0": [], "mean3": [], "var3": []}
    sizes = {12: [4, 4, 4], 11: [4, 4, 3], 9: [4, 5], 5: [5]}[n]
    for part in np.split(x.numpy(), np.cumsum(sizes)[:-1]):
        mean, var = part.mean((0, 2, 3)), part.var((0, 2, 3))
        m = part.size / 3
        inside = (part - mean[:, None, None]) / np.sqrt(var + 1e-5)[:, None, None]
        flat = inside.reshape(len(part), 12)
        for name, value in zip(
            expected, (mean, var * m / (m - 1), flat.mean(0), flat.var(0, ddof=1)), strict=True
        ):
            expected[name].append(value)
    with recalibrated(model, x, batch_size=batch_size):
        for index, norm in ((0, model[0]), (3, model[3])):
            for what in ("mean", "var"):
                weighted = np.average(expected[f"{what}{index}"], axis=0, weights=sizes)
                buffer = getattr(norm, f"running_{what}").numpy()
                np.testing.assert_allclose(buffer, weighted, rtol=1e-12, atol=1e-12)


def test_lenet_in_one_batch_evaluates_as_if_normalized_by_these_images() -> None:
    """LeNet5 calls the function, not the module, and shall be served as well."""
    model, x = lenet(), images(64, 28, 28)
    with recalibrated(model, x), torch.no_grad():
        fresh = model.eval()(x)
    for norm in model.norms.values():
        norm.train()
    torch.testing.assert_close(
        fresh, model(x).detach(), atol=0.05, rtol=0
    )  # n / (n - 1) of fc1, fc2


@pytest.mark.parametrize("training", [True, False])
def test_everything_is_put_back_and_no_random_number_drawn(training: bool) -> None:
    model, x = lenet().train(training), images(20, 28, 28)
    model.norms["fc1"].eval()
    model.norms["fc2"].momentum = None  # type: ignore[assignment]
    fit(model, x, torch.arange(20) % 10, [torch.arange(20)], torch.optim.SGD(model.parameters()), lambda _: 0.1)  # fmt: skip
    model.train(training).norms["fc1"].eval()
    before, modes = state(model), [m.training for m in model.modules()]
    masks, shared = model._masks.get_state(), torch.get_rng_state()  # type: ignore[union-attr]
    with recalibrated(model, x, batch_size=7):
        assert [m.training for m in model.modules()] == modes
        assert not same(before, state(model))
        evaluate(model, x, torch.arange(20) % 10)
    assert same(before, state(model))
    assert [m.training for m in model.modules()] == modes
    assert [norm.momentum for norm in model.norms.values()] == [0.1, 0.1, 0.1, 0.1, None]
    assert torch.equal(masks, model._masks.get_state())  # type: ignore[union-attr]
    assert torch.equal(shared, torch.get_rng_state())
    assert all(p.grad is not None for p in model.parameters())  # the gradients are left alone too


def test_a_training_goes_on_as_if_nothing_had_happened() -> None:
    x, y = images(32, 28, 28), torch.arange(32) % 10

    def trained(evaluated: bool) -> dict[str, Any]:
        model, optimizer = lenet(), None
        optimizer = torch.optim.Adam(model.parameters())
        for epoch in range(3):
            batches = shuffled(32, 8, np.random.default_rng(epoch))
            fit(model, x, y, batches, optimizer, lambda _: 0.01, path=PLAIN)
            if evaluated:
                with recalibrated(model, x):
                    evaluate(model, x, y)
        return state(model)

    assert same(trained(False), trained(True))


def test_an_error_in_the_body_or_in_the_network_puts_everything_back() -> None:
    model, x = lenet(), images(20, 28, 28)
    before = state(model)
    with pytest.raises(KeyError), recalibrated(model, x):
        raise KeyError
    assert same(before, state(model))
    with pytest.raises(ValueError, match="images: expected shape"), recalibrated(model, x[:, :9]):
        pass
    assert same(before, state(model))
    assert all(m.training for m in model.modules())


def test_models_without_statistics_are_left_alone() -> None:
    class Counting(nn.Module):
        calls = 0

        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(2, track_running_stats=False)

        def forward(self, x: Tensor) -> Tensor:
            Counting.calls += 1
            return x

    for x in (torch.zeros(4, 2), torch.zeros(1, 2)):
        with recalibrated(Counting(), x):
            pass
    assert Counting.calls == 0


def test_a_wider_network_and_stale_statistics() -> None:
    """Statistics that lie far off spoil an evaluation; fresh ones mend it."""
    model = MiniGoogLeNet(torch.Generator().manual_seed(0), width=1 / 16, masks=torch.Generator())
    x, y = images(32, 1, 28, 28), torch.arange(32) % 10
    with recalibrated(model, x):
        fresh = evaluate(model, x, y).loss
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_var.fill_(1e-4)  # type: ignore[union-attr]
    assert evaluate(model, x, y).loss > 10 * fresh
    with recalibrated(model, x):
        assert evaluate(model, x, y).loss == fresh
    for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.running_mean.fill_(float("nan"))  # type: ignore[union-attr]
    with recalibrated(model, x):
        assert evaluate(model, x, y).loss == fresh


@pytest.mark.parametrize(("n", "batch_size"), [(1, 250), (4, 1)])
def test_one_image_has_no_variance(n: int, batch_size: int) -> None:
    with pytest.raises(ValueError, match="images, batch_size: expected at least 2"):  # noqa: SIM117
        with recalibrated(lenet(), images(n, 28, 28), batch_size=batch_size):
            pass
