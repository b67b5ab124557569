"""A task's texts have limits, and a cut text shows it."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import CollectList, Job, Sum
from mapreduce.engine.run import task_error
from mapreduce.engine.text_limits import LIMITS, TOP_BYTES, cut, short_top
from mapreduce.errors import RecordError, StorageError, UserCodeError
from mapreduce.job import COUNTER_NAME_LIMIT, MOST_COUNTERS
from tests.unit.mapreduce.engine_run import engine


@given(text=st.text(max_size=300), limit=st.integers(60, 200))
def test_a_text_is_never_longer_than_its_limit(text: str, limit: int) -> None:
    """A short text is unchanged; a long one keeps both ends and shows its length."""
    short = cut(text, limit)
    assert len(short) <= limit
    if len(text) <= limit:
        assert text == short
    else:
        assert f"({len(text)} characters, cut)" in short
        assert (text[:5], text[-5:]) == (short[:5], short[-5:])


@pytest.mark.parametrize("kind", [UserCodeError, RecordError, StorageError])
def test_errors_of_any_length(kind: type[Exception]) -> None:
    """Each text of an error is cut before it is sent."""
    long = "x" * 1_000_000
    error = kind(long) if kind is StorageError else kind(long, place=long, record=long)  # type: ignore[call-arg]
    if isinstance(error, UserCodeError):
        error.traceback = long
    said = task_error(error)
    texts = said.model_dump(exclude={"kind", "offset"})
    assert LIMITS.keys() == texts.keys()
    assert all(len(text) <= LIMITS[name] for name, text in texts.items())
    assert "(1,000,000 characters, cut)" in said.message


class Raises(Job):
    reduce = Sum()

    def map(self, key: int, line: str) -> Iterable[tuple[str, int]]:
        """Raise an exception without a text."""
        raise Textless


class Textless(Exception):
    def __str__(self) -> str:
        """Return nothing, which raises."""
        raise RuntimeError("no text")


def test_an_exception_whose_text_raises() -> None:
    """An exception whose text raises is reported as the author's error."""
    said = pytest.raises(UserCodeError, match="map raised Textless: <its text raises RuntimeError>")
    with engine(Raises) as stages, said:
        stages.map_whole(b"a\n")


class Counting(Job):
    reduce = Sum()

    def map(self, key: int, line: str) -> Iterable[tuple[str, int]]:
        """Count as the line says."""
        name, _, times = line.partition(" ")
        for number in range(int(times or 1)):
            self.count(f"{name}{number}" if times else name)
        yield "lines", 1


def test_counters_have_limits() -> None:
    """One counter more than allowed, a long name, or a number beyond 1,024 bits is refused at its
    record.
    """
    with engine(Counting) as stages:
        assert MOST_COUNTERS == len(stages.map_whole(f"c {MOST_COUNTERS}\n".encode()).counters)
        with pytest.raises(UserCodeError, match=r"one more than the 1,000 that a task may have"):
            stages.map_whole(f"c {MOST_COUNTERS + 1}\n".encode())
        with pytest.raises(UserCodeError, match="has 201 characters, and the limit is 200"):
            stages.map_whole(b"x" * (COUNTER_NAME_LIMIT + 1) + b"\n")
    job = Counting()
    job.count("a", (1 << 1024) - 1)
    with pytest.raises(ValueError, match="does not fit 1,024 bits"):
        job.count("a")
    assert {"a": (1 << 1024) - 1} == job.counters


class Long(Job):
    reduce = CollectList()

    def map(self, key: int, line: str) -> Iterable[tuple[str, str]]:
        """Yield the line with itself as the key."""
        yield line, line


def test_top_pairs_are_cut() -> None:
    """A long top key or value is cut with its length, and is whole in the result."""
    line = "k" * 100_000
    with engine(Long) as stages:
        reduced = stages.reduce([stages.map_whole(f"{line}\nshort\nshort\n".encode())])
        (first, second) = reduced.top
        assert ("short", ["short", "short"]) == first
        assert all(isinstance(text, str) and len(text) <= TOP_BYTES for text in second)
        assert (2, 1) == reduced.top_lengths
        assert [(line, [line]), ("short", ["short", "short"])] == stages.pairs(reduced)


@pytest.mark.parametrize("value", [1, 2.5, None, True, "a", ["b"], {"c": 1}])
def test_short_values_are_shown_as_they_are(value: object) -> None:
    """Short top values are unchanged, with their types."""
    assert value == short_top(value)
