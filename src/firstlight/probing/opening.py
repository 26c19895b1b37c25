"""The function that puts a probe on a model."""

from collections.abc import Mapping

import torch
from torch import nn

from firstlight.probing.probe import Probe


def probe(
    model: nn.Module,
    *,
    optimizer: torch.optim.Optimizer | None = None,
    saturation: float = 0.05,
    functional: bool = True,
    gradients: bool = True,
    every: int = 1,
    axes: Mapping[str, int] | None = None,
) -> Probe:
    """Measure every layer of a model while it runs forward and backward as usual.

    For each layer and unit, over any number of batches: mean, standard deviation, share of zeros,
    share of saturated values (|φ′| <= threshold, from the activation's own derivative), all exact,
    and a sketch of quantiles from a fixed stride through the numbers. Z-values are the outputs of
    layers with weights; activations are the outputs of activation modules and functions. The
    derivatives of the loss by the Z-values and by the parameters are measured for layers with
    parameters, in the passes that ``gradients_due`` names. A ReLU unit is
    dead when it is zero on all data seen. No activations are kept, and what is kept has a fixed
    size. The model's results, parameters, buffers, gradients, hooks, modes and the random state are
    bit for bit what they are without a probe, also when the block ends with an exception.

    Units are the last axis for dense, recurrent and attention layers, the channels for
    convolutions; other layers follow the layer before them with outputs of the same shape. Of
    several outputs the first tensor is measured. Where PyTorch takes its fused path through a
    transformer in evaluation, it still does, and the inner layers are not seen: see ``notes``. The
    same holds inside scripted modules.

    Args:
        model: any module; not compiled.
        optimizer: if given, the ratio of update to weights is measured at each of its steps.
        saturation: threshold of |φ′|, between 0 and 0.25.
        functional: measure activations that are called as functions, e.g. ``torch.tanh(x)``; they
            are named after the module around them, e.g. ``features.tanh#1``.
        gradients: measure gradients of Z-values and of parameters.
        every: measure one in so many forward passes of the model.
        axes: layer → axis of its units, where the rule above is wrong.

    Raises:
        ValueError: ``saturation`` or ``every`` is outside its range.
        TypeError: ``model`` is not a module.

    Example:
        >>> model = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
        >>> with torch.no_grad():
        ...     _ = model[0].weight.zero_(), model[0].bias.copy_(torch.tensor([1.0, -1.0]))
        >>> with probe(model) as p:
        ...     _ = model(torch.ones(8, 3))
        >>> p.table()[1]["layer"], p.table()[1]["dead_units"]
        ('1', 1)
    """
    return Probe(model, optimizer, saturation, functional, gradients, every, axes or {})
