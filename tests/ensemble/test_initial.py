"""Initial parameters: each rule's distribution, and networks that do not depend on their number."""

import math
from typing import get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats

from firstlight import seeds
from firstlight.ensemble.initial import Init, initial
from firstlight.ensemble.spec import Network
from firstlight.init.formulas import RAI_SCALE

SHAPE = Network((3, 5, 2, 4))
INITS = get_args(Init)
MANY = 4000
RARE = 1e-3  # the chance that a correct rule fails one of the seeded distribution tests

Layers = list[tuple[NDArray[np.floating], NDArray[np.floating]]]


def layers(init: Init, count: int = MANY, network: Network = SHAPE) -> Layers:
    return network.unpack(initial(network, init, count, 0))


@pytest.mark.parametrize("init", ["he", "xavier"])
def test_normal_weights_have_their_scale_and_biases_are_zero(init: Init) -> None:
    for weight, bias in layers(init):
        outputs, inputs = weight.shape[1:]
        fan = inputs if init == "he" else inputs + outputs
        assert not bias.any()
        assert stats.kstest(weight.ravel() / math.sqrt(2 / fan), "norm").pvalue > RARE


def test_torch_rule_is_that_of_a_linear_layer() -> None:
    torch.manual_seed(0)
    for weight, bias in layers("torch", 300):
        outputs, inputs = weight.shape[1:]
        peers = [torch.nn.Linear(inputs, outputs) for _ in range(300)]
        for ours, name in ((weight, "weight"), (bias, "bias")):
            theirs = torch.cat([getattr(peer, name).detach().ravel() for peer in peers]).numpy()
            assert np.abs(ours).max() <= 1 / math.sqrt(inputs)
            assert stats.ks_2samp(ours.ravel(), theirs).pvalue > RARE


def test_rai_replaces_one_random_entry_of_each_row() -> None:
    source = seeds.generator(0, "initial", "rai")
    rows = sum(SHAPE.widths[1:])
    normal = source.standard_normal((MANY, SHAPE.parameters + 2 * rows))[:, : SHAPE.parameters]
    for (weight, bias), (z, zb) in zip(layers("rai"), SHAPE.unpack(normal), strict=True):
        inputs = weight.shape[2]
        ours = np.concatenate([weight, bias[..., None]], axis=-1)
        before = np.concatenate([z, zb[..., None]], axis=-1) * RAI_SCALE / math.sqrt(inputs)
        changed = ~np.isclose(ours, before, rtol=1e-12, atol=0)
        assert (changed.sum(axis=-1) == 1).all()
        places = changed.sum(axis=(0, 1))
        assert stats.chisquare(places).pvalue > RARE
        assert stats.kstest(ours[changed], stats.beta(2, 1).cdf).pvalue > RARE
        assert stats.kstest(before.ravel() * math.sqrt(inputs) / 0.6007, "norm").pvalue > RARE


def test_rai_chooses_place_and_value_independently() -> None:
    (weight, bias), *_ = layers("rai", 20_000, Network((1, 1, 1)))
    normal = seeds.generator(0, "initial", "rai").standard_normal((20_000, 8))
    at_bias = ~np.isclose(bias[:, 0], normal[:, 1] * RAI_SCALE, rtol=1e-12, atol=0)
    values = np.where(at_bias, bias[:, 0], weight[:, 0, 0])
    assert stats.ks_2samp(values[at_bias], values[~at_bias]).pvalue > RARE


@pytest.mark.parametrize("widths", [(1, 2, 2, 1), (3, 5, 2, 4), (40, 40, 7)])
def test_orthogonal_rows_or_columns(widths: tuple[int, ...]) -> None:
    for weight, bias in layers("orthogonal", 50, Network(widths)):
        outputs, inputs = weight.shape[1:]
        w = weight if outputs <= inputs else weight.swapaxes(1, 2)
        products = w @ w.swapaxes(1, 2)
        np.testing.assert_allclose(
            products, np.broadcast_to(2 * np.eye(w.shape[1]), products.shape), atol=1e-12
        )
        assert not bias.any()


def test_orthogonal_is_uniform_over_rotations_and_reflections() -> None:
    weight = layers("orthogonal", MANY, Network((2, 2, 1)))[0][0]
    turn = np.arctan2(weight[:, 1, 0], weight[:, 0, 0])
    assert stats.kstest(turn, stats.uniform(-math.pi, 2 * math.pi).cdf).pvalue > RARE
    mirrored = int((np.linalg.det(weight) < 0).sum())
    assert stats.binomtest(mirrored, MANY).pvalue > RARE


@pytest.mark.parametrize("init", INITS)
def test_a_network_does_not_depend_on_how_many_are_drawn(init: Init) -> None:
    ten = initial(SHAPE, init, 10, 3)
    assert ten.shape == (10, SHAPE.parameters)
    assert ten.dtype == np.float64
    np.testing.assert_allclose(initial(SHAPE, init, 25, 3)[:10], ten, rtol=1e-12)
    source = seeds.generator(3, "initial", init)
    parts = [initial(SHAPE, init, count, source) for count in (4, 6)]
    np.testing.assert_allclose(np.concatenate(parts), ten, rtol=1e-12)
    assert not np.isclose(initial(SHAPE, init, 10, 4), ten).all(axis=1).any()


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match=r"init: expected one of he, xavier.*got 'lecun'"):
        initial(SHAPE, "lecun", 1, 0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="count: expected at least 1 network, got 0"):
        initial(SHAPE, "he", 0, 0)
    with pytest.raises(ValueError, match="seed: expected at least 0, got -1"):
        initial(SHAPE, "he", 1, -1)
