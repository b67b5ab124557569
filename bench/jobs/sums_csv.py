"""The sum of the cents of each country or user, from CSV, by columns and by rows."""

from collections.abc import Iterator
from typing import Any

from mapreduce import Csv, Job, Sum


class ByCountry(Job):
    """By columns."""

    input_format = Csv()
    map_sql = "SELECT country AS key, CAST(cents AS BIGINT) AS value FROM records"
    reduce = Sum()


class ByUser(Job):
    """By columns."""

    input_format = Csv()
    map_sql = 'SELECT "user" AS key, CAST(cents AS BIGINT) AS value FROM records'
    reduce = Sum()


class RowsByCountry(Job):
    """By rows."""

    input_format = Csv()
    reduce = Sum()

    def map(self, key: int, value: dict[str, Any]) -> Iterator[tuple[str, int]]:
        """Yield a row's cents."""
        yield value["country"], int(value["cents"])


class RowsByUser(Job):
    """By rows."""

    input_format = Csv()
    reduce = Sum()

    def map(self, key: int, value: dict[str, Any]) -> Iterator[tuple[str, int]]:
        """Yield a row's cents."""
        yield value["user"], int(value["cents"])
