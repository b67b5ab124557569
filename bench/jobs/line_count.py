"""How often each line occurs."""

from collections.abc import Iterator

from mapreduce import Job, Sum


class LineCount(Job):
    """A key for each distinct line: if all lines are distinct, nothing can be combined."""

    reduce = Sum()

    def map(self, key: int, value: str) -> Iterator[tuple[str, int]]:
        """Yield the line."""
        yield value, 1
