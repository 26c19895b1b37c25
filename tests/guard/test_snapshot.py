"""However a block ends, everything is as it was before, bit for bit."""

import copy
import itertools
import signal
import sys
import threading
from contextlib import ExitStack
from types import FrameType
from typing import Any

import pytest
import torch
from torch import nn

from firstlight.guard import Snapshot, restored
from guard_models import assert_same, fingerprint, havoc, loader, made, normalized, train

Parts = tuple[nn.Module, torch.optim.Optimizer]


def test_training_and_worse_leave_nothing_behind(parts: Parts) -> None:
    model, optimizer = parts
    batches = loader()
    before = fingerprint(model, optimizer, batches=batches)
    with restored(model, optimizer, loader=batches):
        list(batches)
        havoc(model, optimizer)
        changed = fingerprint(model, optimizer, batches=batches)
    assert not [
        name
        for name in before
        if name != "scaler" and changed.get(name) == before[name] and "module" not in name
    ]
    assert_same(fingerprint(model, optimizer, batches=batches), before)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_nothing_is_left_behind_after_an_exception(
    parts: Parts, error: type[BaseException]
) -> None:
    model, optimizer = parts
    before = fingerprint(model, optimizer)

    def fail() -> None:
        with restored(model, optimizer):
            havoc(model, optimizer)
            raise error

    with pytest.raises(error):
        fail()
    assert_same(fingerprint(model, optimizer), before)


def test_training_goes_on_as_if_nothing_had_happened(parts: Parts) -> None:
    model, optimizer = parts
    twin = copy.deepcopy(model), None
    with restored(model, optimizer):
        train(model, optimizer, 3)
        kept = [p.detach().clone() for p in model.parameters()]
    train(model, optimizer, 3)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), kept, strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(twin[0].parameters(), kept, strict=True))


class Interrupting:
    """A generator whose state is put back with Ctrl-C at that very moment."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, _: dict[str, Any]) -> None:
        signal.raise_signal(signal.SIGINT)


def test_ctrl_c_while_putting_back_waits_until_all_is_back() -> None:
    model, optimizer = made("batch norm", "adam", 1)
    before = fingerprint(model, optimizer)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), restored(model, optimizer, generators=[Interrupting()]):
        havoc(model, optimizer)
    assert_same(fingerprint(model, optimizer), before)
    assert signal.getsignal(signal.SIGINT) is handler


@pytest.mark.slow
def test_ctrl_c_at_any_moment_leaves_nothing_behind() -> None:
    model, optimizer = made("tied", "sgd", 1)
    before = fingerprint(model, optimizer)
    handler = signal.getsignal(signal.SIGINT)
    own = {name for name in sys.modules if name.startswith("firstlight.guard")}
    files = {sys.modules[name].__file__ for name in own} | {signal.__file__}

    def interrupted_at(moment: int) -> bool:
        """Press Ctrl-C at one of the moments after the block; say whether there was one."""
        left = [moment]

        def trace(frame: FrameType, event: str, _: Any) -> Any:
            if frame.f_code.co_filename in files:
                left[0] -= 1
                if left[0] == 0:
                    signal.raise_signal(signal.SIGINT)
            return trace

        try:
            with restored(model, optimizer):
                train(model, optimizer, 1)
                sys.settrace(trace)
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(None)
        return False

    moments = itertools.count(1)
    for _ in range(60):
        assert interrupted_at(next(moments))
        assert_same(fingerprint(model, optimizer), before)
    moments = itertools.count(61, 13)
    while interrupted_at(next(moments)):
        assert_same(fingerprint(model, optimizer), before)
        assert signal.getsignal(signal.SIGINT) is handler
    assert next(moments) > 400


def test_ctrl_c_while_a_snapshot_is_put_back_inside_a_guard_acts_at_once() -> None:
    model, optimizer = made("tied", "sgd", 1)
    before = fingerprint(model, optimizer)
    reached: list[str] = []

    def work() -> None:
        start = Snapshot(model, optimizer, generators=[Interrupting()])
        with restored(model, optimizer), start:
            train(model, optimizer, 1)
            reached.append("trained")
            start.restore()
            reached.append("went on")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert reached == ["trained"]
    assert_same(fingerprint(model, optimizer), before)


class Guarding(Interrupting):
    """A generator whose state is put back inside a guard of its own, with Ctrl-C after that."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        with restored(generators=[Interrupting()]):
            super().load_state_dict(state)


def test_ctrl_c_in_a_guard_inside_a_restoration_waits_until_all_is_back() -> None:
    model, optimizer = made("tied", "sgd", 1)
    before = fingerprint(model, optimizer)
    guards = [Guarding(), Guarding()]
    with pytest.raises(KeyboardInterrupt), restored(model, optimizer, generators=guards):
        havoc(model, optimizer)
    assert_same(fingerprint(model, optimizer), before)


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL])
def test_a_handler_that_runs_no_python_code_stays(handler: signal.Handlers) -> None:
    signal.signal(signal.SIGINT, handler)
    model, optimizer = made("tied", "sgd", 1)
    before = fingerprint(model, optimizer)
    with restored(model, optimizer):
        havoc(model, optimizer)
        assert signal.getsignal(signal.SIGINT) is handler
    assert_same(fingerprint(model, optimizer), before)


def test_it_can_be_closed_by_a_stack_of_contexts() -> None:
    model, optimizer = made("tied", "sgd", 1)
    before = fingerprint(model, optimizer)
    stack = ExitStack()
    stack.enter_context(restored(model, optimizer, generators=[Interrupting()]))
    havoc(model, optimizer)
    with pytest.raises(KeyboardInterrupt):
        stack.close()
    assert_same(fingerprint(model, optimizer), before)


class Failing(Interrupting):
    """A generator whose state cannot be put back."""

    def load_state_dict(self, _: dict[str, Any]) -> None:
        raise OSError("gone")


def test_one_part_that_fails_does_not_keep_the_others_from_coming_back() -> None:
    model, optimizer = made("batch norm", "adam", 1)
    before = fingerprint(model, optimizer)
    with pytest.raises(OSError, match="gone"), restored(model, optimizer, generators=[Failing()]):
        havoc(model, optimizer)
    assert_same(fingerprint(model, optimizer), before)


def test_it_works_outside_the_main_thread() -> None:
    model, optimizer = made("tied", "sgd", 1)
    before = fingerprint(model, optimizer)

    def work() -> None:
        with restored(model, optimizer):
            havoc(model, optimizer)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert_same(fingerprint(model, optimizer), before)


def test_guards_nest_and_a_snapshot_can_be_put_back_again_and_again() -> None:
    model, optimizer = made("frozen", "adamw", 2)
    before = fingerprint(model, optimizer)
    with restored(model, optimizer):
        train(model, optimizer, 1)
        middle = fingerprint(model, optimizer)
        with restored(model, optimizer):
            havoc(model, optimizer)
        assert_same(fingerprint(model, optimizer), middle)
    assert_same(fingerprint(model, optimizer), before)
    start = Snapshot(model, optimizer)
    for _ in range(3):
        havoc(model, optimizer)
        start.restore()
        assert_same(fingerprint(model, optimizer), before)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"model": "net"}, TypeError, "model: expected Module or None, got str"),
        ({"optimizer": 1}, TypeError, "optimizer: expected Optimizer or None, got int"),
        ({"scaler": normalized()}, TypeError, "scaler: expected GradScaler or None"),
        ({"generators": [3]}, TypeError, "generators\\[0\\]: expected a generator of torch"),
        ({"model": nn.LazyLinear(2)}, ValueError, "run it on one batch first"),
    ],
)
def test_wrong_arguments_are_named(arguments: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text) as caught:
        restored(**arguments)
    assert "\n" not in str(caught.value)
