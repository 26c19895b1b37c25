"""LLVM text into functions that Python can call; compiled once, kept in the cache."""

import contextlib
import ctypes
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from firstlight.record.files import write_atomically

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


def _target() -> Any:
    """Return a new description of this processor; MCJIT takes ownership of the one it is given."""
    _initialize()
    return llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=3,
        jit=True,
    )


class Code:
    """Compiled functions, alive as long as this object.

    Args:
        text: LLVM's text of a module.
        folder: where compiled code is kept between runs; a folder that cannot be written is no
            error, the code is then compiled in each run.
    """

    def __init__(self, text: str, folder: Path | None = None) -> None:
        machine = _target()
        text = _attributes(text)
        features = llvm.get_host_cpu_features().flatten()
        key = (text, llvmlite.__version__, llvm.get_host_cpu_name(), VERSION, features)
        name = hashlib.sha256(repr(key).encode()).hexdigest()
        self._path = None if folder is None else folder / f"{name}.o"
        self.cached = False
        module = llvm.parse_assembly(text)
        module.verify()
        stored = self._stored()
        if stored is None:
            _optimize(module, machine)
        self._engine = llvm.create_mcjit_compiler(module, machine)
        self._engine.set_object_cache(self._keep, lambda _module: stored)
        self._engine.finalize_object()

    def _stored(self) -> bytes | None:
        if self._path is None:
            return None
        try:
            raw = self._path.read_bytes()
        except OSError:
            return None
        digest, content = raw[:32], raw[32:]
        if hashlib.sha256(content).digest() != digest:
            return None
        self.cached = True
        return content

    def _keep(self, _module: Any, content: bytes) -> None:
        if self._path is None:
            return
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._path, hashlib.sha256(content).digest() + content)

    def function(self, name: str, arguments: int) -> Any:
        """Return a function of that many 64-bit arguments; calling it releases Python's lock."""
        kind = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * arguments)
        return kind(self._engine.get_function_address(name))


def _optimize(module: Any, machine: Any) -> None:
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
