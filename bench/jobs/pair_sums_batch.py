"""Sum the values of each key of lines `key,value`, many lines at once."""

from collections.abc import Iterator

from mapreduce import Batch, Job, Sum


class PairSumsInBatches(Job):
    """The sum of each key's values."""

    reduce = Sum()

    def map(self, key: int, value: str) -> Iterator[tuple[str, int]]:
        """Yield one pair a line."""
        name, number = value.split(",")
        yield name, int(number)

    def map_batch(self, batch: Batch) -> tuple[list[str], list[int]]:
        """Return the same pairs for many lines."""
        fields = batch.data.decode().replace("\n", ",").split(",")
        return fields[:-1:2], list(map(int, fields[1::2]))
