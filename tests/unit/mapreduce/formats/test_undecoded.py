"""Invalid UTF-8 is counted to the byte."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mapreduce.formats.undecoded import Undecoded

VALID = st.text("aé日\ufffd", max_size=5).map(str.encode)
# bytes that are invalid anywhere, and part of no character
WRONG = st.sampled_from([b"\xff", b"\xc0", b"\xfe"])


@given(st.lists(st.lists(st.one_of(VALID, WRONG), max_size=6), max_size=8), st.integers(0, 1 << 40))
def test_counts(lines: list[list[bytes]], offset: int) -> None:
    """Invalid bytes, their lines and the first place are counted; a U+FFFD in the input is not."""
    bad = [[each for each in line if each in (b"\xff", b"\xc0", b"\xfe")] for line in lines]
    data = b"\n".join(b"".join(line) for line in lines)
    undecoded = Undecoded()
    undecoded.whole_lines(data, offset)
    assert sum(map(len, bad)) == undecoded.size_bytes == undecoded.replaced
    assert sum(map(bool, bad)) == undecoded.lines
    first = next((number for number, line in enumerate(bad) if line), None)
    before = None if first is None else sum(len(b"".join(line)) + 1 for line in lines[:first])
    assert undecoded.first == (None if before is None else offset + before)


def test_a_character_that_is_cut_counts_all_its_bytes() -> None:
    """A truncated character becomes one U+FFFD, and counts all its bytes."""
    undecoded = Undecoded()
    assert "a\ufffd b" == undecoded.line(b"a\xe6\x97 b", 7)
    assert (1, 2, 1, 7) == (
        undecoded.replaced,
        undecoded.size_bytes,
        undecoded.lines,
        undecoded.first,
    )
