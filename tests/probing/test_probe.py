"""A probe leaves nothing behind: results, gradients, random state, modes and hooks."""

import copy
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules import module as nn_module

import firstlight
from firstlight.probing import probe
from firstlight.torch_private import current_function_mode
from probe_models import ARCHITECTURES, loss_of, tensors

HOOKS = [name for name in vars(nn.Module()) if "hooks" in name]


def hooks_of(model: nn.Module) -> list[Any]:
    """Return every hook on modules, parameters and PyTorch itself.

    PyTorch leaves an empty table where the last hook is taken away.
    """
    own = [(name, dict(getattr(m, name))) for m in model.modules() for name in HOOKS]
    tables = ("_backward_hooks", "_post_accumulate_grad_hooks")
    parameters = [dict(getattr(p, name) or {}) for p in model.parameters() for name in tables]
    everywhere = [
        dict(value)
        for name, value in vars(nn_module).items()
        if name.startswith("_global_") and "hooks" in name and isinstance(value, dict)
    ]
    return [own, parameters, everywhere, current_function_mode()]


def step(model: nn.Module, batch: Any, optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """Return the outputs of two training steps; the gradients of the second are kept."""
    outputs = []
    for _ in range(2):
        optimizer.zero_grad()
        output = model(batch)
        outputs += tensors(output)
        loss_of(output).backward()
        optimizer.step()
    return [t.detach() for t in outputs]


def state(model: nn.Module) -> list[Tensor]:
    """Return all that a model and PyTorch carry from one step to the next."""
    found = [*model.parameters(), *model.buffers()]
    found += [p.grad for p in model.parameters() if p.grad is not None]
    return [t.detach().clone() for t in found] + [torch.get_rng_state()]


def same(first: list[Tensor], second: list[Tensor]) -> bool:
    """Say whether the tensors are equal bit for bit."""
    return len(first) == len(second) and all(
        a.dtype == b.dtype and torch.equal(a.nan_to_num(), b.nan_to_num())
        for a, b in zip(first, second, strict=True)
    )


def run(make: Callable[[], nn.Module], batch: Any, probed: bool) -> tuple[Any, ...]:
    torch.manual_seed(3)
    model = make()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    modes, before = [m.training for m in model.modules()], hooks_of(model)
    with probe(model, optimizer=optimizer) if probed else nullcontext() as p:
        outputs = step(model, copy.deepcopy(batch), optimizer)
    assert [m.training for m in model.modules()] == modes
    assert hooks_of(model) == before
    assert not optimizer._optimizer_step_pre_hooks
    assert not optimizer._optimizer_step_post_hooks
    return outputs, state(model), p


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_training_is_bit_for_bit_as_without_a_probe(name: str) -> None:
    make, draw = ARCHITECTURES[name]
    torch.manual_seed(1)
    batch = draw()
    outputs, left, _ = run(make, batch, probed=False)
    probed_outputs, probed_left, p = run(make, batch, probed=True)
    assert same(outputs, probed_outputs)
    assert same(left, probed_left)
    assert any(row["calls"] for row in p.table())
    assert name == "empty batch" or any(row["mean"] is not None for row in p.table())


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_evaluation_is_bit_for_bit_as_without_a_probe(name: str, context: Any) -> None:
    make, draw = ARCHITECTURES[name]
    torch.manual_seed(1)
    model, batch = make().eval(), draw()
    with context():
        plain = tensors(model(copy.deepcopy(batch)))
        with probe(model) as p:
            probed = tensors(model(copy.deepcopy(batch)))
    assert same(plain, probed)
    with probe(model) as again:
        model(copy.deepcopy(batch))
    assert len(again.table()) >= len(p.table()) - len(p.notes)


def test_the_fused_path_of_a_transformer_stays_fused_and_is_noted() -> None:
    make, draw = ARCHITECTURES["transformer in evaluation"]
    model = make()
    with probe(model) as p, torch.no_grad():
        model(draw())
    assert any("fused" in note for note in p.notes)
    assert all(row["calls"] == 0 for row in p.table() if "linear1" in str(row["layer"]))


class Stop(nn.Module):
    """Raises in the middle of a forward or of a backward pass."""

    def __init__(self, error: type[BaseException], backward: bool) -> None:
        super().__init__()
        self.first, self.act, self.last = nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)
        self.error, self.backward = error, backward

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.first(x))
        if not self.backward:
            raise self.error("stop")
        y.register_hook(self._stop)
        return torch.tanh(self.last(y))

    def _stop(self, gradient: Tensor) -> Tensor:
        raise self.error("stop")


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_nothing_is_left_after_an_exception(error: type[BaseException], backward: bool) -> None:
    def interrupted(probed: bool) -> list[Tensor]:
        torch.manual_seed(0)
        model, x = Stop(error, backward), torch.randn(3, 4)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        before = hooks_of(model)
        context = probe(model, optimizer=optimizer) if probed else nullcontext()
        with pytest.raises(error, match="stop"), context:
            model(x).sum().backward()
        assert hooks_of(model) == before
        assert not optimizer._optimizer_step_pre_hooks
        return state(model)

    assert same(interrupted(False), interrupted(True))


def test_hooks_of_the_user_stay_and_run() -> None:
    model, seen = nn.Linear(2, 2), []
    model.register_forward_hook(lambda *_: seen.append("forward"))
    model.weight.register_hook(lambda _: seen.append("gradient"))
    before = hooks_of(model)
    with probe(model):
        model(torch.ones(1, 2)).sum().backward()
    assert seen == ["forward", "gradient"]
    assert hooks_of(model) == before


def test_a_failure_on_opening_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Linear(2, 2)
    before, p = hooks_of(model), probe(model)

    def fail() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(p._parameters, "open", fail)
    with pytest.raises(KeyboardInterrupt):
        p.__enter__()
    assert hooks_of(model) == before


def test_a_backward_pass_after_the_block_is_not_measured_and_harmless() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
    with probe(model) as p:
        loss = model(torch.ones(3, 2)).sum()
    loss.backward()
    assert p.table()[0]["gradient_norm"] is None
    assert p.layers["0"].gradients is None


def test_two_probes_measure_the_same() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    with probe(model) as a, probe(model) as b:
        torch.relu(model(torch.randn(5, 2))).sum().backward()
    assert a.table() == b.table()


def test_every_skips_forward_passes() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    with probe(model, every=3) as p:
        for _ in range(7):
            model(torch.randn(2, 3))
    assert p.forwards == 7
    assert [row["calls"] for row in p.table()] == [3, 3]


def test_the_package_offers_the_function() -> None:
    model = nn.Linear(2, 2)
    with firstlight.probe(model) as p:
        model(torch.ones(1, 2))
    assert p.table()[0]["calls"] == 1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"saturation": 0.5}, ValueError, "saturation: expected"),
        ({"every": 0}, ValueError, "every: expected at least 1, got 0"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        probe(nn.Linear(1, 1), **arguments)
    with pytest.raises(TypeError, match=r"expected a torch\.nn\.Module, got str"):
        probe("model")


def test_a_probe_is_open_once_at_a_time_but_may_be_opened_again() -> None:
    model = nn.Linear(2, 2)
    with probe(model) as p:
        model(torch.ones(3, 2))
        with pytest.raises(RuntimeError, match="once at a time"):
            p.__enter__()
    with p:
        model(torch.ones(4, 2))
    assert (p.table()[0]["calls"], p.layers["(model)"].samples) == (2, 7)
