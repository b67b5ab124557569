"""Sum the values of each key of lines `key,value`, where one reduce task gets most keys."""

from collections.abc import Iterator
from typing import Literal

from mapreduce import Batch, Job, Sum


class OnePartition(Job):
    """The sum of each key's values; the first reduce task gets four pairs of five.

    `keys`: few: these pairs have a thousand keys; many: they have all the keys of the lines.
    """

    keys: Literal["few", "many"] = "few"

    reduce = Sum()

    def map(self, key: int, value: str) -> Iterator[tuple[str, int]]:
        """Yield one pair a line."""
        name, _, number = value.partition(",")
        yield self._key(name), int(number)

    def map_batch(self, batch: Batch) -> tuple[list[str], list[int]]:
        """Return the same pairs for many lines."""
        fields = batch.data.decode().replace("\n", ",").split(",")
        names = fields[:-1:2] if self.keys == "many" else list(map(self._key, fields[:-1:2]))
        return names, list(map(int, fields[1::2]))

    def partition(self, key: str, partitions: int) -> int:
        """Return 0 for the hot keys, and one of the other tasks, in turn, for the others."""
        number = int(key.removeprefix("hot "))
        return 0 if key.startswith("hot") or number % 5 else 1 + number // 5 % (partitions - 1)

    def _key(self, name: str) -> str:
        return f"hot {int(name) % 1000}" if self.keys == "few" and int(name) % 5 else name
