"""The same training in JAX: ``jit(vmap(scan))``, one network written down and mapped over all.

A network's units are written out one by one, which XLA fuses; with ``h @ W.T`` it is slower.
"""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firstlight.bench.ensemble_peers import Order, Problem, unit_by_unit


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
        self.train = jax.jit(jax.vmap(partial(one_epoch, problem)), donate_argnums=0)

    def epoch(self, order: Order) -> None:
        """Train all networks for one epoch and wait for the end."""
        self.state = self.train(self.state, self.x, self.y, order.astype(np.int32))
        self.state[0].block_until_ready()

    def weights(self) -> NDArray[Any]:
        """Return the parameters as they are now."""
        return np.array(self.state[0])


def one_step(problem: Problem, x: Any, y: Any, state: Any, picks: Any) -> Any:
    """Return one network's state after one update with Adam, and nothing to collect."""
    import jax
    import jax.numpy as jnp

    def loss(w: Any) -> Any:
        z = unit_by_unit(problem.network, w, x[picks], jax.nn.relu)
        return jnp.mean((z - y[picks]) ** 2)

    w, m, v, t = state
    one, two = problem.training.betas
    gradient, t = jax.grad(loss)(w), t + 1
    m = one * m + (1 - one) * gradient
    v = two * v + (1 - two) * gradient**2
    root = jnp.sqrt(v / (1 - two**t)) + problem.training.eps
    return (w - problem.rate * m / (1 - one**t) / root, m, v, t), None


def one_epoch(problem: Problem, state: Any, x: Any, y: Any, order: Any) -> Any:
    """Return one network's state after an epoch: a scan over the full batches, then the rest."""
    import jax

    size = problem.training.batch_size
    whole = len(order) // size * size
    step = partial(one_step, problem, x, y)
    state, _ = jax.lax.scan(step, state, order[:whole].reshape(-1, size))
    return step(state, order[whole:])[0] if whole < len(order) else state
