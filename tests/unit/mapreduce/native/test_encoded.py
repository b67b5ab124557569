"""Keys and values as the extension encodes, decodes and shows them, held against Python."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mapreduce import native
from mapreduce.encoding import decode_key, encode_key, encode_value, pack_value, unpack_value
from mapreduce.encoding.refusals import NotCarriable
from mapreduce.engine.top_pairs import weight
from mapreduce.formats.json_values import json_key, jsonable
from mapreduce.formats.output import JsonLayout, layout_of
from tests.unit.mapreduce.any_keys import keys, values
from tests.unit.mapreduce.native.in_python import (
    collector,
    extension,
    frames_of,
    integers,
    near,
    packed,
    raw,
)

pytestmark = pytest.mark.skipif(
    native.extension is None, reason=f"the native extension is {native.why_not}"
)


@given(st.lists(st.tuples(near, values), max_size=30))
def test_groups(pairs: list[tuple[str, Any]]) -> None:
    """Groups are runs of equal keys with their decoded values."""
    expected: list[tuple[bytes, list[Any]]] = []
    for key, value in pairs:
        if not expected or expected[-1][0] != encode_key(key):
            expected.append((encode_key(key), []))
        expected[-1][1].append(value)
    (frame,) = (
        raw([(encode_key(key), pack_value(value)) for key, value in pairs], 100)
        if pairs
        else [(1, 0, b"")]
    )
    assert expected == extension.groups(frame, unpack_value)


plain = st.recursive(
    st.none()
    | st.booleans()
    | integers
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text(max_size=5), inner)
        | st.lists(st.none(), min_size=14, max_size=18)
    ),
    max_leaves=12,
)
"""Values that the extension writes as JSON."""
plain_keys = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(1 - (1 << 64), (1 << 64) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("ab\x00\u20ac")
    | st.binary().filter(lambda raw: b"\x00" not in raw),
    lambda inner: st.lists(inner, max_size=4).map(tuple),
    max_leaves=6,
)
"""Keys that it writes."""


LENGTHS = (0, 1, 14, 15, 16, 17, 31, 32, 33, 127, 128, 255, 256, 65_535, 65_536)
"""Where MessagePack goes over to another header, and their neighbours."""
OF_EACH_LENGTH: list[Any] = [
    made(length)
    for length in LENGTHS
    for made in (
        lambda length: "x" * length,
        lambda length: b"x" * length,
        lambda length: [None] * length,
        lambda length: (None,) * length,
        lambda length: ("x" * length,),
        lambda length: {f"{number}": number for number in range(length)},
    )
]
NUMBERS = [
    sign * ((1 << bits) + more)
    for bits in (0, 5, 6, 7, 8, 15, 16, 31, 32, 62)
    for more in (-2, -1, 0, 1)
    for sign in (1, -1)
]


@given(st.lists(st.tuples(st.one_of(keys, plain_keys), st.one_of(values, plain)), max_size=12))
@example([("k", value) for value in OF_EACH_LENGTH])
@example([("k", [number]) for number in NUMBERS])
@example([((number, b"\x00", "\x00a"), None) for number in NUMBERS])
@example([("k", {"a": [{"b": ()}]}), (((),), ((), [])), (-0.0, [-0.0]), (True, 1.5), ((), {})])
def test_packed_as_python_packs(pairs: list[tuple[Any, Any]]) -> None:
    """Keys and values have the bytes of Python's encoders, and come back as they were."""
    kept = collector("KEEP")
    kept.add(iter(pairs))
    kept.sort()
    expected = sorted(
        ((encode_key(key), encode_value(value)) for key, value in pairs), key=lambda pair: pair[0]
    )
    # a frame of integers alone holds them as such
    assert expected == [
        (key, encode_value(value) if type(value) is int else value) for key, value in packed(kept)
    ]
    found = [
        (key, value)
        for frame in frames_of(kept, 0)
        for key, group in extension.groups(frame, unpack_value)
        for value in group
    ]
    decoded = [(key, unpack_value(value)) for key, value in expected]
    assert decoded == found
    assert list(map(repr, decoded)) == list(map(repr, found))  # True is not 1, nor -0.0 0.0


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        ["\ud800"],
        {1: 2},
        {"a": object()},
        [1 << 64],
        (Decimal("1.5"), datetime.date(2026, 1, 31)),
        json.loads("[" * 100 + "]" * 100),
    ],
)
def test_what_is_not_plain_is_left_to_python(value: Any) -> None:
    """A value that only Python carries has its bytes, and one that Python refuses has its error."""
    kept = collector("KEEP")
    try:
        expected = pack_value(value)
    except NotCarriable as exc:
        with pytest.raises(NotCarriable) as refused:
            kept.add(iter([("k", value)]))
        assert str(exc) == str(refused.value)
        return
    kept.add(iter([("k", value)]))
    kept.sort()
    assert [(encode_key("k"), expected)] == packed(kept)
    (group,) = extension.groups(next(iter(frames_of(kept, 0))), unpack_value)
    assert [value] == group[1]


@given(st.binary(min_size=1, max_size=12))
@example(b"\xdd\xff\xff\xff\xff")
@example(b"\xdf\x00\xff\xff\xff\xc0")
@example(b"\x91" * 200)
@example(b"\xc7\x05\x01\x91\xc0\xc0\xc0\xc0")
@example(b"\xa1\xff")
def test_bytes_that_are_no_value(encoded: bytes) -> None:
    """Bytes are decoded as Python decodes them, or are given to it."""
    given_up: list[bytes] = []
    (frame,) = raw([(b"\x60k", encoded)])
    ((_, (found,)),) = extension.groups(frame, lambda data: given_up.append(data))
    if given_up:
        assert ([encoded], None) == (given_up, found)
    else:
        assert repr(unpack_value(encoded)) == repr(found)


@given(st.lists(st.tuples(plain_keys, plain), min_size=1, max_size=20))
@example(
    [("".join(map(chr, range(200))), -(1 << 63)), ('"\\\u2028\U0001f600', (1 << 63) - 1), ("", 0)]
)
@example([("e", number) for number in (1e-5, -1.25e-5, 9e15, 1e16, -2.5e300, 5e-324, -0.0, 1e-4)])
@example([("a\x00", ("\x00" * 300, ["x" * 70_000])), (("a\x00", "b"), {"n": [b"\x00\xff\x01"]})])
@pytest.mark.parametrize(
    "layout",
    [
        layout_of("jsonl", as_object=False),
        layout_of("json", as_object=True),
        layout_of("json", as_object=False),
    ],
)
def test_rows(layout: JsonLayout, pairs: list[tuple[Any, Any]]) -> None:
    """Rows are the JSON of Python's encoder, byte for byte, with the rank of the heaviest value."""
    (frame,) = raw([(encode_key(key), pack_value(value)) for key, value in pairs], 100)
    decoded = ((decode_key(encode_key(key)), value) for key, value in pairs)  # -0.0 is 0.0
    expected = layout.rows((json_key(key), jsonable(value)) for key, value in decoded)
    assert (expected, max(weight(value) for _, value in pairs)) == layout.rows_of_frame(frame)


@given(keys, values)
@example("k", 1 << 63)
@example(datetime.date(2026, 1, 31), 1)
@example(("a", b"\x00"), 1)
@example("k", [Decimal("1.5")])
def test_rows_of_other_kinds(key: Any, value: Any) -> None:
    """Rows of any kind are those of Python's encoder, or are left to Python."""
    (frame,) = raw([(encode_key(key), pack_value(value))])
    layout = layout_of("jsonl", as_object=False)
    found = layout.rows_of_frame(frame)
    if found is not None:
        key, value = decode_key(encode_key(key)), unpack_value(pack_value(value))
        assert (layout.rows([(json_key(key), jsonable(value))]), weight(value)) == found


@given(st.binary(max_size=12), st.binary(max_size=12))
@example(b"\x50\x60a", b"\x91")
@example(b"\x50\x50", b"\xc7\x05\x01\x91\xc0\xc0\xc0\xc0")
@example(b"\x20", b"\xdd\xff\xff\xff\xff")
@example(b"\x60" + b"a" * 9, b"\x91" * 200)
@example(b"\x50" * 200, b"\xc0")
def test_rows_of_bytes_that_are_no_pair(key: bytes, value: bytes) -> None:
    """Bytes that are no key or value are left to Python, and nothing beyond them is read."""
    (frame,) = raw([(b"\x60" + key, 1), (key or b"\x60", value or b"\xc0")], 100)
    found = layout_of("jsonl", as_object=False).rows_of_frame(frame)
    assert found is None or found[0].endswith(b"}\n")
