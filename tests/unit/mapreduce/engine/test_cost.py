"""The cost of a pair in Python, counted in calls: a busy machine does not change the count."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Any

import pytest

import mapreduce
from mapreduce import Job, Sum, WordCounts, native, words
from tests.unit.mapreduce.engine_run import engine

ENGINE = mapreduce.__path__[0]


class Summed(Job):
    reduce = Sum()

    def map(self, key: Any, value: str) -> Iterable[tuple[str, int]]:
        return [(word, 1) for word in value.split()]


class Listed(Job):
    def map(self, key: Any, value: str) -> Iterable[tuple[str, int]]:
        return [(word, 1) for word in value.split()]

    def reduce(self, key: str, values: Iterator[int]) -> Iterable[tuple[str, int]]:
        return [(key, sum(values))]


def calls_of(act: Callable[[], object]) -> int:
    """Return how often functions of the engine are called, and its generators resumed."""
    count = 0

    def counted(frame: FrameType, event: str, _: Any) -> None:
        nonlocal count
        count += event == "call" and frame.f_code.co_filename.startswith(ENGINE)

    sys.setprofile(counted)
    try:
        act()
    finally:
        sys.setprofile(None)
    return count


def calls_of_a_run(job: type[Job], words_a_line: int) -> tuple[int, int]:
    """Return the calls of a map task over 500 lines, and of a reduce task over its output."""
    line = " ".join(f"w{number % 50}" for number in range(words_a_line))
    with engine(job) as stages:
        maps: list[Any] = []
        mapping = calls_of(lambda: maps.append(stages.map_whole(f"{line}\n".encode() * 500)))
        return mapping, calls_of(lambda: stages.reduce(maps))


@pytest.mark.parametrize("implementation", ["native"], indirect=True)
@pytest.mark.parametrize("job", [Summed, Listed])
def test_a_pair_costs_no_call(job: type[Job]) -> None:
    """With the native extension the number of calls depends on the frames, and not on the pairs.

    The Python collector makes calls for each pair.
    """
    few, many = calls_of_a_run(job, 10), calls_of_a_run(job, 100)
    assert many[0] - few[0] < 45_000 * 0.05
    assert many[1] - few[1] < 45_000 * 0.05


def test_words_are_counted_without_a_call_for_each(implementation: str) -> None:
    """A hundred times as much text needs as many calls, with and without the extension."""

    def counting(data: bytes) -> int:
        def act() -> None:
            counts = WordCounts()
            counts.add(data)
            counts.take()

        return calls_of(act)

    text = b"It is a truth universally acknowledged, that a single man\n"
    assert counting(text) == counting(text * 100)
    assert calls_of(lambda: words(text.decode())) < 5
    assert implementation in ("native", "pure")
    assert native.extension is None or implementation == "native"
