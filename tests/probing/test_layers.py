"""What is counted of each layer: dead, saturated and tied units exactly, over batches of any size."""

import copy
import math
import warnings

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from firstlight.probing import probe
from probe_models import Shared, Tied, rows_of


def scripted(dead: int, units: int = 12) -> nn.Sequential:
    """Return a ReLU layer of which the first ``dead`` units are zero on positive inputs."""
    model = nn.Sequential(nn.Linear(5, units), nn.ReLU())
    with torch.no_grad():
        sign = torch.where(torch.arange(units) < dead, -1.0, 1.0)
        model[0].weight.copy_(sign[:, None].expand(units, 5))
        model[0].bias.zero_()
    return model


@pytest.mark.parametrize("dead", [0, 1, 7, 12])
@pytest.mark.parametrize("batch", [1, 3, 64, 100])
def test_dead_units_are_counted_exactly(dead: int, batch: int) -> None:
    model, x = scripted(dead), torch.rand(100, 5) + 0.1
    with probe(model) as p:
        for part in x.split(batch):
            model(part)
    row, layer = rows_of(p)["1"], p.layers["1"]
    assert (row["dead_units"], row["units"]) == (dead, 12)
    assert layer.dead.tolist() == [True] * dead + [False] * (12 - dead)
    assert row["zero"] == pytest.approx(dead / 12, abs=1e-12)
    # No events in n trials: the rate r with (1 − r)^n = 0.05.
    assert (1 - layer.firing_bound) ** 100 == pytest.approx(0.05)


def test_a_unit_that_fires_once_is_alive() -> None:
    model, x = scripted(3), torch.rand(1000, 5) + 0.1
    x[617] = -x[617]
    with probe(model) as p:
        for part in x.split(37):
            model(part)
    assert rows_of(p)["1"]["dead_units"] == 0
    assert p.layers["1"].outputs.zero.tolist() == [999] * 3 + [1] * 9


@pytest.mark.parametrize("functional", [False, True])
def test_saturated_units_are_counted_exactly(functional: bool) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.act = nn.Linear(1, 10, bias=False), nn.Tanh()

        def forward(self, x: Tensor) -> Tensor:
            return torch.tanh(self.layer(x)) if functional else self.act(self.layer(x))

    model = Net()
    with torch.no_grad():
        model.layer.weight.copy_(torch.tensor([[50.0]] * 4 + [[0.01]] * 6))
    with probe(model) as p:
        for part in (torch.rand(90, 1) + 0.5).split(13):
            model(part)
    name = "tanh#1" if functional else "act"
    assert rows_of(p)[name]["saturated"] == pytest.approx(0.4, abs=1e-12)
    assert p.layers[name].saturated.tolist() == [1.0] * 4 + [0.0] * 6
    assert rows_of(p)["layer"]["saturated"] is None


def test_a_convolution_is_counted_by_channel() -> None:
    model = nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU())
    with torch.no_grad():
        model[0].weight.zero_()
        model[0].bias.copy_(torch.tensor([-1.0, -1, 1, 2, 3, -4]))
    for shape in ((9, 1, 8, 8), (1, 8, 8)):  # with a batch, and without
        with probe(model) as p:
            model(torch.randn(shape))
        assert p.layers["1"].dead.tolist() == [True, True, False, False, False, True]
        assert p.layers["1"].outputs.mean.tolist() == [0, 0, 1, 2, 3, 0]
        assert p.layers["1"].samples == (9 if len(shape) == 4 else 1)


def test_tied_layers_are_found_and_counted_once() -> None:
    model = Tied()
    other = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3))
    other[2].weight.data = other[0].weight.data  # two parameters on the same memory
    with probe(model) as p, probe(other) as q:
        model(torch.arange(7)).sum().backward()
    assert {k: r["tied_to"] for k, r in rows_of(p).items()} == {
        "embedding": None, "middle": None, "tanh#1": None, "head": "embedding",
    }  # fmt: skip
    assert [row["tied_to"] for row in q.table()] == [None, None, "0"]
    norm = float(torch.linalg.vector_norm(model.head.weight.grad))
    assert rows_of(p)["head"]["gradient_norm"] == pytest.approx(norm, rel=1e-6)
    assert rows_of(p)["embedding"]["gradient_norm"] == pytest.approx(norm, rel=1e-6)


def test_a_module_used_twice_is_one_row_with_both_calls() -> None:
    model, x = Shared(), torch.randn(8, 6)
    with probe(model) as p:
        model(x)
    assert [(row["layer"], row["calls"]) for row in p.table()] == [("layer", 2), ("act", 2)]
    first = torch.tanh(model.layer(x))
    both = torch.cat([first, torch.tanh(model.layer(first))]).detach().double()
    np.testing.assert_allclose(p.layers["act"].outputs.mean, both.mean(0), rtol=1e-6)
    np.testing.assert_allclose(p.layers["act"].outputs.std, both.std(0, correction=0), rtol=1e-6)


def collected(model: nn.Module, batches: list[Tensor]) -> dict[str, list[Tensor]]:
    """Return every leaf module's outputs, kept whole: the plain way."""
    kept: dict[str, list[Tensor]] = {}
    hooks = [
        m.register_forward_hook(lambda m, a, y, n=n: kept.setdefault(n, []).append(y.detach().double()))
        for n, m in model.named_modules() if not list(m.children())
    ]  # fmt: skip
    for x in batches:
        model(x)
    for hook in hooks:
        hook.remove()
    return kept


with torch.random.fork_rng():
    torch.manual_seed(0)
    CONVOLUTIONAL = nn.Sequential(
        nn.Conv2d(3, 5, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(5, 4, 2), nn.Tanh(),
    )  # fmt: skip
    SEQUENCE = nn.Sequential(nn.Linear(6, 40), nn.Sigmoid(), nn.LayerNorm(40), nn.Linear(40, 2))


@pytest.mark.parametrize("batch", [pytest.param(1, marks=pytest.mark.slow), 7, 61])
@pytest.mark.parametrize(
    ("model", "shape", "axis"),
    [(CONVOLUTIONAL, (61, 3, 30, 40), 1), (SEQUENCE, (61, 9, 6), 2)],
    ids=["convolutional", "sequence"],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_streaming_equals_one_big_batch(
    model: nn.Module, shape: tuple[int, ...], axis: int, batch: int, dtype: torch.dtype
) -> None:
    model = model.to(dtype)
    x = (torch.randn(shape, generator=torch.Generator().manual_seed(0)) + 1).to(dtype)
    with torch.no_grad(), probe(model) as p:
        for part in x.split(batch):
            model(part)
    with torch.no_grad():
        reference = collected(model, list(x.split(batch)))
    for name, parts in reference.items():
        y = torch.cat(parts).movedim(axis, 0).flatten(1)
        sums = p.layers[name].outputs
        scale = float(y.std())
        np.testing.assert_allclose(sums.mean, y.mean(1), rtol=1e-6, atol=1e-6 * scale)
        np.testing.assert_allclose(sums.std, y.std(1, correction=0), rtol=1e-6)
        np.testing.assert_array_equal(sums.zero, (y == 0).sum(1))
        row = rows_of(p)[name]
        assert row["mean"] == pytest.approx(float(y.mean()), rel=1e-6, abs=1e-6 * scale)
        assert row["std"] == pytest.approx(float(y.std(correction=0)), rel=1e-6)
        assert sums.n == y.shape[1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_cut_into_batches_changes_no_count(dtype: torch.dtype) -> None:
    x, found = torch.randn(60, 3, 30, 40, dtype=dtype), []
    model = copy.deepcopy(CONVOLUTIONAL).to(dtype)
    for batch in (60, 1, 17):
        with probe(model) as p:
            for part in x.split(batch):
                (model(part).sum() / 60).backward()
        found.append(p)
    for other in found[1:]:
        for name, layer in found[0].layers.items():
            for a, b in (
                (layer.outputs, other.layers[name].outputs),
                (layer.gradients, other.layers[name].gradients),
            ):
                assert (a is None) == (b is None)
                if a is not None and b is not None:
                    assert (a.n, a.seen) == (b.n, b.seen)
                    np.testing.assert_array_equal(a.zero, b.zero)
                    np.testing.assert_allclose(a.mean, b.mean, rtol=1e-6, atol=1e-6 * a.std.max())
                    np.testing.assert_allclose(a.std, b.std, rtol=1e-6)
                    # In single precision a convolution's last digits hang on its batch: what lies
                    # on the edge of a bin may move.
                    assert a.counts.sum() == b.counts.sum()
                    assert np.abs(a.counts - b.counts).sum() <= (8 if dtype is torch.float32 else 0)


def test_the_number_of_units_may_vary() -> None:
    model = nn.ReLU()
    with probe(model) as p:
        model(torch.tensor([[1.0, -1.0]]))
        model(torch.tensor([[2.0, -1.0, 3.0]]))
    row = p.table()[0]
    assert (row["units"], row["mean"], row["zero"]) == (1, pytest.approx(6 / 5), pytest.approx(0.4))


def test_nothing_large_is_kept() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh())
    with probe(model) as p:
        model(torch.randn(300_000, 4))
    held = sum(layer.outputs.nbytes for layer in p.layers.values())
    assert held < 150_000 < 300_000 * 4 * 4


def test_an_empty_batch_and_a_layer_that_never_ran_have_no_numbers() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    model.unused = nn.Linear(2, 2)
    with probe(model[0]) as p, probe(model) as q:
        model[:2](torch.randn(0, 4))
    assert p.table()[0]["mean"] is None
    assert rows_of(q)["unused"]["calls"] == 0
    assert rows_of(q)["1"]["dead_units"] is None
    assert q.layers["1"].firing_bound == 1.0


def test_not_a_number_is_not_hidden() -> None:
    model = nn.ReLU()
    with probe(model) as p:
        model(torch.tensor([[1.0, math.nan], [3.0, 1.0], [1.0, math.inf]]))
    mean = p.layers["(model)"].outputs.mean
    assert mean[0] == pytest.approx(5 / 3)
    assert math.isnan(mean[1])


def test_the_weights_are_described() -> None:
    model = nn.Linear(200, 100)
    with torch.no_grad():
        model.weight.normal_(1, 0.5)
        model.bias.zero_()
    weight, bias = probe(model).weights()
    values = model.weight.detach().double()
    assert (weight["size"], bias["zero"]) == (20_000, 1.0)
    assert weight["mean"] == pytest.approx(float(values.mean()), rel=1e-6)
    assert weight["std"] == pytest.approx(float(values.std(correction=0)), rel=1e-6)
    for q in (0.05, 0.5, 0.95):
        exact = float(values.quantile(q))
        assert weight[f"quantile_{q:g}"] == pytest.approx(exact, rel=1 / 25)


def test_a_scripted_module_is_one_layer() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # later versions advise against it
        model = torch.jit.script(nn.Sequential(nn.Linear(2, 3), nn.ReLU()))
    with probe(model) as p:
        model(torch.ones(4, 2)).sum().backward()
    (row,) = p.table()
    assert (row["kind"], row["units"], row["calls"]) == ("Sequential", 3, 1)
