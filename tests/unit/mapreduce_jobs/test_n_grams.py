"""Sequences of words in lines."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapreduce.errors import UserCodeError
from mapreduce.testing import run
from mapreduce_jobs.n_grams import NGrams


def plain_n_grams(lines: list[str], n: int) -> dict[str, int]:
    """Return the n-grams by zipping the words with shifted copies."""
    counts: Counter[str] = Counter()
    for line in lines:
        words = re.findall("[a-z']+", line.lower())
        counts.update(map(" ".join, zip(*(words[at:] for at in range(n)), strict=False)))
    return dict(counts)


@settings(max_examples=30, deadline=None)
@given(
    lines=st.lists(st.text("abB  ,", max_size=12), max_size=8),
    n=st.integers(1, 4),
    splits=st.integers(1, 4),
)
def test_any_lines(lines: list[str], n: int, splits: int) -> None:
    """No n-gram crosses lines, and a line with fewer than n words has none."""
    assert plain_n_grams(lines, n) == dict(run(NGrams(n=n), lines, splits=splits).pairs)


def test_carriage_returns_and_case() -> None:
    """A word is the same as in `word_count`."""
    answer = run(NGrams(), inputs={"": "To be, or not\r\nTO BE\r\nÉté là".encode()})
    assert {"to be": 2, "be or": 1, "or not": 1, "été là": 1} == dict(answer.pairs)


def test_no_words_are_no_n_gram() -> None:
    """`n=0` is refused before any count."""
    with pytest.raises(UserCodeError, match="at least one word"):
        run(NGrams(n=0), ["a"])
