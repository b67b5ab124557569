"""Avro files: values as the specification encodes them, any cuts, and what is refused."""

from __future__ import annotations

import bz2
import contextlib
import json
import lzma
import zlib
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce.check.reference_formats import plain_records
from mapreduce.errors import RecordError
from mapreduce.formats.avro import AvroReader
from mapreduce.formats.avro_schema import FAILURES, Decoders
from mapreduce.formats.limits import Limits
from mapreduce.formats.zstd import zstd
from mapreduce.input_formats import Avro, Compression
from tests.unit.mapreduce.formats.pieces import SOURCE, pieces_of, ranges_of, records_of
from tests.unit.mapreduce.formats.test_compression import PACK

SYNC = bytes(range(16))
TEST = {
    "type": "record",
    "name": "test",
    "fields": [{"name": "a", "type": "long"}, {"name": "b", "type": "string"}],
}


def number(value: int) -> bytes:
    """Return an integer as the specification writes it: zig-zag, seven bits a byte."""
    rest, data = (value << 1) ^ (value >> 63), b""
    while rest > 127:
        data += bytes([rest % 128 + 128])
        rest //= 128
    return data + bytes([rest])


def text(value: bytes) -> bytes:
    """Return bytes with their length before them."""
    return number(len(value)) + value


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "null": lambda data: data,
    "deflate": lambda data: zlib.compress(data)[2:-4],
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstandard": zstd.compress,
}


def written(schema: Any, blocks: Sequence[Sequence[bytes]], codec: str = "null") -> bytes:
    """Return a file of encoded records."""
    meta = text(b"avro.schema") + text(json.dumps(schema).encode())
    content = b"Obj\x01" + number(2) + meta + text(b"avro.codec") + text(codec.encode())
    content += number(0) + SYNC
    for records in blocks:
        content += number(len(records)) + text(PACKED[codec](b"".join(records))) + SYNC
    return content


def read(
    content: bytes, cuts: Sequence[int] = (), block_bytes: int = 1 << 20
) -> list[tuple[str, Any]]:
    """Return the records of a file that is cut at any places."""
    pieces = pieces_of(content, Avro(), cuts)
    return records_of(AvroReader(), pieces, ranges_of(content, block_bytes))


ROWS = [number(n) + text(b"x" * n) for n in range(40)]
BLOCKS = [ROWS[:1], ROWS[1:20], [], ROWS[20:]]


@pytest.mark.parametrize(
    ("schema", "encoded", "value"),
    [
        # the examples of the specification
        ("long", "01", -1),
        ("long", "80 01", 64),
        ("long", "7f", -64),
        ("string", "06 66 6f 6f", "foo"),
        (TEST, "36 06 66 6f 6f", {"a": 27, "b": "foo"}),
        ({"type": "array", "items": "long"}, "04 06 36 00", [3, 27]),
        ({"type": "array", "items": "long"}, "03 04 06 36 00", [3, 27]),
        (["null", "string"], "00", None),
        (["null", "string"], "02 02 61", "a"),
        ({"type": "enum", "name": "E", "symbols": ["A", "B", "C"]}, "04", "C"),
        # others
        ("null", "", None),
        ("boolean", "01", True),
        ("float", "00 00 c0 3f", 1.5),
        ("double", "00 00 00 00 00 00 f8 bf", -1.5),
        ("bytes", "04 00 ff", b"\x00\xff"),
        ({"type": "fixed", "name": "F", "size": 2}, "61 62", b"ab"),
        ({"type": "map", "values": "int"}, "02 02 61 02 00", {"a": 1}),
        ({"type": {"type": "int"}}, "02", 1),
        ({"type": "int", "logicalType": "date"}, "02", date(1970, 1, 2)),
        ({"type": "int", "logicalType": "time-millis"}, "d0 0f", time(0, 0, 1)),
        ({"type": "long", "logicalType": "time-micros"}, "02", time(0, 0, 0, 1)),
        (
            {"type": "long", "logicalType": "timestamp-millis"},
            "d0 0f",
            datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC),
        ),
        ({"type": "long", "logicalType": "local-timestamp-micros"}, "00", datetime(1970, 1, 1)),
        ({"type": "bytes", "logicalType": "decimal", "scale": 2}, "04 fe d4", Decimal("-3.00")),
        (
            {"type": "fixed", "name": "D", "size": 1, "logicalType": "decimal", "scale": 1},
            "7b",
            Decimal("12.3"),
        ),
        ({"type": "string", "logicalType": "unknown"}, "02 61", "a"),
    ],
)
def test_values(schema: Any, encoded: str, value: Any) -> None:
    """A value is what the specification says, and what the reference run reads."""
    content = written(schema, [[bytes.fromhex(encoded)]])
    ((_, found),) = read(content)
    assert (value, type(value)) == (found, type(found))
    assert [(f"{len(written(schema, []))}:0", value)] == list(plain_records(content, Avro(), ()))


def test_a_type_within_itself() -> None:
    """A record may hold its own type, by its name in its namespace."""
    node = {
        "type": "record",
        "name": "org.x.Node",
        "fields": [
            {"name": "value", "type": "int"},
            {"name": "next", "type": ["null", "Node"]},
        ],
    }
    content = written(node, [[bytes.fromhex("02 02 04 00")]])
    ((_, found),) = read(content)
    assert {"value": 1, "next": {"value": 2, "next": None}} == found
    assert [found] == [value for _, value in plain_records(content, Avro(), ())]


@pytest.mark.parametrize("codec", PACKED)
@given(
    cuts=st.lists(st.integers(0, 1 << 20), max_size=6),
    block_bytes=st.integers(1, 99) | st.just(9999),
)
def test_any_cut(codec: str, cuts: list[int], block_bytes: int) -> None:
    """Each record comes once, with one key, wherever the file is cut."""
    content = written(TEST, BLOCKS, codec)
    expected = list(plain_records(content, Avro(), ()))
    assert [{"a": n, "b": "x" * n} for n in range(40)] == [value for _, value in expected]
    assert expected == read(content, cuts, block_bytes)


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_a_file_that_is_compressed_as_a_whole(compression: Compression) -> None:
    """A compressed file is read as it is plain."""
    content = written(TEST, BLOCKS)
    packed = PACK[compression](content)
    pieces = pieces_of(packed, Avro(), compression=compression)
    assert read(content) == records_of(AvroReader(), pieces, ranges_of(packed, 11))


def test_a_file_without_records() -> None:
    """A file may be only its header."""
    assert [] == read(written(TEST, []), [3])


GOOD = written(TEST, BLOCKS)
HEADER = len(written(TEST, []))


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"no", "is no Avro file: it does not begin with Obj"),
        (GOOD[:20], "is no Avro file"),
        (written("nothing", []), "names no type 'nothing'"),
        (GOOD.replace(b"\x08null", b"\x08lzmx"), "its codec 'lzmx' cannot be read"),
        (GOOD[:-1], "does not end with the file's sync marker"),
        (GOOD[:-60], "does not end with the file's sync marker"),
        (written(TEST, [[b"\x02"]]), "record 0 of a block does not have the schema"),
        (written(TEST, [[b"\x02\x7f"]]), "record 0 of a block does not have the schema"),
        (written(TEST, [[ROWS[0] + b"\x00"]]), "a block of 1 records holds more"),
        (written(["null"], [[b"\x04"]]), "a union has no branch 2"),
        (written("boolean", [[b"\x09"]]), "a boolean is 9"),
        (written("string", [[b"\x02\xff"]]), "does not have the schema"),
        (written("long", [[b"\xff" * 11]]), "more than 64 bits"),
        (
            written({"type": "array", "items": "null"}, [[number(1 << 40)]]),
            "goes beyond the end of its block",
        ),
        (GOOD[:HEADER] + number(-1) + number(0), "a block has -1 records"),
        (GOOD[:HEADER] + b"\xff" * 12, "a block has no length"),
    ],
)
def test_what_is_refused(content: bytes, cause: str) -> None:
    """Damage is refused with the place of its block."""
    with pytest.raises(RecordError, match=cause) as caught:
        read(content)
    assert str(caught.value.place).startswith(SOURCE)


def test_a_block_beyond_the_limit() -> None:
    """A block that a task cannot hold is refused, also by what it unpacks to."""
    small = AvroReader(Limits(8 << 20))
    for codec in ("null", "deflate"):
        content = written("bytes", [[text(bytes(2 << 20))]], codec)
        with pytest.raises(RecordError, match="longer than 1 MiB"):
            records_of(small, pieces_of(content, Avro()), ranges_of(content))


@given(st.binary(max_size=60))
def test_any_bytes_end_in_one_of_the_known_errors(data: bytes) -> None:
    """No bytes of a block raise anything else, or never end."""
    schema = {"type": "array", "items": ["null", TEST, {"type": "map", "values": "double"}]}
    with contextlib.suppress(*FAILURES):
        Decoders().of(schema)(data, 0)
