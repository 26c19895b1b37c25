"""The optimizers as vector instructions, each as PyTorch defines it."""

from typing import Any

from llvmlite import ir

from firstlight.ensemble.spec import Training
from firstlight.ensemble.codegen.vector import Variable, Vector, Writer, whole


def update(
    w: Writer, training: Training, given: dict[str, Any], gradients: dict[int, Variable]
) -> None:
    """Write one step of the optimizer for every trained parameter.

    Source: D. P. Kingma and J. Ba, "Adam" (2015), algorithm 1, in the order of operations of
    ``torch.optim.Adam``; ``torch.optim.SGD`` without dampening or Nesterov's momentum.
    """
    rate = w.load(given["rate"], 0)
    if training.optimizer == "adam":
        _adam(w, training, given, gradients, rate)
        return
    for index, gradient in gradients.items():
        step = gradient.get()
        if training.momentum:
            velocity = w.load(given["first"], index)
            step = velocity * training.momentum + step
            w.store(step, given["first"], index)
        w.store(w.load(given["parameters"], index) - rate * step, given["parameters"], index)


def _powers(w: Writer, training: Training, given: dict[str, Any]) -> list[Any]:
    """Write βᵗ on for this step and return 1 − βᵗ of both moments, in double precision."""
    b, found = w.builder, []
    for k, beta in enumerate(training.betas):
        place = b.gep(given["powers"], [whole(k)])
        power = b.fmul(b.load(place), ir.Constant(ir.DoubleType(), beta))
        b.store(power, place)
        found.append(b.fsub(ir.Constant(ir.DoubleType(), 1.0), power))
    return found


def _adam(
    w: Writer,
    training: Training,
    given: dict[str, Any],
    gradients: dict[int, Variable],
    rate: Vector,
) -> None:
    b, (beta1, beta2) = w.builder, training.betas
    first, second = _powers(w, training, given)
    root = b.call(b.module.declare_intrinsic("llvm.sqrt", [ir.DoubleType()]), [second])
    if w.kind.size == 4:
        first, root = (b.fptrunc(number, ir.FloatType()) for number in (first, root))
    pace, root = rate / w.number(first), w.constant(1.0) / w.number(root)
    for index, gradient in gradients.items():
        g = gradient.get()
        m = w.load(given["first"], index)
        m = m + (g - m) * (1.0 - beta1)
        v = w.load(given["second"], index) * beta2 + g * g * (1.0 - beta2)
        w.store(m, given["first"], index)
        w.store(v, given["second"], index)
        move = pace * m / (v.sqrt() * root + training.eps)
        w.store(w.load(given["parameters"], index) - move, given["parameters"], index)
