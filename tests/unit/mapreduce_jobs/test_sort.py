"""Lines in total order."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mapreduce.testing import run
from mapreduce_jobs.sort import Sort

# a file has no surrogates; a line feed, or a carriage return before one, ends a line
lines_of_text = st.lists(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\ufeff"), max_size=5)
)


@settings(max_examples=30, deadline=None)
@given(lines=lines_of_text, splits=st.integers(1, 5), partitions=st.integers(1, 4))
def test_any_lines(lines: list[str], splits: int, partitions: int) -> None:
    """The parts, joined in order, are all lines in order, with duplicates."""
    answer = run(Sort(), lines, splits=splits, partitions=partitions)
    assert sorted(lines) == [line for line, _ in answer.pairs]


@settings(max_examples=25, deadline=None)
@given(
    lines=st.lists(st.text("ab\tc", max_size=6)),
    field=st.integers(1, 3),
    partitions=st.integers(1, 3),
)
def test_by_field(lines: list[str], field: int, partitions: int) -> None:
    """The order is that of Python's stable sort by the field, and lines without it come first."""

    def of(line: str) -> str:
        return dict(enumerate(line.split("\t"), 1)).get(field, "")

    answer = run(Sort(field=field), lines, splits=3, partitions=partitions)
    assert sorted(lines, key=of) == [line for _, line in answer.pairs]
    assert sorted(map(of, lines)) == [key for key, _ in answer.pairs]


def test_parts_share_the_work() -> None:
    """Skewed lines that exceed the memory are sorted, and every part has some."""
    lines = [f"{number * 7919 % 100_003:06}"[: 2 + number % 5] for number in range(20_000)]
    answer = run(Sort(), lines, splits=3, partitions=4, memory_bytes=128 << 10)
    assert sorted(lines) == [line for line, _ in answer.pairs]
    assert all(len(part) > 2000 for part in answer.parts)
