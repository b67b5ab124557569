"""Sums the values of each key of lines `key value`, where one reduce task gets most of the pairs."""

from collections.abc import Iterator
from typing import Literal

from mapreduce import Batch, Job, Sum


class SkewedSums(Job):
    """The sum of each key's values.

    `skew`: none: a hash spreads the keys evenly; partition: four keys of five are given to the first reduce task; key:
    four pairs of five have one and the same key.
    """

    skew: Literal["none", "partition", "key"] = "none"

    reduce = Sum()

    def map(self, key: int, value: str) -> Iterator[tuple[str, int]]:
        """One pair a line."""
        name, _, number = value.partition(" ")
        yield self._key(name), int(number)

    def map_batch(self, batch: Batch) -> tuple[list[str], list[int]]:
        """The same for many lines."""
        fields = batch.data.decode("ascii").split()
        names = fields[::2] if self.skew != "key" else list(map(self._key, fields[::2]))
        return names, list(map(int, fields[1::2]))

    def partition(self, key: str, partitions: int) -> int:
        """Four keys of five to the first task, if so asked."""
        if self.skew != "partition":
            return super().partition(key, partitions)
        return 0 if int(key) % 5 else 1 + int(key) // 5 % (partitions - 1)

    def _key(self, name: str) -> str:
        return "hot" if self.skew == "key" and int(name) % 5 else name
