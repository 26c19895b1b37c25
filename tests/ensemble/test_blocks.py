"""Machine code is compiled, kept between runs, and compiled anew where the cache cannot be used."""

from pathlib import Path

import numpy as np

from firstlight.ensemble.codegen.llvm import Code


def test_compiled_code_is_kept_and_a_locked_or_broken_cache_is_no_error(tmp_path: Path) -> None:
    text = 'define void @"train"(i64* %x) {\n  store i64 7, i64* %x\n  ret void\n}\n'

    def works(folder: Path | None) -> bool:
        code = Code(text, folder)
        value = np.zeros(1, dtype=np.int64)
        code.function("train", 1)(value.ctypes.data)
        assert value[0] == 7
        return code.cached

    assert not works(tmp_path / "cache")
    assert works(tmp_path / "cache")
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_bytes(kept.read_bytes()[:-5])
    assert not works(tmp_path / "cache")
    (tmp_path / "file").write_text("in the way")
    assert not works(tmp_path / "file" / "cache")
    assert not works(None)
