"""The formats that come with the product, and their options."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from mapreduce.errors import JobLoadError
from mapreduce.input_formats.encodings import Encoding, encoding_of
from mapreduce.input_formats.own import InputFormat, can_be_cut, check_own, options_of

_SURROGATE = re.compile("[\ud800-\udfff]")
Compression = Literal["gzip", "bzip2", "xz", "zstd"]
Errors = Literal["replace", "strict"]
ColumnKind = Literal["str", "int", "float", "bool", "object"]
_KINDS: dict[Any, ColumnKind] = {
    str: "str",
    int: "int",
    float: "float",
    bool: "bool",
    object: "object",
    Any: "object",
}


def _known(name: str) -> str:
    return encoding_of(name).name


def _mark(mark: str | None) -> str | None:
    if mark is not None and (len(mark) != 1 or mark in "\r\n"):
        raise ValueError("it is one character, and no line end")
    return mark


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
            name = str(first["loc"][0]) if first["loc"] else ""
            said = first["msg"].removeprefix("Value error, ")
            if first["type"] == "extra_forbidden":
                raise JobLoadError(
                    f"{cls.__name__} has no option `{name}`; it has: {cls._written()}"
                ) from None
            raise JobLoadError(
                f"the option `{name}` of {cls.__name__} cannot be {first['input']!r}: {said}"
                if name
                else f"{cls.__name__}: {said}"
            ) from None
        return super().__new__(cls)

    def check(self) -> None:
        """Refuse a format that cannot work; raises `JobLoadError`."""

    @property
    def by_lines(self) -> bool:
        """True if each line feed outside of double quotes ends a record, and bytes can be copied.

        Such an input can be cut, sampled and copied without a reader.
        """
        return False

    @property
    def counts_empty(self) -> bool:
        """True if a file without a byte may hold a record."""
        return False

    @property
    def is_scanned(self) -> bool:
        """True if the split stage reads the whole input, to learn what each range begins with."""
        return False

    @property
    def is_cut(self) -> bool:
        """True if the records of an uncompressed file can be read from any byte on."""
        return True

    @classmethod
    def _written(cls) -> str:
        options = [
            f"{name}={field.default!r}"
            for name, field in cls.model_fields.items()
            if name != "kind"
        ]
        return f"{cls.__name__}({', '.join(options)})"


class Text(_Format):
    """Lines: `map(offset, line)` with the line's byte offset and its text, without its line end.

    Attributes:
        encoding: any of Python's encodings whose characters can be found in the middle of a file.
        delimiter: what separates two records, one or more characters; None is a line feed, which a
            carriage return may precede.
        errors: what bytes of another encoding do: "replace" reads U+FFFD and counts them, "strict"
            makes the line a bad record.
        number: `map(number, line)`, from 1, instead of the offset. The split stage then reads the
            whole input once, to count.
    """

    kind: Literal["text"] = "text"
    encoding: str = "utf-8"
    delimiter: str | None = None
    errors: Errors = "replace"
    number: bool = False

    _known = field_validator("encoding")(_known)

    @field_validator("delimiter")
    @classmethod
    def _has_characters(cls, delimiter: str | None) -> str | None:
        if delimiter is not None and not 1 <= len(delimiter) <= 1000:
            raise ValueError("it has 1 to 1,000 characters")
        return delimiter

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        code = encoding_of(self.encoding)
        name = f"{code.name}-le" if code.mark_bytes else code.name
        code.delimiter(self.delimiter or "\n", name)
        return self

    @property
    def is_plain(self) -> bool:
        """True for lines of UTF-8 with their offsets: those that `map_batch` and C code read."""
        return self == Text()

    @property
    def is_scanned(self) -> bool:
        """True for numbered lines: those before each range are counted."""
        return self.number

    @property
    def by_lines(self) -> bool:
        """True unless another delimiter or the line's number needs a reader."""
        code = encoding_of(self.encoding)
        return self.delimiter is None and not self.number and code.is_sound("\n")


class JsonLines(_Format):
    """One JSON value a line: `map(offset, value)`. Empty lines are skipped.

    Attributes:
        encoding: JSON is UTF-8; this reads a file that is not.
        columns: the fields of each object that are read, with their types: `{"country": str,
            "cents": int}`. A value is then a dict of these alone, in this order; a missing field is
            None, and an object with a value of another type is a bad record. The types are str,
            int (64 bits), float, bool, and object for any JSON value. Other fields are only checked
            to be JSON.
    """

    kind: Literal["jsonl"] = "jsonl"
    encoding: str = "utf-8"
    columns: dict[str, ColumnKind] | None = None

    _known = field_validator("encoding")(_known)

    @field_validator("columns", mode="before")
    @classmethod
    def _kinds(cls, columns: Any) -> Any:
        if not isinstance(columns, dict):
            return columns
        if not columns:
            raise ValueError("name at least one field")
        for name in columns:
            if isinstance(name, str) and not name.isascii() and _SURROGATE.search(name):
                raise ValueError(f"no JSON in UTF-8 has the field {name!r}, half a surrogate pair")
        return {name: _KINDS.get(kind, kind) for name, kind in columns.items()}

    def __hash__(self) -> int:
        return hash((self.encoding, tuple((self.columns or {}).items())))

    @property
    def transcoded(self) -> Encoding | None:
        """The encoding, if only the whole file can be converted to UTF-8."""
        code = encoding_of(self.encoding)
        return None if code.is_sound("\n") else code

    @property
    def by_lines(self) -> bool:
        """True unless the whole file is converted first."""
        return self.transcoded is None

    @property
    def is_cut(self) -> bool:
        """True unless the whole file is converted first."""
        return self.transcoded is None


class Csv(_Format):
    """Comma-separated values (RFC 4180, so a quoted field may contain line ends): `map(offset,
    row)`.

    With a header, a row is a dict of column name to text; without one, a list of texts. Empty lines
    are skipped.

    Attributes:
        delimiter: one character between two fields.
        header: True: the first row names the columns; False: there are no names; or the names, for
            a file without them.
        encoding: as `Text`.
        errors: as `Text`.
        quoting: "minimal": a field may be in quotes; "none": a quote is a character like any other,
            and a line is a row, as in Hadoop and `cut`.
        quote: the character that quotes a field.
        escape: a character that takes the meaning from the next one.
        comment: rows that begin with this character are skipped.
        skip: how many rows before the header, or before the first row, are skipped.
        columns: the names of the columns that a row has, in this order; None: all. Every row is
            checked as a whole all the same. Needs a header.
    """

    kind: Literal["csv"] = "csv"
    delimiter: str = ","
    header: bool | tuple[str, ...] = True
    encoding: str = "utf-8"
    errors: Errors = "replace"
    quoting: Literal["minimal", "none"] = "minimal"
    quote: str = '"'
    escape: str | None = None
    comment: str | None = None
    skip: int = 0
    columns: tuple[str, ...] | None = None

    _known = field_validator("encoding")(_known)
    _mark = field_validator("delimiter", "quote", "escape", "comment")(_mark)

    @field_validator("header")
    @classmethod
    def _names(cls, header: bool | tuple[str, ...]) -> bool | tuple[str, ...]:
        if isinstance(header, tuple) and (
            not header or not all(header) or len(set(header)) < len(header)
        ):
            raise ValueError("names of columns are different, and none is empty")
        return header

    @model_validator(mode="after")
    def _chosen(self) -> Self:
        if self.columns is None:
            return self
        if not self.columns or len(set(self.columns)) < len(self.columns):
            raise ValueError("columns names at least one column, and none twice")
        if self.header is False:
            raise ValueError('columns needs names: header=True, or header=("day", "amount")')
        if isinstance(self.header, tuple) and not set(self.columns) <= set(self.header):
            raise ValueError("columns has a name that header has not")
        return self

    @field_validator("skip")
    @classmethod
    def _few(cls, skip: int) -> int:
        if not 0 <= skip <= 1000:
            raise ValueError("it is a number from 0 to 1,000")
        return skip

    @model_validator(mode="after")
    def _differ(self) -> Self:
        quote = [self.quote] if self.quoting == "minimal" else []
        marks = [self.delimiter, *quote, *filter(None, (self.escape, self.comment))]
        if len(set(marks)) < len(marks):
            raise ValueError(
                "delimiter, quote, escape and comment must be different characters; "
                'a file without quotes has quoting="none"'
            )
        return self

    @property
    def transcoded(self) -> Encoding | None:
        """The encoding, if only the whole file can be converted to UTF-8."""
        code = encoding_of(self.encoding)
        marks = "\r\n" + (self.quote if self.quoting == "minimal" else "")
        marks += (self.escape or "") + (self.comment or "")
        return None if all(map(code.is_sound, marks)) else code

    @property
    def is_scanned(self) -> bool:
        """True: the quotes before each range are counted."""
        return self.is_cut

    @property
    def by_lines(self) -> bool:
        """True for double quotes without escapes, in a file that is not converted first."""
        plain = self.quoting == "minimal" and self.quote == '"' and self.escape is None
        return plain and self.transcoded is None

    @property
    def is_cut(self) -> bool:
        """True unless the whole file is converted first."""
        return self.transcoded is None


class Parquet(_Format):
    """Rows of an Apache Parquet file: `map(row_number, row)` with a dict of column name to value.

    `columns` names the columns to read; None reads all.
    """

    kind: Literal["parquet"] = "parquet"
    columns: tuple[str, ...] | None = None


class WholeFile(_Format):
    """Each file as one record: `map(url, content)` with all its bytes."""

    kind: Literal["whole"] = "whole"

    @property
    def counts_empty(self) -> bool:
        """True: a file is a record."""
        return True

    @property
    def is_cut(self) -> bool:
        """False: a file is one record."""
        return False


class FixedLength(_Format):
    """Records of a fixed number of bytes: `map(number, content)`, from 0."""

    kind: Literal["fixed"] = "fixed"
    length: int = 0

    @field_validator("length")
    @classmethod
    def _positive(cls, length: int) -> int:
        if length < 1:
            raise ValueError("it is a number of bytes, from 1")
        return length

    def check(self) -> None:
        """Refuse a format without a length; raises `JobLoadError`."""
        if not self.length:
            raise JobLoadError("FixedLength needs the bytes of a record: FixedLength(length=80)")


class Avro(_Format):
    """Records of an Avro file: `map(place, record)`, a dict where the schema is a record.

    The place is a text, the byte offset of the record's block and its number there.
    """

    kind: Literal["avro"] = "avro"


class Warc(_Format):
    """Records of a web archive (ISO 28500: WARC, WET and WAT files): `map(offset, record)`.

    A record is a `WarcRecord`. A file, compressed or not, is read by one task.
    """

    kind: Literal["warc"] = "warc"

    @property
    def is_cut(self) -> bool:
        """False: where a record begins follows only from the one before it."""
        return False


class Values(_Format):
    """One value a line, as JSON or else as text, for `--over`: `map(number, value)`.

    Each value is a map task of its own. `first` is the number of a byte range's first value.
    """

    kind: Literal["values"] = "values"
    first: int = 0

    @property
    def by_lines(self) -> bool:
        """True: a value is a line."""
        return True


class Pairs(_Format):
    """The pairs of another step of the chain: `map(key, value)`, with their exact types."""

    kind: Literal["pairs"] = "pairs"


class Own(_Format):
    """An author's own format, which travels with the job's code; `name` and `options` identify it.

    `cut` is true if it can be read from any byte on.
    """

    kind: Literal["own"] = "own"
    name: str
    options: str = ""
    cut: bool = False

    @property
    def counts_empty(self) -> bool:
        """True if `read` gets whole files."""
        return not self.cut

    @property
    def is_cut(self) -> bool:
        """True if the author wrote `read_range`."""
        return self.cut


Format: TypeAlias = Annotated[
    Text | JsonLines | Csv | Parquet | Avro | WholeFile | FixedLength | Warc | Own | Pairs | Values,
    Field(discriminator="kind"),
]


def of_own(form: InputFormat) -> Own:
    """Return what identifies an author's own format; raises `JobLoadError`."""
    check_own(form)
    cls = type(form)
    return Own(
        name=f"{cls.__module__}:{cls.__qualname__}",
        options=options_of(form),
        cut=can_be_cut(form),
    )
