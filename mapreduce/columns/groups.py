"""Groups of several chunks, which stay in the database until their states are fetched.

A key is in most chunks of a split. Its states become one there, and Python gets it once.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from mapreduce.columns.aggregates import Plan
from mapreduce.columns.database import DuckDBPyConnection

_FETCH = 10_000
_NUMBERS = count()
"""The tables of all queries have different names."""
_ROW_BYTES = 64
"""What a group takes in the database, besides its key."""
_SMALL, _MOST_TABLES = 1 << 40, 1 << 20
"""Sums below this, of so many tables, fit into 64 bits together: Python gets those in half the
time."""


@dataclass(slots=True)
class Groups:
    """The groups of one query in one database.

    Attributes:
        connection: the database.
        plan: how the states are made.
        kinds: the types of key and value: all groups have the same.
        size_bytes: what the groups take, about.
    """

    connection: DuckDBPyConnection
    plan: Plan
    kinds: tuple[str, str]
    size_bytes: int = 0
    _tables: list[str] = field(default_factory=list)
    _small: bool = True

    def add(self, mapped: str) -> bool:
        """Group the records of a chunk; return False, and keep none, where SQL may be wrong.

        Args:
            mapped: the SQL of key and value, ending in a WITH clause that defines `mapped`.

        Raises:
            duckdb.Error: the SQL failed.
        """
        table = f"groups_{next(_NUMBERS)}"
        selected = ", ".join(
            f"{each} AS s{number}" for number, each in enumerate(self.plan.selected)
        )
        size = "strlen(key)" if self.kinds[0] == "varchar" else "0"
        self.connection.execute(
            f"CREATE TEMP TABLE {table} AS {mapped} "
            f"SELECT key, bool_and({self.plan.sound}) AS sound, {selected} FROM mapped GROUP BY key"
        )
        self._tables.append(table)
        small = " AND ".join(f"abs(s{number}) < {_SMALL}" for number in self._sums()) or "true"
        found = self.connection.execute(
            f"SELECT coalesce(bool_and(sound), true), coalesce(bool_and({small}), true), "
            f"count(*) * {_ROW_BYTES} + coalesce(sum({size}), 0) FROM {table}"
        ).fetchall()
        ((sound, is_small, size_bytes),) = found
        if not sound:
            self._drop(1)
            return False
        self._small = self._small and is_small and len(self._tables) < _MOST_TABLES
        self.size_bytes += int(size_bytes)
        return True

    def states(self) -> Generator[tuple[list[Any], list[Any]]]:
        """Yield the keys and their states, some at a time, and keep none.

        Raises:
            duckdb.Error: the memory is short.
        """
        if not self._tables:
            return
        parts = " UNION ALL ".join(f"SELECT * FROM {table}" for table in self._tables)
        merged = ", ".join(map(self._merged, range(len(self.plan.merged))))
        group = "GROUP BY key" if len(self._tables) > 1 else ""
        query = f"SELECT key, {merged} FROM ({parts}) {group}"
        result = self.connection.execute(query)
        try:
            while rows := result.fetchmany(_FETCH):
                keys, *found = zip(*rows, strict=True)
                yield list(keys), self.plan.states(found)
        finally:  # an open result stops the next query
            result.abort()
        self._drop(len(self._tables))
        self.size_bytes, self._small = 0, True

    def _sums(self) -> list[int]:
        return [number for number, function in enumerate(self.plan.merged) if function == "sum"]

    def _merged(self, number: int) -> str:
        """Return the SQL of an expression's value of all groups of a key."""
        function = self.plan.merged[number]
        value = f"{function}(s{number})" if len(self._tables) > 1 else f"s{number}"
        return f"CAST({value} AS BIGINT)" if self._small and function == "sum" else value

    def _drop(self, last: int) -> None:
        for _ in range(last):
            self.connection.execute(f"DROP TABLE {self._tables.pop()}")
