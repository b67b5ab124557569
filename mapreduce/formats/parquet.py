"""Apache Parquet: rows, by row groups.

A row group belongs to the byte range that holds its first byte. It accounts for the bytes up to the
next row group, the first one also for those before it, the last one for the footer.

Values become what a record supports: dates, times and timestamps are ISO 8601 text (a timestamp
with a time zone in UTC, with +00); a DECIMAL is text with all its digits; so are a UUID, an
INTERVAL, an ENUM and every type not named here; NaN is None. Integers, strings, booleans and bytes
stay; a struct is a dict, a list a list, a map a list of [key, value]. Infinity stays too, though no
pair supports it: the job must decide what it means. A timestamp keeps its nanoseconds, but as INT96
(of old writers) only its microseconds.
"""

from __future__ import annotations

from collections.abc import Iterator

from mapreduce.formats.base import ReadRange, RecordBatch
from mapreduce.formats.limits import LIMITS, Limits
from mapreduce.formats.parquet_columns import GroupColumns
from mapreduce.formats.parquet_file import opened
from mapreduce.formats.undecoded import Undecoded
from mapreduce.input_formats import Parquet
from mapreduce.wire.messages import ByteRange


class ParquetReader:
    """Rows of a Parquet file. Arguments and errors are those of the `Reader` protocol.

    Args:
        form: which columns are read.
        limits: the longest row.
    """

    undecoded = Undecoded()

    def __init__(self, form: Parquet, limits: Limits = LIMITS) -> None:
        self._form = form
        self._limits = limits

    def batches(self, byte_range: ByteRange, read: ReadRange) -> Iterator[RecordBatch]:
        """Yield a batch for each row group.

        Its rows are read as they are taken, so take them before the next batch.
        """
        with opened(byte_range.source, byte_range.size, read, self._limits) as file:
            owned = [
                group
                for group in file.row_groups()
                if byte_range.start <= group.start < byte_range.end
            ]
            for group in owned:
                rows = file.rows(group, self._form.columns)
                columns = GroupColumns(
                    file,
                    self._form.columns,
                    group.first_row,
                    group.first_row + group.rows,
                    is_last=group is owned[-1],
                )
                yield RecordBatch(group.start, group.end - group.start, rows, columns=columns)
