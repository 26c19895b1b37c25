"""Draw initial weights and biases for all layers of a model, by one of several schemes."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from firstlight.init.formulas import he_std, rai_std, uniform_bound, xavier_std
from firstlight.init.layers import (
    NO_ACTIVATION,
    TRANSPOSED,
    LayerWeight,
    NextActivation,
    Plain,
    layer_weights,
    named,
    next_activations,
)

Drawn = tuple[Tensor, Tensor | None]
"""Weights, and biases where they are not zero."""
Rule = Callable[[LayerWeight, NextActivation, torch.Generator], Drawn]


def _empty(like: Tensor, source: torch.Generator) -> Tensor:
    """Return an empty tensor to draw in: on the generator's device, in single precision or more."""
    dtype = torch.promote_types(like.dtype, torch.float32)
    return torch.empty(like.shape, dtype=dtype, device=source.device)


def _normal(target: LayerWeight, std: float, source: torch.Generator) -> Drawn:
    return _empty(target.weight, source).normal_(0, std, generator=source), None


def _uniform(target: LayerWeight, std: float, source: torch.Generator) -> Drawn:
    """Return uniform weights with the standard deviation ``std``."""
    bound = uniform_bound(std)
    return _empty(target.weight, source).uniform_(-bound, bound, generator=source), None


def _orthogonal(target: LayerWeight, gain: float, source: torch.Generator) -> Drawn:
    """Return blocks with orthonormal rows or columns, whichever are fewer, times ``gain``."""
    drawn = _empty(target.weight, source)
    for block in drawn.chunk(target.blocks):
        nn.init.orthogonal_(block, gain, generator=source)
    return drawn, None


def _torch(target: LayerWeight, _: NextActivation, source: torch.Generator) -> Drawn:
    weight, bias = target.bounds
    drawn = _empty(target.weight, source).uniform_(-weight, weight, generator=source)
    if target.bias is None or not bias:
        return drawn, None
    return drawn, _empty(target.bias, source).uniform_(-bias, bias, generator=source)


def _rai(target: LayerWeight, _: NextActivation, source: torch.Generator) -> Drawn:
    """Draw every row (an output's weights and bias), then make one of its entries Beta(2, 1)."""
    drawn = _empty(target.weight, source)
    # The weight as blocks of rows, one row for each output, whose entries are its inputs.
    blocks = drawn.reshape(target.blocks, -1, drawn.shape[1], math.prod(drawn.shape[2:]))
    if isinstance(target.layer, TRANSPOSED):
        blocks = blocks.transpose(1, 2)
    outputs, inputs = len(blocks) * blocks.shape[1], math.prod(blocks.shape[2:])
    entries = drawn.new_empty(outputs, inputs + (target.bias is not None))
    entries.normal_(0, rai_std(inputs), generator=source)
    place = torch.empty(outputs, 1, dtype=torch.int64, device=source.device)
    place.random_(0, entries.shape[1], generator=source)
    # Beta(2, 1) has the distribution function x².
    entries.scatter_(1, place, drawn.new_empty(outputs, 1).uniform_(generator=source).sqrt_())
    blocks.copy_(entries[:, :inputs].reshape(blocks.shape))
    return drawn, None if target.bias is None else entries[:, inputs]


def _xavier(target: LayerWeight) -> float:
    return xavier_std(target.fan_in, target.fan_out)


def _he(target: LayerWeight, after: NextActivation) -> float:
    return he_std(target.fan_in, after.slope)


RULES: dict[str, Rule] = {
    "xavier": lambda target, _, source: _normal(target, _xavier(target), source),
    "xavier_uniform": lambda target, _, source: _uniform(target, _xavier(target), source),
    "he": lambda target, after, source: _normal(target, _he(target, after), source),
    "he_uniform": lambda target, after, source: _uniform(target, _he(target, after), source),
    "orthogonal": lambda target, after, source: _orthogonal(target, after.gain, source),
    "lsuv": lambda target, _, source: _orthogonal(target, 1.0, source),
    "rai": _rai,
    "torch": _torch,
}

SCHEMES = ("normal", *RULES)
"""Names of the schemes."""

TOLERANCE = 1e-3
"""Largest distance of a layer's variance from 1 under ``lsuv``."""
TRIES = 10
"""Scalings of each layer at most."""


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
    drawn: dict[nn.Module, LayerWeight] = {}
    try:
        for target in weights:
            if target.weight.requires_grad and target.weight not in done:
                drawn[target.layer] = target
            _draw(target, scheme, following[target.layer], generator, std, done)
        if scheme == "lsuv":
            _scale(model, drawn, inputs)
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
    if std is None:
        weight, bias = RULES[scheme](target, following, generator)
    else:
        weight, bias = _normal(target, std, generator)
    with torch.no_grad():
        if target.weight in wanted:
            target.weight.copy_(weight)
        if target.bias is not None and target.bias in wanted:
            target.bias.copy_(torch.zeros(()) if bias is None else bias)
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


def _scale(model: nn.Module, drawn: dict[nn.Module, LayerWeight], inputs: Any) -> None:
    """Divide the weights, layer after layer as the model calls them, until Var Z is 1."""
    called: dict[nn.Module, None] = {}
    with _restored(model), torch.no_grad():
        plain = [layer for layer in drawn if isinstance(layer, Plain)]
        _call(model, inputs, plain, lambda layer, _i, _o: called.setdefault(layer))
        for layer in called:
            _unit(model, drawn[layer], inputs)


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
    _call(model, inputs, [layer], lambda _m, _i, out: seen.append(out.double().flatten()))
    return float(torch.cat(seen).var(correction=0))


def _call(
    model: nn.Module, inputs: Any, layers: Iterable[nn.Module], hook: Callable[..., None]
) -> None:
    """Run the model once with a hook on some of its layers."""
    handles = [layer.register_forward_hook(hook) for layer in layers]
    try:
        if isinstance(inputs, Mapping):
            model(**inputs)
        else:
            model(*(inputs if isinstance(inputs, tuple | list) else (inputs,)))
    finally:
        for handle in handles:
            handle.remove()


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
