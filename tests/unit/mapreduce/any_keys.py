"""Keys and values of every kind for hypothesis, and the plain definition of the order of keys."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, NamedTuple

from hypothesis import strategies as st

from mapreduce.encoding import Descending, Key, Value


class Colour(enum.Enum):
    """Members with values of several types."""

    RED = 1
    BLUE = "b"
    NONE = None


class Level(enum.IntEnum):
    """Members that are ints, too."""

    LOW = 1
    HIGH = 300


@dataclass(frozen=True, order=True)
class Point:
    """A frozen dataclass."""

    x: Any
    y: Any = 0


class Name(NamedTuple):
    """A named tuple."""

    first: Any
    last: Any


_edges = [
    sign * ((1 << bits) + step)
    for bits in (7, 8, 16, 63, 64, 200)
    for sign in (1, -1)
    for step in (-1, 0, 1)
]

integers = st.integers() | st.integers(-(1 << 1000), 1 << 1000) | st.sampled_from(_edges)
floats = st.floats(allow_nan=False, allow_infinity=False)
near_texts = st.text(alphabet="\x00\x01aé\uffff\U0001f600", max_size=4)
near_bytes = st.lists(st.sampled_from([0, 1, 97, 255]), max_size=4).map(bytes)
decimals = st.decimals(allow_nan=False, allow_infinity=False) | st.builds(
    lambda digits, exponent: Decimal(digits).scaleb(exponent),
    st.integers(-120, 120),
    st.integers(-4, 4),
)
zones = st.integers(-840, 840).map(lambda minutes: timezone(timedelta(minutes=minutes)))
instants = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=zones)
# `fold` tells two local times apart; without a zone it means nothing, and it is not carried
moments = st.one_of(
    st.dates(),
    *(each.map(lambda moment: moment.replace(fold=0)) for each in (st.datetimes(), st.times())),
    instants.map(lambda moment: moment.replace(fold=0)),
)
members = st.sampled_from([*Colour, *Level])

plain_scalars: st.SearchStrategy[Key] = st.one_of(
    st.booleans(), integers, floats, st.binary(), near_bytes, st.text(), near_texts
)
scalars: st.SearchStrategy[Key] = st.one_of(plain_scalars, st.none(), decimals, moments, members)
keys: st.SearchStrategy[Key] = st.recursive(
    scalars,
    lambda items: st.one_of(
        st.lists(items, max_size=4).map(tuple),
        items.map(Descending),
        st.builds(Point, items, items),
        st.builds(Name, items, items),
    ),
    max_leaves=6,
)
values: st.SearchStrategy[Value] = st.recursive(
    scalars,
    lambda items: st.one_of(
        st.lists(items, max_size=4),
        st.lists(items, max_size=4).map(tuple),
        st.dictionaries(st.text(max_size=5), items, max_size=4),
        st.builds(Point, items, items),
        st.builds(Name, items, items),
    ),
    max_leaves=8,
)

_ORDER = [type(None), bool, int, float, Decimal, date, datetime, UTC, time, bytes, tuple]
_ORDER += [enum.Enum, Point, Name, Descending, str]


class _Backwards:
    """A rank that compares the other way round."""

    def __init__(self, rank: Any) -> None:
        self.rank = rank

    def __lt__(self, other: Any) -> bool:
        return bool(other.rank < self.rank)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Backwards) and bool(self.rank == other.rank)

    def __hash__(self) -> int:
        return hash(self.rank)


def rank(key: Any) -> tuple[int, Any]:
    """Return a key as Python orders it: by type, then by value, tuples item by item."""
    kind: Any = enum.Enum if isinstance(key, enum.Enum) else type(key)
    if kind is datetime and key.tzinfo is not None:
        kind, key = UTC, key.astimezone(UTC)
    order = _ORDER.index(kind)
    if kind is type(None):
        return order, 0
    if kind is tuple or kind is Name:
        return order, tuple(map(rank, key))
    if kind is Point:
        return order, (rank(key.x), rank(key.y))
    if kind is enum.Enum:
        return order, (type(key).__qualname__, rank(key.value))
    return order, _Backwards(rank(key.value)) if kind is Descending else key


def same(key: Any) -> Any:
    """Return a key as it comes back: instants in UTC, a Decimal without zeros, 0.0 for -0.0."""
    if type(key) is float:
        return key + 0.0
    if type(key) is datetime and key.tzinfo is not None:
        return key.astimezone(UTC)
    if type(key) is Decimal:
        return ("decimal", *key.normalize().as_tuple()) if key else ("decimal", 0)
    if type(key) is tuple:
        return tuple(map(same, key))
    if type(key) is Point:
        return Point, same(key.x), same(key.y)
    if type(key) is Name:
        return Name, same(key.first), same(key.last)
    return (Descending, same(key.value)) if type(key) is Descending else (type(key), key)
