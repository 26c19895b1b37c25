"""Forward and backward through one network a lane, every unit and every weight by name."""

from dataclasses import dataclass
from typing import Any

from firstlight.ensemble.codegen.activations import activate, backward, loss_gradient
from firstlight.ensemble.codegen.plan import Plan
from firstlight.ensemble.spec import Network
from firstlight.ensemble.codegen.vector import Variable, Vector, Writer, whole


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
    found, at = [], 0
    for inputs, outputs in network.layers:
        weights = [[at + j * inputs + i for i in range(inputs)] for j in range(outputs)]
        at += inputs * outputs
        found.append((weights, list(range(at, at + outputs))))
        at += outputs
    return found


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
    found = []
    for i, unit in enumerate(a):
        total = w.load(parameters, weights[0][i]) * d[0]
        for j in range(1, len(d)):
            total = total + w.load(parameters, weights[j][i]) * d[j]
        found.append(backward(network, unit, total))
    return found
