"""Word count with a Python `map` and a Python `reduce`: nothing is combined, every pair is
shuffled.
"""

import re
from collections.abc import Iterator

from mapreduce import Job


class FindallReduce(Job):
    """How often each word occurs."""

    def map(self, key: int, value: str) -> Iterator[tuple[str, int]]:
        """Yield a pair for each word."""
        for word in re.findall("[a-z']+", value.lower()):
            yield word, 1

    def reduce(self, key: str, values: Iterator[int]) -> Iterator[tuple[str, int]]:
        """Yield the sum of a word's pairs."""
        yield key, sum(values)
