"""What is measured on a trace: for each network and layer one row of numbers, and some values."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from firstlight import seeds
from firstlight.studies.initialization.config import InitializationConfig
from firstlight.studies.initialization.labels import KINDS, MEASURES, SAMPLE, SATURATED
from firstlight.studies.initialization.networks import ACTIVATIONS, Trace
from firstlight.types import Floats, Numbers


def moments(x: Tensor, about: float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean, standard deviation and mean square of each network's values.

    Rows of units are summed in the tensor's own precision and rows in double precision; x has the
    shape (networks, images, units), and ``about`` is near the mean, so that no digits are lost.
    """
    shifted = x - about if about else x
    square = (torch.linalg.vector_norm(shifted, dim=-1).double() ** 2).mean(-1) / x.shape[-1]
    mean = shifted.mean(-1).double().mean(-1)
    deviation = (square - mean**2).clamp_min(0).sqrt()
    return mean + about, deviation, square + 2 * about * mean + about**2


def measure(activation: str, passed: Trace) -> Floats:
    """Return ``MEASURES`` of every network and layer, shape (networks, layers, measures)."""
    limit = SATURATED * ACTIVATIONS[activation].largest
    rows = []
    for z, a, s, delta in zip(passed.z, passed.a, passed.slope, passed.delta, strict=True):
        row: dict[str, Tensor] = {}
        row["z_mean"], row["z_std"], _ = moments(z)
        about = 0.5 if activation == "sigmoid" else 0.0
        row["activation_mean"], row["activation_std"], row["activation_square"] = moments(a, about)
        _, row["gradient_std"], row["gradient_square"] = moments(delta)
        flat = (s < limit).to(s.dtype)
        row["saturated"] = flat.mean(-1).double().mean(-1)
        closed, whole = moments(delta * flat)[2], row["gradient_square"]
        row["gradient_open"] = torch.where(whole > 0, 1 - closed / whole, 0.0)
        rows.append(torch.stack([row[name] for name in MEASURES], dim=-1))
    return np.asarray(torch.stack(rows, dim=1).cpu().numpy())


def places(config: InitializationConfig, index: int, size: int) -> Tensor:
    """Return random places among ``size`` values, the same for every network of a seed."""
    stream = seeds.generator(config.seed, config.study, "places", index)
    return torch.from_numpy(stream.integers(0, size, SAMPLE))


def sample(passed: Trace, where: Tensor) -> Numbers:
    """Return single values of Z, activation and gradient, (networks, layers, kinds, values)."""
    at = where.to(passed.z[0].device)
    values = {"z": passed.z, "activation": passed.a, "gradient": passed.delta}
    kinds = [torch.stack([x.flatten(1)[:, at] for x in values[kind]], dim=1) for kind in KINDS]
    return np.asarray(torch.stack(kinds, dim=2).float().cpu().numpy())


def measured(traces: Mapping[str, Trace], where: Tensor) -> dict[str, Numbers]:
    """Return what is kept of each activation's networks.

    ``measured`` has the shape (activations, networks, layers, measures), ``sample`` (activations,
    networks, layers, kinds, values).
    """
    return {
        "measured": np.stack([measure(name, passed) for name, passed in traces.items()]),
        "sample": np.stack([sample(passed, where) for passed in traces.values()]),
    }
