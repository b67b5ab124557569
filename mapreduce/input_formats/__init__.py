"""The formats of an input, as a job's author writes them: `input_format = Csv(delimiter=";")`."""

from mapreduce.input_formats.choices import (
    Avro,
    ColumnKind,
    Compression,
    Csv,
    FixedLength,
    Format,
    JsonLines,
    Own,
    Pairs,
    Parquet,
    Text,
    Values,
    Warc,
    WholeFile,
    of_own,
)
from mapreduce.input_formats.own import InputFormat, can_be_cut, check_own
from mapreduce.input_formats.warc_record import WarcRecord

__all__ = [
    "Avro",
    "ColumnKind",
    "Compression",
    "Csv",
    "FixedLength",
    "Format",
    "InputFormat",
    "JsonLines",
    "Own",
    "Pairs",
    "Parquet",
    "Text",
    "Values",
    "Warc",
    "WarcRecord",
    "WholeFile",
    "can_be_cut",
    "check_own",
    "of_own",
]
