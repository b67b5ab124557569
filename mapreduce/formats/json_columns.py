"""Named fields of JSON objects, with types: the rest of a line is only checked to be JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Annotated, Any, TypedDict

import msgspec

from mapreduce import native
from mapreduce.formats.packed_column import PackedColumn
from mapreduce.formats.text import utf8
from mapreduce.input_formats import ColumnKind, JsonLines

_LEAST, _MOST = -(1 << 63), (1 << 63) - 1
_TYPES: dict[ColumnKind, Any] = {
    "str": str | None,
    "int": Annotated[int, msgspec.Meta(ge=_LEAST, le=_MOST)] | None,
    "float": float | None,
    "bool": bool | None,
    "object": Any,
}
_NOUNS: dict[ColumnKind, str] = {
    "str": "a text",
    "int": "an integer of 64 bits",
    "float": "a number",
    "bool": "true or false",
    "object": "a value",
}
COLUMN_NUMBERS: dict[ColumnKind, int] = {"str": 0, "int": 1, "float": 2, "bool": 3}
_SHOWN = 60
_PIECE_BYTES = 256 << 10

Row = tuple[Any, ...]


class WrongColumn(ValueError):
    """A value is no object, or one of its fields has another type than the job declares."""


class NamedFields:
    """Decodes lines into tuples of the named fields.

    Args:
        columns: the fields, with their types.
    """

    def __init__(self, columns: Mapping[str, ColumnKind]) -> None:
        self.columns = dict(columns)
        self.names = tuple(columns)
        self._nulls: dict[str, Any] = dict.fromkeys(columns)
        # the fields have numbers: any text may be a name in JSON
        fields = {f"f{number}": name for number, name in enumerate(columns)}
        self._decode_lines: Callable[[bytes], list[Any]] | None = None
        # msgspec renames to no name that JSON must escape
        if all(json.dumps(name, ensure_ascii=False)[1:-1] == name for name in columns):
            rows: Any = msgspec.defstruct(
                "Row",
                [
                    (field, _TYPES[kind], None)
                    for field, kind in zip(fields, columns.values(), strict=True)
                ],
                rename=fields,
                gc=False,
            )
            self._decode_lines = msgspec.json.Decoder(rows).decode_lines
        kinds = {name: _TYPES[kind] for name, kind in columns.items()}
        # a dict comes out of the decoder faster than an object whose fields make one
        typed: Any = TypedDict
        decoder: Any = msgspec.json.Decoder(typed("Row", kinds, total=False))
        self._decode: Callable[[bytes], dict[str, Any]] = decoder.decode

    def row(self, line: bytes) -> dict[str, Any]:
        """Return the fields of a line of UTF-8, in the order of the columns.

        Raises:
            msgspec.MsgspecError: `decode` cannot read it, but `checked` may.
        """
        row = self._decode(line)
        if tuple(row) == self.names:
            return row
        return {**self._nulls, **row}

    def checked(self, value: Any) -> dict[str, Any]:
        """Return the fields of a parsed value.

        Raises:
            WrongColumn: it is no object, or a field has another type.
        """
        if type(value) is not dict:
            raise WrongColumn(f"it is {_shown(value)}, and not an object with the named fields")
        return {name: _field(name, kind, value.get(name)) for name, kind in self.columns.items()}

    def lists(self, data: bytes, wanted: Sequence[str]) -> list[list[Any]] | None:
        """Return the columns of whole lines; None where the lines must be read one by one.

        Args:
            data: whole lines of UTF-8, which begin at no byte order mark.
            wanted: the names of the columns.
        """
        # each line begins and ends with a brace, and there are as many objects as lines: no object
        # crosses a line end, behind a brace and before a brace, and no line has two
        lines = _braced_lines(data)
        if lines < 1 or self._decode_lines is None:
            return None
        fields = [attrgetter(f"f{self.names.index(name)}") for name in wanted]
        columns: list[list[Any]] = [[] for _ in wanted]
        found = at = 0
        while at < len(data):
            # the objects of a longer piece no longer fit the processor's cache
            end = data.find(b"\n", at + _PIECE_BYTES) + 1 or len(data)
            try:
                rows = self._decode_lines(data[at:end])
            except (msgspec.MsgspecError, ValueError, RecursionError):
                return None
            for column, field in zip(columns, fields, strict=True):
                column.extend(map(field, rows))
            found += len(rows)
            at = end
        return columns if found == lines else None


def row_columns(form: JsonLines, data: bytes, offset: int) -> tuple[int, list[PackedColumn]] | None:
    """Return the number of lines, and all columns; None where Python must read the lines.

    Args:
        form: the options of the format, with columns.
        data: whole lines.
        offset: of the first one in the input.
    """
    whole, columns = utf8_lines(form, data, offset), form.columns or {}
    return None if whole is None else packed_columns(columns, whole, tuple(columns))


def utf8_lines(form: JsonLines, data: bytes, offset: int) -> bytes | None:
    """Return lines without the byte order mark of the input; None where they are no UTF-8."""
    return utf8(data, offset) if form.encoding == "utf-8" else None


def packed_columns(
    columns: Mapping[str, ColumnKind], data: bytes, wanted: Sequence[str]
) -> tuple[int, list[PackedColumn]] | None:
    """Return the number of lines, and the wanted columns; None where Python must read the lines.

    Args:
        columns: the fields, with their types.
        data: whole lines of UTF-8, which begin at no byte order mark.
        wanted: the names of some columns.
    """
    if native.extension is None or len(data) >= 1 << 31:
        return None
    if any(columns[name] == "object" for name in wanted):
        return None
    # all typed columns, because a row is bad if any of them has another type
    typed = [name for name, kind in columns.items() if kind != "object"]
    # half a surrogate pair may be in a name, and in no UTF-8
    encoded = [name.encode("utf-8", "surrogatepass") for name in typed]
    asked = tuple(
        (name, COLUMN_NUMBERS[columns[given]]) for name, given in zip(encoded, typed, strict=True)
    )
    found = native.extension.json_lines(data, asked)
    if found is None:
        return None
    rows, packed = found
    by_name = dict(zip(typed, packed, strict=True))
    return rows, [PackedColumn(columns[name], rows, *by_name[name]) for name in wanted]


def _braced_lines(data: bytes) -> int:
    """Return the number of lines; -1 if one does not begin and end with a brace."""
    if native.extension is not None:
        found: int = native.extension.braced_lines(data)
        return found
    whole = data if data.endswith(b"\n") else data + b"\n"
    lines = whole.count(b"\n")
    braced = data.startswith(b"{") and whole.count(b"}\n") == lines == whole.count(b"\n{") + 1
    return lines if braced else -1


def _field(name: str, kind: ColumnKind, value: Any) -> Any:
    found = type(value)
    if value is None or kind == "object":
        return value
    if kind == "float" and found is int:
        try:
            return float(value)
        except OverflowError:
            raise WrongColumn(f"its field {name!r} is too large for a float") from None
    if found.__name__ != kind or (kind == "int" and not _LEAST <= value <= _MOST):
        raise WrongColumn(f"its field {name!r} is {_shown(value)}, and not {_NOUNS[kind]}")
    return value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
