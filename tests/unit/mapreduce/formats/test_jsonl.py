"""JSON Lines equal Python's json, line by line, for any cuts, and broken lines are refused."""

from __future__ import annotations

import codecs
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mapreduce.errors import RecordError
from mapreduce.formats.base import BadRecord
from mapreduce.formats.jsonl import JsonLinesReader
from mapreduce.formats.limits import Limits
from mapreduce.input_formats import Compression, JsonLines
from tests.unit.mapreduce.formats.pieces import SOURCE, batches_of, pieces_of, ranges_of, records_of
from tests.unit.mapreduce.formats.test_compression import PACK, compressions

numbers = (
    st.integers()
    | st.integers(-(1 << 300), 1 << 300)
    | st.floats(allow_nan=False, allow_infinity=False)
)
scalars = st.none() | st.booleans() | numbers | st.text()
json_values = st.recursive(
    scalars,
    lambda items: st.lists(items, max_size=3) | st.dictionaries(st.text(), items, max_size=3),
    max_leaves=6,
)
lines = st.one_of(
    st.builds(
        lambda value, ascii_only: json.dumps(value, ensure_ascii=ascii_only).encode(),
        json_values,
        st.booleans(),
    ),
    st.sampled_from([b"", b" ", b"\t\r", b"  [1 , 2]\r"]),
)
cuts = st.lists(st.integers(0, 1 << 30), max_size=15)


def plain_records(content: bytes) -> list[tuple[int, Any]]:
    """Return the (offset, value) of each line by Python's json."""
    records, at = [], 0
    for raw in content.split(b"\n"):
        line = raw.removeprefix(codecs.BOM_UTF8) if at == 0 else raw
        if line.strip():
            records.append((at, json.loads(line.decode())))
        at += len(raw) + 1
    return records


@given(st.lists(lines, max_size=12), st.booleans(), st.booleans(), cuts, st.integers(1, 64))
@example([b"18446744073709551616", b"-0", b"-0.0", b'{"a":1,"a":2}'], False, False, [1, 2, 3], 1)
@example([b"1", b"2"], True, False, [1, 2, 3], 1)
def test_as_python_reads_it(
    content_lines: list[bytes], bom: bool, last_feed: bool, places: list[int], block_bytes: int
) -> None:
    """The records of all pieces equal those of the whole object, with exact types."""
    content = codecs.BOM_UTF8 * bom + b"\n".join(content_lines) + b"\n" * last_feed
    found = records_of(
        JsonLinesReader(), pieces_of(content, JsonLines(), places), ranges_of(content, block_bytes)
    )
    assert repr(plain_records(content)) == repr(found)


@compressions
def test_compressed(compression: Compression) -> None:
    """Offsets of a compressed object are those of its unpacked bytes, and its bytes count once."""
    plain = b'{"a": 1}\n\n[2]\n3'
    content = PACK[compression](plain)
    pieces = pieces_of(content, JsonLines(), compression=compression)
    assert plain_records(plain) == records_of(JsonLinesReader(), pieces, ranges_of(content, 4))


def test_compressed_nothing() -> None:
    """An object that unpacks to nothing has no record, and its bytes count."""
    content = PACK["gzip"](b"")
    pieces = pieces_of(content, JsonLines(), compression="gzip")
    assert [] == records_of(JsonLinesReader(), pieces, ranges_of(content))


def test_chunk_of_another_object() -> None:
    """Offsets are those in the source, and a byte order mark is removed only at its start."""
    content = b"1\n2\n"
    piece = pieces_of(content, JsonLines())[0].model_copy(update={"source_offset": 70})
    (batch,) = batches_of(JsonLinesReader(), piece, ranges_of(content))
    assert content == batch.data
    assert [(70, 1), (72, 2)] == list(batch.records)


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (b"{", "line is not JSON"),
        (b"[1,]", "line is not JSON"),
        (b"{'a': 1}", "double quotes"),
        (b"1 2", "Extra data"),
        (b'"\x01"', "control character"),
        (b"01", "line is not JSON"),
        (b"\xef\xbb\xbf1", "BOM"),
        (b"NaN", "NaN is not a JSON number; write null"),
        (b"[Infinity]", "Infinity is not a JSON number"),
        (b'{"a": -Infinity}', "-Infinity is not a JSON number"),
        (b"1e999", "too large for a float"),
        (b"[" + b"9" * 5000 + b"]", "4300 digits"),
        (b'"\xff"', "not UTF-8"),
        (b"\xe9", "not UTF-8"),
        (b'"\\ud800"', "half a surrogate pair"),
        (b"[" * 100_000, "line is not JSON: its values are nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
    ],
)
def test_broken_line(line: bytes, cause: str) -> None:
    """A line that is not JSON is refused with cause, place and text."""
    content = b'{"a": 1}\n' + line + b"\n2\n"
    with pytest.raises(RecordError, match=cause) as caught:
        records_of(JsonLinesReader(), pieces_of(content, JsonLines(), [5]), ranges_of(content))
    assert f"{SOURCE} at byte 9" == caught.value.place
    assert repr(line)[:20] == caught.value.record[:20]
    assert len(caught.value.record) <= 200


def test_integer_of_thousands_of_digits() -> None:
    """An integer of 4,300 digits is exact."""
    content = b"9" * 4300
    assert [(0, 10**4300 - 1)] == records_of(
        JsonLinesReader(), pieces_of(content, JsonLines()), ranges_of(content)
    )


def test_a_line_longer_than_the_limit() -> None:
    """A line longer than the limit is refused with its place before it is parsed."""
    content = b"1\n[" + b"1," * (1 << 20) + b"1]\n"
    with pytest.raises(RecordError, match="a line is longer than 1 MiB") as caught:
        records_of(
            JsonLinesReader(limits=Limits(8 << 20)),
            pieces_of(content, JsonLines()),
            ranges_of(content, 1 << 16),
        )
    assert f"{SOURCE} at byte 2" == caught.value.place


def test_lines_that_are_not_json_can_be_given_as_bad() -> None:
    """A lenient reader yields broken lines as bad records in their places, and the others
    unchanged.
    """
    content = b'{"a": 1}\nnope\n[2]\n{"b": NaN}\n'
    for cuts in ([], [3, 11, 20]):
        reader = JsonLinesReader(lenient=True)
        found = records_of(reader, pieces_of(content, JsonLines(), cuts), ranges_of(content))
        assert [0, 9, 14, 18] == [at for at, _ in found]
        assert [b"nope", b'{"b": NaN}'] == [
            value.data for _, value in found if isinstance(value, BadRecord)
        ]
        assert [{"a": 1}, [2]] == [value for _, value in found if not isinstance(value, BadRecord)]
