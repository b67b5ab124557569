"""Groups of several chunks, which stay in the database until their states are fetched.

A key is in most chunks of a split. Its states become one there, and Python gets it once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from itertools import count, islice
from typing import TypeVar

from mapreduce.columns.buffers import PackedColumns, StateColumns
from mapreduce.columns.database import DuckDBPyConnection, OutOfMemoryException
from mapreduce.columns.kinds import PACKED_INTEGERS, Kind, bytes_sql, key_fields, null_tuple_sql
from mapreduce.columns.packed import Columns, packed_of, state_columns_of
from mapreduce.columns.plan import LOW_BITS, Plan

Read = TypeVar("Read", PackedColumns | StateColumns | Columns, Columns)
_FETCH = 10_000
_NUMBERS = count()
"""The tables of all queries have different names."""
_ROW_BYTES, _NUMBER_BYTES, _ITEM_BYTES = 64, 16, 8
"""What a group takes in the database besides its key and lists, what each of its numbers, and what
each value of a list.
"""
_ALONE = PACKED_INTEGERS | {"varchar"}
"""Types of keys that a collector takes as a buffer beside one of integers."""
_SMALL, _MOST_TABLES = 1 << 49, 1 << 12
"""Sums below this, of so many tables, are below 2^62 together, with what the lower halves of floats
add: they leave the database as 64-bit integers."""
_HALF = 1 << LOW_BITS


@dataclass(slots=True)
class Groups:
    """The groups of one query in one database.

    Attributes:
        connection: the database.
        plan: how the states are made.
        key: the type of the keys.
        size_bytes: what the groups take, about.
    """

    connection: DuckDBPyConnection
    plan: Plan
    key: Kind
    size_bytes: int = 0
    _tables: list[str] = field(default_factory=list)
    _small: bool = True
    _nulls: bool = False

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
        self.connection.execute(
            f"CREATE TEMP TABLE {table} AS {mapped} "
            f"SELECT key, bool_and({self.plan.sound}) AS sound, {selected} FROM mapped GROUP BY key"
        )
        self._tables.append(table)
        try:
            sound, is_small, has_nulls, size_bytes = self._properties(table)
        except Exception:  # the records are added one by one, if the memory is short
            self._drop(1)
            raise
        if not sound:
            self._drop(1)
            return False
        self._nulls = self._nulls or has_nulls
        self._small = self._small and is_small and len(self._tables) < _MOST_TABLES
        self.size_bytes += int(size_bytes)
        return True

    def _properties(self, table: str) -> tuple[bool, bool, bool, int]:
        """Return whether all groups are sound and small, whether a key is or has a NULL tuple, and
        the bytes of all groups.
        """
        row_bytes = _ROW_BYTES + _NUMBER_BYTES * len(self.plan.selected)
        (found,) = self.connection.execute(
            "SELECT coalesce(bool_and(sound), true), "
            f"coalesce(bool_and({self._small_sql()}), true), "
            f"coalesce(bool_or({null_tuple_sql('key', self.key)}), false), "
            f"count(*) * {row_bytes} + coalesce(sum({self._bytes_sql()}), 0) FROM {table}"
        ).fetchall()
        return found

    def states(self, most_bytes: int) -> Generator[Columns]:
        """Yield the keys and their states, some at a time, and keep none.

        Args:
            most_bytes: longer lists are not merged, which takes several times as much memory; their
                keys may come several times.

        Raises:
            duckdb.Error: the memory is short.
        """
        yield from self._read(self._states, most_bytes)

    def _states(self) -> Generator[Columns]:
        merged = ", ".join(map(self._merged, range(len(self.plan.merged))))
        result = self.connection.execute(self._whole(f"key, {merged}"))
        try:
            while rows := result.fetchmany(_FETCH):
                keys, *found = zip(*rows, strict=True)
                yield list(keys), self.plan.states(found)
        finally:  # an open result stops the next query
            result.abort()

    def packed(
        self, most_bytes: int, *, keeps: bool
    ) -> Generator[PackedColumns | StateColumns | Columns]:
        """Yield the same as columns of numbers, where they have that form.

        Args:
            most_bytes: as `states` takes it.
            keeps: the collector takes `StateColumns`; else an integer for each key, at most.

        Raises:
            duckdb.Error: the memory is short.
        """
        yield from self._read(partial(self._packed, keeps=keeps), most_bytes)

    def _packed(self, *, keeps: bool) -> Generator[PackedColumns | StateColumns | Columns]:
        fields = key_fields("key", self.key)
        layout = self.plan.layout
        alone = layout is not None and layout.rstrip("x") == "i" and self.key.id in _ALONE
        if not self._small or self._nulls or not fields or not layout:
            yield from self._states()
        elif keeps:
            steps, wanted = fields
            numbers = [self._merged(at) for at in range(len(self.plan.merged))]
            # as the buffers are read, whatever the types of the columns are
            cast = [
                f"CAST({number} AS {kind})"
                for kind, number in zip(self.plan.columns, numbers, strict=True)
            ]
            sql = self._whole(", ".join(_named([*wanted, *cast])))
            yield from state_columns_of(self.connection.sql(sql), steps, layout)
        elif alone:
            ((_, (key,)), number) = (fields, self._merged(0))
            sql = self._whole(f"{key} AS key, CAST({number} AS BIGINT) AS value")
            yield from packed_of(self.connection.sql(sql), ones=False)
        else:
            yield from self._states()

    def _read(self, read: Callable[[], Generator[Read]], most_bytes: int) -> Generator[Read]:
        """Yield what is read of all tables, and keep none.

        Where the memory is too short to merge them, they are read one after another: a key has
        several states then, which the collector merges.
        """
        if not self._tables:
            return
        if "list" in self.plan.merged and self.size_bytes > most_bytes:
            yield from self._one_by_one(read)
            self._clear()
            return
        found = read()
        try:
            first = list(islice(found, 1))
        except OutOfMemoryException:
            first, found = [], self._one_by_one(read)
        yield from first
        yield from found
        self._clear()

    def _one_by_one(self, read: Callable[[], Generator[Read]]) -> Generator[Read]:
        tables = self._tables
        for table in tables:
            self._tables = [table]
            yield from read()
            self._drop(1)

    def _whole(self, selected: str) -> str:
        """Return the query of all groups, one row for each key."""
        parts = " UNION ALL ".join(f"SELECT * FROM {table}" for table in self._tables)
        group = "GROUP BY key" if len(self._tables) > 1 else ""
        return f"SELECT {selected} FROM ({parts}) {group}"

    def _clear(self) -> None:
        self._drop(len(self._tables))
        self.size_bytes, self._small, self._nulls = 0, True, False

    def _small_sql(self) -> str:
        """Return the SQL of whether the sums of a table are small."""
        most = {"sum": _SMALL, "high": _SMALL, "low": _SMALL * _HALF}
        found = [
            f"abs(s{number}) < {most[function]}"
            for number, function in enumerate(self.plan.merged)
            if function in most
        ]
        return " AND ".join(found) or "true"

    def _bytes_sql(self) -> str:
        """Return the SQL of what a group of a table takes, besides its row."""
        lists = [f"s{at}" for at, each in enumerate(self.plan.merged) if each == "list"]
        return " + ".join(
            [bytes_sql("key", self.key), *(f"{_ITEM_BYTES} * len({each})" for each in lists)]
        )

    def _merged(self, number: int) -> str:
        """Return the SQL of an expression's value of all groups of a key."""
        function = self.plan.merged[number]
        if function in ("min", "max"):
            return self._of_tables(function, number)
        if function == "list":
            listed = self._of_tables("list", number)
            return f"flatten({listed})" if len(self._tables) > 1 else listed
        if function == "wide":
            return self._of_tables("sum", number)
        total = self._of_tables("sum", number)
        if not self._small:
            return total
        if function == "high":  # with what the lower half holds beyond its bits
            total = f"{total} + {self._of_tables('sum', number + 1)} // {_HALF}"
        elif function == "low":
            total = f"{total} % {_HALF}"
        return f"CAST({total} AS BIGINT)"

    def _of_tables(self, function: str, number: int) -> str:
        return f"{function}(s{number})" if len(self._tables) > 1 else f"s{number}"

    def _drop(self, last: int) -> None:
        for _ in range(last):
            self.connection.execute(f"DROP TABLE {self._tables.pop()}")


def _named(expressions: list[str]) -> list[str]:
    return [f"{each} AS c{at}" for at, each in enumerate(expressions)]
