"""MiniGoogLeNet: two kinds of convolutional modules stacked, for small images."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from firstlight.models._dropout import drop

SIDE = 32
"""Pixels on a side of the image that the network works on, at resolution 1."""

LEAST_SIDE = 7
"""Pixels on a side of which the two downsamplings leave one."""

FIRST = 96
"""Channels of the first convolution, at width 1."""

PLAN: tuple[tuple[int, ...], ...] = (
    (32, 32), (32, 48), (80,), (112, 48), (96, 64), (80, 80), (48, 96), (96,), (176, 160), (176, 160),
)  # fmt: skip
"""Channels at width 1: of the 1 × 1 and the 3 × 3 branch, or of a downsampling's convolution."""


def scaled(channels: int, width: float) -> int:
    """Return the channels at another width: rounded, at least one.

    Example:
        >>> scaled(96, 1.0), scaled(48, 0.25)
        (96, 12)
    """
    return max(1, round(channels * width))


def _module(inputs: int, outputs: int, side: int, *, stride: int = 1) -> nn.Sequential:
    """Return convolution, batch normalization and ReLU; with stride 2, without padding."""
    padding = side // 2 if stride == 1 else 0
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, side, stride, padding),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Inception(nn.Module):
    """A 1 × 1 and a 3 × 3 branch on the same input, their channels side by side."""

    def __init__(self, inputs: int, narrow: int, wide: int) -> None:
        super().__init__()
        self.narrow = _module(inputs, narrow, 1)
        self.wide = _module(inputs, wide, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Return shape (n, narrow + wide, height, width)."""
        return torch.cat([self.narrow(x), self.wide(x)], 1)


class Downsample(nn.Module):
    """A 3 × 3 convolution and a 3 × 3 maximum, both of stride 2, their channels side by side."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = _module(inputs, outputs, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Return shape (n, inputs + outputs, (height − 1) // 2, (width − 1) // 2)."""
        return torch.cat([self.conv(x), functional.max_pool2d(x, 3, 2)], 1)


class MiniGoogLeNet(nn.Module):
    """MiniGoogLeNet: 1,651,098 parameters at width 1 for gray images and ten classes.

    conv 96 3 × 3; inception (32, 32), (32, 48); downsample 80; inception (112, 48), (96, 64),
    (80, 80), (48, 96); downsample 96; inception (176, 160) twice; average pool 7 × 7; dropout;
    linear. A module is convolution, batch normalization, ReLU. Images of 28 × 28 pixels do not fit
    the last pool and are resized to 32 × 32, as in the original; at another resolution to as many
    pixels as it says, and the last pool takes whatever is left of them.

    Weights are Glorot uniform, biases zero, drawn in a fixed order from ``weights``.

    Args:
        weights: generator of the initial weights.
        masks: generator of the dropout masks, on the network's device; None drops nothing.
        width: factor on the channels of every layer, above 0.
        resolution: factor on the pixels of a side of the image; at least 7 must be left.
        dropout: probability that an input of the last layer is dropped in training.
        channels: channels of the images.
        classes: number of classes.

    Raises:
        ValueError: the width is not above 0, or the resolution is too low.

    Example:
        >>> model = MiniGoogLeNet(torch.Generator().manual_seed(0))
        >>> sum(p.numel() for p in model.parameters())
        1651098
        >>> model(torch.zeros(2, 28, 28)).shape
        torch.Size([2, 10])

    Source: A. Rosebrock, "Keras Learning Rate Finder", PyImageSearch (2019), after C. Zhang et al.,
    "Understanding deep learning requires rethinking generalization" (2017), appendix A. Both factors:
    A. Howard et al., "MobileNets" (2017), sections 3.3 and 3.4.
    """

    def __init__(
        self,
        weights: torch.Generator,
        *,
        masks: torch.Generator | None = None,
        width: float = 1.0,
        resolution: float = 1.0,
        dropout: float = 0.5,
        channels: int = 1,
        classes: int = 10,
    ) -> None:
        super().__init__()
        if not width > 0:
            raise ValueError(f"width: expected above 0, got {width}")
        least = LEAST_SIDE / SIDE
        if not resolution >= least:
            raise ValueError(f"resolution: expected at least {least:g}, got {resolution}")
        self.side = scaled(SIDE, resolution)
        size = scaled(FIRST, width)
        layers: list[nn.Module] = [_module(channels, size, 3)]
        for plan in PLAN:
            parts = [scaled(part, width) for part in plan]
            layers.append(Inception(size, *parts) if len(parts) == 2 else Downsample(size, *parts))
            size = sum(parts) if len(parts) == 2 else size + parts[0]
        self.channels = channels
        self.body = nn.Sequential(*layers)
        self.out = nn.Linear(size, classes)
        self.dropout, self._masks = dropout, masks
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(layer.weight, generator=weights)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # these layers have a bias

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits, shape (n, classes).

        Args:
            images: shape (n, channels, side, side), side being that of the resolution, or
                (n, channels, 28, 28); a single channel's axis may be missing.
        """
        x = self.body(self._images(images)).mean((2, 3))
        if self.training and self._masks is not None:
            x = drop(x, self.dropout, self._masks)
        logits: Tensor = self.out(x)
        return logits

    def _images(self, images: Tensor) -> Tensor:
        x = images[:, None] if images.ndim == 3 and self.channels == 1 else images
        if tuple(x.shape[1:]) not in [(self.channels, side, side) for side in (28, self.side)]:
            raise ValueError(
                f"images: expected shape (n, {self.channels}, {self.side}, {self.side}) or "
                f"(n, {self.channels}, 28, 28), got {tuple(images.shape)}"
            )
        return x if x.shape[2] == self.side else resized(x, self.side)


def resized(images: Tensor, side: int = SIDE) -> Tensor:
    """Return the images at other pixels a side, bilinear; where they shrink, over all they cover.

    Args:
        images: shape (n, channels, height, width).
        side: pixels on a side.

    Example:
        >>> resized(torch.ones(2, 1, 28, 28), 16).shape
        torch.Size([2, 1, 16, 16])
    """
    return functional.interpolate(
        images, size=(side, side), mode="bilinear", align_corners=False,
        antialias=side < images.shape[2],
    )  # fmt: skip
