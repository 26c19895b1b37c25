"""Activations and losses as vector instructions: value forward, derivative backward."""

from firstlight.ensemble.spec import Network, Training
from firstlight.ensemble.codegen.vector import Vector


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
    """Return d · φ′(z), from a = φ(z) alone: so z need not be kept."""
    match network.activation:
        case "relu":
            return d.where(a.compare(">", 0.0), 0.0)
        case "leaky-relu":
            # With a slope below zero the sign of a no longer tells the sign of z; see `sign_known`.
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
            parts = [(out - top).expm1_exp()[1] for out in z]
            total = parts[0]
            for part in parts[1:]:
                total = total + part
            scale = share / total
            return [part * scale - y_k * share for part, y_k in zip(parts, y, strict=True)]
