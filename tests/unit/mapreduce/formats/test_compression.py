"""Compressed bytes are unpacked exactly, and damaged or incomplete data is refused."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce.errors import RecordError
from mapreduce.formats.compression import MAGIC_BYTES, compression_of, decompressed
from mapreduce.input_formats import Compression

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def _zstd(data: bytes) -> bytes:
    return zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1})


PACK: dict[Compression, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": _zstd,
}
compressions = pytest.mark.parametrize("compression", list(PACK))


def unpacked(data: bytes, compression: Compression, block_bytes: int = 1 << 20) -> bytes:
    """Return the unpacked data."""
    blocks = (data[at : at + block_bytes] for at in range(0, len(data), block_bytes))
    return b"".join(decompressed(blocks, compression, "file:///packed"))


@compressions
@given(
    members=st.lists(st.binary(max_size=300), min_size=1, max_size=5),
    block_bytes=st.integers(1, 400),
)
def test_members_are_unpacked_in_order(
    compression: Compression, members: list[bytes], block_bytes: int
) -> None:
    """Any number of members is unpacked in any blocks, and the first bytes give the compression."""
    data = b"".join(map(PACK[compression], members))
    assert b"".join(members) == unpacked(data, compression, block_bytes)
    assert compression == compression_of(data[:MAGIC_BYTES])


@compressions
def test_cut_anywhere_is_an_error(compression: Compression) -> None:
    """Data that is cut at any byte is refused, except at the end of a member."""
    first, second = PACK[compression](b"first " * 9), PACK[compression](b"second")
    data = first + second
    for size in range(len(data)):
        if size == len(first):
            assert b"first " * 9 == unpacked(data[:size], compression)
            continue
        with pytest.raises(
            RecordError,
            match=r"file:///packed: the .* data ends early: it was cut off; write it again",
        ):
            unpacked(data[:size], compression)


@compressions
def test_a_cut_object_is_still_known_as_compressed(compression: Compression) -> None:
    """At least four bytes of compressed data are recognised as compressed."""
    data = PACK[compression](b"some text")
    for size in range(4, MAGIC_BYTES + 1):
        assert compression == compression_of(data[:size], cut=size < MAGIC_BYTES)


@pytest.mark.parametrize(
    "text",
    [b"BZh9\n", b"BZh91A and so on", b"BZh9 1AY&SY", b"BZh0", b"BZh91AY&SX", b"P*M", b"7zXZ"],
)
@pytest.mark.parametrize("cut", [True, False])
def test_a_text_that_begins_with_the_same_letters_is_not_compressed(text: bytes, cut: bool) -> None:
    """A text that only begins like a signature is not compressed."""
    assert compression_of(text, cut=cut) is None


def _zstd_frame(window_byte: int, content: bytes) -> bytes:
    """Return a frame of one raw block with this window, as `zstd --long` writes it (RFC 8878)."""
    header = b"\x28\xb5\x2f\xfd\x00" + bytes([window_byte])
    return header + (len(content) << 3 | 1).to_bytes(3, "little") + content


@pytest.mark.parametrize(
    ("window_log", "good"),
    [(10, True), (27, True), (28, True), (29, False), (31, False), (41, False)],
)
def test_long_windows(window_log: int, good: bool) -> None:
    """A window up to the limit is accepted, and a larger one refused with the required memory, not
    as damage.
    """
    data = _zstd(b"first ") + _zstd_frame(window_log - 10 << 3, b"alpha")
    if good:
        assert b"first alpha" == unpacked(data, "zstd", 3)
        return
    for block_bytes in (1, 7, 1 << 20):
        with pytest.raises(
            RecordError, match=rf"needs a window of {1 << window_log - 20:,} MiB, .*not damaged"
        ) as caught:
            unpacked(data, "zstd", block_bytes)
        assert "is damaged" not in str(caught.value)


def test_large_dictionaries_of_xz() -> None:
    """A large dictionary of xz is refused with the required memory, not as damage."""
    filters = [
        {"id": lzma.FILTER_DELTA, "dist": 1},
        {"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 30},
    ]
    data = lzma.compress(b"first") + lzma.compress(b"alpha", filters=filters)
    for block_bytes in (1, 1 << 20):
        with pytest.raises(
            RecordError, match=r"needs a window of 1,024 MiB, .*not damaged.*xz -dc FILE"
        ):
            unpacked(data, "xz", block_bytes)
    fits = lzma.compress(b"alpha", filters=[{"id": lzma.FILTER_LZMA2, "preset": 9}])
    assert b"alpha" == unpacked(fits, "xz")


def test_a_dictionary_is_asked_for_by_its_number() -> None:
    """A frame that needs a dictionary is refused with its number, not as damage."""
    dictionary = zstd.train_dict([b"alpha beta %d gamma" % number for number in range(5000)], 2000)
    data = zstd.compress(b"alpha beta 7 gamma", zstd_dict=dictionary)
    with pytest.raises(
        RecordError, match=f"needs the dictionary {dictionary.dict_id} .*not damaged"
    ):
        unpacked(data, "zstd", 5)


@compressions
def test_no_changed_bit_goes_unnoticed(compression: Compression) -> None:
    """A change of any bit is refused, or changes nothing, as in gzip's time."""
    data = PACK[compression](b"a b c " * 5 + b"d")
    for at in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            try:
                assert b"a b c " * 5 + b"d" == unpacked(bytes(changed), compression)
            except RecordError as exc:
                assert "file:///packed" in exc.place


@compressions
def test_bytes_after_a_member_must_be_one(compression: Compression) -> None:
    """Other bytes after a member are refused."""
    with pytest.raises(RecordError, match="is damaged"):
        unpacked(PACK[compression](b"data") + b"something else", compression)


@pytest.mark.parametrize(
    ("compression", "zeros", "good"),
    [("gzip", 3, True), ("xz", 8, True), ("xz", 3, False), ("bzip2", 4, False), ("zstd", 4, False)],
)
def test_padding(compression: Compression, zeros: int, good: bool) -> None:
    """Zeros after members are accepted where the format allows padding: any for gzip, four or eight
    for xz.
    """
    member, padding = PACK[compression](b"data"), b"\x00" * zeros
    if good:
        assert b"datadata" == unpacked(member + padding + member + padding, compression, 5)
        return
    for data in (member + padding, member + padding + member):
        with pytest.raises(RecordError):
            unpacked(data, compression)


def test_skippable_frames_hold_no_data() -> None:
    """Skippable frames of Zstandard are ignored in any place."""
    skipped = b"\x5a\x2a\x4d\x18" + struct.pack("<I", 5) + b"hello"
    data = skipped + _zstd(b"a") + skipped + skipped + _zstd(b"b") + skipped
    assert "zstd" == compression_of(data)
    assert b"ab" == unpacked(data, "zstd", 3)


@compressions
def test_blocks_stay_small(compression: Compression) -> None:
    """Highly compressed data is unpacked in small blocks."""
    data = PACK[compression](bytes(20 << 20))
    lengths = [len(block) for block in decompressed(iter([data]), compression, "x")]
    assert 20 << 20 == sum(lengths)
    assert 1 << 20 >= max(lengths)


@pytest.mark.parametrize(
    "head", [b"", b"{", b"BZ", b"BZh", b"BZhello", b"BZh0", b"PAR1\x00\x00", b"\x1f", b"P*M"]
)
def test_other_first_bytes(head: bytes) -> None:
    """Text is not taken for compressed data, even if it begins like bzip2."""
    assert compression_of(head) is None


def test_errors_of_reading_stay_as_they_are() -> None:
    """An error of the storage is not changed."""

    def failing() -> object:
        yield PACK["gzip"](b"x")[:5]
        raise OSError("the network")

    with pytest.raises(OSError, match="the network"):
        list(decompressed(failing(), "gzip", "x"))  # type: ignore[arg-type]
