"""The reader of each format. Those that need a heavy library are imported when a piece asks for them."""

from __future__ import annotations

from mapreduce.formats.base import Reader
from mapreduce.formats.limits import Limits
from mapreduce.input_formats import Format


def reader_of(form: Format, limits: Limits, *, lenient: bool = False) -> Reader:
    """Return a reader of a format.

    Args:
        form: the format.
        limits: how long a record may be.
        lenient: a record that is not of the format comes as a `BadRecord`, where its end can be found.
    """
    match form.kind:
        case "text":
            from mapreduce.formats.text import TextReader

            return TextReader(limits)
        case "jsonl":
            from mapreduce.formats.jsonl import JsonLinesReader

            return JsonLinesReader(limits, lenient=lenient)
        case "csv":
            from mapreduce.formats.separated import CsvReader

            return CsvReader(form, limits, lenient=lenient)
        case "parquet":
            from mapreduce.formats.parquet import ParquetReader

            return ParquetReader(form, limits)
        case "whole":
            from mapreduce.formats.whole import WholeFileReader

            return WholeFileReader(limits)
        case "pairs":
            from mapreduce.formats.pairs import PairsReader

            return PairsReader()
