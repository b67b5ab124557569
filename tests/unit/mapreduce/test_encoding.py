"""Keys sort as their bytes, and keys and values are decoded exactly, or refused with their type."""

from __future__ import annotations

import io
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mapreduce.encoding import (
    Key,
    NotCarriable,
    Value,
    decode_key,
    decode_value,
    encode_key,
    encode_value,
    pack_value,
    unpack_value,
)
from tests.unit.mapreduce.any_keys import (
    floats,
    integers,
    keys,
    near_bytes,
    near_texts,
    rank,
    same,
    values,
)

Float64 = type("float64", (float,), {"__module__": "numpy"})
Text = type("Text", (str,), {"__module__": "author"})


@given(keys)
@example((("a\x00", b"\x00\xff"), (), ("",), -1, 0, 1 << 64))
def test_key_round_trip(key: Key) -> None:
    """A decoded key is equal and of the same types, also in tuples."""
    assert same(key) == same(decode_key(encode_key(key)))


@given(keys, keys)
def test_key_order(one: Key, other: Key) -> None:
    """The bytes of two keys compare as the keys do, by type first."""
    assert (rank(one) < rank(other)) == (encode_key(one) < encode_key(other))
    assert (rank(one) == rank(other)) == (encode_key(one) == encode_key(other))


@pytest.mark.parametrize(
    "items",
    [
        pytest.param(integers, id="int"),
        pytest.param(
            floats | st.sampled_from([-0.0, 5e-324, -5e-324, 1.7976931348623157e308]), id="float"
        ),
        pytest.param(near_texts, id="str"),
        pytest.param(near_bytes, id="bytes"),
        pytest.param(st.tuples(near_texts, near_bytes), id="pair"),
        pytest.param(st.lists(near_texts | near_bytes, max_size=3).map(tuple), id="tuple"),
        pytest.param(
            st.tuples(st.lists(st.booleans(), max_size=2).map(tuple), near_texts), id="nested"
        ),
    ],
)
@given(data=st.data())
def test_order_within_a_type(items: st.SearchStrategy[Key], data: st.DataObject) -> None:
    """Sorted encodings of one type are the sorted keys."""
    drawn: list[Any] = data.draw(st.lists(items, max_size=12))
    expected = sorted(drawn, key=rank)
    assert expected == [decode_key(encoded) for encoded in sorted(map(encode_key, drawn))]


def test_key_bytes_are_pinned() -> None:
    """The bytes of keys are pinned, because task keys, partitions and old map outputs depend on
    them.
    """
    pinned: list[tuple[Key, str]] = [
        (False, "10"),
        (True, "11"),
        (0, "2080"),
        (1, "208101"),
        (-1, "207ffe"),
        (256, "20820100"),
        (1.0, "30bff0000000000000"),
        (-1.0, "30400fffffffffffff"),
        (b"a\x00", "406100"),
        ("é", "60c3a9"),
        (("a", b"\x00", ()), "5060610040" + "00ff00" + "5000"),
    ]
    assert [text for _, text in pinned] == [encode_key(key).hex() for key, _ in pinned]


def test_equal_numbers_of_other_types_are_other_keys() -> None:
    """`1`, `1.0` and `True` are three keys, but -0.0 equals 0.0."""
    assert len({encode_key(1), encode_key(1.0), encode_key(True)}) == 3
    assert encode_key(0.0) == encode_key(-0.0)


def test_greatest_integer_key() -> None:
    """An integer key has at most 126 bytes, and a longer one is refused with an alternative."""
    greatest = (1 << 1008) - 1
    assert [-greatest, greatest] == [decode_key(encode_key(key)) for key in (-greatest, greatest)]
    for beyond in (greatest + 1, -greatest - 1):
        with pytest.raises(NotCarriable, match="integer key of 127 bytes.*use str"):
            encode_key(beyond)


@pytest.mark.parametrize(
    ("key", "named"),
    [
        ([1], "list"),
        ({1}, "set"),
        ({"a": 1}, "dict"),
        (object(), "object"),
        (bytearray(b"a"), "bytearray"),
        (Float64(1.0), "numpy.float64"),
        (Text("a"), "author.Text"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        ("a\ud800", "lone surrogate"),
        (("a", ("\udfff",)), "lone surrogate"),
    ],
)
def test_refused_keys(key: Any, named: str) -> None:
    """A value that cannot be a key is refused with its name, at any depth."""
    with pytest.raises(NotCarriable) as caught:
        encode_key(key)
    assert named in str(caught.value)


@given(values)
@example([-0.0, (1, [2, (b"\x00",)]), {"": {"a": (1 << 64,)}}, -(1 << 63), (1 << 63) - 1, 1 << 63])
def test_value_round_trip(value: Value) -> None:
    """A decoded value has the same types at any depth, and dicts keep their order."""
    assert repr(value) == repr(decode_value(encode_value(value)))
    assert repr(value) == repr(unpack_value(pack_value(value)))
    assert repr(value) == repr(decode_value(memoryview(encode_value(value))))


@given(integers)
def test_packed_integers(number: int) -> None:
    """Exactly the integers of 64 bits are packed as integers."""
    assert (-(2**63) <= number < 2**63) == (type(pack_value(number)) is int)
    assert number == unpack_value(pack_value(number))


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({1}, "type set"),
        (frozenset(), "type frozenset"),
        (object(), "type object"),
        (io.StringIO(), "type _io.StringIO"),
        (1j, "type complex"),
        (bytearray(b"a"), "type bytearray"),
        (Float64(1.0), "type numpy.float64"),
        (Text("a"), "type author.Text"),
        (math.nan, "the value nan"),
        (math.inf, "the value inf"),
        ({1: "a"}, "a dict with a key of type int"),
        ({"a": {(1,): 2}}, "a dict with a key of type tuple"),
        ("\ud800", "lone surrogate"),
        ({"\ud800": 1}, "lone surrogate"),
        ([("a\ud800",)], "lone surrogate"),
        ([{"a": ({2},)}], "type set"),
        ((1, [math.nan]), "the value nan"),
    ],
)
def test_refused_values(value: Any, named: str) -> None:
    """A value that cannot be carried is refused with its name, at any depth."""
    for encode in (encode_value, pack_value):
        with pytest.raises(NotCarriable) as caught:
            encode(value)
        assert named in str(caught.value)


def test_open_file_is_refused() -> None:
    """An open file is refused with its type."""
    with open(__file__, "rb") as file, pytest.raises(NotCarriable, match="_io.BufferedReader"):  # noqa: PTH123
        encode_value(file)


def test_unknown_extension_is_an_error() -> None:
    """Bytes with an unknown extension are refused."""
    with pytest.raises(ValueError, match="unknown extension 9"):
        decode_value(b"\xd4\x09\x00")
