"""One training of the cyclical study at one batch size."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.nn import functional

from firstlight import seeds
from firstlight.ranges import ModelStep, batch_range as batch_size
from firstlight.studies.cyclical.data import config_from, loaded, network, sgd
from firstlight.train import pick
from firstlight.train.acceleration import applied

Tick = Callable[[int, int], None]
Facts = dict[str, float | int | str]
Arrays = dict[str, NDArray[Any]]


def batch_trial(spec: dict[str, Any], tick: Tick) -> tuple[Facts, Arrays]:
    """Train with one batch size at a fixed rate; return the loss of every update.

    Args:
        spec: ``size``, ``rate``, ``repeat``, and the budget, ``passes`` over the images or
            ``updates``; the shared parameters; ``device`` and ``_data``.
        tick: called as ``tick(updates done, updates in all)``.
    """
    config, device = config_from(spec), spec["device"]
    images, labels = loaded(spec["_data"], config, device).train
    size, repeat = spec["size"], spec["repeat"]
    model = network(config, repeat, device)
    optimizer = sgd(model, config, spec["rate"])
    updates = spec.get("updates") or max(1, round(spec["passes"] * len(images) / size))
    path = pick(model, images[: config.micro_batch], optimizer=optimizer, samples=updates * size)
    losses: list[float] = []

    def progress(_: float, loss: float) -> None:
        losses.append(loss)
        tick(min(len(losses), updates), updates)

    with applied(path, model, optimizer) as forward:
        step = ModelStep(model, optimizer, functional.cross_entropy, forward=forward)
        curve = batch_size(
            step, (images, labels), lr=spec["rate"], sizes=[size], epochs=spec.get("passes"),
            updates=spec.get("updates"), micro_batch=min(config.micro_batch, size),
            seed=seeds.integer(config.seed, "batch size", repeat), progress=progress,
        )  # fmt: skip
    return {"loss": float(curve.losses[0, 0])}, {"losses": np.array(losses)}
