"""One update of one network a lane: forward, backward and optimizer, every weight by name."""

from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from llvmlite import ir

from firstlight.ensemble.codegen.llvm import I64, Variable, Vector, Writer
from firstlight.ensemble.codegen.plan import Plan
from firstlight.ensemble.spec import Network, Training

LARGEST = 600
"""Parameters of the largest network for which code is written out, weight by weight."""


def activate(network: Network, z: Vector) -> Vector:
    """Return φ(z)."""
    match network.activation:
        case "relu":
            return z.where(z.compare(">", 0.0), 0.0)
        case "leaky-relu":
            return z.where(z.compare(">", 0.0), z * network.slope)
        case "tanh":
            less, _ = (z * 2.0).expm1_exp()
            return less / (less + 2.0)
        case "sigmoid":
            _, exp = (z * -1.0).expm1_exp()
            return z.writer.constant(1.0) / (exp + 1.0)
        case "elu":
            less, _ = z.expm1_exp()
            return z.where(z.compare(">", 0.0), less * network.slope)
        case "identity":
            return z


def backward(network: Network, a: Vector, d: Vector) -> Vector:
    """Return d · φ′(z), from a = φ(z) alone, so that z need not be kept."""
    match network.activation:
        case "relu":
            return d.where(a.compare(">", 0.0), 0.0)
        case "leaky-relu":
            # With a slope below zero the sign of a no longer shows the sign of z; see `refusal`.
            return d.where(a.compare(">", 0.0), d * network.slope)
        case "tanh":
            return d - d * a * a
        case "sigmoid":
            return d * (a - a * a)
        case "elu":
            return d.where(a.compare(">", 0.0), d * (a + network.slope))
        case "identity":
            return d


def refusal(plan: Plan) -> str | None:
    """Return why the kernel cannot train such networks, or None where it can."""
    count = plan.network.parameters
    if count > LARGEST:
        return f"the kernel trains networks of at most {LARGEST} parameters, these have {count}"
    # ``backward`` relies on φ(z) > 0 exactly where z > 0.
    if plan.network.activation in ("leaky-relu", "elu") and plan.network.slope < 0:
        return f"the kernel needs a slope of at least 0, got {plan.network.slope}"
    return None


def loss_gradient(
    training: Training, z: list[Vector], y: list[Vector], share: Vector
) -> list[Vector]:
    """Return the loss's derivative by each output.

    Args:
        training: names the loss.
        z: outputs of one sample.
        y: targets of that sample.
        share: 1 / batch size, and for losses averaged over outputs 1 / (batch size · outputs).
    """
    match training.loss:
        case "squared-error":
            twice = share * 2.0
            return [(out - target) * twice for out, target in zip(z, y, strict=True)]
        case "hinge":
            zero = share.writer.constant(0.0)
            pushes = [zero - target * share for target in y]
            return [
                push.where((target * out).compare("<", 1.0), 0.0)
                for push, target, out in zip(pushes, y, z, strict=True)
            ]
        case "cross-entropy":
            top = reduce(lambda top, out: out.where(out.compare(">", top), top), z)
            exps = [(out - top).expm1_exp()[1] for out in z]
            scale = share / reduce(add, exps)
            return [exp * scale - target * share for exp, target in zip(exps, y, strict=True)]


@dataclass(frozen=True)
class Sample:
    """One sample of every lane, in the batch that was gathered."""

    writer: Writer
    rows: Any
    start: Any

    def read(self, index: int) -> Vector:
        """Return number ``index`` of the sample: the inputs come first, then the targets."""
        return self.writer.load(self.rows, self.writer.builder.add(self.start, I64(index)))


Layers = list[tuple[list[list[int]], list[int]]]


def indices(network: Network) -> Layers:
    """Return for each layer where its weights [output][input] and its biases lie."""
    places = network.unpack(np.arange(network.parameters))
    return [(weights.tolist(), biases.tolist()) for weights, biases in places]


def forward(
    w: Writer, network: Network, layers: Layers, parameters: Any, inputs: list[Vector]
) -> list[list[Vector]]:
    """Write one sample's way through the layers; return the inputs and all layers' activations."""
    activations = [inputs]
    for number, (weights, biases) in enumerate(layers, 1):
        z = []
        for row, bias in zip(weights, biases, strict=True):
            terms = (
                w.load(parameters, index) * unit
                for index, unit in zip(row, activations[-1], strict=True)
            )
            z.append(reduce(add, terms, w.load(parameters, bias)))
        activations.append(z if number == len(layers) else [activate(network, one) for one in z])
    return activations


def backpropagate(
    w: Writer,
    plan: Plan,
    parameters: Any,
    samples: list[Sample],
    share: Vector,
    gradients: dict[int, Variable],
) -> None:
    """Write: the gradients of these samples are added to ``gradients``, in the samples' order."""
    network, inputs = plan.network, plan.network.widths[0]
    layers = indices(network)
    if plan.only_bias:  # as one layer of outputs without inputs
        inputs, layers = 0, [([[] for _ in layers[-1][1]], layers[-1][1])]
    units = [
        forward(w, network, layers, parameters, [sample.read(i) for i in range(inputs)])
        for sample in samples
    ]
    errors = []
    for sample, activations in zip(samples, units, strict=True):
        y = [sample.read(network.widths[0] + j) for j in range(network.widths[-1])]
        errors.append(loss_gradient(plan.training, activations[-1], y, share))
    for number in reversed(range(len(layers))):
        weights, biases = layers[number]
        passes = list(zip(errors, (activations[number] for activations in units), strict=True))
        for j, (row, bias) in enumerate(zip(weights, biases, strict=True)):
            for d, _ in passes:
                gradients[bias].add_rounded(d[j])
            for i, index in enumerate(row):
                for d, a in passes:
                    gradients[index].add(d[j] * a[i])
        if number:
            errors = [_errors_below(w, network, parameters, weights, d, a) for d, a in passes]


def _errors_below(
    w: Writer,
    network: Network,
    parameters: Any,
    weights: list[list[int]],
    d: list[Vector],
    a: list[Vector],
) -> list[Vector]:
    """Write the errors of the layer below, from its activations and the errors of this one."""
    errors = []
    for column, unit in zip(zip(*weights, strict=True), a, strict=True):
        terms = (w.load(parameters, index) * one for index, one in zip(column, d, strict=True))
        errors.append(backward(network, unit, reduce(add, terms)))
    return errors


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
            step = w.load(given["first"], index) * training.momentum + step
            w.store(step, given["first"], index)
        w.store(w.load(given["parameters"], index) - rate * step, given["parameters"], index)


def _adam(
    w: Writer,
    training: Training,
    given: dict[str, Any],
    gradients: dict[int, Variable],
    rate: Vector,
) -> None:
    b, double, rest = w.builder, ir.DoubleType(), []
    for k, beta in enumerate(training.betas):
        place = b.gep(given["powers"], [I64(k)])
        power = b.fmul(b.load(place), double(beta))
        b.store(power, place)
        rest.append(b.fsub(double(1.0), power))  # 1 − βᵗ, in double precision
    first, root = rest[0], b.call(b.module.declare_intrinsic("llvm.sqrt", [double]), rest[1:])
    if w.kind.size == 4:
        first, root = (b.fptrunc(number, ir.FloatType()) for number in (first, root))
    pace, root = rate / w.number(first), w.constant(1.0) / w.number(root)
    beta1, beta2 = training.betas
    for index, gradient in gradients.items():
        g = gradient.get()
        m = w.load(given["first"], index)
        m = m + (g - m) * (1.0 - beta1)
        v = w.load(given["second"], index) * beta2 + g * g * (1.0 - beta2)
        w.store(m, given["first"], index)
        w.store(v, given["second"], index)
        move = pace * m / (v.sqrt() * root + training.eps)
        w.store(w.load(given["parameters"], index) - move, given["parameters"], index)
