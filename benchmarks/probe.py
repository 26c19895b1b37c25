"""Time what it costs to look inside a model: the probe, skorch's doctor, and hooks that copy.

Every way trains its own copy of the same model, forward and backward; the ways take turns. Time is
that of the processor, on one thread, so that waiting for a busy machine does not count. Between
turns what a way has kept is counted and thrown away.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from firstlight.models.lenet5 import LeNet5
from firstlight.probing import Probe, probe

LIMIT = 0.10
"""The probe may add at most this share of the time of forward and backward."""

OURS = "firstlight.probe"

BINS = 64
"""Bins of the histograms of the hooks that copy, as is usual."""


@dataclass(frozen=True)
class Case:
    """A model with a batch.

    Args:
        name: what it is called in the table.
        make: returns the model.
        loss: model → loss of one batch.
        turns: turns of each way.
        passes: forward and backward passes timed in a turn, after one that is not.
    """

    name: str
    make: Callable[[], nn.Module]
    loss: Callable[[nn.Module], Tensor]
    turns: int
    passes: int


@dataclass
class Way:
    """A way of looking: what is open meanwhile, and how many bytes it has kept."""

    name: str
    model: nn.Module
    open: Callable[[], AbstractContextManager[Any]] = nullcontext
    kept: Callable[[], int] = int
    seconds: list[float] = field(default_factory=list)
    bytes_a_pass: float = 0.0


def lenet5() -> nn.Sequential:
    """Return LeNet-5 from PyTorch's own layers, 61,706 parameters."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10),
    )  # fmt: skip  # one stage a line


def transformer(layers: int = 12, width: int = 256) -> nn.TransformerEncoder:
    """Return an encoder of 12 layers of 256 units, with 1,024 in between and 8 heads."""
    layer = nn.TransformerEncoderLayer(width, 8, 4 * width, batch_first=True)
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)


def cases(turns: int = 40) -> list[Case]:
    """Return the models that are timed; the transformer takes an eighth of the turns."""
    draw = torch.Generator().manual_seed(0)
    images = torch.randn(64, 1, 28, 28, generator=draw)
    labels = torch.randint(10, (64,), generator=draw)
    words = torch.randn(16, 128, 256, generator=draw)

    def classify(model: nn.Module) -> Tensor:
        return functional.cross_entropy(model(images), labels)

    def encode(model: nn.Module) -> Tensor:
        loss: Tensor = model(words).square().mean()
        return loss

    def functions() -> nn.Module:
        return LeNet5(torch.Generator().manual_seed(0))

    return [
        Case("LeNet-5 of modules, batch 64", lenet5, classify, turns, 6),
        Case("LeNet-5 of functions, batch 64", functions, classify, turns, 6),
        Case("transformer, 12 layers, 16 × 128", transformer, encode, max(1, turns // 8), 1),
    ]


def ways(model: nn.Module) -> list[Way]:
    """Return the ways of looking, each with its own copy of the model."""
    plain, ours, copying = (deepcopy(model) for _ in range(3))
    open_probe = probe(ours)
    copies: list[Tensor] = []
    contenders = [
        Way("nothing", plain),
        Way(OURS, ours, lambda: open_probe, lambda: _held(open_probe)),
        Way(
            "hooks that copy, histc",
            copying,
            lambda: _copying(copying, copies),
            lambda: _empty(copies),
        ),
    ]
    try:
        from skorch import NeuralNet
        from skorch.helper import SkorchDoctor
    except ImportError:
        return contenders
    net = NeuralNet(deepcopy(model), criterion=nn.MSELoss).initialize()
    # It stops at attention, whose second output is None; the projections inside stay recorded.
    doctor = SkorchDoctor(net, match_fn=lambda name: not name.endswith("self_attn"))
    doctor.initialize()
    return [*contenders, Way("skorch's doctor", net.module_, kept=lambda: _recorded(doctor))]


def _held(p: Probe) -> int:
    """Return the bytes of a probe's statistics; they do not grow, so they are not thrown away."""
    layers = p.layers.values()
    stats = [each for v in layers for each in (v.outputs, v.inputs, v.gradients) if each]
    return sum(each.nbytes for each in stats)


def _copying(model: nn.Module, copies: list[Tensor]) -> ExitStack:
    """Register hooks as loggers do: copy each output and gradient, and count its histogram."""

    def keep(x: Tensor) -> None:
        copy = x.detach().float().cpu().clone()
        copies.extend((copy, torch.histc(copy, BINS)))

    def output(module: nn.Module, args: Any, y: Any) -> None:
        keep(y[0] if isinstance(y, tuple) else y)

    stack = ExitStack()
    for module in model.modules():
        if not list(module.children()) or isinstance(module, nn.MultiheadAttention):
            stack.callback(module.register_forward_hook(output).remove)
    for parameter in model.parameters():
        handle = parameter.register_hook(keep)  # type: ignore[no-untyped-call]
        stack.callback(handle.remove)
    return stack


def _empty(copies: list[Tensor]) -> int:
    size = sum(x.nbytes for x in copies)
    copies.clear()
    return size


def _recorded(doctor: Any) -> int:
    """Return the bytes that skorch's doctor has recorded, and throw the records away."""
    size = 0
    for records in (doctor.activation_recs_, doctor.gradient_recs_):
        for steps in records.values():
            size += sum(np.asarray(value).nbytes for step in steps for value in step.values())
            steps.clear()
    return size


def _turn(way: Way, case: Case) -> None:
    with way.open():
        for i in range(1 + case.passes):
            if i == 1:
                started = process_time()
            way.model.zero_grad()
            case.loss(way.model).backward()  # type: ignore[no-untyped-call]
        way.seconds.append((process_time() - started) / case.passes)
    kept = way.kept()
    way.bytes_a_pass = kept / (1 + case.passes) if way.name != OURS else kept


def measure(case: Case) -> list[dict[str, Any]]:
    """Return a row for each way: seconds of a pass, and the share it adds to looking at nothing.

    ``added`` is the median over turns of seconds / seconds of the plain way in the same turn, less
    1, with its quartiles.
    """
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    contenders = ways(case.make())
    try:
        torch.set_num_threads(1)
        for way in contenders:
            _turn(way, case)
            way.seconds.clear()
        for turn in range(case.turns):
            for i in range(len(contenders)):
                _turn(contenders[(turn + i) % len(contenders)], case)
    finally:
        torch.set_num_threads(threads)
    plain = np.array(contenders[0].seconds)
    return [_row(case, way, np.array(way.seconds) / plain - 1) for way in contenders]


def _row(case: Case, way: Way, added: Any) -> dict[str, Any]:
    low, middle, high = np.quantile(added, [0.25, 0.5, 0.75])
    return {
        "case": case.name,
        "way": way.name,
        "seconds": median(way.seconds),
        "added": float(middle),
        "added_low": float(low),
        "added_high": float(high),
        "megabytes": way.bytes_a_pass / 1e6,
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the measurements as aligned text, with the verdict on the probe."""
    lines = [f"{'way':<26}{'ms a pass':>11}{'added':>9}{'quartiles':>19}{'kept, MB':>12}"]
    case = None
    for row in rows:
        if row["case"] != case:
            case = row["case"]
            lines.append(f"{case}: forward and backward")
        quartiles = f"{row['added_low']:+.1%} to {row['added_high']:+.1%}"
        lines.append(
            f"  {row['way']:<24}{1e3 * row['seconds']:>11.2f}{row['added']:>+9.1%}{quartiles:>19}"
            f"{row['megabytes']:>12.3f}"
        )
    ours = [row for row in rows if row["way"] == OURS]
    for row in ours:
        verdict = "within" if row["added"] <= LIMIT else "OVER"
        lines.append(f"The probe is {verdict} its limit of {LIMIT:.0%} on: {row['case']}.")
    lines.append(
        "Processor time on one thread. Kept: anew after each pass; by the probe once and for all."
    )
    return "\n".join(lines)


def run(data: Path | None = None) -> str:
    """Return the comparison as text; ``data`` is not used, the inputs are drawn."""
    return table([row for case in cases() for row in measure(case)])
