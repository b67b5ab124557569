"""Write a whole result in every format: the bytes of a file, by the ending of its name."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, cast, get_args

from mapreduce.errors import DataError, UsageError
from mapreduce.formats.output import JsonPair, JsonStyle, write_objects, write_pairs
from mapreduce.formats.table import KEY_AND_VALUE, NotARow, Row
from mapreduce.formats.text_output import write_csv, write_tsv, write_values
from mapreduce.formats.zstd import zstd

if TYPE_CHECKING:
    from mapreduce.formats.typed_rows import Rows, Typed

FileFormat: TypeAlias = Literal[
    "json",
    "jsonl",
    "csv",
    "tsv",
    "txt",
    "parquet",
    "arrows",
    "json.gz",
    "jsonl.gz",
    "csv.gz",
    "tsv.gz",
    "txt.gz",
    "json.zst",
    "jsonl.zst",
    "csv.zst",
    "tsv.zst",
    "txt.zst",
]
FORMATS: tuple[FileFormat, ...] = get_args(FileFormat)
_KINDS = ".json, .jsonl, .csv, .tsv, .txt, .parquet or .arrows"
_PLAIN_LEVEL = 6
_INSTEAD = {
    "arrow": "Arrow is written as a stream: write .arrows, or .parquet",
    "feather": "write .parquet, or .arrows for an Arrow stream",
    "ndjson": "write .jsonl",
    "tab": "write .tsv",
    "xlsx": "write .csv, which a spreadsheet opens",
    "sqlite": "write .parquet or .csv, which SQLite and DuckDB import",
    "bz2": "write .gz or .zst",
    "xz": "write .gz or .zst",
}


@dataclass(frozen=True, slots=True)
class TableStyle:
    """How a result is written.

    Attributes:
        format: the ending of the file's name.
        columns: their names; none for key and value.
        header: a CSV or TSV file begins with the names.
        in_key_order: the pairs come in key order.
    """

    format: FileFormat
    columns: tuple[str, ...] = ()
    header: bool = True
    in_key_order: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return self.columns or KEY_AND_VALUE

    @property
    def kind(self) -> str:
        """The format without its compression."""
        return self.format.partition(".")[0]

    @property
    def compression(self) -> str:
        """The compression: "gz", "zst" or ""."""
        return self.format.partition(".")[2]

    @property
    def is_text(self) -> bool:
        """Whether a terminal can show it."""
        return not self.compression and self.kind not in ("parquet", "arrows")

    @property
    def is_typed(self) -> bool:
        """Whether its columns have types, which follow from all of the pairs."""
        return self.kind in ("parquet", "arrows")

    def checked(self) -> TableStyle:
        """Return this style; raises `UsageError` for options that contradict each other."""
        if self.kind == "txt" and self.columns:
            raise UsageError(
                "a .txt file holds the values alone, one a line, and the result has columns; "
                "write .tsv, for example with --no-header"
            )
        if not self.header and self.kind not in ("csv", "tsv"):
            raise UsageError(f"--no-header: .{self.kind} has no header; it is for .csv and .tsv")
        return self


def format_of(name: str) -> FileFormat:
    """Return the format that the ending of a file's name says.

    Raises:
        UsageError: there is no such format; the message says what to write.
    """
    lower = Path(name).name.lower()
    found = [each for each in FORMATS if lower.endswith(f".{each}")]
    if found:
        return max(found, key=len)
    *_, before, last = ("", *lower.split("."))
    if last in ("gz", "zst") and before in ("parquet", "arrows"):
        raise UsageError(f"--output {name}: .{before} is not compressed again; write .{before}")
    hint = _INSTEAD.get(last) or f"the ending names the format, and must be one of {_KINDS}"
    raise UsageError(
        f"--output {name}: {hint}" + ("" if last in _INSTEAD else "; text also with .gz or .zst")
    )


def write_table(rows: Rows, style: TableStyle, path: Path, typed: Typed | None = None) -> None:
    """Write a table as a file.

    Args:
        rows: of the table; called twice for some formats.
        style: how it is written.
        path: the file; an existing one is replaced.
        typed: the types of the columns, where they are known.

    Raises:
        DataError: a pair does not fit the format, or the columns.
        NotWritten: DuckDB cannot write the file.
        OSError: the file cannot be written.
    """
    if style.kind == "parquet":
        from mapreduce.formats.parquet_output import write_parquet  # imports DuckDB, which is slow

        with refused():
            write_parquet(rows, path, style.names, typed)
        return
    with path.open("wb") as file:
        file.writelines(table_blocks(rows, style, typed))


def table_blocks(rows: Rows, style: TableStyle, typed: Typed | None = None) -> Iterator[bytes]:
    """Yield the bytes of a table in any format but Parquet; raises `DataError`."""
    blocks = _blocks(rows, style, typed)
    if style.compression:
        blocks = _gzip(blocks) if style.compression == "gz" else _zstd(blocks)
    with refused():
        yield from blocks


def columns_of(rows: Rows, style: TableStyle) -> Typed | None:
    """Return the types of a table's columns, if its format has types; raises `DataError`."""
    if not style.is_typed:
        return None
    from mapreduce.formats.typed_rows import Typed  # imports nanoarrow, which is slow

    with refused():
        return Typed.of(rows(), style.names)


@contextmanager
def refused() -> Iterator[None]:
    """Raise a pair that is not a row as our error, `DataError`."""
    try:
        yield
    except NotARow as exc:
        raise DataError(str(exc)) from exc


def _blocks(rows: Rows, style: TableStyle, typed: Typed | None) -> Iterator[bytes]:
    if style.kind == "csv":
        return write_csv(rows(), style.names, header=style.header)
    if style.kind == "tsv":
        return write_tsv(rows(), style.names, header=style.header)
    if style.kind == "txt":
        return write_values(rows())
    if style.kind == "arrows":
        from mapreduce.formats.arrow_output import write_arrow_stream

        return write_arrow_stream(rows, style.names, typed)
    kind: JsonStyle = "json" if style.kind == "json" else "jsonl"
    if style.columns:
        return write_objects(rows(), style.columns, kind)
    as_object = kind == "json" and style.in_key_order and _is_object(rows())
    return write_pairs(cast("Iterable[JsonPair]", rows()), kind, as_object=as_object)


def _is_object(pairs: Iterable[Row]) -> bool:
    """Return whether pairs in key order have keys that are str, and none twice.

    A key that only shows as a str, as a date, may stand far from its twin: so they must ascend.
    """
    previous = b""
    for number, (key, _) in enumerate(pairs):
        if not isinstance(key, str) or (number and key.encode() <= previous):
            return False
        previous = key.encode()
    return True


def _gzip(blocks: Iterable[bytes]) -> Iterator[bytes]:
    into = io.BytesIO()
    # without a time and a name in its header, equal results are equal files
    with gzip.GzipFile("", "wb", _PLAIN_LEVEL, into, mtime=0) as file:
        for block in blocks:
            file.write(block)
            yield _taken(into)
    yield into.getvalue()


def _zstd(blocks: Iterable[bytes]) -> Iterator[bytes]:
    compressor = zstd.ZstdCompressor()
    for block in blocks:
        yield compressor.compress(block)
    yield compressor.flush()


def _taken(into: io.BytesIO) -> bytes:
    data = into.getvalue()
    into.seek(0)
    into.truncate()
    return data
