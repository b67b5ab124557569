"""A step that joins an earlier one: its parts are merged into `reduce`, without map and shuffle."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapreduce import Chain, Job, Step, Sum, identity
from mapreduce.chain import Joins, Steps
from mapreduce.errors import JobLoadError, UserCodeError
from mapreduce.formats.json_values import json_key, jsonable
from mapreduce.testing import plain_answer, run

Key = str | int | tuple[str, int]


class Listed(Job):
    """key -> its values, in order."""

    def map(self, key: int, value: str) -> Iterator[tuple[Any, Any]]:
        """Yield a word with its length and the line's offset."""
        for word in value.split():
            yield (int(word) if word.isdigit() else word), [len(word), key]

    def reduce(self, key: Key, values: Iterator[Any]) -> Iterator[tuple[Key, list[Any]]]:
        """Yield the values as a list."""
        yield key, list(values)


class Neighbours(Job):
    """key -> its values ahead of the first mapped one, and all others in a fixed order."""

    def map(self, key: Key, value: Any) -> Iterator[tuple[Any, Any]]:
        """Yield something for other keys, some of which are new."""
        for each in value:
            yield f"{key}"[:1], {"for": each}
            yield key, {"own": len(each)}

    def reduce(self, key: Key, values: Iterator[Any]) -> Iterator[tuple[Key, Any]]:
        """Yield them: the order of the mapped values depends on the splits."""
        found = list(values)
        ahead = list(takewhile(lambda value: type(value) is not dict, found))
        yield key, [ahead, sorted(map(repr, found[len(ahead) :]))]


class Joining(Chain):
    """The second step joins the first, and the third the first again or the second."""

    first: bool = False

    def steps(self) -> Steps:
        """Yield the steps."""
        listed = yield Listed()
        yield Step(Neighbours(), joins=listed)
        yield Step(Neighbours(), joins=listed if self.first else "previous")


def plain(chain: Chain, text: str) -> list[tuple[Any, Any]]:
    """Return the reference run's pairs, as JSON holds them."""
    answer = plain_answer(chain, [("file:///lines.txt", text.encode())])
    return [(json_key(key), jsonable(value)) for key, value in answer]


lines_of_words = st.lists(
    st.lists(st.sampled_from("ab bb abc c d 1 12 é".split()), max_size=5).map(" ".join),
    max_size=8,
)


@settings(max_examples=25, deadline=None)
@given(
    lines=lines_of_words,
    first=st.booleans(),
    splits=st.sampled_from([1, 3]),
    partitions=st.sampled_from([1, 2, 5]),
    memory=st.sampled_from([256 << 20, 4_000]),
)
def test_a_joined_step_is_what_the_plain_loop_says(
    lines: list[str], first: bool, splits: int, partitions: int, memory: int
) -> None:
    """With any number of splits and partitions, and with blocks that fit in no memory."""
    chain = Joining(first=first)
    answer = run(
        Joining(first=first), lines, splits=splits, partitions=partitions, memory_bytes=memory
    )
    expected = plain(chain, "".join(f"{line}\n" for line in lines))
    assert sorted(map(repr, expected)) == sorted(repr(pair) for pair in answer.stored)


def test_the_joined_values_come_first_and_are_not_mapped() -> None:
    """For a key that only one side has, the other side's values are missing."""

    class Once(Chain):
        def steps(self) -> Steps:
            yield Listed()
            yield Step(Neighbours(), joins="previous")

    answer = dict(run(Once(), ["ab", "c"]).pairs)
    assert {
        "a": [[], ["{'for': [2, 0]}"]],
        "ab": [[[[2, 0]]], ["{'own': 2}"]],
        "c": [[[[1, 3]]], ["{'for': [1, 3]}", "{'own': 2}"]],
    } == answer


class OtherKeys(Listed):
    """A reduce that yields keys which it did not get."""

    def reduce(self, key: Key, values: Iterator[Any]) -> Iterator[tuple[Key, list[Any]]]:
        """Yield another key."""
        yield f"{key}{key}", list(values)


class Same(Job):
    """The pairs as they are, each in the part of its key."""

    reduce = identity


class Other(Chain):
    """Joins a step whose keys are in other parts, or one that has put them into theirs."""

    between: bool = False

    def steps(self) -> Steps:
        """Yield the steps."""
        yield OtherKeys()
        if self.between:
            yield Same()
        yield Step(Neighbours(), joins="previous")


def test_keys_in_parts_of_other_keys_are_found() -> None:
    """Instead of a wrong answer, the error says to pass them on in a step between."""
    words = ["a b c d e f g h"]
    with pytest.raises(UserCodeError, match=r"(?s)belongs to part \d.*reduce = identity"):
        run(Other(), words, partitions=3)
    chain = Other(between=True)
    answer = run(Other(between=True), words, partitions=3)
    assert sorted(map(repr, plain(chain, "a b c d e f g h\n"))) == sorted(map(repr, answer.stored))


def test_one_part_holds_all_keys() -> None:
    """So any keys can be joined there."""
    assert run(Other(), ["a b c"], partitions=1).pairs


class Placed(Neighbours):
    """A job with a partition of its own."""

    def partition(self, key: Key, partitions: int) -> int:
        """Return the last one."""
        return partitions - 1


def test_another_partition_is_found() -> None:
    """Both steps must place keys in the same way."""

    class Chained(Chain):
        def steps(self) -> Steps:
            yield Listed()
            yield Step(Placed(), joins="previous")

    with pytest.raises(UserCodeError, match="same `partition`"):
        run(Chained(), ["a b c d e f g h"], partitions=3)


class Words(Job):
    """A job whose reduce is an aggregation."""

    reduce = Sum()

    def map(self, key: Any, value: Any) -> Iterator[tuple[str, int]]:
        """Yield a pair."""
        yield str(value), 1


class MapOnly(Job):
    """A job without reduce."""

    def map(self, key: Any, value: Any) -> Iterator[tuple[Any, Any]]:
        """Yield the pair."""
        yield key, value


class Ordered(Neighbours):
    """A result in order."""

    total_order = True


class AsYielded(Listed):
    """Parts in the order of the yields."""

    keep_order = True


class AllOrdered(Listed):
    """A result in order."""

    total_order = True


class Reducers(Neighbours):
    """A number of reduce tasks."""

    reducers = 2


class Free(Chain):
    """Steps that a test chooses."""

    def __init__(self, *jobs: Any) -> None:
        self.jobs = jobs

    def steps(self) -> Steps:
        """Yield the given steps."""
        for job in self.jobs:  # noqa: UP028 - each `yield` gets a result
            yield job


@pytest.mark.parametrize(
    ("first", "second", "joins", "words"),
    [
        (Listed(), Words(), "previous", "step 2 of the chain has `joins`, and Words has no"),
        (Listed(), MapOnly(), "previous", "MapOnly has no `reduce` method"),
        (Listed(), Ordered(), "previous", "Ordered has `total_order`"),
        (Listed(), Reducers(), "previous", "`reducers` too; remove it"),
        (MapOnly(), Neighbours(), "previous", "joins step 1, whose job MapOnly has no `reduce`"),
        (AsYielded(), Neighbours(), "previous", "AsYielded has `keep_order`"),
        (AllOrdered(), Neighbours(), "previous", "AllOrdered has `total_order`"),
        (Listed(), Neighbours(), "first", "joins='first'; write joins=\"previous\""),
        (Listed(), Neighbours(), 1, "joins=1; write"),
    ],
)
def test_a_step_that_cannot_join(first: Job, second: Job, joins: Joins, words: str) -> None:
    """Is refused before it runs, and the message says why."""
    with pytest.raises(JobLoadError) as caught:
        run(Free(first, Step(second, joins=joins)), ["a"])
    assert words in str(caught.value)


def test_the_first_step_has_nothing_to_join() -> None:
    """Also where the result of another chain is given."""
    with pytest.raises(JobLoadError, match="step 1 of the chain has joins='previous'"):
        run(Free(Step(Listed(), joins="previous")), ["a"])


def test_a_number_of_reduce_tasks_beside_a_join() -> None:
    """Is refused: it is that of the joined step."""
    with pytest.raises(JobLoadError, match="as many reduce tasks as the step that it joins"):
        run(Free(Listed(), Step(Neighbours(), joins="previous", reducers=3)), ["a"])
