"""IDX files: read as an independent reader reads them; anything damaged is refused by name."""

import numpy as np
import pytest

from data_files import idx_bytes, pack
from firstlight.data.idx import header, read_idx
from firstlight.errors import DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)
WHOLE = idx_bytes(IMAGES)


@pytest.mark.parametrize("shape", [(0,), (1,), (7,), (2, 3), (0, 28, 28), (5, 4, 3), (2, 1, 3, 2)])
@pytest.mark.parametrize("packed", [False, True])
def test_every_rank_reads_as_numpy_reads_it(tmp_path, shape, packed):
    array = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    raw = idx_bytes(array)
    path = tmp_path / "file-idx-ubyte"
    path.write_bytes(pack(raw) if packed else raw)

    rank = raw[3]
    sizes = np.frombuffer(raw, dtype=">u4", count=rank, offset=4)
    expected = np.frombuffer(raw, dtype=np.uint8, offset=4 + 4 * rank).reshape(sizes.astype(int))

    read = read_idx(path)
    assert read.dtype == np.uint8
    assert read.shape == shape
    np.testing.assert_array_equal(read, expected)
    np.testing.assert_array_equal(read, array)


def test_the_array_may_be_written_to():
    """torch warns of arrays that may not."""
    assert read_idx(WHOLE).flags.writeable
    assert read_idx(pack(WHOLE)).flags.writeable


def test_the_header_is_the_one_written_by_hand():
    assert header(IMAGES.shape) == WHOLE[:16]


DAMAGED = {
    "empty": (b"", "empty file"),
    "two bytes": (b"\0\0", "magic number.*got 2 bytes"),
    "web page": (b"<!DOCTYPE html><html></html>", "expected an IDX file .* got 3c 21 44 4f"),
    "float32": (b"\0\0\x0d\x01" + WHOLE[4:], "expected unsigned bytes .* 0d \\(float32\\)"),
    "no such type": (b"\0\0\x42\x01" + WHOLE[4:], "type 42 \\(unknown\\)"),
    "no dimension": (b"\0\0\x08\0\x01", "1 to 64 dimensions, got 0"),
    "200 dimensions": (b"\0\0\x08\xc8" + bytes(800), "1 to 64 dimensions, got 200"),
    "sizes cut": (WHOLE[:10], "12 bytes of sizes, got 6 .*truncated"),
    "data cut": (WHOLE[:-1], r"60 bytes of data \(sizes 5 × 4 × 3\)"),
    "data missing": (WHOLE[:16], "60 bytes of data"),
    "too long": (WHOLE + b"\0", "bytes follow the data"),
    "terabytes promised": (b"\0\0\x08\x03" + b"\xff" * 12 + bytes(50), "can hold at most"),
    "packed: empty": (pack(b""), "magic number.*got 0 bytes"),
    "packed: header only": (pack(WHOLE)[:10], "gzip"),
    "packed: cut": (pack(WHOLE)[:-12], "whole gzip file, got a truncated or corrupt one"),
    "packed: checksum cut": (pack(WHOLE)[:-4], "whole gzip file"),
    "packed: checksum wrong": (pack(WHOLE)[:-8] + bytes(4) + pack(WHOLE)[-4:], "CRC"),
    "packed: data cut": (pack(WHOLE[:-1]), r"got 59 \(the file is truncated\)"),
    "packed: too long": (pack(WHOLE + b"\0"), "bytes follow the data"),
    "packed: junk behind": (pack(WHOLE) + b"junk", "gzip"),
    "packed: terabytes promised": (pack(b"\0\0\x08\x03" + b"\xff" * 12), "can hold at most"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damage_is_refused_by_name_in_one_line(tmp_path, case):
    raw, message = DAMAGED[case]
    path = tmp_path / "some-images-idx3-ubyte.gz"
    path.write_bytes(raw)
    with pytest.raises(DataError, match=message) as caught:
        read_idx(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: expected ")
    assert "replace the file" in text
    assert "\n" not in text


def test_no_byte_of_a_packed_file_can_change_unnoticed():
    """Each byte is flipped in turn: the array stays the same or the file is refused."""
    packed, refused = pack(WHOLE), 0
    for position in range(len(packed)):
        bad = bytearray(packed)
        bad[position] ^= 0xFF
        try:
            np.testing.assert_array_equal(read_idx(bytes(bad)), IMAGES)
        except DataError:
            refused += 1
    # gzip's own header holds 6 bytes that say nothing of the content: time, level and system.
    assert refused >= len(packed) - 6


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_an_unreadable_file_is_refused_by_name(tmp_path, kind):
    path = tmp_path / "images"
    if kind == "folder":
        path.mkdir()
    with pytest.raises(DataError, match="expected a readable file") as caught:
        read_idx(path)
    assert str(path) in str(caught.value)
