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
