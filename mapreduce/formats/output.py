"""Write pairs as a result and read them back: JSON, JSON Lines, CSV and TSV, one pair a line.

(Parquet does not consist of lines: `mapreduce.formats.parquet_output` writes it.)

`mapreduce.formats.json_values` makes keys and values JSON values. A result.json is an object of
key to value if every key is a str and none comes twice, else a list of [key, value].
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import msgspec

from mapreduce import native
from mapreduce.formats.frames import RawFrame

OutputFormat: TypeAlias = Literal["json", "jsonl", "csv", "tsv"]
FileFormat: TypeAlias = OutputFormat | Literal["parquet"]
JsonPair = tuple[Any, Any]
"""A key and a value as JSON values."""

# its text is byte for byte that of the native extension's rows
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class JsonLayout:
    """The text around the rows of a JSON result, and around the key and value of each."""

    head: bytes
    before: bytes
    between: bytes
    behind: bytes
    separator: bytes
    tail: bytes

    def row(self, key: Any, value: Any) -> bytes:
        """Return one pair as text."""
        return self.before + _encode(key) + self.between + _encode(value) + self.behind

    def rows(self, pairs: Iterable[JsonPair]) -> bytes:
        """Return several pairs as text, with separators between them."""
        return self.separator.join(self.row(key, value) for key, value in pairs)

    def rows_of_frame(self, frame: RawFrame) -> bytes | None:
        """Return the rows of a frame of str keys and 64-bit integers by the native extension; else
        None.
        """
        if native.extension is None:
            return None
        rows: bytes | None = native.extension.rows(
            frame, self.separator + self.before, self.between, self.behind
        )
        return rows if rows is None else rows[len(self.separator) :]


_JSONL = JsonLayout(b"", b'{"key":', b',"value":', b"}\n", b"", b"")
_OBJECT = JsonLayout(b"{\n", b"", b": ", b"", b",\n", b"\n}\n")
_LIST = JsonLayout(b"[\n", b"[", b", ", b"]", b",\n", b"\n]\n")


def layout_of(style: Literal["json", "jsonl"], *, as_object: bool) -> JsonLayout:
    """Return the layout of a style.

    Args:
        style: the format.
        as_object: for "json": an object; the keys must be distinct strs.
    """
    if style == "jsonl":
        return _JSONL
    return _OBJECT if as_object else _LIST


def write_pairs(
    pairs: Iterable[JsonPair], style: OutputFormat, *, as_object: bool
) -> Iterator[bytes]:
    """Yield the bytes of a result in blocks.

    Args:
        pairs: keys and values as `jsonable` returns them, in the order of the result.
        style: the format.
        as_object: for "json": an object; the keys must be distinct strs.
    """
    if style in ("json", "jsonl"):
        return _json(pairs, layout_of("json" if style == "json" else "jsonl", as_object=as_object))
    return _separated(pairs, "," if style == "csv" else "\t")


def read_pairs(lines: Iterable[bytes]) -> Iterator[JsonPair]:
    """Yield the pairs of a .jsonl part or a result.json of `write_pairs`, line by line."""
    parse: Callable[[bytes], JsonPair] = _parse_jsonl
    for number, raw in enumerate(lines):
        line = raw.strip()
        if number == 0 and line in (b"{", b"["):
            parse = _parse_entry if line == b"{" else _parse_item
            continue
        if line not in (b"", b"}", b"]"):
            yield parse(line)


def _json(pairs: Iterable[JsonPair], layout: JsonLayout) -> Iterator[bytes]:
    yield layout.head
    separator = b""
    for key, value in pairs:
        yield separator + layout.row(key, value)
        separator = layout.separator
    yield layout.tail


def _separated(pairs: Iterable[JsonPair], delimiter: str) -> Iterator[bytes]:
    # newline="": the csv module writes the line ends itself
    text = io.StringIO(newline="")
    plain = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    quoted = csv.writer(text, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
    plain.writerow(("key", "value"))
    for key, value in pairs:
        row = (_cell(key), _cell(value))
        # a bare carriage return ends a row for most readers; csv quotes it only since Python 3.13
        (quoted if "\r" in row[0] or "\r" in row[1] else plain).writerow(row)
        if text.tell() > 1 << 16:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else _encode(value).decode()


def _parse_jsonl(line: bytes) -> JsonPair:
    record = _decode(line)
    return record["key"], record["value"]


def _parse_entry(line: bytes) -> JsonPair:
    ((key, value),) = _decode(b"{" + line.rstrip(b",") + b"}").items()
    return key, value


def _parse_item(line: bytes) -> JsonPair:
    key, value = _decode(line.rstrip(b","))
    return key, value
