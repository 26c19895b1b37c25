"""The trainings of the cyclical study: their batches and rates, and the images that they see."""

import dataclasses

import numpy as np
import pytest
import torch

from cyclical_samples import SMALL, bars
from firstlight.studies.cyclical.config import POLICIES, CyclicalConfig, Policy
from firstlight.studies.cyclical.labels import BATCHES, LITERAL
from firstlight.studies.cyclical.trials import PolicyTrial, RangeTrial, images, network, plan

CONFIG = CyclicalConfig(epochs=4, cycles=2, final_amplitude=0.25, batch_size=10)


def spec(policy: Policy) -> PolicyTrial:
    return PolicyTrial(CONFIG, policy, 0, (0.01, 0.09), 0.03, (8, 128))


@pytest.mark.parametrize("policy", POLICIES)
def test_a_plan_takes_every_image_once_an_epoch(policy: Policy) -> None:
    batches, _ = plan(spec(policy), 1_000)
    order = torch.cat(batches).reshape(4, 1_000)
    assert (order.sort(dim=1).values == torch.arange(1_000)).all()
    assert not torch.equal(order[0], order[1])


def test_the_rate_follows_the_formula_of_the_decaying_cycle() -> None:
    _, rate = plan(spec("cyclical_rate"), 1_000)
    for seen in range(0, 4_001, 50):
        height = 1 - abs(2 * (seen % 2_000) / 2_000 - 1)
        expected = 0.01 + 0.08 * height * 0.25 ** (max(0, seen - 1_000) / 3_000)
        assert rate(seen) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("policy", "value"),
    [
        ("fixed_low", 0.01),
        ("fixed_high", 0.09),
        ("growing_batch", 0.03),
        ("shrinking_batch", 0.03),
        ("growing_literal", 0.01),
        ("shrinking_literal", 0.01),
    ],
)
def test_other_policies_keep_the_rate(policy: Policy, value: float) -> None:
    _, rate = plan(spec(policy), 1_000)
    assert rate(0) == rate(1_234) == value


def sizes(policy: Policy) -> np.ndarray:
    return np.array([len(batch) for batch in plan(spec(policy), 1_000)[0]])


def test_batches_grow_under_one_policy_and_shrink_under_the_other() -> None:
    edges = {}
    both: tuple[Policy, ...] = ("growing_batch", "shrinking_batch")
    for policy in both:
        each = sizes(policy)
        seen = np.cumsum(each)
        edges[policy] = [(s.min(), s.max()) for s in (each[seen <= 2_000], each[seen > 2_000])]
    (first, _), (second, _) = edges["growing_batch"]
    assert first <= 9
    assert second > 2 * first
    (_, first), (_, second) = edges["shrinking_batch"]
    assert first >= 110
    assert second < first / 2


@pytest.mark.parametrize("policy", [*BATCHES, *LITERAL])
def test_only_the_last_batch_may_differ_from_the_schedule(policy: Policy) -> None:
    """A batch is a whole number of micro-batches, and runs over the ends of epochs."""
    high = policy.startswith("growing")
    each = sizes(policy)
    seen = np.concatenate([[0], np.cumsum(each)])[:-1]
    height = 1 - np.abs(2 * (seen % 2_000) / 2_000 - 1)
    level = height * 0.25 ** (np.maximum(0, seen - 1_000) / 3_000)
    expected = 8 * 16 ** (1 - level if high else level)
    assert (each[:-1] % 8 == 0).all()
    assert np.abs(each - expected)[:-1].max() <= 4
    assert each[-1] >= each[-2] / 2


@pytest.mark.parametrize(
    ("policy", "literal"),
    [("growing_batch", "growing_literal"), ("shrinking_batch", "shrinking_literal")],
)
def test_literal_policies_differ_in_the_rate_alone(policy: Policy, literal: Policy) -> None:
    one, other = (plan(spec(p), 1_000)[0] for p in (policy, literal))
    assert [len(batch) for batch in one] == [len(batch) for batch in other]
    assert torch.equal(torch.cat(one), torch.cat(other))


def test_every_policy_sees_the_images_of_an_epoch_in_the_same_order() -> None:
    one, other = (torch.cat(plan(spec(p), 1_000)[0]) for p in ("fixed_low", "growing_batch"))
    assert torch.equal(one, other)


def test_one_candidate_or_all_of_them() -> None:
    whole = RangeTrial(CONFIG, "candidates", 0)
    assert whole.rates == pytest.approx(np.geomspace(1e-9, 10, 10))
    assert RangeTrial(CONFIG, "candidates", 0, 3).rates == whole.rates[3:4]


@pytest.mark.parametrize(("resolution", "side"), [(1.0, 32), (0.5, 16)])
def test_images_are_standardized_and_resized_once(resolution: float, side: int) -> None:
    dataset, config = bars(), dataclasses.replace(SMALL, resolution=resolution)
    parts = images(dataset, config, "cpu")
    assert images(dataset, config, "cpu") is parts
    assert parts.train[0].shape == (440, 1, side, side)
    assert (len(parts.validation[0]), len(parts.test[0])) == (40, 100)
    assert float(parts.train[0].mean()) == pytest.approx(0, abs=0.02)


def test_networks_of_one_index_start_from_the_same_weights() -> None:
    first, again, other = (network(SMALL, index).state_dict() for index in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)
