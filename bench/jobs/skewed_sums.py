"""Sum the values of each key of lines `key,value`, where many pairs have one key."""

from collections.abc import Iterator
from typing import Literal

from mapreduce import Batch, Job, Sum


class SkewedSums(Job):
    """The sum of each key's values.

    `skew`: none: the keys of the lines; key: four pairs of five have the same key.
    """

    skew: Literal["none", "key"] = "none"

    reduce = Sum()

    def map(self, key: int, value: str) -> Iterator[tuple[str, int]]:
        """Yield one pair a line."""
        name, _, number = value.partition(",")
        yield self._key(name), int(number)

    def map_batch(self, batch: Batch) -> tuple[list[str], list[int]]:
        """Return the same pairs for many lines."""
        fields = batch.data.decode().replace("\n", ",").split(",")
        names = fields[:-1:2] if self.skew == "none" else list(map(self._key, fields[:-1:2]))
        return names, list(map(int, fields[1::2]))

    def _key(self, name: str) -> str:
        return "hot" if self.skew == "key" and int(name) % 5 else name
