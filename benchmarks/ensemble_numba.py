"""The same training in numba: networks side by side in SIMD lanes, inside one compiled function.

Shuffle, gather, forward, backward and Adam are one function without Python's lock, so that threads
train blocks of networks at the same time, as ``firstlight.ensemble.codegen`` does. A network's units
are written out one by one as Python text, in a loop over the lanes that LLVM turns into vectors.
"""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numba import njit
from numba.extending import register_jitable
from numpy.typing import NDArray

from benchmarks.ensemble_peers import Problem
from firstlight.ensemble.codegen.network import indices
from firstlight.ensemble.shuffle import INCREMENT, MULTIPLIER, initial_state
from firstlight.ensemble.spec import Network

LANES = 16 if llvm.get_host_cpu_features().get("avx512f") else 8
"""Networks side by side: the float32 numbers of one register."""
TOGETHER = 2
"""Samples that go through the network together: they share the loads of the weights."""
OPTIONS: dict[str, Any] = {"fastmath": True, "error_model": "numpy", "nogil": True}


class Source:
    """The text of a function that adds the gradients of ``TOGETHER`` samples, every unit by name.

    ``state`` holds rows of one number a lane: weights, gradients, Adam's two moments, then input,
    target and share of each sample. All lies in one array, because LLVM makes vectors only where
    it can prove that nothing overlaps.

    Args:
        network: with one input and one output.
    """

    def __init__(self, network: Network) -> None:
        self.layers, self.parameters = indices(network), network.parameters
        self.samples, self.lines = range(TOGETHER), list[str]()
        self.units = [[[f"x{s}"]] for s in self.samples]
        for s in self.samples:
            for k, name in enumerate(("x", "y", "share")):
                self.lines.append(f"{name}{s} = {self.row(4 * self.parameters + 3 * s + k)}")

    def __str__(self) -> str:
        self.forward()
        errors = [[f"({self.units[s][-1][0]} - y{s}) * share{s}"] for s in self.samples]
        for layer in range(len(self.layers) - 1, -1, -1):
            errors = self.backward(layer, errors)
        head = f"def add_gradients(state):\n    for lane in range({LANES}):\n        "
        return head + "\n        ".join(self.lines)

    def row(self, number: int) -> str:
        """Return the lane's number of one row."""
        return f"state[{number * LANES} + lane]"

    def load(self, weights: list[int]) -> None:
        """Give some weights the names w0, w1, …"""
        self.lines += [f"w{k} = {self.row(index)}" for k, index in enumerate(weights)]

    def forward(self) -> None:
        """Write the units of every layer."""
        for layer, (weights, biases) in enumerate(self.layers):
            for units in self.units:
                units.append([f"{units[0][0]}_{layer}_{j}" for j in range(len(biases))])
            for j, bias in enumerate(biases):
                self.load([bias, *weights[j]])
                for units in self.units:
                    unit = units[-1][j]
                    terms = (f"w{k} * {below}" for k, below in enumerate(units[layer], 1))
                    self.lines.append(f"{unit} = {' + '.join(['w0', *terms])}")
                    if layer < len(self.layers) - 1:
                        self.lines.append(f"{unit} = {unit} if {unit} > ZERO else ZERO")

    def backward(self, layer: int, errors: list[list[str]]) -> list[list[str]]:
        """Write the gradients of one layer, and return the errors of the layer below."""
        weights, biases = self.layers[layer]
        below = [units[layer] for units in self.units]
        for j, bias in enumerate(biases):
            self.lines += [f"d{s}_{j} = {errors[s][j]}" for s in self.samples]
            terms = [f"d{s}_{j}" for s in self.samples]
            self.lines.append(f"{self.row(self.parameters + bias)} += {' + '.join(terms)}")
            for i, index in enumerate(weights[j]):
                terms = [f"d{s}_{j} * {below[s][i]}" for s in self.samples]
                self.lines.append(f"{self.row(self.parameters + index)} += {' + '.join(terms)}")
        errors = [[] for _ in self.samples]
        for i in range(len(weights[0]) if layer else 0):
            self.load([row[i] for row in weights])
            for s in self.samples:
                total = " + ".join(f"w{j} * d{s}_{j}" for j in range(len(biases)))
                self.lines.append(f"e{s}_{i} = {total}")
                errors[s].append(f"e{s}_{i} if {below[s][i]} > ZERO else ZERO")
        return errors


@register_jitable(**OPTIONS)
def _gather(data: Any, states: Any, places: Any, batch: Any, row: Any, last: Any) -> None:
    """Settle place ``last`` of every lane's shuffle; the sample that comes there is the next."""
    for lane in range(LANES):
        state = states[lane]
        states[lane] = state * np.uint64(MULTIPLIER) + np.uint64(INCREMENT)
        mixed = (((state >> np.uint64(18)) ^ state) >> np.uint64(27)) & np.uint64(0xFFFFFFFF)
        turn = state >> np.uint64(59)
        back = (np.uint64(32) - turn) & np.uint64(31)
        bits = ((mixed >> turn) | (mixed << back)) & np.uint64(0xFFFFFFFF)
        places[lane] = np.int64((bits * np.uint64(last + 1)) >> np.uint64(32))
    for lane in range(LANES):
        mine, other = data[lane, last], data[lane, places[lane]]
        x, y = other[0], other[1]
        other[0], other[1] = mine[0], mine[1]
        mine[0], mine[1] = x, y
        batch[row, 0, lane], batch[row, 1, lane] = x, y


@register_jitable(**OPTIONS)
def _adam(state: Any, size: Any, powers: Any, rate: Any, one: Any, two: Any, eps: Any) -> None:
    """Move all weights; ``size`` numbers each are weights, gradients and the two moments."""
    powers[0] *= one
    powers[1] *= two
    pace, root = np.float32(rate / (1 - powers[0])), np.float32(1 / math.sqrt(1 - powers[1]))
    new_one, new_two = np.float32(1 - one), np.float32(1 - two)
    keep_two, small = np.float32(two), np.float32(eps)
    for k in range(size):
        g, m = state[size + k], state[2 * size + k]
        m = m + (g - m) * new_one
        v = state[3 * size + k] * keep_two + g * g * new_two
        state[2 * size + k], state[3 * size + k] = m, v
        state[k] = state[k] - pace * m / (np.float32(math.sqrt(v)) * root + small)


@lru_cache
def block_of(network: Network) -> Callable[..., None]:
    """Return the training of one block of ``LANES`` networks; the first call compiles it."""
    scope: dict[str, Any] = {"ZERO": np.float32(0)}
    exec(str(Source(network)), scope)
    add_gradients = njit(**OPTIONS)(scope["add_gradients"])
    size, lanes, together = network.parameters * LANES, LANES, TOGETHER

    def block(
        state: Any, data: Any, states: Any, places: Any, batch: Any, powers: Any,
        batch_size: Any, epochs: Any, rate: Any, one: Any, two: Any, eps: Any,
    ) -> None:  # fmt: skip  # an argument a line would hide what the function does
        samples = data.shape[1]
        for _ in range(epochs):
            for start in range(0, samples, batch_size):
                count = min(batch_size, samples - start)
                for row in range(count):
                    _gather(data, states, places, batch, row, samples - start - row - 1)
                for k in range(size, 2 * size):
                    state[k] = np.float32(0)
                for first in range(0, count, together):
                    for s in range(together):
                        place = 4 * size + 3 * s * lanes
                        # A sample beyond a batch of odd size is an old one, and counts nothing.
                        share = np.float32(2 / count if first + s < count else 0)
                        for lane in range(lanes):
                            state[place + lane] = batch[first + s, 0, lane]
                        for lane in range(lanes):
                            state[place + lanes + lane] = batch[first + s, 1, lane]
                        for lane in range(lanes):
                            state[place + 2 * lanes + lane] = share
                    add_gradients(state)
                _adam(state, size, powers, rate, one, two, eps)

    compiled: Callable[..., None] = njit(**OPTIONS)(block)
    return compiled


def train(problem: Problem, seeds: NDArray[np.int64], epochs: int, threads: int) -> NDArray[Any]:
    """Return the trained parameters, shape (R, P); networks shuffle as firstlight's own do.

    Args:
        problem: the networks and their points.
        seeds: shape (R,), of the shuffles.
        epochs: passes over the points.
        threads: blocks that are trained at the same time.
    """
    block, training = block_of(problem.network), problem.training
    networks, count = np.arange(len(problem.x)), problem.network.parameters
    padded = np.append(networks, np.repeat(networks[-1:], -len(networks) % LANES))
    trained = problem.parameters.copy()
    settings = (problem.rate, *training.betas, training.eps)

    def work(members: NDArray[np.intp]) -> None:
        state = np.zeros((4 * count + 3 * TOGETHER, LANES), dtype=np.float32)
        state[:count] = problem.parameters[members].T
        data = np.stack([problem.x[members], problem.y[members]], axis=-1)
        states = np.array([initial_state(int(seeds[r])) for r in members], dtype=np.uint64)
        places, powers = np.zeros(LANES, dtype=np.int64), np.ones(2)
        batch = np.zeros((training.batch_size + TOGETHER, 2, LANES), dtype=np.float32)
        flat = state.reshape(-1)
        block(flat, data, states, places, batch, powers, training.batch_size, epochs, *settings)
        trained[members] = state[:count].T

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, padded.reshape(-1, LANES)))
    return trained
