"""Writes the result of a finished run to the place of `--output`, and records the files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from driver.history.run_store import RunStore, Success
from driver.output.files import stream_table, write_file, write_parts
from driver.output.folders import check_columns, write_folders, write_outputs
from driver.output.merge_parts import read_result
from driver.output.place import RECORD, Output, WrittenOutput, written_files
from driver.text import plural, shown
from mapreduce.formats.table import Row, rows_of
from mapreduce.formats.table_files import TableStyle

if TYPE_CHECKING:
    from mapreduce.formats.typed_rows import Rows

_LOCAL = "file://"
ToStdout = Callable[[Iterable[bytes]], None]
"""Writes blocks to standard output."""


def write_output(
    output: Output, urls: Sequence[str], runs: RunStore, run: str, to_stdout: ToStdout
) -> list[str]:
    """Write the result of a run to a place, and a record of the files; return what is to be said.

    Args:
        output: the place.
        urls: the parts of the result.
        runs: the store.
        run: the run's id.
        to_stdout: writes the result for `--output -`.

    Raises:
        UsageError: the format has no such table, or the table no such column.
        DataError: a pair does not fit the columns or the format.
        NotWritten: a file cannot be written.
    """
    success = runs.success(run) or Success(run=run, parts=(), records=0)
    style = output.style(success.columns, keep_order=success.keep_order)
    if output.partition_by:
        check_columns(style.names, output.partition_by)

    outputs = success.columns if output.columns is None else ()
    columns = outputs if isinstance(outputs, dict) else style.columns

    def rows_in(parts: Sequence[str]) -> Iterable[Row]:
        pairs = read_result(
            parts, runs.storage, keep_order=success.keep_order, typed=style.is_typed
        )
        return rows_of(pairs, columns)

    whole = partial(rows_in, urls)
    if output.to_stdout:
        with TemporaryDirectory(prefix="mapreduce-") as folder:
            to_stdout(stream_table(whole, style, lambda: Path(folder)))
        return []
    before = output.parts_there() if output.in_folder else []
    if isinstance(columns, dict):
        files = write_outputs(whole, style, columns, output.path)
    else:
        files = _written(output, style, whole, [partial(rows_in, [url]) for url in urls])
    notes = _without_old(output, before, files, runs)
    runs.write(
        run,
        RECORD,
        WrittenOutput(files=tuple(_identified(file, runs) for file in files)),
    )
    return notes


def _written(output: Output, style: TableStyle, whole: Rows, each: list[Rows]) -> list[Path]:
    if output.partition_by:
        return write_folders(whole, style, output.partition_by, output.path)
    if output.in_folder:
        return write_parts(each, whole, style, output.path)
    write_file(whole, style, output.path)
    return [output.path]


def _without_old(
    output: Output, before: Sequence[Path], files: Sequence[Path], runs: RunStore
) -> list[str]:
    """Delete the parts that an earlier run has left in the folder; name those that are not ours.

    A reader of the whole folder would else read them as parts of this result.
    """
    left = sorted(set(before) - set(files))
    if not left:
        return []
    ours = written_files(runs)
    old = [path for path in left if _identified(path, runs) in ours]
    for path in old:
        path.unlink()
        if path.parent != output.path and not any(path.parent.iterdir()):
            path.parent.rmdir()
    notes = [f"deleted   {plural(len(old), 'part')} of an earlier result in {output.path}"] * bool(
        old
    )
    others = [path for path in left if path not in set(old)]
    if others:
        notes.append(
            f"note      {output.path} also holds {plural(len(others), 'file')} of another result, "
            f"such as {shown(others[0].name)}; a reader of the whole folder reads both"
        )
    return notes


def _identified(file: Path, runs: RunStore) -> tuple[str, str]:
    path = os.path.realpath(file)
    return path, runs.storage.head(_LOCAL + path).etag
