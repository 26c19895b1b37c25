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
from numpy.typing import NDArray

from benchmarks.ensemble_peers import Problem
from firstlight.ensemble.codegen.network import indices
from firstlight.ensemble.shuffle import INCREMENT, MULTIPLIER, initial_state
from firstlight.ensemble.spec import Network

LANES = 16 if llvm.get_host_cpu_features().get("avx512f") else 8
"""Networks side by side: the float32 numbers of one register."""
TOGETHER = 2
"""Samples that go through the network together: they share the loads of the weights."""
OPTIONS = {"fastmath": True, "error_model": "numpy", "nogil": True}


def source(network: Network, together: int) -> str:
    """Return the text of a function that adds some samples' gradients, with every unit by name.

    ``state`` holds, in rows of one number a lane: weights, gradients, Adam's moments, the samples.
    All lies in one array, since LLVM makes vectors only of what it can prove not to overlap.
    """
    layers, count, samples = indices(network), network.parameters, range(together)
    head, lines = ["def add_gradients(state, batch, row, share):"], []

    def place(row: int) -> str:
        return f"state[{row * LANES} + lane]"

    def load(name: str, rows: list[int]) -> None:
        lines.extend(f"{name}{k} = {place(row)}" for k, row in enumerate(rows))

    def total(name: str, others: list[str]) -> str:
        return " + ".join(f"{name}{k} * {other}" for k, other in enumerate(others))

    for number in range(2 * together):  # input and target of each sample
        head += [f"    for lane in range({LANES}):", f"        {place(4 * count + number)} = "]
        head[-1] += f"batch[(2 * row + {number}) * {LANES} + lane]"
    load("sample", list(range(4 * count, 4 * count + 2 * together)))
    units = [[[f"sample{2 * s}"]] for s in samples]
    for layer, (weights, biases) in enumerate(layers):
        for each in units:
            each.append([])
        for j, (row, bias) in enumerate(zip(weights, biases, strict=True)):
            lines.append(f"bias = {place(bias)}")
            load("w", row)
            for s in samples:
                unit = f"unit{s}_{layer}_{j}"
                lines.append(f"{unit} = bias + {total('w', units[s][layer])}")
                if layer < len(layers) - 1:
                    lines.append(f"{unit} = {unit} if {unit} > ZERO else ZERO")
                units[s][-1].append(unit)
    errors = [[f"({units[s][-1][0]} - sample{2 * s + 1}) * share"] for s in samples]
    for layer in range(len(layers) - 1, -1, -1):
        weights, biases = layers[layer]
        for j, bias in enumerate(biases):
            for s in samples:
                lines.append(f"error{s}_{layer}_{j} = {errors[s][j]}")
            lines.append(
                f"{place(count + bias)} += " + " + ".join(f"error{s}_{layer}_{j}" for s in samples)
            )
            for i, index in enumerate(weights[j]):
                terms = (f"error{s}_{layer}_{j} * {units[s][layer][i]}" for s in samples)
                lines.append(f"{place(count + index)} += " + " + ".join(terms))
        errors = [[] for _ in samples]
        for i in range(len(weights[0]) if layer else 0):
            load("w", [row[i] for row in weights])
            for s in samples:
                above = [f"error{s}_{layer}_{j}" for j in range(len(biases))]
                lines.append(f"back{s}_{layer}_{i} = {total('w', above)}")
                errors[s].append(f"back{s}_{layer}_{i} if {units[s][layer][i]} > ZERO else ZERO")
    return "\n".join([*head, f"    for lane in range({LANES}):", *(f"        {x}" for x in lines)])


def _add_gradients(network: Network, together: int) -> Any:
    scope: dict[str, Any] = {"ZERO": np.float32(0)}
    exec(source(network, together), scope)
    return njit(**OPTIONS)(scope["add_gradients"])


@lru_cache
def block_of(network: Network) -> Callable[..., None]:
    """Return the compiled training of one block of ``LANES`` networks; it compiles when called."""
    several, single = (_add_gradients(network, together) for together in (TOGETHER, 1))
    numbers, lanes, together = network.parameters * LANES, LANES, TOGETHER
    multiplier, increment = np.uint64(MULTIPLIER), np.uint64(INCREMENT)
    low, zero = np.uint64(0xFFFFFFFF), np.float32(0)
    u18, u27, u32, u59 = (np.uint64(bits) for bits in (18, 27, 32, 59))
    mask, word = np.uint32(31), np.uint32(32)

    def gather(data: Any, states: Any, places: Any, batch: Any, row: Any, last: Any) -> None:
        for lane in range(lanes):
            state = states[lane]
            states[lane] = state * multiplier + increment
            shifted, turn = (
                np.uint32((((state >> u18) ^ state) >> u27) & low),
                np.uint32(state >> u59),
            )
            bits = np.uint32((shifted >> turn) | (shifted << ((word - turn) & mask)))
            places[lane] = np.int64((np.uint64(bits) * np.uint64(last + 1)) >> u32)
        for lane in range(lanes):
            mine, other = data[lane, last], data[lane, places[lane]]
            x, y = other[0], other[1]
            other[0], other[1] = mine[0], mine[1]
            mine[0], mine[1] = x, y
            batch[2 * row * lanes + lane], batch[(2 * row + 1) * lanes + lane] = x, y

    def adam(state: Any, powers: Any, rate: Any, one: Any, two: Any, eps: Any) -> None:
        powers[0] *= one
        powers[1] *= two
        pace = np.float32(rate / (1 - powers[0]))
        root = np.float32(1 / math.sqrt(1 - powers[1]))
        part_one, part_two = np.float32(1 - one), np.float32(1 - two)
        keep, small = np.float32(two), np.float32(eps)
        for k in range(numbers):
            g = state[numbers + k]
            m = state[2 * numbers + k]
            m = m + (g - m) * part_one
            v = state[3 * numbers + k] * keep + g * g * part_two
            state[2 * numbers + k], state[3 * numbers + k] = m, v
            state[k] = state[k] - pace * m / (np.float32(math.sqrt(v)) * root + small)

    gather, adam = njit(**OPTIONS)(gather), njit(**OPTIONS)(adam)

    def block(
        state: Any,
        data: Any,
        states: Any,
        places: Any,
        batch: Any,
        powers: Any,
        sizes: Any,
        settings: Any,
    ) -> None:
        batch_size, epochs = sizes
        samples = data.shape[1]
        rate, one, two, eps = settings
        for _ in range(epochs):
            for start in range(0, samples, batch_size):
                count = min(batch_size, samples - start)
                for row in range(count):
                    gather(data, states, places, batch, row, samples - start - row - 1)
                for k in range(numbers, 2 * numbers):
                    state[k] = zero
                share = np.float32(2 / count)
                paired = count // together * together
                for row in range(0, paired, together):
                    several(state, batch, row, share)
                for row in range(paired, count):
                    single(state, batch, row, share)
                adam(state, powers, rate, one, two, eps)

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
        state = np.zeros((4 * count + 2 * TOGETHER, LANES), dtype=np.float32)
        state[:count] = problem.parameters[members].T
        data = np.stack([problem.x[members], problem.y[members]], axis=-1)
        states = np.array([initial_state(int(seeds[r])) for r in members], dtype=np.uint64)
        places, powers = np.zeros(LANES, dtype=np.int64), np.ones(2)
        batch = np.zeros(2 * LANES * training.batch_size, dtype=np.float32)
        sizes = (training.batch_size, epochs)
        block(state.reshape(-1), data, states, places, batch, powers, sizes, settings)
        trained[members] = state[:count].T

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, padded.reshape(-1, LANES)))
    return trained
