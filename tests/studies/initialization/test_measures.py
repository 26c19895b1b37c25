"""What is measured on a trace, against double precision and by counting."""

import numpy as np
import pytest
import torch

from firstlight.studies.initialization.labels import MEASURES
from firstlight.studies.initialization.measures import measure, moments
from firstlight.studies.initialization.networks import ACTIVATIONS, Trace


def test_saturation_is_counted_exactly() -> None:
    z = torch.tensor([0.0, 2.17, 2.19, -3.0, -2.0, 5.0, 0.1, 1.0])[None, :, None]
    a = torch.tanh(z)
    row = measure("tanh", Trace([z], [a], [ACTIVATIONS["tanh"].slope(a)], [z]))[0, 0]
    share = dict(zip(MEASURES, row, strict=True))["saturated"]
    assert share == 3 / 8  # |tanh z| above √0.95, that is |z| above 2.178


def test_the_gradient_of_units_that_are_not_saturated_is_counted() -> None:
    z = torch.tensor([0.0, 3.0])[None, :, None]
    a, delta = torch.tanh(z), torch.tensor([3.0, 4.0])[None, :, None]
    slope = ACTIVATIONS["tanh"].slope(a)
    for gradient, expected in ((delta, 9 / 25), (0 * delta, 0.0)):
        row = measure("tanh", Trace([z], [a], [slope], [gradient]))[0, 0]
        share = dict(zip(MEASURES, row, strict=True))["gradient_open"]
        assert share == pytest.approx(expected)


def test_moments_keep_small_deviations() -> None:
    """A sigmoid's values near ½, in single precision, against double precision."""
    x = 0.5 + 1e-4 * torch.randn(3, 40, 50, generator=torch.Generator().manual_seed(0))
    mean, deviation, square = moments(x, about=0.5)
    assert np.allclose(mean, x.double().mean(dim=(1, 2)), rtol=1e-7)
    assert np.allclose(deviation, x.double().flatten(1).std(dim=1, correction=0), rtol=1e-4)
    assert np.allclose(square, x.double().square().mean(dim=(1, 2)), rtol=1e-6)
