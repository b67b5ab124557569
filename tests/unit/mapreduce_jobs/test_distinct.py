"""Distinct lines and words."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from mapreduce.testing import run
from mapreduce_jobs.distinct import Distinct


@settings(max_examples=30, deadline=None)
@given(lines=st.lists(st.text("ab'B ", max_size=4), max_size=20), splits=st.integers(1, 4))
def test_distinct_lines_and_words(lines: list[str], splits: int) -> None:
    """The keys equal those of a set, and no key is repeated."""
    found = run(Distinct(), lines, splits=splits, partitions=3).pairs
    assert sorted(set(lines)) == sorted(line for line, _ in found)
    found = run(Distinct(of="words"), lines, splits=splits, partitions=3).pairs
    assert sorted(set(re.findall("[a-z']+", "\n".join(lines).lower()))) == sorted(
        word for word, _ in found
    )
    assert all(value is None for _, value in found)


def test_little_memory() -> None:
    """Spilled pairs are made distinct again in the merge."""
    lines = [str(number * 31 % 700) for number in range(10_000)]
    found = run(Distinct(), lines, splits=3, memory_bytes=32 << 10).pairs
    assert sorted({str(number) for number in range(700)}) == sorted(line for line, _ in found)


def test_nothing() -> None:
    """Without lines there is no result."""
    assert [] == run(Distinct(), []).pairs
