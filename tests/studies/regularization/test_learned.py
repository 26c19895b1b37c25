"""γ and β of the record, read back from the networks themselves; and what their signs can mean."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from firstlight.models import LeNet5
from firstlight.record import Record
from firstlight.studies.regularization import run
from firstlight.studies.regularization.answers import scale
from firstlight.studies.regularization.labels import LAYERS

Trained = tuple[Record, list[LeNet5]]


@pytest.fixture(scope="module")
def trained(run_small: Callable[..., Record]) -> Trained:
    """A record of the arm of 3.2 alone, and its two networks as training left them."""
    networks: list[LeNet5] = []
    make = run.network

    def kept(*args: object) -> LeNet5:
        networks.append(make(*args))  # type: ignore[arg-type]
        return networks[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "network", kept)
        return run_small(arms=("norm_hidden",)), networks


@pytest.mark.parametrize("layer", LAYERS[1:])
def test_gamma_and_beta_are_those_of_the_state_dicts(trained: Trained, layer: str) -> None:
    record, networks = trained
    names = {"gamma": "weight", "beta": "bias", "running_mean": "running_mean", "running_var": "running_var"}  # fmt: skip
    for measure, name in names.items():
        expected = np.stack([n.state_dict()[f"norms.{layer}.{name}"].numpy() for n in networks])
        array = record.arrays.get(measure, arm="norm_hidden", layer=layer)
        assert np.array_equal(array.values, expected)
        assert np.ptp(expected) > 0
        if measure in ("gamma", "beta"):
            where = {"arm": "norm_hidden", "layer": layer}
            found = [record.facts.value(f"{measure}_{x}", **where) for x in ("low", "high", "mean")]
            assert found == pytest.approx([expected.min(), expected.max(), expected.mean()])


def test_the_accuracy_is_that_of_fresh_statistics(trained: Trained) -> None:
    """Once more by hand: all training images in one batch, means and variances written in."""
    record, networks = trained
    correct = record.data["test_correct"].sel(arm="norm_hidden").values
    moving = record.facts.get("moving_accuracy", arm="norm_hidden")
    gain = record.facts.value("recomputing", arm="norm_hidden")
    assert float(moving) + gain == pytest.approx(correct.mean())
    assert scale(record) == "2 seeds, 2 epochs, 119 training images"
    assert len(networks) == len(correct) == moving.n == 2


def train(model: LeNet5) -> None:
    draw = torch.Generator().manual_seed(7)
    x, y = torch.rand(48, 28, 28, generator=draw), torch.arange(48) % 10
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for batch in torch.arange(48).split(16) * 2:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
        optimizer.step()


def test_a_mirrored_unit_learns_minus_beta_and_the_same_gamma() -> None:
    """So the sign of β is chance: initial weights of either sign are equally likely."""
    plain, mirrored = (LeNet5(torch.Generator().manual_seed(3), norm=LAYERS[1:]) for _ in range(2))
    with torch.no_grad():
        mirrored.conv1.weight[2] *= -1
        mirrored.conv2.weight[:, 2] *= -1
    for network in (plain, mirrored):
        train(network)
    signs = torch.ones(6)
    signs[2] = -1
    (a, b) = (network.norms["conv1"] for network in (plain, mirrored))
    torch.testing.assert_close(b.weight, a.weight, rtol=0, atol=1e-4)
    torch.testing.assert_close(b.bias, a.bias * signs, rtol=0, atol=1e-4)  # type: ignore[operator]
    assert float(a.bias.detach().abs().min()) > 1e-3  # type: ignore[operator, union-attr]
