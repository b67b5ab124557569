"""How often each word occurs: the job that `run` does when it is given none."""

from collections.abc import Iterator

from mapreduce import Job, Sum, words


class WordCount(Job):
    """How often each word occurs.

    A word is a lower-cased maximal run of Unicode letters, combining marks and apostrophes.
    """

    reduce = Sum()

    def map(self, key: int, value: str) -> Iterator[tuple[str, int]]:
        """One pair for each word of the line `value`."""
        for word in words(value):
            yield word, 1
