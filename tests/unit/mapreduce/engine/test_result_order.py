"""A part in the order of emission, and pairs that must fill the job's columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapreduce import Chain, Job, Sum, native
from mapreduce.errors import UserCodeError
from mapreduce.testing import PlainInput, plain_answer, run


class Echo(Job):
    """Yield each line under its length: a map-only job."""

    keep_order: ClassVar[bool] = True

    def map(self, key: Any, value: str) -> Any:
        yield len(value), value


class Backwards(Job):
    """Yield the values of each key from the last to the first, under other keys."""

    keep_order: ClassVar[bool] = True

    def map(self, key: Any, value: str) -> Any:
        yield value[:1], value

    def reduce(self, key: str, values: Iterator[str]) -> Any:
        for value in reversed(list(values)):
            yield value[::-1], len(value)

    def reduce_cleanup(self) -> Any:
        yield "", "the end"


class Ranked(Backwards):
    """Order by length, the longest first."""

    total_order: ClassVar[bool] = True

    def map(self, key: Any, value: Any) -> Any:
        yield (-len(value), value), None

    def reduce(self, key: Any, values: Iterator[Any]) -> Any:
        for _ in values:
            yield key[1], -key[0]

    def reduce_cleanup(self) -> Any:
        return None


lines = st.lists(st.text("abc", max_size=4), max_size=12)


@settings(max_examples=25, deadline=None)
@given(lines, st.integers(1, 3))
def test_map_only(lines: list[str], splits: int) -> None:
    """The parts of a map-only job, one after another, are the input's order."""
    answer = run(Echo(), lines, splits=splits)
    assert [(len(line), line) for line in lines] == answer.pairs


@pytest.mark.parametrize("extension", [True, False])
@settings(max_examples=20, deadline=None)
@given(lines=lines, memory=st.sampled_from([1, 1 << 28]))
def test_one_part(extension: bool, lines: list[str], memory: int) -> None:
    """A part has the pairs as `reduce` yields them, group after group, then those of its end."""
    with pytest.MonkeyPatch.context() as patched:
        if not extension:
            patched.setattr(native, "extension", None)
        answer = run(Backwards(), lines, partitions=1, memory_bytes=memory)
    groups = sorted({line[:1] for line in lines})
    expected: list[tuple[Any, Any]] = [
        (line[::-1], len(line))
        for group in groups
        for line in reversed([each for each in lines if each[:1] == group])
    ]
    assert [*expected, ("", "the end")] == answer.pairs


@settings(max_examples=15, deadline=None)
@given(lines, st.integers(1, 4))
def test_total_order(lines: list[str], partitions: int) -> None:
    """With ranges of keys, the parts one after another are the whole order: longest first."""
    answer = run(Ranked(), lines, partitions=partitions)
    expected = sorted(lines, key=lambda line: (-len(line), line))
    assert [(line, len(line)) for line in expected] == answer.pairs


def test_the_plain_loop_keeps_the_order_too() -> None:
    """The reference run has the pairs of the only part, in their order."""
    made = ["b1", "a", "b2", "ab"]
    content = "".join(f"{line}\n" for line in made).encode()
    plain = plain_answer(Backwards(), [PlainInput("x.txt", content)])
    assert run(Backwards(), made, partitions=1).pairs == plain
    assert [(len(line), line) for line in made] == plain_answer(
        Echo(), [PlainInput("x.txt", content)]
    )


class Mixed(Backwards):
    """Yield a text before a number, which is no order of keys."""

    def reduce(self, key: str, values: Iterator[str]) -> Any:
        yield "text", 1
        yield 2, 2

    def reduce_cleanup(self) -> Any:
        return None


def test_a_whole_result_out_of_order_is_a_list() -> None:
    """The only part is a list of pairs, also where its first key is a text and none comes twice."""
    assert [("text", 1), (2, 2)] == run(Mixed(), ["a"], partitions=1).pairs


class Twice(Chain):
    """A step whose pairs are not in key order, and one that counts them."""

    def steps(self) -> Any:
        """Echo the lines, then sum the lengths of each line."""
        yield Echo()
        yield Lengths()


class Lengths(Job):
    """Sum the keys of each value."""

    reduce: ClassVar[Any] = Sum()

    def map(self, key: int, value: str) -> Any:
        yield value, key


def test_a_step_after_one_that_keeps_the_order() -> None:
    """The next step of a chain reads pairs that are not in key order."""
    made = ["bbb", "a", "bbb", "", "cc"]
    answer = run(Twice(), made)
    counts = Counter(made)
    assert {line: len(line) * count for line, count in counts.items()} == dict(answer.pairs)


class Columns(Job):
    """Yield what a test wants."""

    columns: ClassVar[tuple[str, ...]] = ("user", "orders", "amount")

    def map(self, key: Any, value: str) -> Any:
        yield {
            "good": ("k", (1, 2)),
            "fields": (("k", 1), 2),
            "named": ("k", {"amount": 1}),
            "short": ("k", 1),
            "unknown": ("k", {"price": 1}),
        }[value]


class Reduced(Columns):
    """The same after a reduce."""

    def reduce(self, key: Any, values: Iterator[Any]) -> Any:
        for value in values:
            yield key, value


class Summed(Job):
    """Text keys and integers, which the native extension writes."""

    reduce: ClassVar[Any] = Sum()
    columns: ClassVar[tuple[str, ...]] = ("word", "count")

    def map(self, key: Any, value: str) -> Any:
        yield value, 1


class SummedWrong(Summed):
    """The same with a column too many."""

    columns: ClassVar[tuple[str, ...]] = ("word", "count", "more")


@pytest.mark.parametrize("job", [Columns, Reduced])
def test_pairs_fill_the_columns(job: type[Job]) -> None:
    """Fields of keys and values, and the names of dicts, fill the columns; the parts are pairs."""
    answer = run(job(), ["good", "fields", "named"])
    assert 3 == len(answer.pairs)


@pytest.mark.parametrize("job", [Columns, Reduced])
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("short", r"the pair 'k', 1, which has 2 fields, and `columns` 3: user, orders, amount"),
        ("unknown", "has the field 'price'"),
    ],
)
def test_a_pair_that_does_not_fit(job: type[Job], line: str, message: str) -> None:
    """A pair with other fields fails its task, and is named."""
    with pytest.raises(UserCodeError, match=message):
        run(job(), ["good", line])


@pytest.mark.parametrize("extension", [True, False])
def test_the_native_rows_are_checked_too(extension: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text keys and integers fill two columns, with the extension and without."""
    if not extension:
        monkeypatch.setattr(native, "extension", None)
    assert [("a", 2), ("b", 1)] == sorted(run(Summed(), ["a", "b", "a"]).pairs)
    with pytest.raises(UserCodeError, match="the pair 'a', 2, which has 2 fields"):
        run(SummedWrong(), ["a", "b", "a"])


class Outputs(Job):
    """Pairs of two outputs, and of none."""

    columns: ClassVar[Any] = {"errors": ("line", "why"), "counts": ("n",)}
    reduce: ClassVar[Any] = Sum()

    def map(self, key: Any, value: str) -> Any:
        yield {"error": ("errors", "x"), "count": "counts", "wrong": "other"}[value], 1


@pytest.mark.parametrize("extension", [True, False])
def test_pairs_of_several_outputs(extension: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first field of a key names the output, with the extension and without."""
    if not extension:
        monkeypatch.setattr(native, "extension", None)
    answer = run(Outputs(), ["error", "count", "error"])
    assert [("counts", 1), (["errors", "x"], 2)] == sorted(answer.pairs, key=repr)
    with pytest.raises(UserCodeError, match="the pair 'other', 1, which names no output"):
        run(Outputs(), ["error", "wrong"])
