"""LeNet-5, with batch normalization and dropout where they are asked for.

Convolution and the average pooling after it are one matrix product over windows. A 2 × 2 average
pool needs four neighboring outputs of a k × k convolution; all four see one window of (k+1) × (k+1)
inputs. Gathering every window once, as the columns of a matrix, turns the convolution into a product
with the kernel placed at the four corners of the window, and the pool into the mean of four slabs.
The batch is the last axis, so every copy moves whole runs of memory. On a processor this trains
about twice as fast as ``conv2d`` and ``avg_pool2d``.
"""

import math
from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from firstlight.models._dropout import drop as zeroed

LAYERS = ("input", "conv1", "conv2", "fc1", "fc2")
"""Where batch normalization may stand: on the input, and before the tanh of each hidden layer.

Dropout may stand behind the same: on what the input or a hidden layer hands on.
"""

SIDE = 32
"""Pixels on a side of the padded image."""

Watch = Callable[[str, str, Tensor], None]
"""Called as ``watch(layer, what, values)``, values of shape (units, observations).

``what`` is ``"sum"`` for a layer's values before its normalization (for the input: the pixels as
they come) and ``"output"`` for what the layer hands on, after tanh and pooling, before dropout.
"""


def _silent(layer: str, what: str, values: Tensor) -> None:
    """Watch nothing."""


class LeNet5(nn.Module):
    """LeNet-5: 61,706 parameters without extras.

    The 28 × 28 image is padded to 32 × 32; then C1 6 @ 5 × 5, tanh, average pool 2, C3 16 @ 5 × 5
    connected to all six maps, tanh, average pool 2, and fully connected layers of 120, 84 and 10
    units. A hidden layer is: weighted sum, batch normalization (if asked for), tanh, pooling (C1
    and C3), dropout (if asked for). On the input, batch normalization comes before dropout.

    Weights are Glorot uniform, biases zero, drawn in a fixed order from ``weights``: networks with
    and without extras start from the same weights.

    Args:
        weights: generator of the initial weights.
        norm: the layers with batch normalization, any of ``LAYERS``.
        input_dropout: probability that a pixel is dropped in training.
        hidden_dropout: probability that an output of C1, C3 or a hidden unit is dropped.
        drop: the layers behind which there is dropout, any of ``LAYERS``.
        masks: generator of the dropout masks; needed where a probability is above 0.

    Raises:
        ValueError: an unknown layer, or dropout somewhere without a generator.

    Example:
        >>> model = LeNet5(torch.Generator().manual_seed(0))
        >>> sum(p.numel() for p in model.parameters())
        61706
        >>> model(torch.zeros(3, 28, 28)).shape
        torch.Size([3, 10])

    Source: Y. LeCun et al., "Gradient-based learning applied to document recognition" (1998),
    section II.B, with full connections in C3 and plain average pools as is usual today.
    """

    def __init__(
        self,
        weights: torch.Generator,
        *,
        norm: Collection[str] = (),
        input_dropout: float = 0.0,
        hidden_dropout: float = 0.0,
        drop: Collection[str] = LAYERS,
        masks: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        for argument, layers in (("norm", norm), ("drop", drop)):
            unknown = sorted(set(layers) - set(LAYERS))
            if unknown:
                known = ", ".join(LAYERS)
                raise ValueError(f"{argument}: expected any of {known}, got {unknown[0]!r}")
        chances = {k: input_dropout if k == "input" else hidden_dropout for k in drop}
        if masks is None and any(chances.values()):
            raise ValueError("masks: expected a generator where something is dropped, got None")
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.out = nn.Linear(84, 10)
        sizes = {"input": 1, "conv1": 6, "conv2": 16, "fc1": 120, "fc2": 84}
        self.norms = nn.ModuleDict({k: nn.BatchNorm1d(sizes[k]) for k in LAYERS if k in norm})
        self.dropout, self._masks = chances, masks
        for layer in (self.conv1, self.conv2, self.fc1, self.fc2, self.out):
            nn.init.xavier_uniform_(layer.weight, generator=weights)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # these layers have a bias

    def forward(self, images: Tensor, watch: Watch = _silent) -> Tensor:
        """Return the logits, shape (n, 10).

        Args:
            images: shape (n, 28, 28) or (n, 32, 32), with or without a channel axis of 1.
            watch: is shown the values inside, see ``Watch``.
        """
        return self.head(self.body(images, watch), watch)

    def body(self, images: Tensor, watch: Watch = _silent) -> Tensor:
        """Return the outputs of fc1 before dropout, shape (120, n)."""
        x = self._normalized("input", _batch_last(images), watch, axis=0)
        x = self._dropped("input", x)
        margin = (SIDE - x.shape[1]) // 2
        x = torch.constant_pad_nd(x, (0, 0, margin, margin, margin, margin))
        for name, conv in (("conv1", self.conv1), ("conv2", self.conv2)):
            z = convolve(x, conv.weight, conv.bias)  # type: ignore[arg-type]  # has a bias
            x = torch.tanh(self._normalized(name, z, watch, axis=1)).mean(0)
            if watch is not _silent:
                watch(name, "output", x.flatten(1))
            x = self._dropped(name, x)
        return self._dense("fc1", self.fc1, x.flatten(0, 2), watch)

    def head(self, hidden: Tensor, watch: Watch = _silent) -> Tensor:
        """Return the logits, shape (n, 10), from the outputs of fc1, shape (120, n)."""
        x = self._dropped("fc1", hidden)
        x = self._dropped("fc2", self._dense("fc2", self.fc2, x, watch))
        return torch.addmm(self.out.bias[:, None], self.out.weight, x).t()

    def _dense(self, name: str, layer: nn.Linear, x: Tensor, watch: Watch) -> Tensor:
        z = torch.addmm(layer.bias[:, None], layer.weight, x)
        y = torch.tanh(self._normalized(name, z, watch, axis=0))
        watch(name, "output", y)
        return y

    def _normalized(self, name: str, z: Tensor, watch: Watch, *, axis: int) -> Tensor:
        """Return ``z`` after the layer's batch normalization, if it has one; units on ``axis``."""
        if watch is not _silent:
            watch(name, "sum", z.transpose(0, axis).reshape(z.shape[axis], -1))
        if name not in self.norms:
            return z
        norm = self.norms[name]
        if not isinstance(norm, nn.BatchNorm1d):
            raise TypeError(f"norms[{name!r}]: expected BatchNorm1d, got {type(norm).__name__}")
        flat = z.flatten(2) if axis else z.flatten(1)[None]
        return functional.batch_norm(
            flat, norm.running_mean, norm.running_var, norm.weight, norm.bias,
            norm.training, norm.momentum or 0.0, norm.eps,
        ).view_as(z)  # fmt: skip

    def _dropped(self, name: str, x: Tensor) -> Tensor:
        """Return ``x`` after the dropout behind a layer, if it has one and the network trains."""
        probability = self.dropout.get(name, 0.0)
        if not self.training or self._masks is None or probability == 0:
            return x
        return zeroed(x, probability, self._masks)


def _batch_last(images: Tensor) -> Tensor:
    """Return the images as (1, height, width, n), the layout that ``convolve`` wants."""
    shape: tuple[int, ...] = tuple(images.shape)
    n, side = (shape[0], shape[-1]) if len(shape) >= 3 else (0, 0)
    if side not in (28, SIDE) or math.prod(shape) != n * side**2:
        raise ValueError(f"images: expected shape (n, 28, 28) or (n, 32, 32), got {shape}")
    return images.reshape(n, side**2).t().contiguous().view(1, side, side, n)


class _Gather(torch.autograd.Function):
    """Windows as columns, and the sum over overlapping windows on the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, side: int, shape: tuple[int, int, int, int]) -> Tensor:
        ctx.shape, ctx.side = shape, side
        channels, height, width, batch = shape
        rows, columns = (height - side) // 2 + 1, (width - side) // 2 + 1
        step = (height * width * batch, width * batch, batch)
        strides = (*step, 2 * width * batch, 2 * batch, 1)
        windows = x.as_strided((channels, side, side, rows, columns, batch), strides)
        return windows.reshape(channels * side * side, rows * columns * batch)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (channels, height, width, batch), half = ctx.shape, ctx.side // 2
        rows, columns = height // 2 - half + 1, width // 2 - half + 1
        grad = gradients[0].view(channels, half, 2, half, 2, rows, columns, batch)
        total = grad.new_zeros(channels, height // 2, 2, width // 2, 2, batch)
        # The four pixels of each square move together: a quarter of the additions of single pixels.
        for i in range(half):
            for j in range(half):
                moved = grad[:, i, :, j].permute(0, 3, 1, 4, 2, 5)
                total[:, i : i + rows, :, j : j + columns] += moved
        return total.view(channels, height, width, batch), None, None


def gather(x: Tensor, side: int, shape: tuple[int, ...]) -> Tensor:
    """Return every ``side`` × ``side`` window, two apart, as a column.

    Args:
        x: shape (channels, height, width, batch); height and width are even.
        side: side of a window, in pixels, even, at most the height and the width.
        shape: of ``x``; handed on, since asking a tensor for it takes time.

    Returns:
        Shape (channels · side², rows · columns · batch), with rows = (height − side) // 2 + 1.

    Raises:
        ValueError: ``x`` has another number of axes, an odd side, or is smaller than a window.

    Example:
        >>> gather(torch.zeros(1, 6, 8, 3), 6, (1, 6, 8, 3)).shape
        torch.Size([36, 6])
    """
    sides = (side, *shape[1:3]) if len(shape) == 4 else (1,)
    if min(sides) < side or any(length % 2 for length in sides):
        raise ValueError(
            f"x: expected (channels, height, width, batch) with even sides of at least {side}, "
            f"got {shape}; put the batch last and pad the image"
        )
    columns: Tensor = _Gather.apply(x.contiguous(), side, shape)  # type: ignore[no-untyped-call]  # torch's own
    return columns


def at_corners(weight: Tensor) -> Tensor:
    """Return a k × k kernel placed at the four corners of a (k+1) × (k+1) window.

    Args:
        weight: shape (out, in, k, k), as in ``torch.nn.Conv2d``.

    Returns:
        Shape (4 · out, in · (k+1)²); rows are ordered corner first.
    """
    pad = torch.constant_pad_nd
    corners = [pad(weight, (j, 1 - j, i, 1 - i)) for i in (0, 1) for j in (0, 1)]
    return torch.stack(corners).flatten(0, 1).flatten(1)


def convolve(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return the convolution's outputs, the four of each pooled square as four slabs.

    The mean over the first axis is ``avg_pool2d(conv2d(x, weight, bias), 2)``.

    Args:
        x: shape (in, height, width, batch).
        weight: shape (out, in, k, k).
        bias: shape (out,).

    Returns:
        Shape (4, out, rows, columns, batch), with rows = (height − k + 1) // 2.
    """
    out, _, side, _ = weight.shape
    _, height, width, batch = shape = tuple(x.shape)
    rows, columns = (height - side + 1) // 2, (width - side + 1) // 2
    y = torch.addmm(bias.repeat(4)[:, None], at_corners(weight), gather(x, side + 1, shape))
    return y.view(4, out, rows, columns, batch)
