"""The k most frequent words: a chain of two jobs.

    python -m driver run --job top_k --input book.txt --param k=20

Input: text. Output: rank (1, 2, ...) -> [word, count]; equally frequent words are ordered by code
points.
"""

from collections.abc import Iterator
from heapq import nsmallest

from mapreduce import Chain, Job
from mapreduce_jobs.word_count import WordCount

Ranked = tuple[int, str]


class Ranking(Job):
    """The k greatest counts. One reduce task gets k pairs of each map task, however many words
    there are.
    """

    k: int = 10

    def map(self, key: str, value: int) -> Iterator[tuple[str, Ranked]]:
        """Yield all pairs under one key; the count is negative, so that the least is the best."""
        yield "ranking", (-value, key)

    def combine(self, key: str, values: Iterator[Ranked]) -> Iterator[tuple[str, Ranked]]:
        """Keep the k best of the map task: no other pair can be among the k best of all."""
        for best in nsmallest(self.k, values):
            yield key, best

    def reduce(self, key: str, values: Iterator[Ranked]) -> Iterator[tuple[int, tuple[str, int]]]:
        """Yield the k best of all, with their ranks."""
        for rank, (count, word) in enumerate(nsmallest(self.k, values), 1):
            yield rank, (word, -count)


class TopWords(Chain):
    """The `k` most frequent words."""

    k: int = 10

    def steps(self) -> list[Job]:
        """Count, then rank."""
        return [WordCount(), Ranking(k=self.k)]
