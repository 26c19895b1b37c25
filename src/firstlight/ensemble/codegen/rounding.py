"""Subnormal numbers: a hundred times slower than others, and no network needs them."""

import platform
from collections.abc import Callable

from llvmlite import ir

from firstlight.ensemble.codegen.vector import I32

FLUSH = 0x8040
"""In x86's MXCSR register: results below the normal range become zero, and so do operands."""


def flush_tiny_numbers(builder: ir.IRBuilder) -> Callable[[], None]:
    """Write: from here on subnormal numbers are zero; return what writes the old state back.

    Only x86 has the cost and the register; elsewhere nothing is written.

    Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, section 10.2.3.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return lambda: None
    byte = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [byte])
    store, load = (
        ir.Function(builder.module, kind, f"llvm.x86.sse.{name}mxcsr") for name in ("st", "ld")
    )
    old, new = builder.alloca(I32), builder.alloca(I32)
    builder.call(store, [builder.bitcast(old, byte)])
    builder.store(builder.or_(builder.load(old), ir.Constant(I32, FLUSH)), new)
    builder.call(load, [builder.bitcast(new, byte)])
    return lambda: builder.call(load, [builder.bitcast(old, byte)])
