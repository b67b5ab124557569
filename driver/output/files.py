"""Writes a table to local files, each of which appears complete or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mapreduce.errors import NotWritten
from mapreduce.formats.table_files import TableStyle, columns_of, table_blocks, write_table

if TYPE_CHECKING:
    from mapreduce.formats.typed_rows import Rows, Typed


def write_file(rows: Rows, style: TableStyle, path: Path, typed: Typed | None = None) -> None:
    """Write a table as one file.

    Args:
        rows: of the table.
        style: how it is written.
        path: the file; its folder is made.
        typed: the types of the columns, where they are known.

    Raises:
        DataError: a pair does not fit the columns or the format.
        NotWritten: the file cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    with not_written(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_table(rows, style, partial, typed)
            partial.replace(path)
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)


def write_parts(each: list[Rows], whole: Rows, style: TableStyle, folder: Path) -> list[Path]:
    """Write each part as a file of the folder, `part-00000.csv` and so on, and return the files.

    Args:
        each: the rows of each part.
        whole: the rows of all parts: a column has one type in all files.
        style: how they are written.
        folder: where; it is made.
    """
    typed = columns_of(whole, style)
    files = [folder / f"part-{number:05d}.{style.format}" for number in range(len(each))]
    for rows, path in zip(each, files, strict=True):
        write_file(rows, style, path, typed)
    return files


def stream_table(rows: Rows, style: TableStyle, scratch: Callable[[], Path]) -> Iterator[bytes]:
    """Yield the bytes of a table in any format; `scratch` makes a folder for those of Parquet."""
    if style.kind != "parquet":
        yield from table_blocks(rows, style)
        return
    path = scratch() / "result.parquet"
    write_file(rows, style, path)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            yield block


@contextmanager
def not_written(path: Path) -> Iterator[None]:
    """Raise an error of the disk as `NotWritten`, which names the output."""
    try:
        yield
    except OSError as exc:
        raise NotWritten(f"--output {path} cannot be written: {exc.strerror or exc}") from exc
