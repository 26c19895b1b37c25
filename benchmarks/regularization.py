"""Every arm trained the plain way and through the sweep, in turn: images per second of both."""

import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from firstlight import data as data_sets
from firstlight import seeds
from firstlight.context import Context
from firstlight.data.batches import count, shuffled
from firstlight.data.split import Split, standardized
from firstlight.record import Table
from firstlight.record.provenance import cores
from firstlight.record.store import TrialResult
from firstlight.schedules.shapes import one_cycle
from firstlight.studies.regularization.config import RegularizationConfig
from firstlight.studies.regularization.labels import VARIANTS
from firstlight.studies.regularization.run import Trial, images_of, network
from firstlight.sweep import run_trials
from firstlight.train import PLAIN, fit
from firstlight.types import Tick

ROUNDS = 3
"""Each way is timed this many times, in turn; the medians are compared."""

WARM_UP_STEPS = 20
"""Updates before the clock starts, on both sides."""


def plain_network(arm: str, config: RegularizationConfig) -> nn.Sequential:
    """Return the arm's LeNet-5 as it is usually written, from PyTorch's own layers."""
    variant, layers = VARIANTS[arm], list[nn.Module]()

    def extra(name: str, norm: Callable[[int], nn.Module], width: int) -> list[nn.Module]:
        return [norm(width)] if name in variant.norms else []

    def drop(name: str, probability: float) -> list[nn.Module]:
        return [nn.Dropout(probability)] if name in variant.drops else []

    layers += extra("input", nn.BatchNorm2d, 1) + drop("input", config.input_dropout)
    for name, conv in (("conv1", nn.Conv2d(1, 6, 5, padding=2)), ("conv2", nn.Conv2d(6, 16, 5))):
        layers += [conv, *extra(name, nn.BatchNorm2d, conv.out_channels), nn.Tanh()]
        layers += [nn.AvgPool2d(2), *drop(name, config.hidden_dropout)]
    layers.append(nn.Flatten())
    for name, dense in (("fc1", nn.Linear(400, 120)), ("fc2", nn.Linear(120, 84))):
        layers += [dense, *extra(name, nn.BatchNorm1d, dense.out_features), nn.Tanh()]
        layers += drop(name, config.hidden_dropout)
    return nn.Sequential(*layers, nn.Linear(84, 10))


def _plain_epoch(model: nn.Module, loader: Any, optimizer: torch.optim.Optimizer) -> None:
    criterion = nn.CrossEntropyLoss()
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()


def time_plain(parts: Split, config: RegularizationConfig) -> float:
    """Return the seconds that one epoch of every arm takes: DataLoader, default threads, Adam."""
    images, labels = parts.train[0][:, None], parts.train[1]
    warm = WARM_UP_STEPS * config.batch_size
    seconds = 0.0
    for arm in config.arms:
        model = plain_network(arm, config)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        some = TensorDataset(images[:warm], labels[:warm])
        _plain_epoch(model, DataLoader(some, batch_size=config.batch_size), optimizer)
        whole = TensorDataset(images, labels)
        loader = DataLoader(whole, batch_size=config.batch_size, shuffle=True)
        started = time.perf_counter()
        _plain_epoch(model, loader, optimizer)
        seconds += time.perf_counter() - started
    return seconds


def train_only(trial: Trial, context: Context, tick: Tick) -> TrialResult:
    """Train one arm for one epoch and return when it began and ended: the work of a trial."""
    config = trial.config
    images, labels = standardized(images_of(config, context)).train
    model = network(trial)
    rate = one_cycle(config.learning_rate, count(len(images), config.batch_size))
    optimizer = torch.optim.Adam(model.parameters(), lr=rate(0), fused=True)
    draw = seeds.generator(config.seed, "batches")
    warm = islice(shuffled(len(images), config.batch_size, draw), WARM_UP_STEPS)
    fit(model, images, labels, warm, optimizer, rate, path=PLAIN)
    facts = Table[float | int | str]()
    facts.put("started", time.monotonic())
    order = shuffled(len(images), config.batch_size, draw)
    fit(model, images, labels, order, optimizer, rate, path=PLAIN)
    facts.put("ended", time.monotonic())
    return TrialResult(facts)


def time_ours(config: RegularizationConfig, context: Context) -> float:
    """Return the seconds that one epoch of every arm takes in the sweep's processes.

    Each arm is trained as often as there are cores, so that all of them stay busy; the time from
    the first update to the last, on the clock that all processes share, is divided by that number.
    What happens in between, such as setting up the next network, counts against the sweep.
    """
    repeats = range(cores())
    specs = {f"{arm}-{i}": Trial(config, arm, 0) for i in repeats for arm in config.arms}
    results = run_trials(train_only, specs, context).values()
    first = min(float(result.facts.get("started")) for result in results)
    last = max(float(result.facts.get("ended")) for result in results)
    return (last - first) / cores()


def run(data: Path | None = None, train_images: int = 6_000) -> str:
    """Time both ways in turn and return a table as text.

    Args:
        data: a folder with the data sets, or None for the known places.
        train_images: images of each arm's epoch, before the validation part is split off.
    """
    config = RegularizationConfig(train_images=train_images)
    context = Context(dataset=data_sets.load("mnist", data))
    parts = standardized(images_of(config, context))
    images = len(parts.train[0]) * len(config.arms)
    plain, ours = [], []
    for _ in range(ROUNDS):
        plain.append(images / time_plain(parts, config))
        ours.append(images / time_ours(config, context))
    lines = [
        f"regularization: {len(config.arms)} arms of LeNet-5, {len(parts.train[0]):,} images an epoch, "
        f"batch {config.batch_size}, {cores()} cores; median of {ROUNDS} rounds in turn",
        f"  plain  nn.Sequential, DataLoader, {torch.get_num_threads()} threads "
        f"{median(plain):12,.0f} images/s   ({min(plain):,.0f} to {max(plain):,.0f})",
        f"  ours   sweep, {cores()} processes of one thread       "
        f"{median(ours):12,.0f} images/s   ({min(ours):,.0f} to {max(ours):,.0f})",
        f"  ratio  {median(ours) / median(plain):.2f}",
    ]
    return "\n".join(lines)
