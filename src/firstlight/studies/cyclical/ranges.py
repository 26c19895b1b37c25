"""One range test of the learning rate in the cyclical study."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from firstlight import seeds
from firstlight.data.batches import count, shuffled
from firstlight.ranges import ModelStep, lr_range as learning_rate
from firstlight.studies.cyclical.data import config_from, loaded, network, sgd
from firstlight.train import pick
from firstlight.train.acceleration import applied

Tick = Callable[[int, int], None]
Facts = dict[str, float | int | str]
Arrays = dict[str, NDArray[Any]]


class _Loader:
    """Pairs of images and labels, pass after pass, each a new permutation."""

    def __init__(self, images: Tensor, labels: Tensor, size: int, *stream: Any) -> None:
        self._images, self._labels, self._size = images, labels, size
        self._stream, self._passes = stream, 0

    def __len__(self) -> int:
        return count(len(self._images), self._size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        draw = seeds.generator(*self._stream, self._passes)
        self._passes += 1
        device = str(self._images.device)
        for batch in shuffled(len(self._images), self._size, draw, device=device):
            yield self._images[batch], self._labels[batch]


def range_trial(spec: dict[str, Any], tick: Tick) -> tuple[Facts, Arrays]:
    """Run a range test of the learning rate.

    Args:
        spec: ``mode`` (ramp, plateaus or runs), ``low`` and ``high`` or, for the others than a
            ramp, ``values``; ``steps`` (of a ramp in all, else at each value), ``batch_size``,
            ``repeat``; the shared parameters; ``device`` and ``_data``.
        tick: called as ``tick(steps done, steps in all)``.
    """
    config, device = config_from(spec), spec["device"]
    images, labels = loaded(spec["_data"], config, device).train
    model = network(config, spec["repeat"], device)
    optimizer = sgd(model, config, 1.0)
    ramp = spec["mode"] == "ramp"
    wanted = {"low": spec["low"], "high": spec["high"]} if ramp else {"candidates": spec["values"]}
    total = spec["steps"] * (1 if ramp else len(spec["values"]))
    path = pick(
        model, images[: config.micro_batch], optimizer=optimizer,
        samples=total * config.batch_size,
    )  # fmt: skip
    taken: list[float] = []

    def progress(rate: float, loss: float) -> None:
        taken.append(loss)
        tick(len(taken), total)

    with applied(path, model, optimizer) as forward:
        step = ModelStep(
            model, optimizer, functional.cross_entropy, micro_batch=config.micro_batch,
            forward=forward,
        )  # fmt: skip
        loader = _Loader(images, labels, config.batch_size, config.seed, "range", spec["repeat"])
        curve = learning_rate(
            step, loader, mode=spec["mode"], steps=spec["steps"], progress=progress, **wanted
        )
    every = np.full(total, np.nan)
    every[: len(taken)] = taken
    facts: Facts = {"path": str(path), "stopped": curve.stopped or ""}
    return facts, {"values": curve.values, "losses": curve.losses[0], "steps": every}
