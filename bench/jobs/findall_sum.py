"""Word count with a Python `map`, and `Sum`: nothing is vectorised."""

import re
from collections.abc import Iterator

from mapreduce import Job, Sum


class FindallSum(Job):
    """How often each word occurs."""

    reduce = Sum()

    def map(self, key: int, value: str) -> Iterator[tuple[str, int]]:
        """Yield a pair for each word."""
        for word in re.findall("[a-z']+", value.lower()):
            yield word, 1
