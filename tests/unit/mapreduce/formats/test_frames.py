"""A block is read as it was written, and any changed byte is refused."""

from __future__ import annotations

import io
import struct
import sys
import tracemalloc

import pytest
import xxhash
from hypothesis import example, given
from hypothesis import strategies as st

from mapreduce import native
from mapreduce.encoding import decode_value, encode_value
from mapreduce.errors import CorruptBlock, UserCodeError
from mapreduce.formats import frames
from mapreduce.formats.frames import (
    CHECKSUM_MODULO,
    ENCODED,
    FRAME_BYTES,
    FRAME_PAIRS,
    INTEGERS,
    MAGIC,
    BlockReader,
    BlockWriter,
    PackedPair,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

int64 = st.integers(-(1 << 63), (1 << 63) - 1)
pairs_lists = st.lists(st.tuples(st.binary(max_size=20), int64), max_size=20) | st.lists(
    st.tuples(st.binary(max_size=20), int64 | st.text().map(encode_value)), max_size=20
)


def written(pairs: list[PackedPair]) -> tuple[BlockWriter, bytes]:
    """Return a block of pairs, and its bytes."""
    file = io.BytesIO()
    writer = BlockWriter(file)
    writer.write(pairs)
    return writer, file.getvalue()


def read(
    data: bytes, length: int | None = None, *, ordered: bool = True
) -> tuple[BlockReader, list[PackedPair]]:
    """Return the reader of a block, and its pairs."""
    reader = BlockReader(
        io.BytesIO(data), len(data) if length is None else length, "block 7", ordered=ordered
    )
    pairs = [
        pair for frame in reader.frames() for pair in zip(frame.keys, frame.values, strict=True)
    ]
    return reader, pairs


def meaning(pairs: list[PackedPair]) -> list[tuple[bytes, object]]:
    """Return pairs with decoded values, because a frame of mixed kinds encodes its integers."""
    return [(key, value if type(value) is int else decode_value(value)) for key, value in pairs]  # type: ignore[arg-type]


@given(pairs_lists)
@example([])
@example([(b"", -(1 << 63)), (b"", (1 << 63) - 1)])
@example([(b"k", 1), (b"k", b"\xa1a")])
def test_round_trip(pairs: list[PackedPair]) -> None:
    """Pairs are read in order with their values, and writer and reader agree on count, length and
    checksum.
    """
    writer, data = written(pairs)
    reader, found = read(data, ordered=False)
    assert meaning(pairs) == meaning(found)
    assert (len(pairs), len(data)) == (writer.records, writer.length)
    assert (writer.records, writer.checksum) == (reader.records, reader.checksum)
    assert all(type(value) is int for _, value in pairs) == writer.integers


def test_many_frames() -> None:
    """A long block has several frames, limited by count and by size."""
    many: list[PackedPair] = [(b"%07d" % number, number) for number in range(5 * FRAME_PAIRS + 1)]
    large: list[PackedPair] = [
        (b"%d" % number, b"\xc6" + bytes(FRAME_BYTES // 2)) for number in range(5)
    ]
    for pairs, count in ((many, 6), (large, 3)):
        writer, data = written(pairs)
        reader = BlockReader(io.BytesIO(data), len(data), "block")
        sizes = [len(frame.keys) for frame in reader.frames()]
        assert count == len(sizes)
        assert len(pairs) == sum(sizes) == writer.records
        assert (reader.records, reader.checksum) == (writer.records, writer.checksum)


def test_checksum_of_blocks_adds_up() -> None:
    """The checksum of two blocks is the sum of theirs, in any order."""
    one, first = written([(b"a", 1)])
    other, second = written([(b"b", b"\xc0")])
    for data in (first + second, second + first):
        assert (one.checksum + other.checksum) % CHECKSUM_MODULO == read(data, ordered=False)[
            0
        ].checksum


def test_reader_stops_at_its_block() -> None:
    """The next block in the same file is not read."""
    _, first = written([(b"a", 1)])
    _, second = written([(b"b", 2)])
    assert [(b"a", 1)] == read(first + second, len(first))[1]


PAIRS: dict[str, list[PackedPair]] = {
    "integers": [(b"a", 1), (b"bc", 2), (b"bc", 1 << 40)],
    "encoded": [(b"a", b"\xa1x"), (b"bc", b"\xc0"), (b"d", b"\x93\x01\x02\x03")],
}


@pytest.mark.parametrize("kind", PAIRS)
def test_every_changed_bit_is_seen(kind: str) -> None:
    """Any changed bit raises an error with the block's name, or changes the count."""
    writer, data = written(PAIRS[kind])
    unseen: list[tuple[int, str]] = []
    for at in range(len(data) * 8):
        damaged = bytearray(data)
        damaged[at // 8] ^= 1 << at % 8
        try:
            reader, found = read(bytes(damaged))
        except CorruptBlock as exc:
            assert "block 7" in str(exc)
        except ValueError as exc:
            unseen.append((at // 8, repr(exc)))
        else:
            if (reader.records, reader.checksum) == (writer.records, writer.checksum):
                unseen.append((at // 8, f"read as {found}"))
    assert [] == unseen


@pytest.mark.parametrize("cut", [1, 5, 24, 25, 26])
def test_cut_short(cut: int) -> None:
    """A block without its end is refused."""
    _, data = written([(b"a", 1)])
    with pytest.raises(CorruptBlock, match="block 7"):
        read(data[:-cut], len(data))


def test_garbage() -> None:
    """Bytes that are no block are refused."""
    with pytest.raises(CorruptBlock, match="no frame where one should begin"):
        read(b"x" * 100)


def forged(kind: int, pairs: int, payload: bytes, length: int | None = None) -> bytes:
    """Return a frame with right checksums and any content."""
    stored = zstd.compress(payload)
    head = struct.pack(
        "<4sBIII", MAGIC, kind, pairs, len(payload) if length is None else length, len(stored)
    )
    return head + struct.pack("<Q", xxhash.xxh3_64_intdigest(head + stored)) + stored


def lengths(*numbers: int) -> bytes:
    """Return lengths as in a payload."""
    return struct.pack(f"={len(numbers)}I", *numbers)


SOUND = lengths(1, 1) + b"ab" + struct.pack("=2q", 1, 2)


@pytest.mark.parametrize("pure", [True, False])
@pytest.mark.parametrize(
    "frame",
    [
        forged(2, 2, SOUND),
        forged(INTEGERS, 0, b""),
        forged(INTEGERS, 0xFFFFFFFF, SOUND),
        forged(INTEGERS, FRAME_PAIRS + 1, bytes(12 * (FRAME_PAIRS + 1))),
        forged(INTEGERS, 3, SOUND),
        forged(INTEGERS, 1, SOUND),
        forged(ENCODED, 2, SOUND),
        forged(INTEGERS, 2, lengths(1, 2) + SOUND[8:]),
        forged(INTEGERS, 2, lengths(0xFFFFFFFF, 0xFFFFFFFF) + SOUND[8:]),
        forged(INTEGERS, 2, SOUND, len(SOUND) + 1),
        forged(INTEGERS, 2, SOUND, len(SOUND) - 1),
        forged(INTEGERS, 2, SOUND + b"x"),
        forged(INTEGERS, 2, SOUND, 0xFFFFFFFF),
        forged(ENCODED, 1, lengths(1, 0xFFFFFFFF) + b"a"),
        forged(INTEGERS, 2, lengths(1, 1) + b"ba" + SOUND[10:]),
        forged(INTEGERS, 2, SOUND) + forged(INTEGERS, 2, SOUND),
        forged(ENCODED, 2, lengths(1, 1, 1, 1) + b"ba\xc0\xc0"),
    ],
)
def test_right_checksums_and_wrong_lengths_or_order(
    frame: bytes, pure: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frame with right checksums and wrong lengths or order is refused."""
    assert [(b"a", 1), (b"b", 2)] == read(forged(INTEGERS, 2, SOUND))[1]
    if pure:
        monkeypatch.setattr(native, "extension", None)
    with pytest.raises(CorruptBlock, match="block 7"):
        read(frame)


def test_a_frame_is_unpacked_no_further_than_its_header_says() -> None:
    """A frame is not unpacked beyond the length in its header, nor beyond the longest pair."""
    stored = zstd.compress(bytes(64 << 20))
    tracemalloc.start()
    try:
        for announced in (4096 * 12, 0xFFFFFFFF):
            head = struct.pack("<4sBIII", MAGIC, INTEGERS, 4096, announced, len(stored))
            with pytest.raises(CorruptBlock):
                read(head + struct.pack("<Q", xxhash.xxh3_64_intdigest(head + stored)) + stored)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_a_pair_longer_than_can_be_read_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pair that is too long to be read is refused when it is written."""
    monkeypatch.setattr(frames, "_PAYLOAD_BYTES", 1000)
    with pytest.raises(UserCodeError, match="a key and its value may have 256 MiB together.*'key"):
        written([(b"key", bytes(1001))])


@given(
    keys=st.lists(st.binary(max_size=3), min_size=1, max_size=6),
    previous=st.none() | st.binary(max_size=3),
)
def test_c_and_python_find_the_same_last_key(keys: list[bytes], previous: bytes | None) -> None:
    """The C and the Python code find the same last key, and refuse the same frames."""
    (frame,) = BlockReader(
        io.BytesIO(data := written([(key, 1) for key in keys])[1]), len(data), "b", False
    ).raw_frames()
    whole = keys if previous is None else [previous, *keys]
    expected = keys[-1] if whole == sorted(whole) else None
    assert expected == frames.last_key(frame, previous)
    extension, native.extension = native.extension, None
    try:
        assert expected == frames.last_key(frame, previous)
    finally:
        native.extension = extension
