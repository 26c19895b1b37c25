"""Running statistics: independent references, invariants and edges."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from firstlight.probing.statistics import SKETCHED, RunningStats, arranged, sorted_bins, stride_of

CPU = torch.device("cpu")


def of(x: Tensor, **options: bool) -> RunningStats:
    sums = RunningStats(x.shape[1], CPU, **options)
    sums.add(x)
    return sums


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 3, 1), (20, 5, 1), (19, 2, 700), (3, 8, 2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_kernel_does_what_pytorch_does(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    x = torch.randn(shape, dtype=dtype).clamp(min=-0.5)
    x[x > 1.5] = 0
    for bounds in ((None, None), (-0.5, 1.0), (-0.5, 0.5)):
        for thin in (False, True):
            ours, theirs = (RunningStats(shape[1], CPU, thin=thin) for _ in range(2))
            ours.add(x, bounds)
            theirs.compiled = False
            theirs.add(x, bounds)
            assert (ours.n, ours.seen) == (theirs.n, theirs.seen)
            np.testing.assert_allclose(ours.mean, theirs.mean, rtol=1e-6, atol=1e-7)
            np.testing.assert_allclose(ours.std, theirs.std, rtol=1e-6, atol=1e-7)
            np.testing.assert_array_equal(ours.zero, theirs.zero)
            np.testing.assert_array_equal(ours.saturated, theirs.saturated)
            np.testing.assert_array_equal(ours.counts, theirs.counts)


@pytest.mark.parametrize("offset", [0.0, 1e4, -1e6])
def test_a_large_mean_costs_no_digits(offset: float) -> None:
    x = torch.randn(1000, 3, 1, dtype=torch.float64) + offset
    sums = RunningStats(3, CPU)
    for part in x.split(33):
        sums.add(part)
    reference = x.numpy()[:, :, 0]
    np.testing.assert_allclose(sums.mean, reference.mean(0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(sums.std, reference.std(0), rtol=1e-8)


@pytest.mark.parametrize("pooled", [False, True])
def test_merged_statistics_are_those_of_all_data(pooled: bool) -> None:
    x, y = torch.randn(70, 4, 3) + 5, 2 * torch.randn(30, 4, 3)
    sums = RunningStats(1 if pooled else 4, CPU)
    for part in (x, y):
        sums.merge(of(part), pooled=pooled)
    both = torch.cat([x, y]).double()
    rows = both.reshape(1, -1) if pooled else both.transpose(0, 1).flatten(1)
    np.testing.assert_allclose(sums.mean, rows.mean(1), rtol=1e-6)
    np.testing.assert_allclose(sums.std, rows.std(1, correction=0), rtol=1e-6)
    assert sums.n == rows.shape[1]


@pytest.mark.parametrize("q", [0.0, 0.01, 0.25, 0.5, 0.9, 1.0])
def test_quantiles_lie_within_the_stated_error(q: float) -> None:
    x = torch.cat([torch.randn(5000) * 1e-3, torch.randn(5000).exp(), torch.zeros(100)])
    sums = of(x.reshape(-1, 1, 1))
    exact = float(np.quantile(x.numpy(), q, method="inverted_cdf"))
    assert sums.stride == 1
    assert sums.quantile(q) == pytest.approx(exact, rel=1 / 32, abs=1e-12)


def test_the_bins_rise_and_hold_every_number() -> None:
    values, counts = sorted_bins(
        of(torch.tensor([-math.inf, -2, 0, 3, math.inf]).view(-1, 1, 1)).counts
    )
    assert (np.diff(values) >= 0).all()
    assert counts.sum() == 5
    assert values[[0, -1]].tolist() == [-math.inf, math.inf]
    assert sorted_bins(of(torch.full((3, 1, 1), math.nan)).counts)[1].sum() == 0


@pytest.mark.parametrize("q", [-0.1, 1.1])
def test_a_quantile_outside_its_range_is_refused(q: float) -> None:
    with pytest.raises(ValueError, match="q: expected between 0 and 1"):
        RunningStats(1, CPU).quantile(q)


def test_nothing_seen_is_not_a_number() -> None:
    sums = RunningStats(2, CPU)
    assert np.isnan([*sums.mean, *sums.std, sums.quantile(0.5)]).all()


@pytest.mark.parametrize("cells", [1, 64, 65, 120, 784 * 6, 2048, 30030 * 64])
def test_the_stride_visits_every_place_of_a_row(cells: int) -> None:
    stride = stride_of(cells)
    assert math.gcd(stride, cells) == 1
    assert math.ceil(cells / stride) <= SKETCHED
    if cells < 10_000:
        assert len({i * stride % cells for i in range(cells)}) == cells


def test_arranging_copies_nothing_where_it_need_not() -> None:
    x = torch.randn(2, 3, 4, 5)
    last = x.contiguous(memory_format=torch.channels_last)
    for y, shape in ((arranged(x, -3), (2, 3, 20)), (arranged(x, -1), (24, 5, 1))):
        assert (tuple(y.shape), y.data_ptr()) == (shape, x.data_ptr())
    assert arranged(last, -3).data_ptr() == last.data_ptr()
    assert torch.equal(arranged(last, -3)[:, :, 0], x.movedim(1, -1).reshape(-1, 3))
    assert arranged(torch.tensor(3.0), -1).shape == (1, 1, 1)
    turned = torch.randn(6, 4).t()
    assert torch.equal(arranged(turned, -1)[:, :, 0], turned)


def test_a_copy_counts_for_itself() -> None:
    x = torch.randn(4, 3, 5)
    sums = of(x)
    sums.remember_layout(x, -2)
    other = copy.deepcopy(sums)
    other.add(x + 1)
    assert (sums.n, other.n) == (20, 40)
    assert other.add_if_alike(x) is None
    np.testing.assert_allclose(other.mean - sums.mean, 0.5, rtol=1e-5)
