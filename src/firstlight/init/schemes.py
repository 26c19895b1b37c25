"""Draw initial weights and biases for all layers of a model, by one of several schemes."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from firstlight.init import lsuv
from firstlight.init.activations import NO_ACTIVATION, NextActivation, named, next_activations
from firstlight.init.formulas import he_std, rai_std, uniform_bound, xavier_std
from firstlight.init.layers import TRANSPOSED, LayerWeight, Plain, layer_weights

Drawn = tuple[Tensor, Tensor | None]
Rule = Callable[[LayerWeight, NextActivation, torch.Generator], Drawn]


def _empty(like: Tensor, source: torch.Generator) -> Tensor:
    """Return an empty tensor to draw in: on the generator's device, in single precision or more."""
    dtype = torch.promote_types(like.dtype, torch.float32)
    return torch.empty(like.shape, dtype=dtype, device=source.device)


def _zeros(target: LayerWeight) -> Tensor | None:
    return None if target.bias is None else torch.zeros_like(target.bias)


def _normal(target: LayerWeight, std: float, source: torch.Generator) -> Drawn:
    """Return weights N(0, std²) and zero biases."""
    return _empty(target.weight, source).normal_(0, std, generator=source), _zeros(target)


def _uniform(target: LayerWeight, std: float, source: torch.Generator) -> Drawn:
    """Return uniform weights with the standard deviation ``std``, and zero biases."""
    bound = uniform_bound(std)
    return _empty(target.weight, source).uniform_(-bound, bound, generator=source), _zeros(target)


def _orthogonal(target: LayerWeight, gain: float, source: torch.Generator) -> Drawn:
    """Return blocks with orthonormal rows or columns, whichever are fewer, times ``gain``."""
    drawn = _empty(target.weight, source)
    for block in drawn.chunk(target.blocks):
        nn.init.orthogonal_(block, gain, generator=source)
    return drawn, _zeros(target)


def _torch(target: LayerWeight, _following: NextActivation, source: torch.Generator) -> Drawn:
    weight, bias = target.bounds
    drawn = _empty(target.weight, source).uniform_(-weight, weight, generator=source)
    if target.bias is None or not bias:
        return drawn, _zeros(target)
    return drawn, _empty(target.bias, source).uniform_(-bias, bias, generator=source)


def _rai(target: LayerWeight, _following: NextActivation, source: torch.Generator) -> Drawn:
    """Draw every row (an output's weights and bias), then make one of its entries Beta(2, 1)."""
    drawn = _empty(target.weight, source)
    weights = _rows(target, drawn)
    outputs, inputs = weights.shape
    entries = drawn.new_empty(outputs, inputs + (target.bias is not None))
    entries.normal_(0, rai_std(inputs), generator=source)
    place = torch.empty(outputs, 1, dtype=torch.int64, device=source.device)
    place.random_(0, entries.shape[1], generator=source)
    # Beta(2, 1) has the distribution function x².
    entries.scatter_(1, place, drawn.new_empty(outputs, 1).uniform_(generator=source).sqrt_())
    drawn = _undo_rows(target, entries[:, :inputs], drawn)
    return drawn, None if target.bias is None else entries[:, inputs]


def _rows(target: LayerWeight, weight: Tensor) -> Tensor:
    """Return the weight as a matrix with one row for each output."""
    if not isinstance(target.layer, TRANSPOSED):
        return weight.reshape(weight.shape[0], -1)
    blocks = weight.reshape(target.blocks, -1, weight.shape[1], math.prod(weight.shape[2:]))
    return blocks.transpose(1, 2).reshape(target.blocks * weight.shape[1], -1)


def _undo_rows(target: LayerWeight, rows: Tensor, like: Tensor) -> Tensor:
    """Return rows in the shape of the weight that ``_rows`` was given."""
    if not isinstance(target.layer, TRANSPOSED):
        return rows.reshape(like.shape)
    taps = math.prod(like.shape[2:])
    blocks = rows.reshape(target.blocks, like.shape[1], -1, taps)
    return blocks.transpose(1, 2).reshape(like.shape)


def _xavier(target: LayerWeight) -> float:
    return xavier_std(target.fan_in, target.fan_out)


def _he(target: LayerWeight, following: NextActivation) -> float:
    return he_std(target.fan_in, following.slope)


RULES: dict[str, Rule] = {
    "xavier": lambda target, _, source: _normal(target, _xavier(target), source),
    "xavier_uniform": lambda target, _, source: _uniform(target, _xavier(target), source),
    "he": lambda target, following, source: _normal(target, _he(target, following), source),
    "he_uniform": lambda target, following, source: _uniform(
        target, _he(target, following), source
    ),
    "orthogonal": lambda target, following, source: _orthogonal(target, following.gain, source),
    "lsuv": lambda target, _, source: _orthogonal(target, 1.0, source),
    "rai": _rai,
    "torch": _torch,
}

SCHEMES = ("normal", *RULES)
"""Names of the schemes."""


def initialize(
    model: nn.Module,
    scheme: str,
    *,
    generator: torch.Generator,
    std: float | None = None,
    activation: str | None = None,
    inputs: Any = None,
) -> None:
    """Draw new weights and biases for a model's layers, in place.

    - ``normal``: N(0, std²).
    - ``xavier``, ``xavier_uniform``: Glorot's variance 2 / (fan_in + fan_out), whatever follows.
    - ``he``, ``he_uniform``: He's variance 2 / ((1 + a²) fan_in); a is the slope of the leaky ReLU,
      PReLU or RReLU that follows, and 0 whatever else does.
    - ``orthogonal``: orthonormal rows or columns, whichever are fewer, times 1 / √E φ(z)² for the
      activation φ that follows and z ~ N(0, 1): √2 for ReLU, 1 without an activation.
    - ``lsuv``: orthonormal, then every linear and convolutional layer is scaled, in the order of
      their calls, until its Z-values on ``inputs`` have variance 1 within 0.001.
    - ``rai``: weights and biases N(0, 0.6007² / inputs), then in each row (an output's weights and
      its bias) one entry, chosen at random, becomes Beta(2, 1).
    - ``torch``: the distribution that PyTorch gives a new layer, biases included.

    Biases are 0 but for ``rai`` and ``torch``. Layers are Linear, Conv and ConvTranspose in one to
    three dimensions, RNN, LSTM, GRU and their cells (each gate a matrix of its own) and
    MultiheadAttention. The weights are drawn one after another in the order of
    ``model.named_modules()`` from the one generator, so layers of equal shape differ. A parameter
    that several layers share is drawn once, for the first; a frozen one (``requires_grad`` False)
    keeps its values. Embeddings, normalization layers and parameters outside a layer keep theirs.
    Nothing else changes: buffers, gradients, modes, hooks and the global random state stay.

    Fans count the connections there are: those of one group, and with strides their average. With
    groups or strides they differ from ``torch.nn.init``'s, which counts neither.

    Args:
        model: with at least one such layer; its parameters have values.
        scheme: one of ``SCHEMES``.
        generator: moves on; weights are drawn on its device and then copied to the model's.
        std: of ``normal``, at least 0; for no other scheme.
        activation: what follows every layer, one of ``firstlight.meanfield.ACTIVATIONS`` (leaky
            ReLU with slope 0.01); without it, found by tracing the model, else by the order of its
            modules, else taken as ReLU. It matters to ``he``, ``he_uniform`` and ``orthogonal``.
        inputs: of ``lsuv``, a batch: a tensor, a tuple or list of arguments or a mapping of named
            ones; no other scheme looks at it.

    Raises:
        TypeError: ``model`` is no module or ``generator`` no generator.
        ValueError: an unknown scheme or activation, ``std`` or ``inputs`` missing or out of place,
            a model without layers, a weight that is not a plain parameter; with ``lsuv``, Z-values
            that cannot reach variance 1. The model is then as it was.

    Example:
        >>> model = nn.Sequential(nn.Linear(200, 100), nn.ReLU(), nn.Linear(100, 10))
        >>> initialize(model, "he", generator=torch.Generator().manual_seed(0))
        >>> round(model[0].weight.std().item(), 2)
        0.1

    Source: X. Glorot and Y. Bengio (2010), section 4.2; K. He et al. (2015), section 2.2; A. Saxe
    et al. (2014), section 3; D. Mishkin and J. Matas, "All you need is a good init" (2016); L. Lu
    et al., "Dying ReLU and initialization" (2020), section 4 (RAI).
    """
    _check(model, scheme, generator, std, inputs)
    weights = layer_weights(model)
    following = _following(model, weights, scheme, activation)
    before = [(p, p.detach().clone()) for p in model.parameters()] if scheme == "lsuv" else []
    done: set[nn.Parameter] = set()
    first = []
    try:
        for target in weights:
            if target.weight.requires_grad and target.weight not in done:
                first.append(target)
            _draw(target, scheme, following[target.layer], generator, std, done)
        if scheme == "lsuv":
            lsuv.scale(model, first, inputs)
    except BaseException:
        with torch.no_grad():
            for parameter, values in before:
                parameter.copy_(values)
        raise


def _draw(
    target: LayerWeight,
    scheme: str,
    following: NextActivation,
    generator: torch.Generator,
    std: float | None,
    done: set[nn.Parameter],
) -> None:
    """Draw one weight and its bias; what is done or frozen keeps its values."""
    wanted = {p for p in (target.weight, target.bias) if p is not None and p.requires_grad} - done
    if not wanted:
        return
    if std is not None:
        weight, bias = _normal(target, std, generator)
    else:
        weight, bias = RULES[scheme](target, following, generator)
    for parameter, values in ((target.weight, weight), (target.bias, bias)):
        if parameter in wanted and values is not None:
            with torch.no_grad():
                parameter.copy_(values)
    done |= wanted


def _following(
    model: nn.Module, weights: list[LayerWeight], scheme: str, activation: str | None
) -> dict[nn.Module, NextActivation]:
    """Return what follows each layer; the gates of recurrent layers and attention have no gain."""
    known = {target.layer: NO_ACTIVATION for target in weights}
    if activation is not None:
        given = named(activation)
        return {m: given if isinstance(m, Plain) else NO_ACTIVATION for m in known}
    if scheme in ("he", "he_uniform", "orthogonal"):
        known |= {m: f for m, f in next_activations(model).items() if isinstance(m, Plain)}
    return known


def _check(model: Any, scheme: str, generator: Any, std: float | None, inputs: Any) -> None:
    if not isinstance(model, nn.Module):
        raise TypeError(f"model: expected a torch.nn.Module, got {type(model).__name__}")
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator: expected a torch.Generator, got {type(generator).__name__}")
    if scheme not in SCHEMES:
        raise ValueError(f"scheme: expected one of {', '.join(SCHEMES)}, got {scheme!r}")
    if scheme == "normal" and (std is None or not 0 <= std < math.inf):
        raise ValueError(f"std: expected a finite number of at least 0 for 'normal', got {std}")
    if scheme != "normal" and std is not None:
        raise ValueError(f"std: expected None for {scheme!r}, which has its own, got {std}")
    if scheme == "lsuv" and inputs is None:
        raise ValueError("inputs: expected a batch for 'lsuv', got None; give a few inputs")
