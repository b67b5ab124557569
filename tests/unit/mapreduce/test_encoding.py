"""Keys sort as their bytes, and keys and values are decoded exactly, or refused with their type."""

from __future__ import annotations

import collections
import dataclasses
import io
import math
import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from itertools import chain
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mapreduce.encoding import (
    Descending,
    Key,
    NotCarriable,
    Value,
    decode_key,
    decode_value,
    encode_key,
    encode_value,
    key_prefix,
    pack_value,
    unpack_value,
)
from mapreduce.encoding.named import Named, made
from tests.unit.mapreduce.any_keys import (
    Level,
    Name,
    Point,
    decimals,
    floats,
    instants,
    integers,
    keys,
    members,
    near_bytes,
    near_texts,
    rank,
    same,
    values,
)

ZONE = timezone(timedelta(hours=1))
Float64 = type("float64", (float,), {"__module__": "numpy"})
Text = type("Text", (str,), {"__module__": "author"})


@dataclass
class Changes:
    x: int


@dataclass(frozen=True)
class Ignores:
    x: int = field(compare=False)


@dataclass(frozen=True)
class Computes:
    x: int = field(default=1, init=False)


def _local() -> Any:
    @dataclass(frozen=True)
    class Local:
        x: int = 1

    return Local()


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
        pytest.param(decimals, id="decimal"),
        pytest.param(st.tuples(decimals, near_texts), id="decimal first"),
        pytest.param(st.dates(), id="date"),
        pytest.param(instants, id="instant"),
        pytest.param(members, id="member"),
        pytest.param(near_texts.map(Descending), id="descending"),
        pytest.param(st.tuples(near_texts.map(Descending), near_texts), id="descending first"),
        pytest.param(st.tuples(st.tuples(near_texts.map(Descending))), id="descending last"),
        pytest.param(st.tuples(near_bytes, decimals).map(Descending), id="descending pair"),
        pytest.param(near_texts.map(Descending).map(Descending), id="descending twice"),
        pytest.param(st.builds(Point, near_texts, near_bytes), id="dataclass"),
    ],
)
@given(data=st.data())
def test_order_within_a_type(items: st.SearchStrategy[Key], data: st.DataObject) -> None:
    """Sorted encodings of one type are the sorted keys."""
    drawn: list[Any] = data.draw(st.lists(items, max_size=12))
    expected = sorted(drawn, key=rank)
    found = [decode_key(encoded) for encoded in sorted(map(encode_key, drawn))]
    assert list(map(same, expected)) == list(map(same, found))


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
        (None, "08"),
        (Decimal("1.50"), "34" + "02" + "8000000000000001" + "0206" + "00"),
        (Decimal(-1), "34" + "00" + "7ffffffffffffffe" + "fd" + "ff"),
        (date(2026, 1, 31), "38" + "000b493f"),
        (datetime(2026, 1, 31, 12), "3900e309acd374f000"),
        (datetime(2026, 1, 31, 13, tzinfo=ZONE), "3a00e309acd374f000"),
        (time(0, 0, 1), "3b00000000000f4240"),
        (Descending("a"), "58" + "9f9eff" + "ff"),
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
        (timedelta(1), r"use None, bool.*write key.total_seconds()"),
        (uuid.UUID(int=1), "write str(key)"),
        (iter("ab"), "write tuple(key)"),
        (Decimal("NaN"), "NaN"),
        (Decimal("-Infinity"), "not a number"),
        (time(1, tzinfo=UTC), "write key.replace(tzinfo=None)"),
        (datetime(1, 1, 1, tzinfo=ZONE), "in UTC its year"),
        (Changes(1), "because it can change; write @dataclass(frozen=True)"),
        (Ignores(1), "its field `x` is not compared"),
        (Computes(), "its field `x` is not an argument"),
        (_local(), "cannot find its class by the name _local.<locals>.Local"),
        (Descending([1]), "type list"),
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
    assert all(part in str(caught.value) for part in named.split(".*"))


@pytest.mark.parametrize(
    "value",
    [chain([1]), (each for each in "a"), map(str, [1]), {1: 2}.values(), iter([1])],
    ids=type,
)
def test_an_iterator_is_refused_with_the_word_to_write(value: Any) -> None:
    """What is read once, as the values of a key are, is no value; a list of it is."""
    with pytest.raises(NotCarriable, match=r"write list\(value\)$"):
        encode_value(value)


def test_an_open_file_is_refused_without_a_word_on_lists() -> None:
    """A file is an iterator too, and its lines are hardly what was meant."""
    with pytest.raises(NotCarriable, match=r"type _io\.StringIO cannot be carried.*tuple$"):
        encode_value(io.StringIO("a"))


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


class Array:
    """A scalar or array as numpy has them."""

    def __init__(self, items: Any, kind: str = "i") -> None:
        self.items = items
        self.dtype = type("dtype", (), {"kind": kind})()

    def tolist(self) -> Any:
        return self.items


def test_numpy_values() -> None:
    """Scalars are Python's values; an array is a list as a value, and a tuple as a key."""
    assert encode_key(7) == encode_key(Array(7))
    assert encode_key(((1, 2), (3, 4))) == encode_key(Array([[1, 2], [3, 4]]))
    assert encode_key((1, "a")) == encode_key((Array(1), "a"))
    assert [[1.5], 2] == decode_value(encode_value([Array([1.5]), Array(2)]))
    assert unpack_value(pack_value(Array(7))) == 7


@pytest.mark.parametrize("kind", ["M", "m"])
def test_nanoseconds_of_numpy_are_refused(kind: str) -> None:
    """Numpy gives an int for a time of nanoseconds, which is not a time: it is refused."""
    for encode in (encode_key, encode_value):
        with pytest.raises(NotCarriable, match=r"astype\('datetime64\[us\]'\)"):
            encode(Array(10**18, kind))
    assert encode_key(date(2026, 1, 1)) == encode_key(Array(date(2026, 1, 1), "M"))


def test_equal_keys_of_new_types() -> None:
    """Equal Decimals, and times of one instant, are one key; a date is not a datetime."""
    assert encode_key(Decimal("1.0")) == encode_key(Decimal(1)) == encode_key(Decimal("10E-1"))
    assert encode_key(Decimal("-0")) == encode_key(Decimal(0))
    assert str(decode_key(encode_key(Decimal("100")))) == "100"
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert encode_key(noon) == encode_key(noon.astimezone(ZONE))
    assert len({encode_key(key) for key in (noon, noon.replace(tzinfo=None), noon.date())}) == 3


def test_values_keep_what_keys_do_not() -> None:
    """A value keeps the zeros of a Decimal, and the offset of a time."""
    value = [Decimal("1.500"), datetime(2026, 1, 31, 13, tzinfo=ZONE), Changes(1), Level.HIGH]
    assert repr(value) == repr(decode_value(encode_value(value)))


def test_descending_turns_the_order_around() -> None:
    """Descending keys sort from the greatest, also as a field between others."""
    keys = [("a", Descending(n), "z") for n in (3, 20, 1)]
    assert [20, 3, 1] == [decode_key(k)[1].value for k in sorted(map(encode_key, keys))]
    assert sorted([Descending(1), Descending(2)]) == [Descending(2), Descending(1)]


def test_the_group_of_a_composite_key_with_any_fields() -> None:
    """`group_by` finds the end of fields of every type."""
    fields: tuple[Any, ...] = (None, Decimal("-1.5"), Descending("a\x00"), Level.LOW, Point(1, "x"))
    fields += (date(2026, 1, 1), time(1), Name(1, ("a",)), datetime(2026, 1, 1, tzinfo=UTC), 1.5)
    encoded = encode_key(fields)
    for count in range(1, len(fields) + 1):
        assert fields[:count] == decode_key(key_prefix(encoded, count))


def test_a_class_that_is_not_loaded_is_named() -> None:
    """A value of a class that this process has not loaded is refused, and nothing is imported."""
    encoded = encode_value(Point(1, 2)).replace(b"any_keys:Point", b"any_keys:Paint")
    with pytest.raises(NotCarriable, match="the class Paint of .* is not loaded here; import it"):
        decode_value(encoded)
    import_me = encode_value(Point(1, 2)).replace(b"tests.unit.mapreduce.any_keys:Point", b"x" * 35)
    with pytest.raises(NotCarriable, match="not loaded here"):
        decode_value(import_me)


@dataclasses.dataclass(frozen=True)
class Cents:
    """Counts in cents what it is given in dollars: made twice, it would do so twice."""

    amount: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "amount", self.amount * 100)


@dataclasses.dataclass(frozen=True)
class Checked:
    """Derives an attribute, and changes no field."""

    amount: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "twice", 2 * self.amount)


class Later(collections.namedtuple("Plain", "a b")):
    """Adds one to what it is given."""

    def __new__(cls, a: int, b: int) -> Later:
        return super().__new__(cls, a + 1, b)


def test_a_class_that_changes_its_fields_is_refused_or_kept() -> None:
    """A value is the same when it is made again, or it is refused where it is yielded."""
    with pytest.raises(NotCarriable, match="Cents cannot be carried: .* changes `amount`"):
        encode_key(Cents(1.5))
    with pytest.raises(NotCarriable, match="changes `amount`"):
        made(Named("dataclass", f"{__name__}:Cents", {"amount": 150.0}))
    again: Any = decode_value(encode_value(Checked(2.0)))
    assert (2.0, 4.0) == (again.amount, again.twice)
    assert (2, 2) == decode_value(encode_value(Later(1, 2)))


def test_only_three_kinds_of_classes_are_made() -> None:
    """Bytes cannot name another class or a function."""
    for name in ("os:system", "builtins:dict", "mapreduce.encoding:encode_key"):
        with pytest.raises(NotCarriable, match="not loaded here"):
            made(Named("dataclass", name, {}))


def test_unknown_extension_is_an_error() -> None:
    """Bytes with an unknown extension are refused."""
    with pytest.raises(ValueError, match="unknown extension 9"):
        decode_value(b"\xd4\x09\x00")
