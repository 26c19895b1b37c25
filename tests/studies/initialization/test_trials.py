"""The stacked networks of each experiment against plain PyTorch, one network at a time."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from firstlight.studies.initialization.data import BALL_DIMENSIONS, ball
from firstlight.studies.initialization.labels import MEASURES
from firstlight.studies.initialization.measures import places
from firstlight.studies.initialization.trials import DEEP_IMAGES, before, deep, on_ball, trials
from initialization_samples import CONFIG, INITS, MODULES, network, plain, seen, traced


@pytest.mark.parametrize("activation", MODULES)
def test_stacked_networks_are_plain_networks(activation: str) -> None:
    images = seen()
    order = tuple(MODULES).index(activation)
    phi = MODULES[activation]()
    for index in (1, 2):
        result = before(CONFIG, images, index)
        for k, init in enumerate(INITS):
            z, gradients = traced(plain(activation, init, index), images.x, images.y)
            rows = result["measured"][order, k]
            for layer in range(CONFIG.layers):
                v, g = z[layer].detach().double(), gradients[layer].double()
                a = phi(v)
                row = dict(zip(MEASURES, rows[layer], strict=True))
                assert row["z_std"] == pytest.approx(float(v.std(correction=0)), rel=1e-4)
                assert row["activation_mean"] == pytest.approx(float(a.mean()), rel=1e-3, abs=1e-6)
                assert row["activation_std"] == pytest.approx(float(a.std(correction=0)), rel=1e-4)
                assert row["activation_square"] == pytest.approx(float((a**2).mean()), rel=1e-4)
                assert row["gradient_std"] == pytest.approx(float(g.std(correction=0)), rel=1e-3)


def test_more_seeds_do_not_change_the_first() -> None:
    images = seen()
    one, more = before(CONFIG, images, 2), before(replace(CONFIG, seeds=20), images, 2)
    assert np.array_equal(more["measured"], one["measured"])
    other = before(replace(CONFIG, seed=1), images, 2)
    assert not np.allclose(other["measured"], one["measured"], rtol=1e-3)


def test_samples_are_values_of_the_network() -> None:
    images = seen()
    sampled = before(CONFIG, images, 0)["sample"][1, 3]  # tanh, He
    z, gradients = traced(plain("tanh", "he", 0), images.x, images.y)
    for layer in range(CONFIG.layers):
        value, act, gradient = (torch.from_numpy(row) for row in sampled[layer])
        assert torch.allclose(act, torch.tanh(value), atol=1e-6)
        # Some unit and image has this Z-value and, at once, this gradient; others may lie close by.
        apart = (z[layer].detach().flatten()[None] - value[:, None]).abs()
        apart_too = (gradients[layer].flatten()[None] - gradient[:, None]).abs()
        assert float(torch.maximum(apart, apart_too).min(dim=1).values.max()) < 1e-5


def test_deep_networks_begin_as_the_others() -> None:
    images = seen()
    squares = deep(CONFIG, images, 0)["square"][3, 3, :, 0]  # ReLU, He, activations
    z, _ = traced(plain("relu", "he", 0), images.x[:DEEP_IMAGES], images.y[:DEEP_IMAGES])
    for layer in range(CONFIG.layers):
        square = float(torch.relu(z[layer].detach()).double().square().mean())
        assert squares[layer] == pytest.approx(square, rel=1e-5)
    assert np.isfinite(squares).all()


def test_weight_gradients_on_the_ball_are_autograds() -> None:
    config = replace(CONFIG, layers=2)
    x, y = ball(config.seed)
    model = network("tanh", "xavier", 0, BALL_DIMENSIONS, 1, 1)
    model.insert(1, MODULES["tanh"]())  # the first layer is a hidden one here
    torch.autograd.backward(functional.binary_cross_entropy_with_logits(model(x)[:, 0], y))
    sampled = on_ball(config, seen(), 0)["sample"][1]  # tanh, Xavier
    for layer, place in enumerate((0, 2)):
        parameter = model[place].weight
        assert isinstance(parameter, Tensor)
        assert parameter.grad is not None
        weights, gradients = parameter.detach().flatten(), parameter.grad.flatten()
        at = places(config, 0, 20_000) % len(weights)
        assert np.allclose(sampled[layer, 2], weights[at], atol=1e-6)
        assert np.allclose(sampled[layer, 3], gradients[at], atol=1e-6)


def test_every_seed_belongs_to_one_trial_of_each_experiment() -> None:
    specs = trials(CONFIG)
    for experiment, count in {"learning": 2, "before": 12, "deep": 12, "ball": 12}.items():
        own = [spec for spec in specs.values() if spec.experiment == experiment]
        assert [i for spec in own for i in range(spec.first, spec.last)] == list(range(count))
    alone = trials(replace(CONFIG, activations=("linear",)))
    assert {spec.experiment for spec in alone.values()} == {"before", "deep"}
