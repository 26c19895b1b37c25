"""The training of one block of networks, one network a lane, as one LLVM function.

Per update: the next places of every network's shuffle are drawn and their samples gathered; each
sample goes forward and back through code in which every weight has a name; then the optimizer. No
layer loop, no temporary array: activations stay in registers, weights in the first-level cache.
"""

from typing import Any

from llvmlite import ir

from firstlight.ensemble.codegen.network import Sample, backpropagate, forward
from firstlight.ensemble.codegen.plan import Plan
from firstlight.ensemble.codegen.rounding import flush_tiny_numbers
from firstlight.ensemble.codegen.shuffling import Shuffle, read_lanes
from firstlight.ensemble.codegen.updates import update
from firstlight.ensemble.codegen.vector import I64, Variable, Writer, whole

SIDE_BY_SIDE = 2
"""Samples that go through the network together: they share the loads of the weights."""

ARGUMENTS = (
    "parameters", "first", "second", "data", "states", "rate", "batch", "powers", "samples",
    "batch_size", "epochs",
)  # fmt: skip


def _function(module: ir.Module, plan: Plan) -> ir.Function:
    kind = plan.kind
    vectors, numbers = kind.vector.as_pointer(), kind.scalar.as_pointer()
    types = [
        vectors, vectors, vectors, numbers, I64.as_pointer(), vectors, numbers,
        ir.DoubleType().as_pointer(), I64, I64, I64,
    ]  # fmt: skip
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), types), "train")
    for argument, name in zip(function.args, ARGUMENTS, strict=True):
        argument.name = name
        if argument.type.is_pointer:
            argument.add_attribute("noalias")
    return function


def build(plan: Plan) -> str:
    """Return the LLVM text of a module with the functions ``train`` and ``alive`` of a plan."""
    module = ir.Module("ensemble")
    _train(module, plan)
    _alive(module, plan)
    return str(module)


def _train(module: ir.Module, plan: Plan) -> None:
    function = _function(module, plan)
    b = ir.IRBuilder(function.append_basic_block("entry"))
    w = Writer(b, plan.kind)
    given = dict(zip(ARGUMENTS, function.args, strict=True))
    before = flush_tiny_numbers(b)
    shuffle = Shuffle(w, given, plan.width)
    gradients = {index: w.variable() for index in plan.trained}
    with (
        w.loop(0, given["epochs"]),
        w.loop(0, given["samples"], given["batch_size"]) as start,
    ):
        left = b.sub(given["samples"], start)
        short = b.icmp_unsigned("<", left, given["batch_size"])
        count = b.select(short, left, given["batch_size"])
        with w.loop(0, count) as row:
            shuffle.gather(b.add(start, row), row)
        _gradients(w, plan, given, gradients, count)
        update(w, plan.training, given, gradients)
    shuffle.finish()
    before()
    b.ret_void()


def _gradients(
    w: Writer, plan: Plan, given: dict[str, Any], gradients: dict[int, Variable], count: Any
) -> None:
    """Write the sum of every parameter's gradient over the batch that was gathered."""
    b = w.builder
    rows = b.bitcast(given["batch"], plan.kind.vector.as_pointer())
    terms = b.uitofp(count, plan.kind.scalar)
    if plan.training.loss != "cross-entropy":
        terms = b.fmul(terms, ir.Constant(plan.kind.scalar, float(plan.network.widths[-1])))
    share = w.constant(1.0) / w.number(terms)
    for variable in gradients.values():
        variable.set(w.constant(0.0))
    paired = b.and_(count, whole(-SIDE_BY_SIDE))
    for start, stop, together in ((0, paired, SIDE_BY_SIDE), (paired, count, 1)):
        with w.loop(start, stop, together) as row:
            samples = [
                Sample(w, rows, b.mul(b.add(row, whole(k)), whole(plan.width)))
                for k in range(together)
            ]
            backpropagate(w, plan, given["parameters"], samples, share, gradients)


def _alive(module: ir.Module, plan: Plan) -> None:
    """Write ``alive``: the largest |last hidden activation| of each lane over all its samples."""
    vectors, numbers = plan.kind.vector.as_pointer(), plan.kind.scalar.as_pointer()
    types = [vectors, numbers, I64.as_pointer(), vectors, I64]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), types), "alive")
    parameters, data, offsets, largest, samples = function.args
    b = ir.IRBuilder(function.append_basic_block("entry"))
    w = Writer(b, plan.kind)
    found = w.variable()
    with w.loop(0, samples) as row:
        inputs = [
            read_lanes(w, data, offsets, b.add(b.mul(row, whole(plan.width)), whole(i)))
            for i in range(plan.network.widths[0])
        ]
        for unit in forward(w, plan.network, parameters, inputs)[-2]:
            size, top = unit.absolute(), found.get()
            found.set(top.where(top.compare(">", size), size))
    w.store(found.get(), largest, 0)
    b.ret_void()
