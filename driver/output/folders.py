"""Writes a table as folders by the values of some columns: `country=DE/part-00000.csv`.

This is the layout of Hive, which Spark and DuckDB (`hive_partitioning`) read: the columns are in
the names of the folders and not in the files. What a name may not hold is percent-encoded, and None
is `__HIVE_DEFAULT_PARTITION__`.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, cast

from driver.output.files import not_written, write_file
from mapreduce.encoding import decode_value, encode_value
from mapreduce.errors import DataError, UsageError
from mapreduce.formats.table import OUTPUT, Row
from mapreduce.formats.table_files import TableStyle, columns_of, refused
from mapreduce.formats.text_output import text_of

if TYPE_CHECKING:
    from mapreduce.formats.table_files import FileFormat
    from mapreduce.formats.typed_rows import Rows, Typed

MOST_FOLDERS = 10_000
"""Folders of one export; more are a column with too many values."""
OPEN_FILES = 64
"""Files of rows that are open at once while the table is divided."""
NONE_FOLDER = "__HIVE_DEFAULT_PARTITION__"
_NAME_BYTES = 255
# the characters that Hive and Spark encode, and `+`, which some readers take for a blank
_ENCODED = frozenset("\"#%'*/:=?\\{[]^+\x7f") | {chr(code) for code in range(0x20)}

_Table: TypeAlias = "tuple[str, TableStyle, Rows, Typed | None]"
"""The name of a folder, and the style, the rows and the types of its file."""

_LENGTH = struct.Struct("<I")


def check_columns(names: Sequence[str], by: Sequence[str]) -> None:
    """Refuse columns that folders cannot be made by; raises `UsageError`."""
    unknown = next((name for name in by if name not in names), None)
    if unknown is not None:
        raise UsageError(
            f"--partition-by {unknown}: the result has no such column; it has: {', '.join(names)}"
            " (name them with --columns, or with `columns` in the job)"
        )
    if len(set(by)) == len(names):
        raise UsageError(
            f"--partition-by {','.join(by)}: no column is left for the files; leave one out"
        )


def write_folders(rows: Rows, style: TableStyle, by: Sequence[str], folder: Path) -> list[Path]:
    """Write a table as folders, and return the files.

    Args:
        rows: of the table.
        style: how the files are written, with all of the table's columns.
        by: the columns in the names of the folders, the outermost first.
        folder: where; it is made.

    Raises:
        DataError: a value cannot be a folder's name, or there are too many.
        NotWritten: a file cannot be written.
    """
    places = [style.names.index(name) for name in by]
    left = [place for place in range(len(style.names)) if place not in places]
    inner = replace(style, columns=tuple(style.names[place] for place in left))
    typed = columns_of(lambda: (_chosen(row, left) for row in rows()), inner)

    def placed(row: Row) -> tuple[str, Row]:
        names = (folder_name(name, row[place]) for name, place in zip(by, places, strict=True))
        return "/".join(names), _chosen(row, left)

    def found(divided: Mapping[str, Rows]) -> Iterator[_Table]:
        return ((name, inner, each, typed) for name, each in divided.items())

    return _written(map(placed, rows()), found, style.format, folder)


def write_outputs(
    rows: Rows, style: TableStyle, outputs: Mapping[str, tuple[str, ...]], folder: Path
) -> list[Path]:
    """Write each output as a folder, `output=errors/part-00000.csv`, and return the files.

    Args:
        rows: of all outputs; the first field names the output.
        style: how the files are written.
        outputs: the columns of each; one without a row has a file without rows.
        folder: where; it is made.

    Raises:
        DataError: a pair names no output, or does not fill its columns.
        NotWritten: a file cannot be written.
    """

    def placed(row: Row) -> tuple[str, Row]:
        return folder_name(OUTPUT, row[0]), row[1:]

    def found(divided: Mapping[str, Rows]) -> Iterator[_Table]:
        for output, columns in outputs.items():
            name, inner = folder_name(OUTPUT, output), replace(style, columns=columns)
            each = divided.get(name, lambda: iter(()))
            yield name, inner, each, columns_of(each, inner)

    return _written(map(placed, rows()), found, style.format, folder)


def _written(
    placed: Iterable[tuple[str, Row]],
    tables: Callable[[Mapping[str, Rows]], Iterable[_Table]],
    style: FileFormat,
    folder: Path,
) -> list[Path]:
    """Write one file in each folder, and return the files.

    Args:
        placed: the name of each row's folder, and the row as its file holds it.
        tables: returns what is written, for the rows of each folder.
        style: the ending of the files' names.
        folder: where.
    """
    files: list[Path] = []
    with not_written(folder):
        is_new = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with TemporaryDirectory(dir=folder, prefix=".rows-") as scratch, refused():
                divided = _divided(placed, Path(scratch))
                made: set[tuple[int, int]] = set()
                for name, inner, rows, typed in tables(divided):
                    path = folder / name / f"part-00000.{style}"
                    _make(path.parent, made)
                    write_file(rows, inner, path, typed)
                    files.append(path)
        finally:
            if is_new and not files:
                with suppress(OSError):  # not empty
                    folder.rmdir()
    return files


def _make(folder: Path, made: set[tuple[int, int]]) -> None:
    """Make a folder; refuse one that this disk does not tell from another one.

    Raises:
        DataError: two names differ in small and capital letters alone, or in their Unicode form.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = folder.stat()
    if (found.st_dev, found.st_ino) in made:
        raise DataError(
            f"{folder} would be the folder of two values, which this disk does not tell apart; "
            "write to another disk, or leave --partition-by out"
        )
    made.add((found.st_dev, found.st_ino))


def _divided(placed: Iterable[tuple[str, Row]], scratch: Path) -> dict[str, Rows]:
    """Write each folder's rows to a file of `scratch`; return what reads them, by folder.

    Raises:
        DataError: there are too many folders.
    """
    numbers: dict[str, int] = {}
    with ExitStack() as stack:
        files = _OpenFiles(scratch)
        stack.callback(files.close)
        for name, row in placed:
            number = numbers.setdefault(name, len(numbers))
            if number >= MOST_FOLDERS:
                raise DataError(
                    f"--partition-by would make more than {MOST_FOLDERS:,} folders, such as "
                    f"{name}; take a column with fewer values"
                )
            files.write(number, encode_value(list(row)))
    return {name: partial(_spooled, scratch / f"{number}") for name, number in numbers.items()}


class _OpenFiles:
    """Files that are appended to in any order, of which a few are open."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: OrderedDict[int, BinaryIO] = OrderedDict()

    def write(self, number: int, row: bytes) -> None:
        """Append a row to a file, with its length in front."""
        file = self._open.pop(number, None)
        if file is None:
            if len(self._open) >= OPEN_FILES:
                self._open.popitem(last=False)[1].close()
            file = (self._folder / f"{number}").open("ab")
        self._open[number] = file
        file.write(_LENGTH.pack(len(row)) + row)

    def close(self) -> None:
        """Close all files."""
        for file in self._open.values():
            file.close()


def _spooled(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        while head := file.read(_LENGTH.size):
            yield tuple(cast("list[Any]", decode_value(file.read(_LENGTH.unpack(head)[0]))))


def _chosen(row: Row, places: Sequence[int]) -> Row:
    return tuple(row[place] for place in places)


def folder_name(column: str, value: Any) -> str:
    """Return the name of a value's folder, e.g. `country=DE`.

    Raises:
        DataError: a value of this type, or this long, cannot be a name.
    """
    if isinstance(value, list | dict) or value == "":
        what = "an empty text" if value == "" else f"{value!r:.80}"
        raise DataError(
            f"--partition-by {column}: {what} cannot be the name of a folder; "
            "yield a text, a number or None"
        )
    text = text_of(value)
    name = f"{encoded(column)}={NONE_FOLDER if value is None else encoded(text)}"
    if len(name.encode()) > _NAME_BYTES:
        raise DataError(
            f"--partition-by {column}: the value {text[:80]!r}... is too long for the name of a "
            f"folder, which has at most {_NAME_BYTES} bytes"
        )
    return name


def encoded(text: str) -> str:
    """Return a text as a folder's name holds it."""
    if text == NONE_FOLDER:  # the text, which is not None
        return f"%5F{text[1:]}"
    return "".join(f"%{ord(letter):02X}" if letter in _ENCODED else letter for letter in text)
