"""The most frequent words, ties by name."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapreduce.testing import plain_answer, run
from mapreduce_jobs.top_k import Ranking, TopWords


@settings(max_examples=40, deadline=None)
@given(words=st.lists(st.sampled_from("abcdefg"), max_size=40), k=st.integers(1, 9))
def test_ranks(words: list[str], k: int) -> None:
    """The ranks equal a sort of all words by count and name, for at most k words."""
    ranked = sorted(Counter(words).items(), key=lambda pair: (-pair[1], pair[0]))[:k]
    found = plain_answer(TopWords(k=k), [("file:///x", " ".join(words).encode())])
    assert list(enumerate(ranked, 1)) == found


class OfLines(Ranking):
    """Ranks lines by their offset, whose values differ between splits."""

    def map(self, key: int, value: str) -> list[tuple[str, tuple[int, str]]]:  # type: ignore[override]
        return list(super().map(value, -key))


@pytest.mark.parametrize("memory_bytes", [256 << 20, 16 << 10])
def test_ranking_over_splits(memory_bytes: int) -> None:
    """The result is right from the best of each split, also after spills."""
    lines = [f"{number:04}" for number in range(2000)]
    answer = run(OfLines(k=3), lines, splits=5, partitions=2, memory_bytes=memory_bytes)
    assert [(1, ["0000", 0]), (2, ["0001", -5]), (3, ["0002", -10])] == answer.pairs
