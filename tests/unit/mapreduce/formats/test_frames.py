"""A block comes back as it was written, and any changed byte is seen."""

from __future__ import annotations

import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mapreduce.encoding import decode_value, encode_value
from mapreduce.errors import CorruptBlock
from mapreduce.formats.frames import CHECKSUM_MODULO, FRAME_BYTES, FRAME_PAIRS, BlockReader, BlockWriter, PackedPair

int64 = st.integers(-(1 << 63), (1 << 63) - 1)
pairs_lists = st.lists(st.tuples(st.binary(max_size=20), int64), max_size=20) | st.lists(
    st.tuples(st.binary(max_size=20), int64 | st.text().map(encode_value)), max_size=20
)


def written(pairs: list[PackedPair]) -> tuple[BlockWriter, bytes]:
    """A block of pairs, and its bytes."""
    file = io.BytesIO()
    writer = BlockWriter(file)
    writer.write(pairs)
    return writer, file.getvalue()


def read(data: bytes, length: int | None = None) -> tuple[BlockReader, list[PackedPair]]:
    """The reader of a block, and all its pairs."""
    reader = BlockReader(io.BytesIO(data), len(data) if length is None else length, "block 7")
    pairs = [pair for frame in reader.frames() for pair in zip(frame.keys, frame.values, strict=True)]
    return reader, pairs


def meaning(pairs: list[PackedPair]) -> list[tuple[bytes, object]]:
    """Pairs with their values decoded: a frame of mixed kinds holds its integers encoded."""
    return [(key, value if type(value) is int else decode_value(value)) for key, value in pairs]  # type: ignore[arg-type]


@given(pairs_lists)
@example([])
@example([(b"", -(1 << 63)), (b"", (1 << 63) - 1)])
@example([(b"k", 1), (b"k", b"\xa1a")])
def test_round_trip(pairs: list[PackedPair]) -> None:
    """Pairs come back in their order with their values; count, length and checksum agree on both sides."""
    writer, data = written(pairs)
    reader, found = read(data)
    assert meaning(pairs) == meaning(found)
    assert (len(pairs), len(data)) == (writer.records, writer.length)
    assert (writer.records, writer.checksum) == (reader.records, reader.checksum)
    assert all(type(value) is int for _, value in pairs) == writer.integers


def test_many_frames() -> None:
    """A long block has several frames, by count or by size, and each is bounded."""
    many: list[PackedPair] = [(b"%07d" % number, number) for number in range(5 * FRAME_PAIRS + 1)]
    large: list[PackedPair] = [(b"%d" % number, b"\xc6" + bytes(FRAME_BYTES // 2)) for number in range(5)]
    for pairs, frames in ((many, 6), (large, 3)):
        writer, data = written(pairs)
        reader = BlockReader(io.BytesIO(data), len(data), "block")
        sizes = [len(frame.keys) for frame in reader.frames()]
        assert frames == len(sizes)
        assert len(pairs) == sum(sizes) == writer.records
        assert (reader.records, reader.checksum) == (writer.records, writer.checksum)


def test_checksum_of_blocks_adds_up() -> None:
    """The checksum does not depend on the order of the frames: that of two blocks is the sum of theirs."""
    one, first = written([(b"a", 1)])
    other, second = written([(b"b", b"\xc0")])
    for data in (first + second, second + first):
        assert (one.checksum + other.checksum) % CHECKSUM_MODULO == read(data)[0].checksum


def test_reader_stops_at_its_block() -> None:
    """A block behind another in the same file is not read."""
    _, first = written([(b"a", 1)])
    _, second = written([(b"b", 2)])
    assert [(b"a", 1)] == read(first + second, len(first))[1]


PAIRS: dict[str, list[PackedPair]] = {
    "integers": [(b"a", 1), (b"bc", 2), (b"bc", 1 << 40)],
    "encoded": [(b"a", b"\xa1x"), (b"bc", b"\xc0"), (b"d", b"\x93\x01\x02\x03")],
}


@pytest.mark.parametrize("kind", PAIRS)
def test_every_changed_bit_is_seen(kind: str) -> None:
    """Whichever bit of a block is flipped, reading it is an error that names the block, or the count differs."""
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
    """A block that lost its end is an error."""
    _, data = written([(b"a", 1)])
    with pytest.raises(CorruptBlock, match="block 7"):
        read(data[:-cut], len(data))


def test_garbage() -> None:
    """Bytes that are no block are an error."""
    with pytest.raises(CorruptBlock, match="no frame where one should begin"):
        read(b"x" * 100)
