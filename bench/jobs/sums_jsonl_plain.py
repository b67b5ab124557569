"""The sum of the cents of each country, from JSON Lines whose columns are not declared."""

from collections.abc import Iterator
from typing import Any

from mapreduce import Job, JsonLines, Sum


class RowsByCountry(Job):
    """By rows."""

    input_format = JsonLines()
    reduce = Sum()

    def map(self, key: int, value: dict[str, Any]) -> Iterator[tuple[str, int]]:
        """Yield a row's cents."""
        yield value["country"], value["cents"]
