"""Plain values become source text that makes an equal value again."""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import math
import pathlib
import re
import zoneinfo
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import dataclass
from functools import partial
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driver.api.live.expressions import Live, expression
from mapreduce import Csv, Sum, TopK


class Kind(enum.Enum):
    """An enum."""

    A = "a"


@dataclass(frozen=True)
class Point:
    """A dataclass."""

    x: int
    kind: Kind = Kind.A


class Named(NamedTuple):
    """A named tuple."""

    x: int


def _name_of(value: Any) -> str:
    _known[id(value)] = value
    return f"K({id(value)})"


_known: dict[int, Any] = {}


def _again(value: object) -> Any:
    return eval(expression(value, _name_of), {"K": _known.get})


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.binary()
    | st.floats(allow_nan=False)
    | st.decimals(allow_nan=False)
    | st.dates()
    | st.datetimes(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(PLAIN)
def test_plain_values_come_back_equal(value: object) -> None:
    """Any nesting of plain values comes back, with its types."""
    again = _again(value)
    assert (value, repr(value)) == (again, repr(again))


@pytest.mark.parametrize(
    "value",
    [
        *(Kind.A, Point(3), Named(1), re.compile("a+", re.I), re.compile(b"a")),
        *(decimal.Decimal("1.50"), fractions.Fraction(1, 3), range(1, 9, 2), 3 + 4j, ...),
        *(datetime.timedelta(1, 2), datetime.time(3, 4), math.inf, bytearray(b"x"), ()),
        *({1, 2}, frozenset("ab"), set(), Counter("aab"), OrderedDict(a=1), deque([1], 3)),
        *(pathlib.PurePosixPath("/tmp/x"), len, math.sqrt, int, re, list[int], int | None),
        defaultdict(list, a=[1]),
        *(datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC), Csv(delimiter=";")),
        datetime.datetime(2024, 1, 2, tzinfo=zoneinfo.ZoneInfo("UTC")),
    ],
)
def test_other_values_come_back_equal(value: object) -> None:
    """Enums, dataclasses, patterns, numbers, collections, formats and functions come back."""
    again = _again(value)
    assert type(value) is type(again)
    assert value == again


def test_aggregations_come_back() -> None:
    """An aggregation comes back with its options."""
    again = _again(TopK(3, smallest=True))
    assert (3, True) == (again.k, again.smallest)
    assert isinstance(_again(Sum()), Sum)


def test_calls_that_wait_come_back() -> None:
    """A partial call and a getter come back with their arguments."""
    assert [-3, 1] == _again(partial(sorted, key=abs, reverse=True))([1, -3])
    assert "b" == _again(itemgetter(1))("abc")
    assert 3 == _again(attrgetter("real"))(3)


def test_the_order_of_a_set_does_not_count() -> None:
    """Equal sets have equal texts, whatever their order."""
    names = [f"word {number}" for number in range(50)]
    backwards = names[::-1]
    assert expression(set(names), _name_of) == expression(set(backwards), _name_of)


@pytest.mark.parametrize(
    "value",
    [object(), [object()], {"a": object()}, iter(())],
    ids=["object", "in a list", "in a dict", "iterator"],
)
def test_live_objects_are_refused(value: object) -> None:
    """What no text stands for is refused, also within a container."""
    with pytest.raises(Live):
        expression(value, _name_of)
