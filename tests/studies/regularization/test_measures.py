"""What is measured inside a network, against NumPy and by hand."""

import numpy as np
import pytest
import torch

from firstlight.models import LeNet5
from firstlight.studies.regularization import measures

Prepared = tuple[LeNet5, torch.Tensor]


def test_coadaptation_against_numpy() -> None:
    hidden = np.random.default_rng(0).normal(size=(6, 40))
    matrix = np.abs(np.corrcoef(hidden))
    expected = matrix[np.triu_indices(6, 1)].mean()
    assert measures.coadaptation(hidden) == pytest.approx(expected)
    with_dead = np.vstack([hidden, np.ones(40)])
    assert measures.coadaptation(with_dead) == pytest.approx(expected)
    assert np.isnan(measures.coadaptation(with_dead[-2:]))
    with pytest.raises(ValueError, match="hidden: expected"):
        measures.coadaptation(hidden[:, :1])


def test_batch_variances_of_the_input_against_numpy(model_and_images: Prepared) -> None:
    model, x = model_and_images
    found = measures.batch_variances(model, x[:50], 16, training=False)
    expected = np.mean([x[i : i + 16].numpy().astype(float).var(ddof=1) for i in (0, 16, 32)])
    assert found["input"] == pytest.approx([expected], rel=1e-6)
    assert found["fc1"].shape == (120,)


def test_dropout_raises_the_variance_that_batch_normalization_sees(
    model_and_images: Prepared,
) -> None:
    model, x = model_and_images
    off = measures.batch_variances(model, x, 32, training=False)
    on = measures.batch_variances(model, x, 32, training=True)
    assert measures.log_ratio_mean(on["conv1"], off["conv1"]) > 1.02


def test_measuring_leaves_no_trace(model_and_images: Prepared) -> None:
    model, x = model_and_images
    model.train()
    model.norms["fc1"].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    measures.batch_variances(model, x, 32, training=True)
    measures.outputs(model, x)
    measures.layer_inputs(model, x)
    measures.removal(model, x, torch.zeros(64, dtype=torch.int64), np.random.default_rng(0), 2)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.training
    assert not model.norms["fc1"].training
    assert all(norm.momentum == 0.1 for norm in model.norms.values())
    assert not any(p.grad is not None for p in model.parameters())


def test_log_ratio_mean_refuses_unequal_shapes() -> None:
    with pytest.raises(ValueError, match="ratio: expected equal shapes"):
        measures.log_ratio_mean(np.ones(2), np.ones(3))


def test_movement_in_standard_deviations() -> None:
    a = {"fc1": np.array([[0.0, 1.0], [2.0, 0.5]])}
    b = {"fc1": np.array([[1.0, 0.0], [9.0, 9.0]])}
    assert measures.movement(a, b) == [pytest.approx((0.5 + 2.0) / 2)]
    assert measures.movement(a, a) == [0.0]


def test_layer_inputs_are_those_of_the_layer_before(model_and_images: Prepared) -> None:
    model, x = model_and_images
    hidden = measures.outputs(model, x, batch_statistics=True)["fc1"].double().numpy()
    inputs = measures.layer_inputs(model, x)
    assert [*inputs] == ["conv2", "fc1", "fc2", "output"]
    assert inputs["fc2"] == pytest.approx(np.array([hidden.mean(1), hidden.std(1)]))


def test_removal_of_units_that_do_not_matter_costs_nothing(model_and_images: Prepared) -> None:
    model, x = model_and_images
    with torch.no_grad():
        model.out.weight.zero_()
        model.out.bias.copy_(torch.arange(10.0))
    labels = torch.full((64,), 9)
    assert measures.removal(model, x, labels, np.random.default_rng(0), 3) == 0.0


def test_removal_silences_exactly_half(model_and_images: Prepared) -> None:
    seen: list[torch.Tensor] = []
    model, x = model_and_images
    head = model.head
    model.head = lambda h, *watch: (seen.append(h), head(h, *watch))[1]  # type: ignore[assignment, func-returns-value]
    hidden = model.eval().body(x)
    seen.clear()
    measures.removal(model, x, torch.zeros(64, dtype=torch.int64), np.random.default_rng(0), 3)
    for values in seen[-3:]:
        off = (values == 0).all(1)
        assert int(off.sum()) == 60
        assert torch.allclose(values[~off], 2 * hidden[~off], atol=1e-6)
