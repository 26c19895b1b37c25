"""The benchmark of the range test: everybody takes the same steps, and ratios follow from times."""

import pytest
import torch
from torch.utils.data import TensorDataset

from benchmarks import cyclical as bench
from firstlight.models.minigooglenet import MiniGoogLeNet


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> bench.Task:
    def small(self: bench.Task) -> MiniGoogLeNet:
        return MiniGoogLeNet(torch.Generator().manual_seed(0), width=0.03)

    monkeypatch.setattr(bench.Task, "model", small)
    draw = torch.Generator().manual_seed(0)
    images = torch.rand(256, 1, 32, 32, generator=draw)
    labels = torch.randint(10, (256,), generator=draw)
    return bench.Task(TensorDataset(images, labels), "cpu", 4)


def test_ours_takes_every_step_and_says_how(task: bench.Task) -> None:
    seconds, path = bench._seconds(bench.ours, task)
    assert seconds > 0
    assert "channels last" in path


def test_the_peers_take_every_step(task: bench.Task) -> None:
    pytest.importorskip("torch_lr_finder")
    pytest.importorskip("lightning")
    for way in (bench.lr_finder, bench.lightning_tuner):
        seconds, path = bench._seconds(way, task)
        assert seconds > 0
        assert path == "float32"


def test_a_sweep_cut_short_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="expected a range test of 10 steps, got 9"):
        bench._check("somebody", 9, 10)


def test_the_product_rate_is_that_of_the_machine() -> None:
    assert 1e8 < bench.product_rate("cpu", torch.float32, size=256, times=3) < 1e15
