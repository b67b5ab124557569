"""The law checker finds the broken law of a faulty job, with a small input, and no other."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from mapreduce import Batch, Csv, Job, Sum, words
from mapreduce.check.laws import check, differ_by_rounding
from mapreduce.check.reference import PlainInput
from mapreduce_jobs.inverted_index import InvertedIndex
from mapreduce_jobs.word_count import WordCount

TEXT = "".join(
    f"the {number} quick brown foxes number {number % 7}\n" for number in range(60)
).encode()


class MeanOfMeans(Job):
    """A combine that is not associative."""

    def map(self, offset: int, line: str) -> Iterator[tuple[str, float]]:
        for word in line.split():
            yield "length", len(word)

    def combine(self, key: str, values: Iterator[float]) -> Iterator[tuple[str, float]]:
        found = list(values)
        yield key, sum(found) / len(found)

    reduce = combine


class FirstComes(Job):
    """A reduce that depends on the order of its values."""

    def map(self, offset: int, line: str) -> Iterator[tuple[str, str]]:
        for word in words(line):
            yield word[0], line

    def reduce(self, key: str, values: Iterator[str]) -> Iterator[tuple[str, str]]:
        yield key, next(values)


class Remembers(Job):
    """A map with a memory of earlier calls."""

    reduce = Sum()

    def map_setup(self) -> None:
        self.seen: set[str] = set()

    def map(self, offset: int, line: str) -> Iterator[tuple[str, int]]:
        for word in set(words(line)) - self.seen:
            self.seen.add(word)
            yield word, 1


class Dice(Job):
    """A map that is not deterministic."""

    reduce = Sum()

    def map(self, offset: int, line: str) -> Iterator[tuple[str, int]]:
        yield "points", random.randint(1, 6)


class NumberedKeys(Job):
    """A reduce that counts its keys."""

    def reduce_setup(self) -> None:
        self.number = 0

    def map(self, offset: int, line: str) -> Iterator[tuple[str, int]]:
        for word in words(line):
            yield word, 1

    def reduce(self, key: str, values: Iterator[int]) -> Iterator[tuple[str, int]]:
        self.number += 1
        yield key, self.number


class OtherBatch(Job):
    """A map_batch that splits differently from map."""

    reduce = Sum()

    def map(self, offset: int, line: str) -> Iterator[tuple[str, int]]:
        for word in words(line):
            yield word, 1

    def map_batch(self, batch: Batch) -> tuple[list[str], list[int]]:
        found = batch.data.decode().split(" ")
        return found, [1] * len(found)


@pytest.mark.parametrize(
    ("job", "law", "most_lines"),
    [
        (MeanOfMeans, "combine changes nothing but the work", 3),
        (FirstComes, "the answer does not depend on the order of a key's values", 4),
        (Remembers, "the answer does not depend on where the input is split", 3),
        (Dice, "the same input gives the same answer", 2),
        (NumberedKeys, "the answer does not depend on the number of partitions", 2),
        (OtherBatch, "the answer is that of a plain loop", 2),
    ],
    ids=lambda each: each.__name__ if isinstance(each, type) else None,
)
def test_each_fault_is_named(job: type[Job], law: str, most_lines: int) -> None:
    """Each fault breaks its law, and the input is small and shows it."""
    breaches = {breach.law.name: breach for breach in check(job, [PlainInput("u", TEXT)])}
    assert law in breaches
    breach = breaches[law]
    assert 1 <= breach.inputs[0].content.count(b"\n") <= most_lines
    assert breach.expected != breach.found
    assert breach.expected is not None or breach.found is not None


def test_a_wrong_combine_is_not_taken_for_something_else() -> None:
    """A wrong combine breaks only its own law, because the others are checked without it."""
    assert ["combine changes nothing but the work"] == [
        breach.law.name for breach in check(MeanOfMeans, [PlainInput("u", TEXT)])
    ]


@pytest.mark.parametrize("job", [WordCount, InvertedIndex])
def test_good_jobs_pass(job: type[Job]) -> None:
    """The ready-made jobs keep all laws, over several inputs and odd bytes."""
    inputs = [PlainInput("u", TEXT), PlainInput("v", b"the \xff\r\nend"), PlainInput("w", b"")]
    assert [] == check(job, inputs)


def test_a_declared_order() -> None:
    """A job that declares `order_matters` may depend on the order of its input."""

    class Meant(FirstComes):
        order_matters = True

    assert [] == check(Meant, [PlainInput("u", TEXT)])


def test_the_header_stays() -> None:
    """The smallest CSV input keeps its header."""

    class Rows(Job):
        input_format = Csv()
        reduce = Sum()

        def map_setup(self) -> None:
            self.rows = 0

        def map(self, offset: int, row: Any) -> Iterator[tuple[str, int]]:
            self.rows += 1
            yield row["name"], self.rows

    content = b"name,other\n" + b"".join(b"a%d,b\n" % (number % 3) for number in range(40))
    (breach,) = check(Rows, [PlainInput("u", content)])
    assert breach.inputs[0].content.startswith(b"name,other\n")
    assert breach.inputs[0].content.count(b"\n") <= 4


@pytest.mark.parametrize(
    ("one", "other", "rounded"),
    [
        (0.1 + 0.2, 0.3, True),
        (["k", [1, 0.30000000000000004]], ["k", [1, 0.3]], True),
        ({"a": 0.1}, {"a": 0.10000000000000001}, True),
        (0.1, 0.2, False),
        ([0.3], [0.3, 0.3], False),
        ({"a": 0.3}, {"b": 0.3}, False),
        (3, 4, False),
        ("a", 0.3, False),
    ],
)
def test_answers_that_differ_by_rounding(one: object, other: object, rounded: bool) -> None:
    """Only floats may differ, and only in their last digits."""
    assert rounded == differ_by_rounding(one, other)
