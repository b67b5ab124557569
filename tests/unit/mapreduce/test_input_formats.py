"""Wrong options of a format are refused in plain words, and formats can be sent as messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import TypeAdapter

from mapreduce import Csv, Parquet, Text
from mapreduce.errors import JobLoadError
from mapreduce.input_formats import Format

TEXT: Any = Text
CSV: Any = Csv


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: TEXT(encoding="latin-1"), r"Text has no option `encoding`; it has: Text\(\)"),
        (
            lambda: CSV(separator=";"),
            r"Csv has no option `separator`; it has: Csv\(delimiter=',', header=True\)",
        ),
        (lambda: Csv(delimiter="\n\n"), r"the option `delimiter` of Csv cannot be '\\n\\n'"),
        (lambda: CSV(";"), "Csv takes options by name"),
        (lambda: Parquet(columns="a"), "the option `columns` of Parquet cannot be 'a'"),
    ],
)
def test_wrong_options(make: Callable[[], object], named: str) -> None:
    """The error has the format, the option, and the valid options."""
    with pytest.raises(JobLoadError, match=named) as caught:
        make()
    assert "pydantic" not in str(caught.value)


@pytest.mark.parametrize(
    "form", [Text(), Csv(delimiter=";", header=False), Parquet(columns=("a",))]
)
def test_formats_as_messages(form: Format) -> None:
    """A format is equal after JSON."""
    adapter: TypeAdapter[Format] = TypeAdapter(Format)
    assert form == adapter.validate_json(adapter.dump_json(form))
