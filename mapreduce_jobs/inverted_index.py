"""An inverted index: the files in which each word occurs."""

from collections.abc import Iterator
from itertools import groupby

from mapreduce import Job, words


class InvertedIndex(Job):
    """For each word, the files that contain it and how often, in the order of the inputs.

    The result of a word is a list of `[file URL, occurrences]`.
    """

    min_length: int = 1
    order_matters = True  # a word's files come in the order of the inputs

    def map(self, key: int, value: str) -> Iterator[tuple[str, tuple[str, int]]]:
        """Yield a posting for each word that is long enough."""
        for word in words(value):
            if len(word) >= self.min_length:
                yield word, (self.source, 1)

    def combine(
        self, key: str, values: Iterator[tuple[str, int]]
    ) -> Iterator[tuple[str, tuple[str, int]]]:
        """Merge neighbouring postings of the same file."""
        for name, postings in groupby(values, key=lambda posting: posting[0]):
            yield key, (name, sum(count for _, count in postings))

    def reduce(
        self, key: str, values: Iterator[tuple[str, int]]
    ) -> Iterator[tuple[str, list[list[str | int]]]]:
        """Merge all postings of the word by file."""
        total: dict[str, int] = {}
        for name, count in values:
            total[name] = total.get(name, 0) + count
        yield key, [[name, count] for name, count in total.items()]
