"""Rows of separated values as dicts of all columns, or of the chosen ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

from mapreduce import native
from mapreduce.formats.base import BadRecord
from mapreduce.formats.row_parser import RowBlock, RowParser
from mapreduce.formats.separated_columns import text_columns
from mapreduce.input_formats import Csv

NamedRow: TypeAlias = "dict[str, str] | BadRecord"


def chosen(form: Csv, header: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the columns that a record has."""
    return tuple(header) if form.columns is None else form.columns


class NamedRows:
    """Makes the rows of files with a header.

    Args:
        form: the options of the format.
        parser: reads the rows.
        lenient: yield a row of another width as a `BadRecord`.
    """

    def __init__(self, form: Csv, parser: RowParser, *, lenient: bool) -> None:
        self._form = form
        self._parser = parser
        self._lenient = lenient

    def by_parser(
        self, block: RowBlock, rows: Iterator[tuple[int, list[str]]], header: tuple[str, ...]
    ) -> Iterator[tuple[int, NamedRow]]:
        """Yield the rows of a block that the parser has read.

        Raises:
            RecordError: a row has another width than the header.
        """
        names, width = chosen(self._form, header), len(header)
        places = [header.index(name) for name in names]
        # one place gives no tuple
        values: Any = itemgetter(*places) if len(places) > 1 else _each(places)
        choose = None if self._form.columns is None else values
        for at, row in rows:
            if len(row) == width:
                # no `strict`: the lengths are equal, and this is the hottest line
                yield at, dict(zip(names, row if choose is None else choose(row)))  # noqa: B905
            elif row:
                fields = "1 field" if len(row) == 1 else f"{len(row)} fields"
                error = block.error(f"a row has {fields}, but the header names {width}", at)
                if not self._lenient:
                    raise error
                yield at, BadRecord(block.row_at(at), error)

    def by_extension(
        self, block: RowBlock, header: tuple[str, ...]
    ) -> Iterator[tuple[int, NamedRow]] | None:
        """Return the rows of a block, of chosen columns, where each line is a row without quotes;
        None where the parser must read them.
        """
        names, quote = chosen(self._form, header), self._form.quote.encode()
        if self._form.columns is None or native.extension is None or quote in block.data:
            return None
        found = text_columns(self._form, block.data, block.offset, header, names)
        if found is None:
            return None
        count, columns = found
        offsets = list(self._parser.line_offsets(block))
        # an empty line is no row; the last offset is that of the end
        if len(offsets) - 1 - block.data.endswith(b"\n") != count:
            return None
        buffers = tuple(("u", None, column.data, column.ends) for column in columns)
        made: list[dict[str, str]] = native.extension.records(names, buffers, 0, count)
        return zip(offsets, made, strict=False)


def _each(places: list[int]) -> Any:
    return lambda row: [row[place] for place in places]
