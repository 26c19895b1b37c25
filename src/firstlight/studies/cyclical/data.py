"""The images of the cyclical study, and the network that all its trials start from."""

from collections.abc import Mapping
from typing import Any

import torch

from firstlight import seeds
from firstlight.studies.cyclical.config import CyclicalConfig
from firstlight.data.split import Split, standardized
from firstlight.data.split import loaded as _loaded
from firstlight.models.minigooglenet import MiniGoogLeNet, resized


def loaded(folder: str | None, config: CyclicalConfig, device: str) -> Split:
    """Return the run's images, standardized, shape (n, 1, 32, 32); read once in each process.

    Args:
        folder: the folder with the data, or None for the known places.
        config: the study's parameters.
        device: where the tensors shall lie.
    """
    key = (folder, config.seed, config.train_images, config.validation_share, config.test_images)
    if _CACHE.get("key") != (*key, device):
        parts = standardized(
            _loaded(
                "fashion-mnist", folder, seed=config.seed, images=config.train_images,
                validation_share=config.validation_share, test_images=config.test_images,
                device=device,
            )
        )  # fmt: skip
        ready = Split(*((resized(x[:, None]), y) for x, y in (parts.train, parts.validation, parts.test)))  # fmt: skip
        _CACHE.update(key=(*key, device), parts=ready)
    found: Split = _CACHE["parts"]
    return found


_CACHE: dict[str, Any] = {}


def network(config: CyclicalConfig, index: int, device: str = "cpu") -> MiniGoogLeNet:
    """Return an untrained network; networks of one seed start from the same weights.

    Args:
        config: the study's parameters.
        index: number of the seed or repeat, from 0.
        device: where the network shall lie.
    """
    model = MiniGoogLeNet(
        seeds.torch_generator(config.seed, "weights", index),
        masks=seeds.torch_generator(config.seed, "masks", index, device=device),
        width=config.width,
    )
    return model.to(device)


def sgd(model: MiniGoogLeNet, config: CyclicalConfig, rate: float) -> torch.optim.SGD:
    """Return stochastic gradient descent with the study's momentum and no weight decay."""
    return torch.optim.SGD(model.parameters(), lr=rate, momentum=config.momentum)


def spec_of(config: CyclicalConfig, fingerprint: str, names: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a trial is: ``names``, the data, and the parameters that all trials share.

    A parameter that only some trials use is among their ``names``, so that a finished trial stays
    good when another part of the study is changed.
    """
    shared = (
        "seed", "width", "train_images", "test_images", "validation_share", "micro_batch",
        "momentum",
    )  # fmt: skip
    return {**names, **{name: getattr(config, name) for name in shared}, "data": fingerprint}


def config_from(spec: dict[str, Any]) -> CyclicalConfig:
    """Return a config with the values that a trial's spec names; the others do not matter to it."""
    known = {"seed", "width", "train_images", "test_images", "validation_share", "micro_batch",
             "momentum", "epochs", "cycles", "final_amplitude", "batch_size"}  # fmt: skip
    return CyclicalConfig(**{name: value for name, value in spec.items() if name in known})
