"""The rows of a table in batches of typed columns, for Parquet and Arrow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from mapreduce.formats.arrow_arrays import ArrowRows
from mapreduce.formats.column_types import ColumnType, Profile
from mapreduce.formats.output import value_of_json
from mapreduce.formats.table import Row

BATCH_ROWS = 10_000
BATCH_BYTES = 16 << 20
_FIXED_BYTES = 8
_TEXT_OF_NUMBER = 24
"""Bytes of a number that becomes part of a JSON text, about."""

Rows: TypeAlias = Callable[[], Iterable[Row]]
"""Returns the rows of a table; may be called again."""


@dataclass(frozen=True, slots=True)
class Typed:
    """The columns of a table."""

    names: tuple[str, ...]
    types: tuple[ColumnType, ...]

    @classmethod
    def of(cls, rows: Iterable[Row], names: Sequence[str]) -> Typed:
        """Return the columns of a table: one pass over its rows."""
        profiles = [Profile() for _ in names]
        for row in rows:
            for profile, cell in zip(profiles, row, strict=True):
                kind = type(cell)
                profile.add(value_of_json(cell) if kind is dict or kind is list else cell)
        return cls(tuple(names), tuple(profile.type for profile in profiles))


@dataclass(slots=True)
class Batch:
    """Some neighbouring rows.

    Attributes:
        typed: the columns.
        values: of each column.
        size: their approximate bytes.
    """

    typed: Typed
    values: list[list[Any]] = field(default_factory=list)
    size: int = 0

    def __post_init__(self) -> None:
        self.values = [[] for _ in self.typed.names]

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.values[0])

    def add(self, row: Sequence[Any]) -> None:
        """Append a row of JSON values."""
        size = 0
        for column, cell in zip(self.values, row, strict=True):
            kind = type(cell)
            # texts and numbers are nearly all cells: no call for each
            if kind is dict or kind is list:
                value = value_of_json(cell)
                column.append(value)
                size += len(value) if type(value) is bytes else _bytes_of(value)
            else:
                column.append(cell)
                size += len(cell) if kind is str else _FIXED_BYTES
        self.size += size

    def arrow(self) -> ArrowRows:
        """Return the rows as Arrow arrays."""
        return ArrowRows(self.typed.names, self.typed.types, self.values, self.rows)


def batches_of(rows: Iterable[Row], typed: Typed) -> Iterator[Batch]:
    """Yield rows in batches of bounded size."""
    batch = Batch(typed)
    for row in rows:
        batch.add(row)
        if batch.size >= BATCH_BYTES or batch.rows >= BATCH_ROWS:
            yield batch
            batch = Batch(typed)
    if batch.rows:
        yield batch


def _bytes_of(value: Any) -> int:
    kind = type(value)
    if kind is list:
        return _FIXED_BYTES + sum(_bytes_inside(item) for item in value)
    if kind is dict:
        return _FIXED_BYTES + sum(len(name) + _bytes_inside(item) for name, item in value.items())
    return _FIXED_BYTES


def _bytes_inside(value: Any) -> int:
    kind = type(value)
    if kind is str or kind is bytes:
        return len(value) + _FIXED_BYTES
    return _bytes_of(value) if kind in (list, dict) else _TEXT_OF_NUMBER
