"""The same training in JAX: ``jit(vmap(scan))``, one network written down and mapped over all.

``JaxPlain`` is the way people write it: layers as matrix products, the shuffle drawn by JAX inside
the program. ``Jax`` has a network's units written out one by one, which XLA fuses, and takes its
orders from NumPy, whose shuffle is quicker.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.ensemble_peers import Order, Problem, unit_by_unit


class Jax:
    """One network's epoch as a ``scan`` over its batches, mapped over all networks and compiled.

    Raises:
        ImportError: JAX is not installed.
    """

    def __init__(self, problem: Problem) -> None:
        import jax
        import jax.numpy as jnp

        self.problem = problem
        self.x, self.y = jnp.asarray(problem.x), jnp.asarray(problem.y)
        w = jnp.asarray(problem.parameters)
        self.state = (w, jnp.zeros_like(w), jnp.zeros_like(w), jnp.zeros(len(w)))
        # The old state's memory may be used for the new one.
        epoch = partial(one_epoch, problem, self.outputs)
        self.train = jax.jit(jax.vmap(epoch), donate_argnums=0)

    def outputs(self, w: Any, x: Any) -> Any:
        """Return one network's outputs."""
        import jax

        return unit_by_unit(self.problem.network, w, x, jax.nn.relu)

    def epoch(self, order: Order) -> None:
        """Train all networks for one epoch and wait for the end."""
        self.state = self.train(self.state, self.x, self.y, order.astype(np.int32))
        self.state[0].block_until_ready()

    def weights(self) -> NDArray[Any]:
        """Return the parameters as they are now."""
        return np.array(self.state[0])


class JaxPlain(Jax):
    """The plain form: matrix products, and each network's shuffle drawn within the program."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        import jax

        self.keys = jax.random.split(jax.random.key(0), len(problem.x))
        self.whole = jax.jit(jax.vmap(self.shuffled_epoch), donate_argnums=0)

    def outputs(self, w: Any, x: Any) -> Any:
        """Return one network's outputs, layer by layer."""
        import jax

        layers = [
            (weights, biases.reshape(1, -1)) for weights, biases in self.problem.network.unpack(w)
        ]
        h = x.reshape(len(x), -1)
        for weights, biases in layers[:-1]:
            h = jax.nn.relu(h @ weights.T + biases)
        return (h @ layers[-1][0].T + layers[-1][1])[:, 0]

    def shuffled_epoch(self, state: Any, x: Any, y: Any, key: Any) -> Any:
        """Return one network's state after an epoch in an order of its own, and the next key."""
        import jax

        key, now = jax.random.split(key)
        order = jax.random.permutation(now, len(x))
        return one_epoch(self.problem, self.outputs, state, x, y, order), key

    def own_epoch(self) -> None:
        """Train all networks for one epoch, shuffle included, and wait for the end."""
        self.state, self.keys = self.whole(self.state, self.x, self.y, self.keys)
        self.state[0].block_until_ready()


def one_step(
    problem: Problem, outputs: Callable[[Any, Any], Any], x: Any, y: Any, state: Any, picks: Any
) -> Any:
    """Return one network's state after one update with Adam, and nothing to collect."""
    import jax
    import jax.numpy as jnp

    def loss(w: Any) -> Any:
        return jnp.mean((outputs(w, x[picks]) - y[picks]) ** 2)

    w, m, v, t = state
    one, two = problem.training.betas
    gradient, t = jax.grad(loss)(w), t + 1
    m = one * m + (1 - one) * gradient
    v = two * v + (1 - two) * gradient**2
    root = jnp.sqrt(v / (1 - two**t)) + problem.training.eps
    return (w - problem.rate * m / (1 - one**t) / root, m, v, t), None


def one_epoch(
    problem: Problem,
    outputs: Callable[[Any, Any], Any],
    state: Any,
    x: Any,
    y: Any,
    order: Any,
) -> Any:
    """Return one network's state after an epoch: a scan over the full batches, then the rest."""
    import jax

    size = problem.training.batch_size
    whole = len(order) // size * size
    step = partial(one_step, problem, outputs, x, y)
    state, _ = jax.lax.scan(step, state, order[:whole].reshape(-1, size))
    return step(state, order[whole:])[0] if whole < len(order) else state
