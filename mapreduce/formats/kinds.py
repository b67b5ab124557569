"""The formats that an input can have, as a job's author names them: `input_format = Csv(delimiter=";")`."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

Compression = Literal["gzip", "bzip2", "xz", "zstd"]


class _Format(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Text(_Format):
    """Lines: `map(offset, line)` with the line's byte offset and its text, without its line end."""

    kind: Literal["text"] = "text"


class JsonLines(_Format):
    """One JSON value a line: `map(offset, value)`. Empty lines are passed over."""

    kind: Literal["jsonl"] = "jsonl"


class Csv(_Format):
    """Comma-separated values (RFC 4180, so a quoted field may hold line ends): `map(offset, row)`.

    With a header, a row is a dict of column name to text; without one, a list of texts. Empty lines are passed over.
    """

    kind: Literal["csv"] = "csv"
    delimiter: Annotated[str, Field(pattern=r'^[^"\r\n]$')] = ","
    header: bool = True


class Parquet(_Format):
    """Rows of an Apache Parquet file: `map(row_number, row)` with a dict of column name to value.

    `columns` names those that are read; None reads all.
    """

    kind: Literal["parquet"] = "parquet"
    columns: tuple[str, ...] | None = None


class WholeFile(_Format):
    """Each file as one record: `map(url, content)` with all its bytes."""

    kind: Literal["whole"] = "whole"


class Pairs(_Format):
    """What another step of the chain has yielded: `map(key, value)`, with their exact types."""

    kind: Literal["pairs"] = "pairs"


Format: TypeAlias = Annotated[Text | JsonLines | Csv | Parquet | WholeFile | Pairs, Field(discriminator="kind")]
