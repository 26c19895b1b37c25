"""Acceleration changes how a network is trained, never what is learned."""

import ctypes
import shutil

import pytest
import torch
import torch._inductor.config as compiler
from torch import nn

from firstlight.models.minigooglenet import MiniGoogLeNet
from firstlight.train import PLAIN, Acceleration, choose, fit, use
from firstlight.train.acceleration import has_fast_bfloat16, keep_freed_memory, operations


def images(n: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(2)
    return torch.randn(n, 1, 32, 32, generator=draw), torch.randint(0, 10, (n,), generator=draw)


@pytest.mark.parametrize(
    "path",
    [
        Acceleration(channels_last=True),
        Acceleration(fused=True),
        Acceleration(memory_kept=True),
        Acceleration(channels_last=True, fused=True, memory_kept=True),
    ],
    ids=str,
)
def test_every_path_in_full_precision_learns_the_same(path: Acceleration) -> None:
    x, y = images()
    order = list(torch.arange(12).split(4))
    states = []
    for chosen in (PLAIN, path):
        model = MiniGoogLeNet(torch.Generator().manual_seed(0), width=0.05).double()
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9)
        fit(model, x.double(), y, order, optimizer, lambda _: 0.01, path=chosen)
        states.append(model.state_dict())
    for name, value in states[0].items():
        assert torch.allclose(value, states[1][name], rtol=1e-7, atol=1e-9), name


def test_bfloat16_stays_close() -> None:
    x, _ = images()
    model = MiniGoogLeNet(torch.Generator().manual_seed(0), width=0.05).eval()
    expected = model(x)
    with use(Acceleration(bfloat16=True), model) as forward:
        found = forward(x)
    assert found.dtype is torch.float32
    assert torch.allclose(found, expected, rtol=0.1, atol=0.1)
    assert not torch.equal(found, expected)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of PyTorch's own, inside its compiler
def test_a_compiled_network_gives_the_same_outputs_at_every_size() -> None:
    model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))
    # In one thread, so that PyTorch leaves no process of its own behind, of which Python may warn.
    with compiler.patch(compile_threads=1), use(Acceleration(compiled=True), model) as forward:
        for n in (8, 3, 8):
            x = torch.randn(n, 6)
            assert torch.allclose(forward(x), model(x), rtol=1e-5, atol=1e-6)


def test_what_is_chosen() -> None:
    x, _ = images(4)
    model = MiniGoogLeNet(torch.Generator().manual_seed(0), width=0.05)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    path = choose(model, x, optimizer=optimizer)
    assert (path.channels_last, path.fused, path.compiled) == (True, True, False)
    assert path.memory_kept
    assert path.bfloat16 == has_fast_bfloat16(torch.device("cpu"))
    assert not choose(nn.Linear(2, 1), torch.zeros(3, 2), samples=100).channels_last
    assert "channels last" in str(path)
    assert str(PLAIN) == "float32"


@pytest.mark.parametrize(("amx", "compiler"), [(True, "g++"), (True, None), (False, "g++")])
def test_long_trainings_are_compiled_where_it_pays_and_can_be_done(
    monkeypatch: pytest.MonkeyPatch, amx: bool, compiler: str | None
) -> None:
    x, _ = images(4)
    model = MiniGoogLeNet(torch.Generator().manual_seed(0), width=0.05)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(shutil, "which", lambda name: compiler)
    assert choose(model, x, samples=10**12).compiled == (amx and compiler is not None)
    assert not choose(model, x, samples=100).compiled


def test_fused_is_left_alone_where_training_has_begun() -> None:
    model = nn.Linear(2, 1)
    x = torch.ones(4, 2)
    optimizer = torch.optim.Adam(model.parameters())
    model(x).sum().backward()
    optimizer.step()
    assert not choose(model, x, optimizer=optimizer).fused
    assert not choose(model, x, optimizer=torch.optim.LBFGS(model.parameters())).fused


def test_operations_of_a_convolution_and_a_matrix_product() -> None:
    """Two for each multiplication with addition, and a training step counts three times."""
    assert operations(nn.Linear(7, 5), torch.zeros(3, 7)) == 3 * 2 * 3 * 7 * 5
    conv = nn.Conv2d(2, 3, 3)
    assert operations(conv, torch.zeros(1, 2, 10, 10)) == 3 * 2 * 8 * 8 * 3 * 2 * 9


def test_counting_operations_leaves_the_model_as_it_was() -> None:
    model = nn.Sequential(nn.BatchNorm1d(6), nn.Dropout()).train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    state = torch.get_rng_state()
    operations(model, torch.randn(4, 6, generator=torch.Generator().manual_seed(0)))
    assert model.training
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_memory_settings_are_put_back_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, int]] = []

    class Library:
        @staticmethod
        def mallopt(name: int, value: int) -> int:
            calls.append((name, value))
            return 1

        @staticmethod
        def malloc_trim(pad: int) -> int:
            calls.append((-99, pad))
            return 1

    monkeypatch.setattr(ctypes, "CDLL", lambda _: Library)

    def fail() -> None:
        with keep_freed_memory() as can:
            assert can
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert calls == [(-1, 2**31 - 1), (-4, 0), (-1, 128 * 1024), (-4, 65_536), (-99, 0)]


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    with keep_freed_memory() as can:
        assert not can
