"""Matches and their line numbers are right for any splits."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapreduce.errors import UserCodeError
from mapreduce.testing import Answer, PlainInput, run
from mapreduce_jobs.grep import Grep

contents = st.text("ab é\n\n\r", max_size=60).map(str.encode)


def plain_grep(pattern: str, files: list[bytes]) -> list[tuple[int, int, str]]:
    """Return (number of the file, line number, line) of each match, by reading each file."""
    found = []
    for number, content in enumerate(files):
        lines = content.decode().split("\n")
        for line_number, line in enumerate(lines[:-1] if not lines[-1] else lines, 1):
            line = line.removesuffix("\r")
            if re.search(pattern, line):
                found.append((number, line_number, line))
    return found


def named(files: list[bytes]) -> list[PlainInput]:
    """Return inputs whose URLs are their numbers."""
    return [PlainInput(str(number), content) for number, content in enumerate(files)]


def found_by(answer: Answer) -> list[tuple[int, int, str]]:
    """Return the matches of a run in the form of `plain_grep`."""
    return sorted((int(url), number, line) for (url, number), line in answer.pairs)


@settings(max_examples=30, deadline=None)
@given(
    files=st.lists(contents, max_size=3),
    splits=st.integers(1, 8),
    pattern=st.sampled_from(["a", "^$", "b *a", ""]),
)
def test_any_text_in_any_number_of_splits(files: list[bytes], splits: int, pattern: str) -> None:
    """For any text and splits each match has its line number in its own file."""
    answer = run(Grep(pattern=pattern), inputs=named(files), splits=splits)
    assert plain_grep(pattern, files) == found_by(answer)


def test_many_stretches_with_little_memory() -> None:
    """Matches that are spilled keep their line numbers."""
    content = "".join(f"{number * 7919 % 1000}\r\n" for number in range(20_000)).encode()
    answer = run(Grep(pattern="^(7|33)"), inputs=named([content]), splits=9, memory_bytes=64 << 10)
    assert plain_grep("^(7|33)", [content]) == found_by(answer)


def test_a_pattern_that_is_none_is_an_error() -> None:
    """An invalid pattern raises with its error."""
    with pytest.raises(UserCodeError, match="unterminated character set"):
        run(Grep(pattern="[a"), ["a"])
