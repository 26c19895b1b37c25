"""One step of a model: rates of groups, micro-batches, kinds of inputs, half precision, memory."""

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from firstlight.ranges import ModelStep, learning_rate
from firstlight.ranges.trainable import ran_out_of_memory

mse = nn.functional.mse_loss


class Three(nn.Module):
    """The inputs times the sum of three parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = (nn.Parameter(torch.ones(1)) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        return x * (self.first + self.second + self.third)


def test_groups_keep_the_ratios_of_their_rates() -> None:
    model = Three()
    optimizer = torch.optim.SGD(
        [
            {"params": [model.first], "lr": 0.01},
            {"params": [model.second], "lr": 0.1},
            {"params": [model.third], "lr": 0.0},
        ],
        lr=1.0,
    )
    rates: list[list[float]] = []
    optimizer.register_step_pre_hook(
        lambda o, *_: rates.append([float(g["lr"]) for g in o.param_groups])
    )
    batches = [(torch.ones(2, 1), torch.zeros(2, 1))]
    curve = learning_rate(
        ModelStep(model, optimizer, mse), batches, low=1e-6, high=1e-3, candidates=7
    )
    assert np.array(rates) == pytest.approx(np.outer(curve.values, [1, 10, 0]), rel=1e-12)
    assert [g["lr"] for g in optimizer.param_groups] == [0.01, 0.1, 0.0]


@pytest.mark.parametrize("samples", [7, 8, 9, 16])
@pytest.mark.parametrize("micro", [1, 3, 4, 8, 100])
def test_micro_batches_give_the_whole_batchs_gradient(samples: int, micro: int) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)).double()
    batch = torch.randn(samples, 5).double(), torch.arange(samples) % 3
    updates = []
    for size in (micro, None):
        twin = copy.deepcopy(model)
        optimizer = torch.optim.SGD(twin.parameters(), lr=1.0)
        loss = ModelStep(twin, optimizer, nn.functional.cross_entropy, micro_batch=size)(batch, 1.0)
        before = torch.cat([p.detach().flatten() for p in model.parameters()])
        updates.append(
            (loss, torch.cat([p.detach().flatten() for p in twin.parameters()]) - before)
        )
    assert updates[0][0] == pytest.approx(updates[1][0], rel=1e-12)
    assert torch.allclose(updates[0][1], updates[1][1], rtol=1e-6, atol=1e-12)
    assert updates[1][1].abs().max() > 0.01


def test_inputs_may_be_tuples_mappings_and_arguments() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Bilinear(2, 2, 1)

        def forward(self, left: Tensor, right: Tensor) -> Tensor:
            return self.layer(left, right)

    torch.manual_seed(0)
    model = Two()
    optimizer = torch.optim.Adam(model.parameters())
    left, right, y = torch.randn(6, 2), torch.randn(6, 2), torch.randn(6, 1)
    step = ModelStep(model, optimizer, mse, micro_batch=4)
    curves = [
        learning_rate(step, [(inputs, y)], candidates=5, high=0.1).losses.tolist()
        for inputs in ((left, right), {"right": right, "left": left})
    ]
    assert curves[0] == curves[1]
    assert curves[0][0][0] == pytest.approx(mse(model(left, right), y).item(), rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_scaler_divides_what_it_multiplied(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    batches = [(torch.randn(6, 4), torch.randn(6, 2)) for _ in range(3)]
    kinds: list[torch.dtype] = []

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        kinds.append(outputs.dtype)
        return mse(outputs.float(), targets)

    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    rough = ModelStep(model, optimizer, loss, scaler=scaler, autocast=dtype)
    exact = ModelStep(model, optimizer, mse)
    a, b = (learning_rate(step, batches, steps=20, low=1e-3, high=0.1) for step in (rough, exact))
    assert a.losses == pytest.approx(b.losses, rel=0.05)
    assert set(kinds) == {dtype}
    assert scaler._scale is None


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("no"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory: you tried"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"), True),
        (RuntimeError("MPS backend out of memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)  # fmt: skip
def test_memory_errors_are_recognized(error: Exception, answer: bool) -> None:
    assert ran_out_of_memory(error) is answer
