"""The reader of each format. One that needs a heavy library is imported at first use."""

from __future__ import annotations

from mapreduce.formats.base import Reader
from mapreduce.formats.limits import Limits
from mapreduce.input_formats import Format


def reader_of(form: Format, limits: Limits, *, lenient: bool = False) -> Reader:
    """Return a reader of a format.

    Args:
        form: the format.
        limits: the longest record.
        lenient: yield a record of a wrong format as a `BadRecord`, if its end can be found.
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
        case "values":
            from mapreduce.formats.values import ValuesReader

            return ValuesReader(limits)
        case "pairs":
            from mapreduce.formats.pairs import PairsReader

            return PairsReader()
