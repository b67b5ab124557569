"""Sum the values of each key of lines `key value`, where many pairs have one key."""

from collections.abc import Iterator
from typing import Literal

import msgspec

from mapreduce import Batch, Job, Sum

integers_of = msgspec.json.Decoder(list[int]).decode


class SkewedSums(Job):
    """The sum of each key's values.

    `skew`: none: the keys of the lines; key: four pairs of five have the same key.
    """

    skew: Literal["none", "key"] = "none"

    reduce = Sum()

    def map(self, key: int, value: str) -> Iterator[tuple[str, int]]:
        """Yield one pair a line."""
        name, _, number = value.partition(" ")
        yield self._key(name), int(number)

    def map_batch(self, batch: Batch) -> tuple[list[str], list[int]]:
        """Return the same pairs for many lines."""
        fields = batch.data.decode("ascii").split()
        names = fields[::2] if self.skew == "none" else list(map(self._key, fields[::2]))
        return names, integers_of(f"[{','.join(fields[1::2])}]")

    def _key(self, name: str) -> str:
        return "hot" if self.skew == "key" and int(name) % 5 else name
