"""The result as a table of Arrow, Polars or pandas, whichever is installed.

The columns are those of `--output result.parquet`, which is what is read.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from driver.output.merge_parts import write_result
from mapreduce.errors import UsageError
from mapreduce.storage import Storage


def arrow_table(urls: Sequence[str], storage: Storage) -> Any:
    """Return the parts of a result as a `pyarrow.Table`; raises `UsageError` without pyarrow."""
    read_table = _installed("to_arrow", "pyarrow.parquet").read_table
    return _read(urls, storage, lambda path: read_table(path, memory_map=False))


def polars_frame(urls: Sequence[str], storage: Storage) -> Any:
    """Return the parts of a result as a `polars.DataFrame`; raises `UsageError` without polars."""
    read_parquet = _installed("to_polars", "polars").read_parquet
    return _read(urls, storage, lambda path: read_parquet(path, memory_map=False))


def pandas_frame(urls: Sequence[str], storage: Storage) -> Any:
    """Return the parts of a result as a `pandas.DataFrame`.

    A column of integers in which one is missing has Python's objects, because pandas would make
    floats of them.

    Raises:
        UsageError: pandas, or pyarrow, is not installed.
    """
    _installed("to_pandas", "pandas")
    _installed("to_pandas", "pyarrow")
    return arrow_table(urls, storage).to_pandas(integer_object_nulls=True)


def _read(urls: Sequence[str], storage: Storage, reader: Any) -> Any:
    with tempfile.TemporaryDirectory(prefix="mapreduce-table-") as folder:
        path = Path(folder) / "result.parquet"
        write_result(list(urls), storage, path)
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
