"""The reader of each format. One that needs a heavy library is imported at first use."""

from __future__ import annotations

from mapreduce.formats.base import Reader
from mapreduce.formats.limits import Limits
from mapreduce.input_formats import Csv, Format, InputFormat, Text


def reader_of(
    form: Format,
    limits: Limits,
    own: InputFormat | None = None,
    *,
    lenient: bool = False,
    block_bytes: int = 0,
) -> Reader:
    """Return a reader of a format.

    Args:
        form: the format.
        limits: the longest record.
        own: the author's format, where it is one.
        lenient: yield a record of a wrong format as a `BadRecord`, if its end can be found.
        block_bytes: how long the batches of CSV should be at least, where none is read by rows.
    """
    match form.kind:
        case "text":
            return _text_reader(form, limits, lenient=lenient)
        case "jsonl":
            from mapreduce.formats.jsonl import JsonLinesReader

            return JsonLinesReader(form, limits, lenient=lenient)
        case "csv":
            return _csv_reader(form, limits, lenient=lenient, block_bytes=block_bytes)
        case "parquet":
            from mapreduce.formats.parquet import ParquetReader

            return ParquetReader(form, limits)
        case "whole":
            from mapreduce.formats.whole import WholeFileReader

            return WholeFileReader(limits)
        case "values":
            from mapreduce.formats.values import ValuesReader

            return ValuesReader(limits)
        case "avro":
            from mapreduce.formats.avro import AvroReader

            return AvroReader(limits)
        case "fixed":
            from mapreduce.formats.fixed import FixedReader

            return FixedReader(form, limits)
        case "warc":
            from mapreduce.formats.warc import WarcReader

            return WarcReader(limits)
        case "own":
            from mapreduce.formats.own import OwnReader

            assert own is not None, "only a task that has loaded the job reads its own format"
            return OwnReader(own, limits)
        case "pairs":
            from mapreduce.formats.pairs import PairsReader

            return PairsReader()


def _text_reader(form: Text, limits: Limits, *, lenient: bool) -> Reader:
    if form.is_plain:
        from mapreduce.formats.text import TextReader

        return TextReader(limits)
    from mapreduce.formats.delimited import DelimitedReader

    return DelimitedReader(form, limits, lenient=lenient)


def _csv_reader(form: Csv, limits: Limits, *, lenient: bool, block_bytes: int) -> Reader:
    from mapreduce.formats.separated import CsvReader

    return CsvReader(form, limits, lenient=lenient, block_bytes=block_bytes)
