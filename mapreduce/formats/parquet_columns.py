"""Rows of a Parquet file as columns that SQL reads in place."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mapreduce.formats.parquet_file import ParquetFile

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class GroupColumns:
    """The rows [first, end) of an open file.

    Attributes:
        file: the file, which is open until the batch after this one is taken.
        chosen: the names of the columns, or None for all.
        first: the number of the first row.
        end: the number behind the last row.
        is_last: no batch comes after this one.
    """

    file: ParquetFile
    chosen: tuple[str, ...] | None
    first: int
    end: int
    is_last: bool = True

    @property
    def connection(self) -> DuckDBPyConnection:
        """The database that reads the file."""
        return self.file.connection

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return self.file.column_names(self.chosen)

    def rows(self, first: int, end: int) -> GroupColumns:
        """Return some of these rows, by their numbers in the file."""
        return replace(self, first=first, end=end)

    def relation(self, names: Sequence[str]) -> str:
        """Return the SELECT of some columns."""
        return self.file.selected(names, self.first, self.end)

    def errors(self) -> AbstractContextManager[None]:
        """Raise an error of the file as the reader's; pass those of the query."""
        return self.file.failures(self.relation(self.names))
