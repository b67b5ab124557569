"""Jobs whose keys and values have any types give the reference run's answer, in key order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar

import pytest

from mapreduce import CollectSet, Descending, Job, Max, Min, Sum
from mapreduce.check.reference import PlainInput, plain_answer
from mapreduce.encoding import encode_key
from mapreduce.errors import UserCodeError
from mapreduce.formats.json_values import json_key, jsonable, key_of_json
from mapreduce.testing import run
from tests.unit.mapreduce.any_keys import Colour, Level, Name, Point

KINDS: tuple[Any, ...] = (
    None,
    True,
    3,
    1.5,
    Decimal("2.50"),
    date(2026, 1, 31),
    datetime(2026, 1, 31, 12),
    b"a",
    ("a", Descending(2)),
    Colour.BLUE,
    Level.HIGH,
    Point(1, "x"),
    Name("a", None),
    Descending("z"),
    Descending(date(2026, 1, 1)),
    "text",
)
LINES = [f"{number % 7}" for number in range(40)]


class Scalar:
    """A scalar as numpy has them."""

    dtype = type("dtype", (), {"kind": "i"})()

    def __init__(self, value: Any) -> None:
        self.value = value

    def tolist(self) -> Any:
        return self.value


class EveryKind(Job):
    """Keys and values of every kind."""

    def map(self, offset: int, line: str) -> Iterator[tuple[Any, Any]]:
        for kind in KINDS:
            yield kind, [line, None if isinstance(kind, Descending) else kind]

    def reduce(self, key: Any, values: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
        held = list(values)
        assert all(each[1] is None or type(each[1]) is type(key) for each in held[:1])
        yield key, (type(key).__name__, len(held), sorted({each[0] for each in held}))


class EveryKindInOrder(EveryKind):
    """The same, in the order of all keys."""

    total_order = True


class LastFirst(Job):
    """The values of a group from the greatest."""

    group_by = 1

    def map(self, offset: int, line: str) -> Iterator[tuple[Any, Any]]:
        yield (Level.LOW if int(line) % 2 else Level.HIGH, Descending(Decimal(line))), int(line)

    def reduce(self, level: Any, numbers: Iterator[int]) -> Iterator[tuple[Any, Any]]:
        yield level, list(dict.fromkeys(numbers))


class Totals(Job):
    """Sums of scalars as numpy has them."""

    reduce = Sum()

    def map(self, offset: int, line: str) -> Iterator[tuple[Any, Any]]:
        yield Scalar(int(line)), Scalar(2)
        yield "float", Scalar(0.5)


class Days(Job):
    """The last of several days."""

    reduce: ClassVar[Any] = Max()

    def map(self, offset: int, line: str) -> Iterator[tuple[Any, Any]]:
        yield "day", date(2026, 1, 1 + int(line))


class LeastAmount(Days):
    """The least amount."""

    reduce = Min()

    def map(self, offset: int, line: str) -> Iterator[tuple[Any, Any]]:
        yield "amount", Decimal(line) / 2


class Distinct(Days):
    """The distinct values."""

    reduce = CollectSet()

    def map(self, offset: int, line: str) -> Iterator[tuple[Any, Any]]:
        yield "all", Colour.RED if int(line) else None


@pytest.mark.parametrize(
    "job", [EveryKind, EveryKindInOrder, LastFirst, Totals, Days, LeastAmount, Distinct]
)
@pytest.mark.parametrize("memory_bytes", [1 << 20, 256 << 20])
def test_an_answer_is_the_references(job: type[Job], memory_bytes: int) -> None:
    """Keys and values of all types are those of the reference run, also after a spill."""
    inputs = [PlainInput("lines.txt", "\n".join(LINES).encode())]
    expected = [(json_key(key), jsonable(value)) for key, value in plain_answer(job(), inputs)]
    answer = run(job(), inputs=inputs, splits=3, partitions=3, memory_bytes=memory_bytes)
    assert sorted(map(repr, expected)) == sorted(map(repr, answer.stored))
    for part in answer.parts:
        encoded = [encode_key(key_of_json(key)) for key, _ in part]
        assert encoded == sorted(encoded)
    if job.total_order:
        assert list(map(repr, expected)) == list(map(repr, answer.stored))


def test_values_come_from_the_greatest() -> None:
    """`Descending` as a field sorts a group's values from the greatest."""
    assert {1: [5, 3, 1], 300: [6, 4, 2, 0]} == dict(run(LastFirst(), LINES).pairs)


def test_sums_of_scalars() -> None:
    """A sum of numpy's ints is an int, and of its floats a float."""
    pairs = dict(run(Totals(), LINES).pairs)
    assert (12, int) == (pairs[0], type(pairs[0]))
    assert (20.0, float) == (pairs["float"], type(pairs["float"]))


def test_decimals_are_not_added_by_sum() -> None:
    """`Sum` says how money is added exactly."""

    class Money(Days):
        reduce = Sum()

        def map(self, offset: int, line: str) -> Iterator[tuple[Any, Any]]:
            yield "all", Decimal(line)

    with pytest.raises(UserCodeError, match=r"not Decimal.*cents: int\(value \* 100\)"):
        run(Money(), LINES)
