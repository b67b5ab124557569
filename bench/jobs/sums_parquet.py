"""The sum of the cents of each country or user, from Parquet, by columns and by rows."""

from collections.abc import Iterator
from typing import Any

from mapreduce import Job, Parquet, Sum


class ByCountry(Job):
    """By columns."""

    input_format = Parquet()
    map_sql = "SELECT country AS key, cents AS value FROM records"
    reduce = Sum()


class ByUser(Job):
    """By columns."""

    input_format = Parquet()
    map_sql = 'SELECT "user" AS key, cents AS value FROM records'
    reduce = Sum()


class RowsByCountry(Job):
    """By rows."""

    input_format = Parquet(columns=("country", "cents"))
    reduce = Sum()

    def map(self, key: int, value: dict[str, Any]) -> Iterator[tuple[str, int]]:
        """Yield a row's cents."""
        yield value["country"], value["cents"]


class RowsByUser(Job):
    """By rows."""

    input_format = Parquet(columns=("user", "cents"))
    reduce = Sum()

    def map(self, key: int, value: dict[str, Any]) -> Iterator[tuple[str, int]]:
        """Yield a row's cents."""
        yield value["user"], value["cents"]
