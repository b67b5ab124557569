"""The formats of an input, as a job's author writes them: `input_format = Csv(delimiter=";")`."""

from __future__ import annotations

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mapreduce.errors import JobLoadError

Compression = Literal["gzip", "bzip2", "xz", "zstd"]


class _Format(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def __new__(cls, *values: object, **options: object) -> Self:
        """Check the options, and report a wrong one in terms of the author's call."""
        if values:
            raise JobLoadError(f"{cls.__name__} takes options by name: {cls._written()}")
        try:
            if options:
                cls.model_validate(options)
        except ValidationError as exc:
            first = exc.errors()[0]
            name = ".".join(map(str, first["loc"]))
            if first["type"] == "extra_forbidden":
                raise JobLoadError(
                    f"{cls.__name__} has no option `{name}`; it has: {cls._written()}"
                ) from None
            raise JobLoadError(
                f"the option `{name}` of {cls.__name__} cannot be {first['input']!r}: "
                f"{first['msg']}"
            ) from None
        return super().__new__(cls)

    @classmethod
    def _written(cls) -> str:
        options = [
            f"{name}={field.default!r}"
            for name, field in cls.model_fields.items()
            if name != "kind"
        ]
        return f"{cls.__name__}({', '.join(options)})"


class Text(_Format):
    """Lines: `map(offset, line)` with the line's byte offset and its text, without its line end."""

    kind: Literal["text"] = "text"


class JsonLines(_Format):
    """One JSON value a line: `map(offset, value)`. Empty lines are skipped."""

    kind: Literal["jsonl"] = "jsonl"


class Csv(_Format):
    """Comma-separated values (RFC 4180, so a quoted field may contain line ends): `map(offset,
    row)`.

    With a header, a row is a dict of column name to text; without one, a list of texts. Empty lines
    are skipped.
    """

    kind: Literal["csv"] = "csv"
    delimiter: Annotated[str, Field(pattern=r'^[^"\r\n]$')] = ","
    header: bool = True


class Parquet(_Format):
    """Rows of an Apache Parquet file: `map(row_number, row)` with a dict of column name to value.

    `columns` names the columns to read; None reads all.
    """

    kind: Literal["parquet"] = "parquet"
    columns: tuple[str, ...] | None = None


class WholeFile(_Format):
    """Each file as one record: `map(url, content)` with all its bytes."""

    kind: Literal["whole"] = "whole"


class Values(_Format):
    """One value a line, as JSON or else as text, for `--over`: `map(number, value)`.

    Each value is a map task of its own. `first` is the number of a byte range's first value.
    """

    kind: Literal["values"] = "values"
    first: int = 0


class Pairs(_Format):
    """The pairs of another step of the chain: `map(key, value)`, with their exact types."""

    kind: Literal["pairs"] = "pairs"


Format: TypeAlias = Annotated[
    Text | JsonLines | Csv | Parquet | WholeFile | Pairs | Values, Field(discriminator="kind")
]
