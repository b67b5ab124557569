"""How often each line occurs."""

from collections.abc import Iterator

from mapreduce import Job, Sum


class LineCount(Job):
    """A key for each different line: with lines that are all different, nothing can be combined."""

    reduce = Sum()

    def map(self, key: int, value: str) -> Iterator[tuple[str, int]]:
        """The line."""
        yield value, 1
