"""The reader of each format. Those that need a heavy library are imported when a piece asks for them."""

from __future__ import annotations

from mapreduce.formats.base import Reader
from mapreduce.formats.kinds import Format


def reader_of(form: Format) -> Reader:
    """A reader of that format."""
    match form.kind:
        case "text":
            from mapreduce.formats.text import TextReader

            return TextReader()
        case "jsonl":
            from mapreduce.formats.jsonl import JsonLinesReader

            return JsonLinesReader()
        case "csv":
            from mapreduce.formats.separated import CsvReader

            return CsvReader(form)
        case "parquet":
            from mapreduce.formats.parquet import ParquetReader

            return ParquetReader(form)
        case "whole":
            from mapreduce.formats.whole import WholeFileReader

            return WholeFileReader()
        case "pairs":
            from mapreduce.formats.pairs import PairsReader

            return PairsReader()
