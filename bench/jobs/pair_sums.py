"""Sums the values of each key of lines `key value`, many lines at once."""

from collections.abc import Iterator

from mapreduce import Batch, Job, Sum


class PairSums(Job):
    """The sum of each key's values."""

    reduce = Sum()

    def map(self, key: int, value: str) -> Iterator[tuple[str, int]]:
        """One pair a line."""
        name, _, number = value.partition(" ")
        yield name, int(number)

    def map_batch(self, batch: Batch) -> tuple[list[str], list[int]]:
        """The same for many lines."""
        fields = batch.data.decode("ascii").split()
        return fields[::2], list(map(int, fields[1::2]))
