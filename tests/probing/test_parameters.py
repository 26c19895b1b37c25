"""Gradients and updates, against those that autograd and the optimizer leave."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from firstlight.probing import probe
from firstlight.probing.parameters import gradients_due
from probe_models import Checkpointed, rows_of


def test_gradients_are_those_of_autograd() -> None:
    model, x = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)), torch.randn(20, 4)
    squares, derivatives = [], []
    with probe(model) as p:
        for part in x.split(8):
            model.zero_grad()
            z = model[0](part)
            z.retain_grad()
            model[2](model[1](z)).square().mean().backward()
            derivatives.append(z.grad.double())
            squares.append(
                sum(float(g.grad.double().square().sum()) for g in model[0].parameters())
            )
    all_of_them = torch.cat(derivatives)
    np.testing.assert_allclose(p.layers["0"].gradients.mean, all_of_them.mean(0), rtol=1e-5)
    np.testing.assert_allclose(
        p.layers["0"].gradients.std, all_of_them.std(0, correction=0), rtol=1e-5
    )
    assert rows_of(p)["0"]["gradient_norm"] == pytest.approx(math.sqrt(np.mean(squares)), rel=1e-6)
    assert rows_of(p)["1"]["gradient_norm"] is None


@pytest.mark.parametrize("by_hand", [False, True])
def test_the_update_ratio_is_that_of_the_steps(by_hand: bool) -> None:
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    expected = []
    with probe(model, optimizer=None if by_hand else optimizer) as p:
        if by_hand:
            p.step()
        for _ in range(3):
            before = torch.cat([v.detach().flatten() for v in model.parameters()])
            optimizer.zero_grad()
            model(torch.randn(5, 4)).square().sum().backward()
            optimizer.step()
            if by_hand:
                p.step()
            after = torch.cat([v.detach().flatten() for v in model.parameters()])
            expected.append(float((after - before).norm() / before.norm()))
    assert p.table()[0]["update_ratio"] == pytest.approx(np.mean(expected), rel=1e-5)


@pytest.mark.parametrize("reentrant", [False, True])
def test_a_checkpoint_is_counted_once_and_its_gradient_seen(reentrant: bool) -> None:
    model = Checkpointed(reentrant)
    with probe(model) as p:
        model(torch.randn(5, 4)).sum().backward()
    assert {row["calls"] for row in p.table()} == {1}
    assert p.layers["body.0"].gradients.n == 5


def test_gradients_are_measured_in_the_passes_that_are_due() -> None:
    model, norms = nn.Linear(3, 2), []
    with probe(model) as p:
        for number in range(104):
            model.zero_grad()
            (model(torch.ones(1, 3)).sum() * (number + 1)).backward()
            if gradients_due(number):
                norms.append(
                    float(torch.cat([v.grad.flatten() for v in model.parameters()]).norm())
                )  # type: ignore[union-attr]
    assert 64 + 10 < len(norms) < 64 + 30
    row = p.table()[0]
    assert row["gradient_norm"] == pytest.approx(np.sqrt(np.mean(np.square(norms))), rel=1e-6)


def test_about_every_second_pass_is_due_without_a_period() -> None:
    due = np.array([gradients_due(number) for number in range(64, 4_064)])
    assert due.mean() == pytest.approx(0.5, abs=0.01)
    for period in range(2, 13):
        shares = [due[offset::period].mean() for offset in range(period)]
        assert max(shares) - min(shares) < 0.1
    assert all(gradients_due(number) for number in range(64))


def norm_of(model: nn.Module) -> float:
    return float(torch.cat([v.grad.flatten() for v in model.parameters()]).norm())


def test_every_backward_pass_through_one_forward_pass_is_measured() -> None:
    model = nn.Linear(3, 2)
    with probe(model) as p:
        loss = model(torch.ones(1, 3)).square().sum()
        loss.backward(retain_graph=True)
        first = norm_of(model)
        loss.backward()
    expected = math.sqrt((first**2 + norm_of(model) ** 2) / 2)
    assert p.table()[0]["gradient_norm"] == pytest.approx(expected, rel=1e-6)


def test_a_model_that_is_used_by_its_parts_has_gradients_too() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
    with probe(model) as p:
        model[0](torch.ones(1, 3)).sum().backward()
    assert rows_of(p)["0"]["gradient_norm"] == pytest.approx(norm_of(model), rel=1e-6)


def test_a_parameter_unfrozen_meanwhile_is_measured_and_one_without_gradient_is_not() -> None:
    model = nn.Linear(3, 2)
    model.weight.requires_grad_(False)
    taken = model.bias.register_post_accumulate_grad_hook(lambda bias: setattr(bias, "grad", None))
    with probe(model) as p:
        model(torch.ones(1, 3)).sum().backward()
        assert p.table()[0]["gradient_norm"] is None
        model.weight.requires_grad_()
        model(torch.ones(1, 3)).sum().backward()
    taken.remove()
    assert p.table()[0]["gradient_norm"] == pytest.approx(float(model.weight.grad.norm()))
