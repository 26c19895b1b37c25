"""One learning-rate range test, same model and same steps: pytorch-lr-finder, Lightning, ours."""

import io
import logging
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from firstlight import data as datasets
from firstlight.data.split import split, standardized
from firstlight.models.minigooglenet import MiniGoogLeNet, resized
from firstlight.ranges import ModelStep, learning_rate
from firstlight.record.provenance import cores
from firstlight.train.acceleration import choose, operations, use

STEPS = 300
"""Updates of each range test."""

BATCH = 64
"""Images in each update."""

LOW, HIGH = 1e-6, 1e-1
"""Ends of the range; no loss diverges between them, so that everybody takes every step."""


@dataclass(frozen=True)
class Task:
    """What everybody is given: the images, in a loader of their own, and the device."""

    pairs: TensorDataset
    device: str
    steps: int

    def loader(self) -> DataLoader[Any]:
        """Return a loader of shuffled batches, the order being everybody's."""
        draw = torch.Generator().manual_seed(0)
        return DataLoader(
            self.pairs, batch_size=BATCH, shuffle=True, drop_last=True, generator=draw
        )

    def model(self) -> MiniGoogLeNet:
        """Return the untrained network, everybody's the same."""
        masks = torch.Generator(self.device).manual_seed(1)
        return MiniGoogLeNet(torch.Generator().manual_seed(0), masks=masks).to(self.device)

    def optimizer(self, model: nn.Module) -> torch.optim.SGD:
        """Return stochastic gradient descent with momentum."""
        return torch.optim.SGD(model.parameters(), lr=LOW, momentum=0.9)


def ours(task: Task) -> str:
    """Run firstlight's range test by the fastest way that it picks, and return which."""
    model = task.model()
    optimizer = task.optimizer(model)
    example = task.pairs.tensors[0][:BATCH].to(task.device)
    path = choose(model, example, optimizer=optimizer, samples=task.steps * BATCH)
    with use(path, model, optimizer) as forward:
        step = ModelStep(model, optimizer, functional.cross_entropy, forward=forward)
        found = learning_rate(step, task.loader(), low=LOW, high=HIGH, steps=task.steps)
    _check("firstlight", found.losses.shape[1], task.steps)
    return str(path)


def lr_finder(task: Task) -> str:
    """Run pytorch-lr-finder's range test and put the model back, as its users do."""
    from torch_lr_finder import LRFinder

    model = task.model()
    finder = LRFinder(model, task.optimizer(model), nn.CrossEntropyLoss(), device=task.device)
    loader = task.loader()
    finder.range_test(loader, end_lr=HIGH, num_iter=task.steps, diverge_th=float("inf"))
    finder.reset()
    _check("pytorch-lr-finder", len(finder.history["loss"]), task.steps)
    return "float32"


def lightning_tuner(task: Task) -> str:
    """Run the range test of Lightning's Tuner."""
    from lightning.pytorch import Trainer
    from lightning.pytorch.tuner.tuning import Tuner

    accelerator = "gpu" if task.device == "cuda" else "cpu"
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            accelerator=accelerator, devices=1, max_epochs=1000, logger=False,
            enable_progress_bar=False, enable_checkpointing=False, enable_model_summary=False,
            default_root_dir=folder,
        )  # fmt: skip
        found = Tuner(trainer).lr_find(
            _lightning_module(task), train_dataloaders=task.loader(), min_lr=LOW, max_lr=HIGH,
            num_training=task.steps, early_stop_threshold=None, update_attr=False,
        )  # fmt: skip
    taken = 0 if found is None else len(found.results["loss"])
    _check("Lightning's Tuner", taken, task.steps - 1)  # it leaves out one
    return "float32"


def _lightning_module(task: Task) -> Any:
    from lightning.pytorch import LightningModule

    class Module(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.lr = task.model(), LOW

        def training_step(self, batch: Any, index: int) -> Any:
            return functional.cross_entropy(self.net(batch[0]), batch[1])

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=0.9)

    return Module()


def _check(name: str, taken: int, steps: int) -> None:
    if taken < steps:
        raise RuntimeError(f"{name}: expected a range test of {steps} steps, got {taken}")


def product_rate(device: str, dtype: torch.dtype, *, size: int = 2048, times: int = 10) -> float:
    """Return the floating point operations a second of a square matrix product."""
    a = torch.randn(size, size, device=device).to(dtype)
    best = float("inf")
    for _ in range(times):
        _wait(device)
        started = time.perf_counter()
        a @ a
        _wait(device)
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _seconds(way: Callable[[Task], str], task: Task) -> tuple[float, str]:
    silence = io.StringIO()
    with warnings.catch_warnings(), redirect_stdout(silence), redirect_stderr(silence):
        warnings.simplefilter("ignore")  # the peers warn of what is meant here, and show bars
        started = time.perf_counter()
        path = way(task)
        _wait(task.device)
        return time.perf_counter() - started, path


def run(data: Path | None = None, steps: int = STEPS) -> str:
    """Time a whole range test of each, set-up, compilation and putting back included.

    Args:
        data: a folder with the data sets, or None for the known places.
        steps: updates of each range test.
    """
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    task = Task(_pairs(data), device, steps)
    ways = (
        ("pytorch-lr-finder", lr_finder), ("Lightning's Tuner", lightning_tuner),
        ("firstlight", ours),
    )  # fmt: skip
    each = operations(task.model(), torch.zeros(1, 1, 32, 32, device=device))
    lines = [
        f"cyclical: a range test of {steps} steps of {BATCH} images, MiniGoogLeNet at width 1, "
        f"{device}, {cores()} cores; everything counted"
    ]
    speeds = {}
    for name, way in ways:
        seconds, path = _seconds(way, task)
        speeds[name] = steps * BATCH / seconds
        kind = torch.bfloat16 if "bfloat16" in path else torch.float32
        share = speeds[name] * each / product_rate(device, kind)
        lines.append(
            f"  {name:18} {speeds[name]:8,.1f} images/s   {100 * share:5.1f} % of the machine's "
            f"matrix product   ({path})"
        )
    for name, _ in ways[:2]:
        lines.append(f"  ratio to {name:18} {speeds['firstlight'] / speeds[name]:.2f}")
    return "\n".join(lines)


def _pairs(folder: Path | None) -> TensorDataset:
    dataset = datasets.load("fashion-mnist", folder)
    parts = standardized(
        split(dataset, seed=0, images=20_000, validation_share=0.05, test_images=100)
    )
    return TensorDataset(resized(parts.train[0][:, None]), parts.train[1])
