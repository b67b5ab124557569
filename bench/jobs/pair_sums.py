"""Sum the values of each key of lines `key,value`, line by line."""

from collections.abc import Iterator

from mapreduce import Job, Sum


class PairSums(Job):
    """The sum of each key's values."""

    reduce = Sum()

    def map(self, key: int, value: str) -> Iterator[tuple[str, int]]:
        """Yield one pair a line."""
        name, number = value.split(",")
        yield name, int(number)
