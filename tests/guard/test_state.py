"""What is remembered: tensors, modules, optimizers, scalers, generators and loaders."""

import copy
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from firstlight.guard import restored
from guard_models import assert_same, fingerprint, loader, made, train


@pytest.mark.parametrize("change", ["half", "contiguous", "moved"])
def test_data_that_were_replaced_come_back_to_their_place(change: str) -> None:
    model, optimizer = made("batch norm", "adam", 2)
    before = fingerprint(model, optimizer)
    with restored(model, optimizer):
        if change == "half":
            model.half()
        elif change == "contiguous":
            model.to(memory_format=torch.contiguous_format)
        else:
            for parameter in model.parameters():
                parameter.data = torch.zeros(5)
    assert_same(fingerprint(model, optimizer), before)


def test_a_parameter_put_in_anothers_place_goes() -> None:
    model, optimizer = made("tied", "sgd", 1)
    before = fingerprint(model, optimizer)
    with restored(model, optimizer):
        model.out.weight = nn.Parameter(torch.zeros(3, 12))
        del model.first.bias
        model.add_module("extra", nn.Linear(1, 1))
        model.second = nn.Identity()
    assert_same(fingerprint(model, optimizer), before)
    assert model.first.weight is model.second.weight


def test_hooks_belong_to_whoever_hung_them_up() -> None:
    model = nn.Linear(2, 1)
    calls: list[int] = []
    early = model.register_forward_hook(lambda *_: calls.append(1))
    with restored(model):
        early.remove()
        model.register_full_backward_hook(lambda *_: None)
        model.register_forward_hook(lambda *_: calls.append(2))
    model(torch.ones(1, 2, requires_grad=True)).sum().backward()
    assert calls == [2]


def test_an_attribute_that_is_merely_called_a_hook_comes_back() -> None:
    model = nn.Linear(2, 1)
    model.my_hook_calls = 0
    with restored(model):
        model.my_hook_calls = 5
    assert model.my_hook_calls == 0


def test_sparse_gradients_and_lists_in_the_optimizers_state_come_back() -> None:
    model = nn.Embedding(5, 2, sparse=True)
    optimizer = torch.optim.SparseAdam(model.parameters(), lr=0.1)
    model(torch.tensor([1, 1, 3])).sum().backward()
    optimizer.step()
    weight, gradient = model.weight.detach().clone(), model.weight.grad.to_dense()
    with restored(model, optimizer):
        model(torch.tensor([0, 1])).sum().backward()
        optimizer.step()
    assert torch.equal(model.weight, weight)
    assert torch.equal(model.weight.grad.to_dense(), gradient)
    dense = nn.Linear(2, 1)
    search = torch.optim.LBFGS(dense.parameters(), lr=0.1)
    x = torch.ones(4, 2)

    def closure() -> Tensor:
        search.zero_grad()
        loss = dense(x).square().sum()
        loss.backward()
        return loss

    search.step(closure)
    before = fingerprint(dense, search)
    with restored(dense, search):
        search.step(closure)
        assert fingerprint(dense, search)["state"] != before["state"]
    assert_same(fingerprint(dense, search), before)


@pytest.mark.parametrize("used", [False, True])
def test_a_scaler_comes_back_and_is_lazy_again(used: bool) -> None:
    model, optimizer = made("tied", "adam", 1)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=1)

    def step() -> None:
        scaler.scale(model(torch.ones(2, 12)).sum()).backward()
        scaler.step(optimizer)
        scaler.update()

    if used:
        step()
    before = fingerprint(model, optimizer, scaler)
    with restored(model, optimizer, scaler=scaler):
        step()
        scaler.scale(model(torch.ones(2, 12)).sum()).backward()
        scaler.unscale_(optimizer)
        assert fingerprint(model, optimizer, scaler)["scaler"] != before["scaler"]
    assert_same(fingerprint(model, optimizer, scaler), before)


class Position:
    """A sampler that knows where it is."""

    def __init__(self) -> None:
        self.at = [0]

    def state_dict(self) -> dict[str, Any]:
        return {"at": self.at[0]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.at[0] = state["at"]

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        self.at[0] += 1
        return self.at[0] % 4

    def __len__(self) -> int:
        return 4


GENERATORS: list[tuple[Any, Callable[[Any], Any]]] = [
    (torch.Generator().manual_seed(1), lambda g: torch.rand(1, generator=g).item()),
    (np.random.default_rng(1), lambda g: g.random()),
    (np.random.RandomState(1), lambda g: g.rand()),
    (np.random.PCG64(1), lambda g: g.random_raw()),
    (random.Random(1), lambda g: g.random()),
    (Position(), next),
]


@pytest.mark.parametrize(("source", "draw"), GENERATORS, ids=lambda v: type(v).__name__)
def test_given_generators_repeat(source: Any, draw: Callable[[Any], Any]) -> None:
    with restored(generators=[source]):
        first = [draw(source) for _ in range(3)]
    assert [draw(source) for _ in range(3)] == first


def test_shared_random_states_repeat() -> None:
    def draw() -> tuple[float, float, float]:
        return torch.rand(1).item(), float(np.random.rand()), random.random()

    with restored():
        first = draw()
    assert draw() == first


def test_modes_of_torch_that_an_interruption_leaves_behind_come_back() -> None:
    with restored():
        torch.set_grad_enabled(False)
        torch.set_autocast_enabled("cpu", True)
    assert torch.is_grad_enabled()
    assert not torch.is_autocast_enabled("cpu")
    with torch.no_grad():
        with restored():
            torch.set_grad_enabled(True)
        assert not torch.is_grad_enabled()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_random_state_of_a_gpu_repeats() -> None:
    torch.rand(1, device="cuda")
    with restored():
        first = torch.rand(3, device="cuda")
    assert torch.equal(torch.rand(3, device="cuda"), first)


@pytest.mark.parametrize("own", [True, False])
def test_a_loader_begins_again_where_it_stood(own: bool) -> None:
    batches = loader() if own else torch.utils.data.DataLoader(list(range(9)), 2, shuffle=True)
    with restored(loader=batches):
        first = [str(batch) for _ in range(2) for batch in batches]
    assert [str(batch) for _ in range(2) for batch in batches] == first
    sampled = torch.utils.data.DataLoader([10, 11, 12, 13], 2, sampler=Position())
    start = iter(sampled.sampler)
    next(start)
    with restored(loader=sampled):
        next(start)
    assert sampled.sampler.state_dict() == {"at": 1}


def test_an_iterator_cannot_be_wound_back() -> None:
    with pytest.raises(TypeError, match="an iterator \\(generator\\), whose position cannot"):
        restored(loader=(n for n in range(3)))
    position = Position()
    with restored(loader=position):
        next(position)
    assert position.at == [0]


def test_schedulers_and_other_objects_can_be_put_back_too() -> None:
    model, optimizer = made("tied", "sgd", 1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
    state = copy.deepcopy(scheduler.state_dict())
    with restored(model, optimizer, also=[scheduler]):
        train(model, optimizer, 1)
        scheduler.step()
        assert scheduler.state_dict() != state
    assert scheduler.state_dict() == state


def test_extra_state_of_a_module_comes_back() -> None:
    class Extra(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.box = random.Random(1), {1}

        def get_extra_state(self) -> Any:
            return sorted(self.box[1])

        def set_extra_state(self, state: Any) -> None:
            self.box[1].clear()
            self.box[1].update(state)

    module = Extra()
    first = module.box[0].random()
    with restored(module):
        module.box[1].add(2)
        second = module.box[0].random()
    assert module.box[1] == {1}
    assert module.box[0].random() == second != first


@pytest.mark.filterwarnings("ignore")  # TorchScript is on its way out
def test_a_scripted_model_comes_back() -> None:
    model = torch.jit.script(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with restored(model):
        model(torch.randn(4, 2)).sum().backward()
        model.eval()
        nn.init.ones_(next(model.parameters()))
    assert [module.training for module in model.modules()] == [True] * 3
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_model_that_refers_to_itself_is_no_trouble() -> None:
    model = nn.Linear(1, 1)
    model.circle = {"list": []}
    model.circle["list"].append(model.circle)
    with restored(model):
        model.circle["list"].append(1)
    assert len(model.circle["list"]) == 1
