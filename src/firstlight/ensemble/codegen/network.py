"""One update of one network a lane: forward, backward and optimizer, every weight by name."""

from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from firstlight.ensemble.codegen.plan import Plan
from firstlight.ensemble.codegen.vector import Variable, Vector, Writer, whole
from firstlight.ensemble.spec import Network, Training


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
            # With a slope below zero the sign of a no longer shows the sign of z; see `sign_known`.
            return d.where(a.compare(">", 0.0), d * network.slope)
        case "tanh":
            return d - d * a * a
        case "sigmoid":
            return d * (a - a * a)
        case "elu":
            return d.where(a.compare(">", 0.0), d * (a + network.slope))
        case "identity":
            return d


def sign_known(network: Network) -> bool:
    """Say whether φ(z) > 0 exactly where z > 0, which ``backward`` relies on."""
    return network.activation not in ("leaky-relu", "elu") or network.slope >= 0


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
            top = z[0]
            for out in z[1:]:
                top = out.where(out.compare(">", top), top)
            exps = [(out - top).expm1_exp()[1] for out in z]
            total = exps[0]
            for exp in exps[1:]:
                total = total + exp
            scale = share / total
            return [exp * scale - target * share for exp, target in zip(exps, y, strict=True)]


@dataclass(frozen=True)
class Sample:
    """One sample of every lane, in the batch that was gathered."""

    writer: Writer
    rows: Any
    start: Any

    def read(self, index: int) -> Vector:
        """Return number ``index`` of the sample: the inputs come first, then the targets."""
        return self.writer.load(self.rows, self.writer.builder.add(self.start, whole(index)))


def indices(network: Network) -> list[tuple[list[list[int]], list[int]]]:
    """Return for each layer where its weights [output][input] and its biases lie."""
    places, at = [], 0
    for inputs, outputs in network.layers:
        weights = [[at + j * inputs + i for i in range(inputs)] for j in range(outputs)]
        at += inputs * outputs
        places.append((weights, list(range(at, at + outputs))))
        at += outputs
    return places


def forward(
    w: Writer, network: Network, parameters: Any, inputs: list[Vector]
) -> list[list[Vector]]:
    """Return the activations of every layer, from the inputs to the outputs."""
    activations = [inputs]
    layers = indices(network)
    for number, (weights, biases) in enumerate(layers, 1):
        z = []
        for row, bias in zip(weights, biases, strict=True):
            total = w.load(parameters, bias)
            for index, unit in zip(row, activations[-1], strict=True):
                total = total + w.load(parameters, index) * unit
            z.append(total)
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
    outputs = layers[-1][1]
    if plan.only_bias:
        units = [[[w.load(parameters, bias) for bias in outputs]] for _ in samples]
    else:
        units = [
            forward(w, network, parameters, [sample.read(i) for i in range(inputs)])
            for sample in samples
        ]
    errors = []
    for sample, activations in zip(samples, units, strict=True):
        y = [sample.read(inputs + j) for j in range(len(outputs))]
        errors.append(loss_gradient(plan.training, activations[-1], y, share))
    if plan.only_bias:
        _collect([], outputs, errors, [[] for _ in samples], gradients)
        return
    for number in range(len(layers) - 1, -1, -1):
        weights, biases = layers[number]
        below = [activations[number] for activations in units]
        _collect(weights, biases, errors, below, gradients)
        if number:
            errors = [
                _through(w, network, parameters, weights, d, a)
                for d, a in zip(errors, below, strict=True)
            ]


def _collect(
    weights: list[list[int]],
    biases: list[int],
    errors: list[list[Vector]],
    below: list[list[Vector]],
    gradients: dict[int, Variable],
) -> None:
    """Write one layer's share of the gradient: d for its biases, d · a for its weights."""
    for j, bias in enumerate(biases):
        for d in errors:
            gradients[bias].add_rounded(d[j])
        for i, index in enumerate(weights[j] if weights else []):
            for d, a in zip(errors, below, strict=True):
                gradients[index].add(d[j] * a[i])


def _through(
    w: Writer,
    network: Network,
    parameters: Any,
    weights: list[list[int]],
    d: list[Vector],
    a: list[Vector],
) -> list[Vector]:
    """Return the errors of the layer below."""
    errors = []
    for i, unit in enumerate(a):
        total = w.load(parameters, weights[0][i]) * d[0]
        for j in range(1, len(d)):
            total = total + w.load(parameters, weights[j][i]) * d[j]
        errors.append(backward(network, unit, total))
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
            velocity = w.load(given["first"], index)
            step = velocity * training.momentum + step
            w.store(step, given["first"], index)
        w.store(w.load(given["parameters"], index) - rate * step, given["parameters"], index)


def _powers(w: Writer, training: Training, given: dict[str, Any]) -> list[Any]:
    """Write the next βᵗ and return 1 − βᵗ of both moments, in double precision."""
    b, left = w.builder, []
    for k, beta in enumerate(training.betas):
        place = b.gep(given["powers"], [whole(k)])
        power = b.fmul(b.load(place), ir.Constant(ir.DoubleType(), beta))
        b.store(power, place)
        left.append(b.fsub(ir.Constant(ir.DoubleType(), 1.0), power))
    return left


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
