"""`identity` and `First`: reduces that move pairs without a look at their values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapreduce import Chain, First, Job, Last, identity
from mapreduce.formats.json_values import jsonable
from mapreduce.testing import run

VALUES = ("", "text", 7, 2.5, None, True, ["a", {"b": b"\xff"}], ("t", -1), 1 << 70)
"""What a pair may carry: the number behind a line's key chooses one."""


class Keyed(Job):
    """Each line's first letter -> one of the values."""

    def map(self, key: int, value: str) -> Iterator[tuple[Any, Any]]:
        yield value[:1], VALUES[int(value[1:])]


class Every(Keyed):
    """Every pair, in key order."""

    reduce: ClassVar[Any] = identity


class Ranges(Every):
    """The same in ranges of keys."""

    total_order: ClassVar[bool] = True


class Once(Keyed):
    """The first pair of each key."""

    reduce: ClassVar[Any] = First()


class Twice(Chain):
    """A sort of a sort, whose second step reads the pairs of the first."""

    def steps(self) -> Iterator[Job]:
        yield Every()
        yield Again()


class Again(Job):
    """The pairs of the step before."""

    reduce: ClassVar[Any] = identity


lines = st.lists(
    st.tuples(st.sampled_from("abcxyz"), st.integers(0, len(VALUES) - 1)).map(
        lambda pair: f"{pair[0]}{pair[1]}"
    ),
    max_size=25,
)


def _by_key(given_lines: list[str]) -> list[tuple[str, Any]]:
    """Return the pairs as Python's stable sort orders them, as JSON values."""
    pairs = [(line[:1], jsonable(VALUES[int(line[1:])])) for line in given_lines]
    return sorted(pairs, key=lambda pair: pair[0])


def _sorted_parts(parts: Any) -> bool:
    return all(list(part) == sorted(part, key=lambda pair: pair[0]) for part in parts)


@settings(max_examples=30, deadline=None)
@given(lines=lines, splits=st.integers(1, 4), partitions=st.integers(1, 3))
def test_every_pair(lines: list[str], splits: int, partitions: int) -> None:
    """`identity` keeps each pair, in key order, those of one key in the order of the input."""
    found = run(Every(), lines, splits=splits, partitions=partitions)
    assert _by_key(lines) == sorted(found.pairs, key=lambda pair: pair[0])
    assert _sorted_parts(found.parts)
    assert _by_key(lines) == run(Ranges(), lines, splits=splits, partitions=partitions).pairs
    chained = run(Twice(), lines, splits=splits, partitions=partitions)
    assert _by_key(lines) == sorted(chained.pairs, key=lambda pair: pair[0])


@settings(max_examples=30, deadline=None)
@given(lines=lines, splits=st.integers(1, 4), partitions=st.integers(1, 3))
def test_the_first_pair(lines: list[str], splits: int, partitions: int) -> None:
    """`First` keeps of each key the pair that comes first in the input."""
    expected: dict[str, Any] = {}
    for key, value in _by_key(lines):
        expected.setdefault(key, value)
    found = run(Once(), lines, splits=splits, partitions=partitions)
    assert sorted(expected.items()) == sorted(found.pairs, key=lambda pair: pair[0])
    assert _sorted_parts(found.parts)


@pytest.mark.parametrize("job", [Every, Ranges, Once])
@pytest.mark.parametrize("partitions", [1, 3])
def test_more_than_memory(job: type[Job], partitions: int) -> None:
    """Pairs that are spilled in the map, and merged in groups in the reduce, come out alike."""
    given_lines = [f"{chr(97 + number * 31 % 26)}{number % 9}" for number in range(20_000)]
    found = run(job(), given_lines, splits=5, partitions=partitions, memory_bytes=32 << 10)
    expected = _by_key(given_lines)
    if job is Once:
        expected = list({key: (key, value) for key, value in reversed(expected)}.values())[::-1]
    assert expected == sorted(found.pairs, key=lambda pair: pair[0])
    assert _sorted_parts(found.parts)


class Hooked(Every):
    """`identity` between a setup and a cleanup."""

    def reduce_setup(self) -> None:
        self.count("begun")

    def reduce_cleanup(self) -> Iterator[tuple[str, None]]:
        yield "end", None


class Grouped(Job):
    """`identity` over groups of keys: a pair has its group's key."""

    group_by: ClassVar[int] = 1
    reduce: ClassVar[Any] = identity

    def map(self, key: int, value: str) -> Iterator[tuple[Any, Any]]:
        yield (value[:1], value[1:]), value


class Latest(Once):
    """A subclass of `First` is not `First`."""

    reduce: ClassVar[Any] = Last()


def test_what_else_a_job_says_still_holds() -> None:
    """Hooks run, groups have their own keys, and a subclass of `First` is called."""
    found = run(Hooked(), ["a1", "b2"], partitions=1)
    assert ([("a", "text"), ("b", 7), ("end", None)], {"begun": 1}) == (
        found.pairs,
        dict(found.counters),
    )
    assert [("a", "a1"), ("a", "a2")] == run(Grouped(), ["a2", "a1"], partitions=1).pairs
    assert [("a", 7)] == run(Latest(), ["a1", "a2"], splits=1, partitions=1).pairs
