"""The result as a table of Arrow, Polars or pandas, whichever is installed.

The columns are those of `--output result.parquet`, which is what is read.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from driver.history.run_store import Success
from driver.output.files import write_file
from driver.output.merge_parts import read_result
from driver.program.command_name import COMMAND
from mapreduce.errors import UsageError
from mapreduce.formats.table import rows_of
from mapreduce.formats.table_files import TableStyle
from mapreduce.storage import Storage


def arrow_table(result: Success, storage: Storage) -> Any:
    """Return the parts of a result as a `pyarrow.Table`; raises `UsageError` without pyarrow."""
    read_table = _installed("to_arrow", "pyarrow.parquet").read_table
    return _read(result, storage, lambda path: read_table(path, memory_map=False))


def polars_frame(result: Success, storage: Storage) -> Any:
    """Return the parts of a result as a `polars.DataFrame`; raises `UsageError` without polars."""
    read_parquet = _installed("to_polars", "polars").read_parquet
    return _read(result, storage, lambda path: read_parquet(path, memory_map=False))


def pandas_frame(result: Success, storage: Storage) -> Any:
    """Return the parts of a result as a `pandas.DataFrame`.

    A column of integers in which one is missing has Python's objects, because pandas would make
    floats of them.

    Raises:
        UsageError: pandas, or pyarrow, is not installed.
    """
    _installed("to_pandas", "pandas")
    _installed("to_pandas", "pyarrow")
    return arrow_table(result, storage).to_pandas(integer_object_nulls=True)


def _read(result: Success, storage: Storage, reader: Any) -> Any:
    columns, urls = result.columns, [url for url, _, _ in result.parts]
    if isinstance(columns, Mapping):
        raise UsageError(
            f"the result has {len(columns)} outputs ({', '.join(columns)}), each a table; use "
            f"pairs(), or: {COMMAND} result {result.run} --output FOLDER/"
        )
    pairs = partial(read_result, urls, storage, keep_order=result.keep_order, typed=True)
    style = TableStyle("parquet", columns, in_key_order=not result.keep_order)
    with tempfile.TemporaryDirectory(prefix="mapreduce-table-") as folder:
        path = Path(folder) / "result.parquet"
        write_file(lambda: rows_of(pairs(), columns), style, path)
        return reader(str(path))


def _installed(method: str, module: str) -> Any:
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ImportError as exc:
        raise UsageError(
            f"{method}() needs the package {package}, which is not installed here; "
            f"pip install {package}"
        ) from exc
