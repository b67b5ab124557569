"""Text of any encoding and delimiter has the records of a plain split, for any cuts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mapreduce.check.reference_formats import plain_records
from mapreduce.errors import RecordError
from mapreduce.formats.base import BadRecord
from mapreduce.formats.delimited import DelimitedReader, numbered
from mapreduce.formats.limits import LIMITS, Limits
from mapreduce.input_formats import Compression, Text
from tests.unit.mapreduce.formats.pieces import SOURCE, pieces_of, ranges_of, records_of
from tests.unit.mapreduce.formats.test_compression import PACK

cuts = st.lists(st.integers(0, 1 << 30), max_size=6)
forms = st.builds(
    Text,
    encoding=st.sampled_from(
        ["utf-8", "latin-1", "cp1252", "cp037", "utf-16-le", "utf-16-be", "utf-32-le", "gb18030"]
    ),
    delimiter=st.sampled_from([None, "\n", "\n\n", "\n\n\n", "\x00", "\r\n", "\n\r\n"]),
)
texts = st.lists(
    st.sampled_from(
        ["\n", "\n\n", "\n\n\n\n\n", "\r\n", "\r", "a", "two words", "x" * 50, "\x00", "\n\r"]
    ),
    max_size=30,
).map("".join)


def read(
    content: bytes, form: Text, places: list[int], block_bytes: int, compression: Compression | None
) -> list[tuple[Any, Any]]:
    """Return the records of a content that is cut at any places."""
    packed = PACK[compression](content) if compression else content
    pieces = pieces_of(packed, form, [] if compression else places, compression=compression)
    ranges = ranges_of(packed, block_bytes)
    return records_of(DelimitedReader(form), numbered(pieces, ranges, LIMITS), ranges)


@given(forms, texts, cuts, st.integers(1, 40), st.sampled_from([None, "gzip"]))
@example(Text(delimiter="\n\n"), "a\n\n\n\nb\n", [2, 3, 4, 5], 1, None)
@example(Text(encoding="utf-16-le"), "\u0a0a\u0a00\u000a\n\u0a0a", [1, 2, 3, 5, 7], 1, None)
def test_any_cut_gives_the_records_of_a_plain_split(
    form: Text, text: str, places: list[int], block_bytes: int, compression: Compression | None
) -> None:
    """Records, and their byte offsets, do not depend on where the object is cut."""
    content = text.encode(form.encoding)
    expected = list(plain_records(content, form, ()))
    assert expected == read(content, form, places, block_bytes, compression)


@given(texts, cuts, st.integers(1, 40))
def test_lines_are_numbered_from_one(text: str, places: list[int], block_bytes: int) -> None:
    """With `number` a key is the number of the line in the whole file, for any cuts."""
    form = Text(number=True)
    lines = (
        [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")] if text else []
    )
    expected = list(enumerate(lines, 1))
    assert expected == read(text.encode(), form, places, block_bytes, None)


@given(st.binary(max_size=60), cuts, st.integers(1, 9))
def test_any_bytes_are_text_of_any_encoding(
    content: bytes, places: list[int], block_bytes: int
) -> None:
    """Bytes that are not in the encoding are replaced and counted, never lost."""
    form = Text(encoding="utf-16-le")
    assert list(plain_records(content, form, ())) == read(content, form, places, block_bytes, None)


def test_the_names_of_a_latin_1_file() -> None:
    """Latin-1 text is read as what it says."""
    content = "Grüße\r\nÆsir\n".encode("latin-1")
    expected = [(0, "Grüße"), (7, "Æsir")]
    assert expected == read(content, Text(encoding="latin-1"), [3, 8], 2, None)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
@pytest.mark.parametrize("order", ["le", "be"])
def test_a_byte_order_mark_tells_the_order(encoding: str, order: str) -> None:
    """Each range finds the byte order at the file's start, and the mark is no text."""
    content = "\ufeffone\ntwo\n".encode(f"{encoding}-{order}")
    found = read(content, Text(encoding=encoding), list(range(0, len(content), 3)), 5, None)
    assert ["one", "two"] == [text for _, text in found]


def test_no_byte_order_mark_is_refused() -> None:
    """Without a mark the order is never guessed."""
    content = "one".encode("utf-16-le")
    with pytest.raises(RecordError, match="no byte order mark; write encoding='utf-16-le' or"):
        read(content, Text(encoding="utf-16"), [], 9, None)


def test_bytes_of_another_encoding_are_counted() -> None:
    """U+FFFD in the file itself does not count; wrong bytes do, with their place."""
    reader = DelimitedReader(Text(encoding="cp1252"))
    content = b"good\nb\x81d\x8d\n"
    found = records_of(reader, pieces_of(content, Text()), ranges_of(content))
    assert [(0, "good"), (5, "b\ufffdd\ufffd")] == found
    lost = reader.undecoded
    assert (2, 2, 1, 5) == (lost.replaced, lost.size_bytes, lost.lines, lost.first)


def test_strict_errors_are_bad_records() -> None:
    """With errors="strict" such a line is refused, or given as bad to a lenient reader."""
    form = Text(errors="strict")
    content = b"good\n\xff\n"
    with pytest.raises(RecordError, match="not text in utf-8") as caught:
        read(content, form, [], 9, None)
    assert f"{SOURCE} at byte 5" == caught.value.place
    reader = DelimitedReader(form, lenient=True)
    (_, (key, bad)) = records_of(reader, pieces_of(content, form), ranges_of(content))
    assert isinstance(bad, BadRecord)
    assert (5, b"\xff") == (key, bad.data)


def test_a_record_longer_than_the_limit() -> None:
    """A record without an end is refused at the limit, with its place."""
    content = b"1\x00" + b"x" * (1 << 21)
    form = Text(delimiter="\x00")
    with pytest.raises(
        RecordError, match=r"a record is longer than 1 MiB.*delimiter right"
    ) as caught:
        records_of(
            DelimitedReader(form, Limits(8 << 20)),
            pieces_of(content, form),
            ranges_of(content, 999),
        )
    assert f"{SOURCE} at byte 2" == caught.value.place


def test_a_run_of_delimiters_longer_than_a_look_back() -> None:
    """Where delimiters overlap for longer than is read back at first, the records are the same."""
    content = b"a" + b"\n" * 30_001 + b"b"
    form = Text(delimiter="\n\n")
    expected = list(plain_records(content, form, ()))
    assert expected == read(content, form, [29_000, 29_001, 29_002], 1 << 20, None)
