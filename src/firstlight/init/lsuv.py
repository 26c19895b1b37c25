"""Layer-sequential unit variance: each layer's weights are scaled until its Z-values have it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from firstlight.init.layers import LayerWeight, Plain

TOLERANCE = 1e-3
"""Largest distance of a layer's variance from 1."""
TRIES = 10


def scale(model: nn.Module, weights: list[LayerWeight], inputs: Any) -> None:
    """Divide the weights, layer after layer as the model calls them, until Var Z is 1.

    Args:
        model: run on ``inputs`` in evaluation mode, without gradients.
        weights: those that may be scaled; recurrent and attention layers among them are left.
        inputs: a batch: a tensor, a tuple or list of arguments or a mapping of named ones.

    Raises:
        ValueError: a layer's Z-values are all equal or not finite, or do not reach variance 1.
    """
    scaled: dict[nn.Module, LayerWeight] = {
        weight.layer: weight for weight in weights if isinstance(weight.layer, Plain)
    }
    with _restored(model), torch.no_grad():
        for layer in _order(model, list(scaled), inputs):
            _unit(model, scaled[layer], inputs)


def _unit(model: nn.Module, target: LayerWeight, inputs: Any) -> None:
    variance = _variance(model, target.layer, inputs)
    for _ in range(TRIES):
        if not 0 < variance < float("inf"):
            raise ValueError(
                f"{target.name}: expected Z-values that vary, got variance {variance}; "
                f"give inputs of usual size that differ, or another scheme"
            )
        target.weight.div_(variance**0.5)
        variance = _variance(model, target.layer, inputs)
        if abs(variance - 1) <= TOLERANCE:
            return
    raise ValueError(
        f"{target.name}: expected variance 1 within {TOLERANCE} after {TRIES} tries, "
        f"got {variance:.6g}; a frozen bias or a weight shared with an earlier layer can prevent it"
    )


def _variance(model: nn.Module, layer: nn.Module, inputs: Any) -> float:
    """Return the variance of a layer's Z-values over the batch, its units and all its calls."""
    seen: list[Tensor] = []
    handle = layer.register_forward_hook(lambda _m, _i, out: seen.append(out.double().flatten()))
    try:
        _call(model, inputs)
    finally:
        handle.remove()
    return float(torch.cat(seen).var(correction=0))


def _order(model: nn.Module, layers: list[nn.Module], inputs: Any) -> list[nn.Module]:
    """Return the layers that the model calls, in the order of their first calls."""
    called: dict[nn.Module, None] = {}
    handles = [
        layer.register_forward_hook(lambda module, _i, _o: called.setdefault(module))
        for layer in layers
    ]
    try:
        _call(model, inputs)
    finally:
        for handle in handles:
            handle.remove()
    return list(called)


def _call(model: nn.Module, inputs: Any) -> None:
    if isinstance(inputs, Mapping):
        model(**inputs)
    elif isinstance(inputs, tuple | list):
        model(*inputs)
    else:
        model(inputs)


@contextmanager
def _restored(model: nn.Module) -> Iterator[None]:
    """Evaluate, and put modes, buffers and the global random state back."""
    modes = [(module, module.training) for module in model.modules()]
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    devices = {p.device.index for p in model.parameters() if p.device.type == "cuda"}
    with torch.random.fork_rng(devices=sorted(devices)):
        try:
            model.eval()
            yield
        finally:
            for module, mode in modes:
                module.training = mode
            with torch.no_grad():
                for buffer, before in buffers:
                    buffer.copy_(before)
