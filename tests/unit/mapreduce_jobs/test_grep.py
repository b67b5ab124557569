"""Matches and their line numbers are right for any splits."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mapreduce.batch import Batch
from mapreduce.errors import UserCodeError
from mapreduce.testing import Answer, PlainInput, run
from mapreduce_jobs.grep import Grep, literals_of

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


PATTERNS = (
    "ab", "a.*b", "[ab]+$", "^a|b$", "(?i)AB", "(a|b) ", "a?b", "ab{2,}a", "a{0,1}b", "a{,2}b",
    "ab*a", "[^a]b", "a[^b]*b", "a\\sb", "\\bab\\b", "\\.a", "[.\\]]a", "[]a]", "[ -a]b",
    "a++b", "(?=ab)a", "a(?!b)", "(?s)a.b", "(?x) a b", "\\Aa", "b\\Z", "\\W", "\\x0a", "a\nb",
    "[\t-b]a", "é", "(?:ab)*é", "a\\]b", "a{b",
)  # fmt: skip
"""Some are found in many lines at once, some by a literal of theirs, some line by line."""

texts = st.text("aabb A.]{é\t\n\n\r\x85\u2028", max_size=60).map(str.encode)
broken = st.lists(texts | st.sampled_from([b"\xff", b"\xef\xbb\xbf"]), max_size=4).map(b"".join)


@pytest.mark.filterwarnings("ignore:Possible (nested set|set)")
@settings(max_examples=400, deadline=None)
@given(
    content=broken, pattern=st.sampled_from(PATTERNS) | st.text("ab.*+?[]^$|(){}1\\n", max_size=5)
)
@example(content=b"ab\n\n", pattern="ab")
@example(content=b"ab\n\n", pattern="(ab)")
@example(content=b"\n\n\n", pattern="^$")
def test_many_lines_at_once(content: bytes, pattern: str) -> None:
    """A batch finds the lines that a search in each line finds, with the same numbers, for all
    kinds of patterns and text; the reduce gets as many lines to add.
    """
    try:
        job, once = Grep(pattern=pattern), Grep(pattern=pattern)
        job.map_setup()
        once.map_setup()
    except (re.error, RecursionError, OverflowError):
        return
    batch = Batch("", 0, content)
    keys, values = job.map_batch(batch)
    expected = [pair for line in batch.lines() for pair in once.map(0, line)]
    found = [pair for numbers, lines in values for pair in zip(numbers, lines, strict=True)]  # type: ignore[misc]
    assert found == [(number[0], line[0]) for _, (number, line) in expected]  # type: ignore[misc]
    assert [key for key, _ in expected][:1] == keys
    if content:
        assert list(once.map_cleanup()) == list(job.map_cleanup())


def test_a_literal_that_becomes_frequent() -> None:
    """The answer stays right where a literal is rare in the first lines and frequent later, and
    where no batch has it.
    """
    rare = "".join(
        f"{number} xy\n" if number % 50 == 0 else f"{number}\n" for number in range(40_000)
    )
    content = (rare + "axyz\nzzz\n" * 40_000 + "\n" * 300_000).encode()
    for pattern in ("xy.*$", "a.*z", "q.w"):
        answer = run(Grep(pattern=pattern), inputs=named([content]), splits=2)
        assert plain_grep(pattern, [content]) == found_by(answer)


@pytest.mark.parametrize(
    ("pattern", "literals"),
    [
        ("colou?r", ["colo", "r"]),
        ("[bd]ai.*zu", ["ai", "zu"]),
        (r"a\.bc{2}d+e", ["a", "b", "e"]),
        ("a|b", []),
        ("(ab)?c", []),
        ("(?i)ab", []),
    ],
)
def test_literals(pattern: str, literals: list[str]) -> None:
    """The literals of a pattern are what each match has."""
    assert literals == literals_of(pattern)


def test_many_stretches_with_little_memory() -> None:
    """Matches that are spilled keep their line numbers."""
    content = "".join(f"{number * 7919 % 1000}\r\n" for number in range(20_000)).encode()
    answer = run(Grep(pattern="^(7|33)"), inputs=named([content]), splits=9, memory_bytes=64 << 10)
    assert plain_grep("^(7|33)", [content]) == found_by(answer)


def test_a_pattern_that_is_none_is_an_error() -> None:
    """An invalid pattern raises with its error."""
    with pytest.raises(UserCodeError, match="unterminated character set"):
        run(Grep(pattern="[a"), ["a"])
