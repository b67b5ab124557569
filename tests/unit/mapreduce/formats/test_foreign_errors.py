"""DuckDB's exceptions while a Parquet file is read or written become ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mapreduce.errors import NotWritten, RecordError
from mapreduce.formats.parquet_file import ParquetFile
from mapreduce.formats.parquet_output import write_parquet


def _below(cls: type[Exception]) -> Iterator[type[Exception]]:
    for each in cls.__subclasses__():
        yield each
        yield from _below(each)


_CLASSES: set[type[Exception]] = {duckdb.Error, *_below(duckdb.Error)}
FOREIGN = sorted(_CLASSES, key=lambda cls: cls.__name__)


def test_the_list_is_that_of_the_library() -> None:
    """Every exception class of DuckDB is a subclass of the one that is caught."""
    public = {
        cls
        for cls in vars(duckdb).values()
        if isinstance(cls, type) and issubclass(cls, Exception) and cls is not duckdb.Warning
    }
    assert public == set(FOREIGN) | {duckdb.Error}
    assert len(FOREIGN) > 20


class _Connection:
    """Raises at the first statement that starts with a text."""

    def __init__(self, raised: BaseException, statement: str) -> None:
        self._raised = raised
        self._statement = statement

    def __enter__(self) -> _Connection:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def execute(self, statement: str) -> _Connection:
        """Raise if this is the statement."""
        if statement.startswith(self._statement):
            raise self._raised
        return self

    def register(self, *_: object) -> None:
        """Do nothing."""

    unregister = register


class _Files:
    failed: tuple[Exception, ...] = ()
    size_bytes = 10


@pytest.mark.parametrize("cls", FOREIGN, ids=lambda cls: cls.__name__)
def test_no_error_passes_where_a_file_is_read(cls: type[Exception]) -> None:
    """Each error during a read becomes RecordError with the file's name."""
    raised = cls("it failed\nwith details")
    connection: Any = _Connection(raised, "")
    files: Any = _Files()
    with pytest.raises(RecordError, match="a.parquet") as caught:
        ParquetFile(connection, files, "a.parquet").row_groups()
    assert raised is caught.value.__cause__
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("statement", ["CREATE", "INSERT", "COPY"])
@pytest.mark.parametrize("cls", FOREIGN, ids=lambda cls: cls.__name__)
def test_no_error_passes_where_a_file_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cls: type[Exception], statement: str
) -> None:
    """Each error during a write becomes NotWritten, and leaves no file."""
    raised = cls("it failed\nwith details")
    monkeypatch.setattr(duckdb, "connect", lambda *_, **__: _Connection(raised, statement))
    with pytest.raises(NotWritten, match=r"o\.parquet.*it failed$") as caught:
        write_parquet(lambda: [("a", 1)], tmp_path / "o.parquet")
    assert raised is caught.value.__cause__
    assert [] == list(tmp_path.iterdir())
