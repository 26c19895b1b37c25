"""The trainings of the cyclical study: their batches and rates, and the images that they see."""

import numpy as np
import pytest
import torch

from cyclical_samples import SMALL, bars
from firstlight.studies.cyclical.config import POLICIES, CyclicalConfig, Policy
from firstlight.studies.cyclical.labels import BATCHES
from firstlight.studies.cyclical.trials import PolicyTrial, RangeTrial, images, network, plan

CONFIG = CyclicalConfig(epochs=4, cycles=2, final_amplitude=0.25, batch_size=10)


def spec(policy: Policy) -> PolicyTrial:
    return PolicyTrial(CONFIG, policy, 0, (0.01, 0.09), (8, 128))


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
        expected = 0.01 + 0.08 * height * 0.25 ** (seen / 4_000)
        assert rate(seen) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("policy", "value"), [("fixed_low", 0.01), ("fixed_high", 0.09), ("growing_batch", 0.01)]
)
def test_other_policies_keep_the_rate(policy: Policy, value: float) -> None:
    _, rate = plan(spec(policy), 1_000)
    assert rate(0) == rate(1_234) == value


def test_batches_grow_under_one_policy_and_shrink_under_the_other() -> None:
    edges = {}
    for policy in BATCHES:
        batches, _ = plan(spec(policy), 1_000)
        sizes = np.array([len(batch) for batch in batches])
        assert sizes.min() >= 2
        assert sizes.max() <= 129
        seen = np.cumsum(sizes)
        edges[policy] = [(s.min(), s.max()) for s in (sizes[seen <= 2_000], sizes[seen > 2_000])]
    (first, _), (second, _) = edges["growing_batch"]
    assert second > 2 * first
    (_, first), (_, second) = edges["shrinking_batch"]
    assert second < first / 2


def test_one_candidate_or_all_of_them() -> None:
    whole = RangeTrial(CONFIG, "candidates", 0)
    assert whole.rates == pytest.approx(np.geomspace(1e-9, 10, 10))
    assert RangeTrial(CONFIG, "candidates", 0, 3).rates == whole.rates[3:4]


def test_images_are_standardized_and_resized_once() -> None:
    dataset = bars()
    parts = images(dataset, SMALL, "cpu")
    assert images(dataset, SMALL, "cpu") is parts
    assert parts.train[0].shape == (440, 1, 32, 32)
    assert (len(parts.validation[0]), len(parts.test[0])) == (40, 100)
    assert float(parts.train[0].mean()) == pytest.approx(0, abs=0.02)


def test_networks_of_one_index_start_from_the_same_weights() -> None:
    first, again, other = (network(SMALL, index).state_dict() for index in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)
