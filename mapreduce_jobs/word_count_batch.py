"""How often each word occurs, many lines at a time, with Python's library alone: a `map_batch`
example.

    python -m driver run --job word_count_batch --input book.txt

Input and output are those of `word_count`. The speed comes from one Python call for each batch of
lines, and C (`bytes.translate`, `str.split`, `Counter`) for each word. A batch that is not all
ASCII takes the slow path. `WordCounts`, which `word_count` uses, develops this further.
"""

from collections import Counter

from mapreduce import Batch, words
from mapreduce_jobs.word_count import WordCount

_LETTERS = b"abcdefghijklmnopqrstuvwxyz'"
_TO_WORDS = bytes(
    low if (low := bytes([byte]).lower()[0]) in _LETTERS else ord(" ") for byte in range(256)
)
"""Maps each byte to a lower-case letter, an apostrophe, or a space."""


class WordCountBatch(WordCount):
    """`map` is inherited: it defines the answer, and `verify` compares `map_batch` with it."""

    def map_batch(self, batch: Batch) -> tuple[list[str], list[int]]:
        """Return two columns: the batch's words, and their counts."""
        if batch.data.isascii():
            counts = Counter(batch.data.translate(_TO_WORDS).decode("ascii").split())
        else:
            counts = Counter(word for line in batch.lines() for word in words(line))
        return list(counts), list(counts.values())
