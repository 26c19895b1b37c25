"""What is used of LLVM: numbers of many networks, written as instructions, and text compiled.

A ``Vector`` holds the same quantity of LANES networks. Adding two of them writes one instruction of
the program that is being built; nothing is computed here.
"""

import contextlib
import ctypes
import hashlib
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm
from llvmlite import ir

from firstlight.record.files import write_atomically

I32, I64 = ir.IntType(32), ir.IntType(64)
WIDTH = 64
"""Bytes of a vector: one register of AVX-512, two of AVX2, four of NEON."""

FLAGS = ("contract", "nsz")  # a·b + c may be one instruction; nothing else may change a rounding


@dataclass(frozen=True)
class Kind:
    """A floating type: its LLVM type, its size in bytes, and how fine its exponential must be."""

    name: str
    scalar: Any
    size: int
    terms: int  # of Taylor's series of exp(r) − 1, |r| <= ln 2 / 2, to one unit in the last place
    largest: float  # exp's argument is clipped to ± this: no overflow, and no denormal number

    @property
    def lanes(self) -> int:
        """Numbers in one vector."""
        return WIDTH // self.size

    @cached_property
    def vector(self) -> Any:
        """LLVM's type of a vector."""
        return ir.VectorType(self.scalar, self.lanes)


KINDS = {
    "float32": Kind("float32", ir.FloatType(), 4, 8, 87.0),
    "float64": Kind("float64", ir.DoubleType(), 8, 14, 700.0),
}


class Writer:
    """Writes instructions of one kind of number at the builder's position."""

    def __init__(self, builder: ir.IRBuilder, kind: Kind) -> None:
        self.builder, self.kind = builder, kind

    def constant(self, value: float) -> "Vector":
        """Return ``value`` in every lane."""
        return Vector(self, self.same(self.kind.scalar, value))

    def same(self, kind: Any, number: float) -> Any:
        """Return an LLVM constant with a number in every lane."""
        return ir.VectorType(kind, self.kind.lanes)([number] * self.kind.lanes)

    def spread(self, scalar: Any) -> Any:
        """Return an LLVM scalar in every lane."""
        b, undefined = self.builder, ir.VectorType(scalar.type, self.kind.lanes)(ir.Undefined)
        first = b.insert_element(undefined, scalar, I32(0))
        return b.shuffle_vector(first, undefined, self.same(I32, 0))

    def number(self, scalar: Any) -> "Vector":
        """Return a scalar of this kind in every lane."""
        return Vector(self, self.spread(scalar))

    def load(self, pointer: Any, index: Any) -> "Vector":
        """Return the vector at ``pointer[index]``."""
        place = self.builder.gep(pointer, [whole(index)])
        return Vector(self, self.builder.load(place, align=WIDTH))

    def store(self, vector: "Vector", pointer: Any, index: Any) -> None:
        """Put a vector at ``pointer[index]``."""
        self.builder.store(vector.value, self.builder.gep(pointer, [whole(index)]), align=WIDTH)

    def variable(self) -> "Variable":
        """Return a vector that may be changed, zero at first; LLVM keeps it in a register."""
        with self.builder.goto_entry_block():
            place = self.builder.alloca(self.kind.vector)
        variable = Variable(self, place)
        variable.set(self.constant(0.0))
        return variable

    def call(self, name: str, *values: Any) -> Any:
        """Return LLVM's function ``name``, lane by lane; llvmlite declares only scalar ones."""
        kind = values[0].type
        letters = {"float": "f32", "double": "f64", "i32": "i32", "i64": "i64"}
        full = f"{name}.v{kind.count}{letters[str(kind.element)]}"
        function = self.builder.module.globals.get(full)
        if function is None:
            declared = ir.FunctionType(kind, [kind] * len(values))
            function = ir.Function(self.builder.module, declared, full)
        return self.builder.call(function, values)

    @contextmanager
    def loop(self, start: Any, stop: Any, step: int = 1) -> Iterator[Any]:
        """Write a loop: the body is written within; the index runs from start to below stop."""
        b = self.builder
        before = b.block
        head, body, end = (b.append_basic_block(name) for name in ("head", "body", "end"))
        b.branch(head)
        b.position_at_end(head)
        index = b.phi(I64)
        index.add_incoming(whole(start), before)
        b.cbranch(b.icmp_unsigned("<", index, whole(stop)), body, end)
        b.position_at_end(body)
        yield index
        index.add_incoming(b.add(index, whole(step)), b.block)
        b.branch(head)
        b.position_at_end(end)


def whole(number: Any) -> Any:
    """Return a Python integer as LLVM's 64-bit constant; LLVM values pass."""
    return I64(number) if isinstance(number, int) else number


@dataclass(frozen=True)
class Variable:
    """A place for one vector."""

    writer: Writer
    place: Any

    def get(self) -> "Vector":
        """Return the present value."""
        return Vector(self.writer, self.writer.builder.load(self.place))

    def set(self, vector: "Vector") -> None:
        """Change the value."""
        self.writer.builder.store(vector.value, self.place)

    def add(self, vector: "Vector") -> None:
        """Add to the value."""
        self.set(self.get() + vector)

    def add_rounded(self, vector: "Vector") -> None:
        """Add to the value a number that is rounded first, in whatever program it was computed."""
        total = self.writer.builder.fadd(self.get().value, vector.value)
        self.set(Vector(self.writer, total))


@dataclass(frozen=True)
class Vector:
    """One number for each network: + − × ÷ and comparisons write an instruction each."""

    writer: Writer
    value: Any

    def _value(self, other: "Vector | float") -> Any:
        return (other if isinstance(other, Vector) else self.writer.constant(other)).value

    def _written(self, write: Any, other: "Vector | float") -> "Vector":
        return Vector(self.writer, write(self.value, self._value(other), flags=FLAGS))

    def __add__(self, other: "Vector | float") -> "Vector":
        return self._written(self.writer.builder.fadd, other)

    def __sub__(self, other: "Vector | float") -> "Vector":
        return self._written(self.writer.builder.fsub, other)

    def __mul__(self, other: "Vector | float") -> "Vector":
        return self._written(self.writer.builder.fmul, other)

    def __truediv__(self, other: "Vector | float") -> "Vector":
        return self._written(self.writer.builder.fdiv, other)

    def compare(self, sign: str, other: "Vector | float") -> Any:
        """Return a mask: lanes where the comparison holds."""
        return self.writer.builder.fcmp_ordered(sign, self.value, self._value(other))

    def where(self, mask: Any, other: "Vector | float") -> "Vector":
        """Return this vector in the mask's lanes, ``other`` elsewhere."""
        chosen = self.writer.builder.select(mask, self.value, self._value(other))
        return Vector(self.writer, chosen)

    def _of(self, name: str) -> "Vector":
        return Vector(self.writer, self.writer.call(name, self.value))

    def sqrt(self) -> "Vector":
        """Return the square root."""
        return self._of("llvm.sqrt")

    def absolute(self) -> "Vector":
        """Return the absolute value."""
        return self._of("llvm.fabs")

    def expm1_exp(self) -> tuple["Vector", "Vector"]:
        """Return exp(x) − 1 and exp(x), both to about one unit in the last place.

        x = k ln 2 + r with |r| <= ln 2 / 2; exp(r) − 1 is Taylor's series; exp(x) − 1 =
        2ᵏ (exp(r) − 1) + (2ᵏ − 1) keeps small arguments exact. Source: W. J. Cody and W. Waite,
        "Software Manual for the Elementary Functions" (1980), chapter 6.
        """
        w, kind = self.writer, self.writer.kind
        x = self.where(self.compare("<", kind.largest), kind.largest)
        x = x.where(x.compare(">", -kind.largest), -kind.largest)
        k = (x * (1 / math.log(2)))._of("llvm.rint")
        high = 0.693359375  # ln 2 in two parts: the first has few bits, so k · high is exact
        r = (x - k * high) - k * (math.log(2) - high)
        series = w.constant(1 / math.factorial(kind.terms))
        for power in range(kind.terms - 1, 0, -1):
            series = series * r + 1 / math.factorial(power)
        small, scale = series * r, self._power_of_two(k)
        return small * scale + (scale - 1.0), small * scale + scale

    def _power_of_two(self, k: "Vector") -> "Vector":
        """Return 2ᵏ, made by writing k into the exponent's bits."""
        w, b, kind = self.writer, self.writer.builder, self.writer.kind
        integer, bits, offset = (I32, 23, 127) if kind.size == 4 else (I64, 52, 1023)
        exponent = b.fptosi(k.value, ir.VectorType(integer, kind.lanes))
        shifted = b.shl(b.add(exponent, w.same(integer, offset)), w.same(integer, bits))
        return Vector(w, b.bitcast(shifted, kind.vector))


VERSION = 1  # of the cached code; to be raised when the calling convention changes


@cache
def _initialize() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


def _attributes(text: str) -> str:
    """Return the module with every function allowed to use the widest registers.

    LLVM avoids 64-byte registers by default, because some processors lower their clock for them;
    here nearly every instruction uses them, so the program gains.
    """
    text = re.sub(r'^(define void @"\w+"\([^)]*\))', r"\1 #0", text, flags=re.MULTILINE)
    return f'{text}\nattributes #0 = {{ nounwind alignstack=64 "stackrealign" "prefer-vector-width"="512" }}\n'


class Code:
    """Compiled functions, alive as long as this object.

    Args:
        text: LLVM's text of a module.
        folder: where compiled code is kept between runs; a folder that cannot be written is no
            error, the code is then compiled in each run.
    """

    def __init__(self, text: str, folder: Path | None = None) -> None:
        _initialize()
        cpu, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
        # MCJIT takes ownership of the machine it is given, so each module has a new one.
        target = llvm.Target.from_triple(llvm.get_process_triple())
        machine = target.create_target_machine(cpu=cpu, features=features, opt=3, jit=True)
        text = _attributes(text)
        key = (text, llvmlite.__version__, cpu, VERSION, features)
        name = hashlib.sha256(repr(key).encode()).hexdigest()
        self._path = None if folder is None else folder / f"{name}.o"
        module = llvm.parse_assembly(text)
        module.verify()
        stored = self._stored()
        self.cached = stored is not None
        if stored is None:
            options = llvm.create_pipeline_tuning_options(speed_level=3)
            passes = llvm.create_pass_builder(machine, options)
            passes.getModulePassManager().run(module, passes)
        self._engine = llvm.create_mcjit_compiler(module, machine)
        self._engine.set_object_cache(self._keep, lambda _module: stored)
        self._engine.finalize_object()

    def _stored(self) -> bytes | None:
        """Return the code that is kept, if it is whole."""
        if self._path is not None:
            with contextlib.suppress(OSError):
                raw = self._path.read_bytes()
                if hashlib.sha256(raw[32:]).digest() == raw[:32]:
                    return raw[32:]
        return None

    def _keep(self, _module: Any, content: bytes) -> None:
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(self._path, hashlib.sha256(content).digest() + content)

    def function(self, name: str, arguments: int) -> Any:
        """Return a function of that many 64-bit arguments; calling it releases Python's lock."""
        kind = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * arguments)
        return kind(self._engine.get_function_address(name))
