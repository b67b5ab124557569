"""Rows that the extension makes of columns: equal to Python's own, or refused."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import native

extension: Any = native.extension
pytestmark = pytest.mark.skipif(extension is None, reason="the native extension is not built")

NUMBERS = dict(zip("csilCSILfg", "bhiqBHIQfd", strict=True))
"""For each kind the letter of `struct`."""


def bits(values: list[bool]) -> bytes:
    """Return a bit for each value, the lowest first."""
    packed = bytearray((len(values) + 7) // 8)
    for at, value in enumerate(values):
        packed[at >> 3] |= value << (at & 7)
    return bytes(packed)


@given(st.sampled_from(sorted(NUMBERS)), st.binary(max_size=200), st.lists(st.booleans()))
def test_numbers(kind: str, data: bytes, valid: list[bool]) -> None:
    """Any bytes are the numbers that `struct` reads; a bit that is not set is None."""
    letter = NUMBERS[kind]
    count = min(len(data) // struct.calcsize(letter), len(valid))
    numbers = struct.unpack_from(f"<{count}{letter}", data)
    rows = extension.records(("n",), ((kind, bits(valid), data, None),), 0, count)
    expected = [{"n": value if there else None} for value, there in zip(numbers, valid)]  # noqa: B905
    assert repr(expected) == repr(rows)


@given(st.lists(st.text()), st.lists(st.booleans(), min_size=1), st.data())
def test_texts_and_truths(texts: list[str], truths: list[bool], drawn: st.DataObject) -> None:
    """Texts, bytes and booleans of some rows, in the order of the names."""
    count = min(len(texts), len(truths))
    begin = drawn.draw(st.integers(0, count))
    raw = [text.encode() for text in texts]
    ends = [sum(map(len, raw[:at])) for at in range(len(raw) + 1)]
    packed = struct.pack(f"<{len(ends)}i", *ends)
    columns = (
        ("u", None, b"".join(raw), packed),
        ("b", None, bits(truths), None),
        ("z", None, b"".join(raw), packed),
    )
    rows = extension.records(("t", "b", "z"), columns, begin, count)
    expected = [{"t": texts[at], "b": truths[at], "z": raw[at]} for at in range(begin, count)]
    assert expected == rows
    assert [list("tbz")] * len(rows) == [list(row) for row in rows]


ENDS = struct.pack("<3i", 0, 1, 2)


@pytest.mark.parametrize(
    "column",
    [
        ("l", None, b"x" * 15, None),
        ("l", b"", b"x" * 16, None),
        ("l", None, None, None),
        ("u", None, b"ab", None),
        ("u", None, b"ab", ENDS[:8]),
        ("u", None, b"a", ENDS),
        ("u", None, b"ab", struct.pack("<3i", 0, 2, 1)),
        ("u", None, b"ab", struct.pack("<3i", -1, 1, 2)),
        ("u", None, b"\xff\xff", ENDS),
        ("b", None, b"", None),
        ("x", None, b"x" * 16, None),
        ("long", None, b"x" * 16, None),
        ["l", None, b"x" * 16, None],
        ("l", None, "text", None),
    ],
)
def test_what_is_no_column(column: Any) -> None:
    """Buffers that are too short, or whose texts lie outside, are refused."""
    with pytest.raises((ValueError, TypeError)):
        extension.records(("a",), (column,), 0, 2)


@pytest.mark.parametrize(
    ("names", "columns", "begin", "end"),
    [(("a",), (), 0, 0), ((1,), (("l", None, b"", None),), 0, 0), ((), (), -1, 0), ((), (), 2, 1)],
)
def test_what_are_no_rows(names: Any, columns: Any, begin: int, end: int) -> None:
    """Each column has a name, and the rows a beginning and an end."""
    with pytest.raises((ValueError, TypeError)):
        extension.records(names, columns, begin, end)
