"""A job under two seeds of Python's hash: the answer of a process, and the comparison of two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from driver.authoring.hash_seeds import SeededRequest, answered
from mapreduce import Count, Job
from mapreduce.check.laws import SEEDED, Pairs, check, placed
from mapreduce.check.reference import PlainInput
from mapreduce.check.trial import run_trial
from mapreduce.input_formats import Text


class Lines(Job):
    """Counts lines; the partition is a number that stands for a seed."""

    seed: int = 0
    reduce = Count()

    def map(self, key: Any, value: Any) -> Iterator[tuple[str, int]]:
        if value == "bad":
            raise ValueError(value)
        yield value, 1

    def partition(self, key: Any, partitions: int, /) -> int:
        return (len(key) + self.seed) % partitions


class Elsewhere(Lines):
    """Counts lines with the engine's partition."""

    partition = Job.partition


def request(*lines: str, name: str = "Lines") -> bytes:
    """Return a request for a run of one of the jobs above."""
    content = "".join(f"{line}\n" for line in lines).encode()
    given = PlainInput("u", content, format=Text())
    sent = SeededRequest(module=__name__, name=name, parameters={"seed": 1}, inputs=(given,))
    return sent.model_dump_json().encode()


def found(module: str, name: str) -> type[Job]:
    """Return the class that a request names."""
    assert module == __name__
    return {"Lines": Lines, "Elsewhere": Elsewhere}[name]


def test_an_answer() -> None:
    """An answer has the pairs, with their parts if the job has a partition, or the job's error."""
    assert (("a", {"part": 2, "value": 2}), ("bb", {"part": 0, "value": 1})) == answered(
        request("a", "bb", "a"), found
    ).pairs
    assert (("a", 1),) == answered(request("a", name="Elsewhere"), found).pairs
    assert "map raised ValueError: bad" in answered(request("bad"), found).error


def test_answers_that_differ() -> None:
    """Different answers break the law, with the smallest input and the remedy; equal answers keep
    it.
    """

    def under(seed: int) -> Any:
        def pairs(inputs: Sequence[PlainInput]) -> Pairs:
            job = Lines(seed=seed)
            return placed(job, run_trial(job, inputs, SEEDED))

        return pairs

    inputs = [PlainInput("u", b"a\nbb\nccc\n", format=Text())]
    assert [] == check(Lines, inputs, (("one", under(1)), ("two", under(1))))
    (breach,) = check(Lines, inputs, (("one", under(1)), ("two", under(2))))
    assert "the answer does not depend on Python's hash seed" == breach.law.name
    assert 1 == breach.inputs[0].content.count(b"\n")
    assert "zlib.crc32" in breach.law.breach
