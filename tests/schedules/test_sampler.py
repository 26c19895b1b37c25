import json
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from firstlight.schedules import (
    CyclicBatchSampler,
    SampleScheduler,
    Schedule,
    constant,
    coupled_batch_size,
    exp_range,
    ramp,
    triangle,
)
from loader_work import Numbers, as_tensor

N = 523
QUICK = settings(max_examples=50, deadline=None)  # a busy machine is no failure

pytestmark = pytest.mark.filterwarnings(
    # a machine with fewer cores than the tests' four workers is warned about; here it does no harm
    "ignore:This DataLoader will create .* worker processes:UserWarning"
)


def growing(n: int = N, **names: Any) -> CyclicBatchSampler:
    return CyclicBatchSampler(
        n, 4, 64, 300, toward="high", total_samples=5 * n, final=0.1, seed=3, **names
    )


def growing_schedule() -> Schedule:
    return exp_range(4, 64, 300, toward="high", total_samples=5 * N, final=0.1, geometric=True)


def loader_of(sampler: CyclicBatchSampler, workers: int, **names: Any) -> DataLoader[Any]:
    if workers:
        names = {"multiprocessing_context": "fork", **names}
    return DataLoader(
        Numbers(sampler.n_samples), batch_sampler=sampler, collate_fn=as_tensor,
        num_workers=workers, **names,
    )  # fmt: skip


def lists(loader: DataLoader[Any]) -> list[list[int]]:
    return [batch.tolist() for batch in loader]


def reference_sizes(schedule: Any, n: int, epochs: int) -> list[list[int]]:
    """One epoch after another, counting what has been handed out."""
    seen, found = 0, []
    for _ in range(epochs):
        sizes: list[int] = []
        while sum(sizes) < n:
            wanted = round(schedule(seen + sum(sizes)))
            left = n - sum(sizes)
            if left == 1 and wanted > 1 and sizes:
                sizes[-1] += 1
            else:
                sizes.append(min(wanted, left))
        seen += n
        found.append(sizes)
    return found


@pytest.mark.parametrize(
    ("workers", "names"),
    [
        (0, {}),
        (2, {}),
        (2, {"persistent_workers": True, "prefetch_factor": 5}),
        (4, {"prefetch_factor": 1}),
        (1, {"multiprocessing_context": "spawn", "persistent_workers": True}),
    ],
)
def test_training_sees_the_schedules_batch_sizes_under_any_workers(
    workers: int, names: dict[str, Any]
) -> None:
    """At every batch the size is the schedule's at the samples that training has used by then."""
    sampler, schedule, seen = growing(), growing_schedule(), 0
    loader = loader_of(sampler, workers, **names)
    for epoch in range(3):
        announced = len(loader)
        used: list[int] = []
        batches = lists(loader)
        for batch in batches[:-1]:
            assert len(batch) == round(schedule(seen))
            used += batch
            seen += len(batch)
        assert len(batches[-1]) <= round(schedule(seen)) + 1
        seen += len(batches[-1])
        assert sorted(used + batches[-1]) == list(range(N))
        assert len(batches) == announced == len(sampler.sizes(epoch))


def test_the_batches_themselves_do_not_depend_on_the_workers() -> None:
    plain, ahead = growing(), growing()
    with_workers = loader_of(ahead, 3, prefetch_factor=4, persistent_workers=True)
    for _ in range(2):
        assert lists(with_workers) == list(plain)


def test_a_growing_batch_makes_epochs_shorter() -> None:
    counts = [len(growing().sizes(epoch)) for epoch in range(5)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > 1.5 * counts[-1]


@QUICK
@given(
    st.integers(1, 400), st.integers(1, 50), st.integers(0, 80), st.floats(1, 2_000),
    st.integers(0, 6), st.sampled_from(["low", "high"]), st.integers(0, 9),
)  # fmt: skip
def test_every_epoch_is_a_partition(
    n: int, low: int, more: int, cycle: float, epoch: int, toward: Any, seed: int
) -> None:
    sampler = CyclicBatchSampler(n, low, low + more, cycle, toward=toward, seed=seed)
    schedule = exp_range(low, low + more, cycle, gamma=1.0, toward=toward, geometric=True)
    sampler.set_epoch(epoch)
    announced = len(sampler)
    batches = list(sampler)
    sizes = [len(batch) for batch in batches]
    assert sorted(index for batch in batches for index in batch) == list(range(n))
    assert sizes == list(sampler.sizes(epoch)) == reference_sizes(schedule, n, epoch + 1)[epoch]
    assert announced == len(batches)
    if low > 1 and n > 1:
        assert min(sizes) > 1


@QUICK
@given(st.integers(1, 300), st.integers(1, 40), st.integers(0, 40), st.integers(0, 4))
def test_dropping_the_last_batch_leaves_only_whole_ones(
    n: int, low: int, more: int, epoch: int
) -> None:
    names: dict[str, Any] = {"n_samples": n, "low": low, "high": low + more, "cycle_samples": 90}
    kept, whole = CyclicBatchSampler(**names, drop_last=True), CyclicBatchSampler(**names)
    schedule = triangle(low, low + more, 90, geometric=True)
    sizes, seen = kept.sizes(epoch), epoch * n
    for size in sizes if len(sizes) > 1 else ():
        assert size == round(schedule(seen))
        seen += size
    left = n - sum(sizes)
    assert 0 <= left < low + more
    assert left == 0 or sizes == whole.sizes(epoch)[:-1] or left == 1
    kept.set_epoch(epoch)
    batches = list(kept)
    assert [len(batch) for batch in batches] == list(sizes)
    assert len({index for batch in batches for index in batch}) == sum(sizes)


def test_a_single_sample_left_over_joins_the_batch_before() -> None:
    assert CyclicBatchSampler(9, 4, 4, 10).sizes(0) == (4, 5)
    assert CyclicBatchSampler(9, 4, 4, 10, drop_last=True).sizes(0) == (4, 4)
    assert CyclicBatchSampler(3, 1, 1, 10).sizes(0) == (1, 1, 1)  # asked for
    assert CyclicBatchSampler(1, 4, 4, 10).sizes(0) == (1,)  # nothing else there
    assert CyclicBatchSampler(1, 4, 4, 10, drop_last=True).sizes(0) == (1,)


def test_a_batch_larger_than_the_epoch_is_the_epoch() -> None:
    assert CyclicBatchSampler(100, 500, 8_192, 1_000).sizes(7) == (100,)


def test_epochs_are_permutations_of_their_own_and_repeatable() -> None:
    first, second = growing(), growing()
    epochs = [list(first) for _ in range(3)]
    flat = [[index for batch in epoch for index in batch] for epoch in epochs]
    assert flat[0] != flat[1] != flat[2] != flat[0]
    for epoch in (2, 0, 1):
        second.set_epoch(epoch)
        assert list(second) == epochs[epoch]
    other = CyclicBatchSampler(N, 4, 64, 300, seed=4)
    assert [index for batch in other for index in batch] != flat[0]


def test_the_first_place_of_an_epoch_is_any_sample_equally_often() -> None:
    firsts = [next(iter(CyclicBatchSampler(8, 2, 4, 8, seed=seed)))[0] for seed in range(1_600)]
    counts = np.bincount(firsts, minlength=8)
    assert ((counts - 200) ** 2 / 200).sum() < 24.3  # 99.9 % point of chi-square, 7 degrees


def test_without_shuffling_the_batches_are_in_order() -> None:
    batches = list(growing(shuffle=False))
    assert [index for batch in batches for index in batch] == list(range(N))


def test_the_coming_epoch_is_what_is_told() -> None:
    sampler = growing()
    for epoch in range(3):
        assert sampler.epoch == epoch
        assert len(sampler) == len(sampler.sizes(epoch))
        batches = iter(sampler)
        iter(sampler)  # made in vain, as loaders with workers do
        count = len(next(batches)) > 0
        assert sampler.epoch == epoch + 1  # from the first batch on the next epoch is coming
        assert count + len(list(batches)) == len(sampler.sizes(epoch))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("done", [0, 1, 9])
def test_a_training_stopped_in_mid_epoch_goes_on_with_the_batches_it_has_not_used(
    workers: int, done: int
) -> None:
    whole = [list(sampler) for sampler in [growing()] for _ in range(3)]
    sampler = growing()
    sampler.set_epoch(1)
    stopped = iter(loader_of(sampler, workers))
    used = [next(stopped).tolist() for _ in range(done)]  # workers have fetched more than this
    state = json.loads(json.dumps(sampler.state_at(1, done)))
    del stopped
    later = growing()
    later.load_state_dict(state)
    loader = loader_of(later, workers)
    assert len(loader) == len(whole[1]) - done
    later.set_epoch(1)  # as a loop over epochs does
    rest = lists(loader)
    assert used + rest == whole[1]
    assert state["samples"] == N + sum(map(len, used))
    assert lists(loader) == whole[2]


def test_the_end_of_an_epoch_is_the_beginning_of_the_next() -> None:
    sampler = growing()
    sampler.resume(0, len(sampler.sizes(0)))
    assert sampler.state_dict() == sampler.state_at(1, 0)
    assert sampler.state_at(1, 0)["samples"] == N
    assert len(sampler) == len(sampler.sizes(1))


def test_another_epoch_forgets_the_place() -> None:
    sampler = growing()
    sampler.resume(1, 5)
    sampler.set_epoch(2)
    assert len(sampler) == len(sampler.sizes(2))
    sampler.set_epoch(1)
    assert len(sampler) == len(sampler.sizes(1))


def test_a_state_can_be_loaded_twice() -> None:
    sampler = growing()
    sampler.resume(2, 3)
    state = sampler.state_dict()
    before = dict(state)
    rest = list(sampler)
    for _ in range(2):
        sampler.load_state_dict(state)
        assert state == before
        assert list(sampler) == rest


def test_it_can_be_pickled_where_it_stands() -> None:
    sampler = growing()
    sampler.resume(1, 4)
    copy = pickle.loads(pickle.dumps(sampler))
    assert list(copy) == list(sampler)
    assert list(copy) == list(sampler)


def test_any_schedule_can_be_given() -> None:
    rise = CyclicBatchSampler(1_000, 10, 100, schedule=ramp(5, 1_000, 1_000))
    assert rise.sizes(0) == tuple(reference_sizes(lambda s: min(max(ramp(5, 1_000, 1_000)(s), 10), 100), 1_000, 1)[0])  # fmt: skip
    coupled = coupled_batch_size(triangle(0.1, 0.2, 400), scale=10, samples=1_000, low=1)
    assert CyclicBatchSampler(1_000, 1, 1_000, schedule=coupled).sizes(0)[0] == 10
    assert CyclicBatchSampler(1_000, 1, 100, schedule=constant(math.pi)).sizes(0)[0] == 3


def test_progress_can_begin_later() -> None:
    assert growing(start=2 * N).sizes(0) == growing().sizes(2)


def test_rate_and_batch_size_move_together() -> None:
    """A scheduler told each batch's samples is where the sampler is, over epochs."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    scheduler = SampleScheduler(optimizer, ramp(0.1, 1, 3 * N))
    sampler = growing()
    for epoch in range(3):
        for done, batch in enumerate(sampler):
            assert scheduler.samples == sampler.state_at(epoch, done)["samples"]
            optimizer.step()
            scheduler.step(len(batch))
    assert scheduler.get_last_lr() == [1.0]


@QUICK
@given(st.integers(2, 200), st.integers(0, 3), st.floats(0, 1))
def test_resuming_yields_the_rest(n: int, epoch: int, share: float) -> None:
    sampler = CyclicBatchSampler(n, 1, 30, 111)
    sampler.set_epoch(epoch)
    whole = list(sampler)
    done = int(share * (len(whole) - 1))
    sampler.resume(epoch, done)
    assert len(sampler) == len(whole) - done
    assert list(sampler) == whole[done:]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: CyclicBatchSampler(0, 1, 2, 3), "n_samples: expected at least 1, got 0"),
        (lambda: CyclicBatchSampler(9, 0, 2, 3), "1 <= low <= high, got 0 and 2"),
        (lambda: CyclicBatchSampler(9, 3, 2, 3), "got 3 and 2"),
        (lambda: CyclicBatchSampler(9, 1, math.inf, 3), "got 1 and inf"),
        (lambda: CyclicBatchSampler(9, 1, 2, 0), "cycle_samples: expected"),
        (lambda: CyclicBatchSampler(9, 1, 2), "cycle_samples or schedule, got neither"),
        (lambda: CyclicBatchSampler(9, 1, 2, 3, schedule=constant(1)), "beside schedule"),
        (lambda: CyclicBatchSampler(9, 1, 2, schedule=constant(1), toward="high"), "beside"),
        (lambda: CyclicBatchSampler(9, 1, 2, schedule=constant(1), gamma=0.9), "beside"),
        (lambda: CyclicBatchSampler(9, 1, 2, 3, final=0.5), "final with total_samples"),
        (lambda: CyclicBatchSampler(9, 1, 2, 3, seed=-1), "seed: expected"),
        (lambda: CyclicBatchSampler(9, 1, 2, 3, start=-1), "start: expected"),
        (lambda: CyclicBatchSampler(9, 1, 2, schedule=lambda s: math.nan).sizes(0), "got nan at 0"),
        (lambda: growing().set_epoch(-1), "epoch: expected"),
        (lambda: growing().sizes(-1), "epoch: expected"),
        (lambda: growing().resume(0, -1), "batches_done: expected 0 to"),
        (lambda: growing().resume(0, 10_000), "batches of epoch 0, got 10000"),
        (lambda: growing().load_state_dict({"epoch": 1}), "expected one of state_at"),
        (lambda: growing(600).load_state_dict(growing().state_at(0, 2)), "n_samples 600"),
        (lambda: growing().load_state_dict(growing(shuffle=False).state_dict()), "shuffle True"),
        (lambda: growing().load_state_dict(
            CyclicBatchSampler(N, 4, 64, 300, seed=3).state_at(0, 2)), "samples 85 after 2 .* got 8;"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_in_one_line(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
