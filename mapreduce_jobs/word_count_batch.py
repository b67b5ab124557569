"""How often each word occurs, many lines at a time, with nothing but Python's own: how to write a `map_batch`.

    python -m driver run --job word_count_batch --input book.txt

Input and output are those of `word_count`. The speed comes from calling Python once for a batch of lines, and C
(`bytes.translate`, `str.split`, `Counter`) for each word. A batch that is not all ASCII goes the slow road.
`WordCounts`, which `word_count` uses, goes on from here.
"""

from collections import Counter

from mapreduce import Batch, words
from mapreduce_jobs.word_count import WordCount

_LETTERS = b"abcdefghijklmnopqrstuvwxyz'"
_TO_WORDS = bytes(
    low if (low := bytes([byte]).lower()[0]) in _LETTERS else ord(" ") for byte in range(256)
)
"""For each byte: a letter in lower case, an apostrophe, or a space."""


class WordCountBatch(WordCount):
    """`map` is inherited: it says what the answer is, and `verify` holds `map_batch` against it."""

    def map_batch(self, batch: Batch) -> tuple[list[str], list[int]]:
        """Two columns: the batch's words, and how often each occurs in it."""
        if batch.data.isascii():
            counts = Counter(batch.data.translate(_TO_WORDS).decode("ascii").split())
        else:
            counts = Counter(word for line in batch.lines() for word in words(line))
        return list(counts), list(counts.values())
