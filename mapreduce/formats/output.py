"""Write pairs as JSON and JSON Lines, one pair a line, and read them back: the parts of a result.

(`mapreduce.formats.table_files` writes a whole result in every format.)

`mapreduce.formats.json_values` makes keys and values JSON values. A result.json is an object of
key to value if every key is a str and none comes twice, else a list of [key, value].
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import msgspec

from mapreduce import native
from mapreduce.formats.frames import RawFrame

JsonStyle: TypeAlias = Literal["json", "jsonl"]
JsonPair = tuple[Any, Any]
"""A key and a value as JSON values."""

# its text is byte for byte that of the native extension's rows
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def is_bytes(value: Any) -> bool:
    """Return whether a JSON value is bytes: an object of the one name `base64`, in that code."""
    if type(value) is not dict or len(value) != 1:
        return False
    text = value.get("base64")
    if type(text) is not str:
        return False
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return base64.b64encode(content) == text.encode()


def value_of_json(value: Any) -> Any:
    """Return a `jsonable` value with its bytes, also inside lists and dicts."""
    kind = type(value)
    if kind is dict:
        if is_bytes(value):
            return base64.b64decode(value["base64"])
        return {name: value_of_json(item) for name, item in value.items()}
    return [value_of_json(item) for item in value] if kind is list else value


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

    def rows_of_frame(self, frame: RawFrame) -> tuple[bytes, float | None] | None:
        """Return the rows of a frame by the native extension, and the rank of its heaviest value.

        None: the extension is missing, or leaves a key or value of the frame to Python.
        """
        if native.extension is None:
            return None
        found: tuple[bytes, float | None] | None = native.extension.rows(
            frame, self.separator + self.before, self.between, self.behind
        )
        return found if found is None else (found[0][len(self.separator) :], found[1])


_JSONL = JsonLayout(b"", b'{"key":', b',"value":', b"}\n", b"", b"")
_OBJECT = JsonLayout(b"{\n", b"", b": ", b"", b",\n", b"\n}\n")
_LIST = JsonLayout(b"[\n", b"[", b", ", b"]", b",\n", b"\n]\n")


def layout_of(style: JsonStyle, *, as_object: bool) -> JsonLayout:
    """Return the layout of a style.

    Args:
        style: the format.
        as_object: for "json": an object; the keys must be distinct strs.
    """
    if style == "jsonl":
        return _JSONL
    return _OBJECT if as_object else _LIST


def write_pairs(pairs: Iterable[JsonPair], style: JsonStyle, *, as_object: bool) -> Iterator[bytes]:
    """Yield the bytes of a result in blocks.

    Args:
        pairs: keys and values as `jsonable` returns them, in the order of the result.
        style: the format.
        as_object: for "json": an object; the keys must be distinct strs.
    """
    layout = layout_of(style, as_object=as_object)
    yield layout.head
    separator = b""
    for key, value in pairs:
        yield separator + layout.row(key, value)
        separator = layout.separator
    yield layout.tail


def write_objects(
    rows: Iterable[tuple[Any, ...]], names: Sequence[str], style: JsonStyle
) -> Iterator[bytes]:
    """Yield rows as one JSON object each: the lines of a .jsonl file, or the items of a list.

    Args:
        rows: their fields, as JSON values.
        names: of the fields.
        style: the format.
    """
    lines = style == "jsonl"
    yield b"" if lines else b"[\n"
    separator = b""
    for row in rows:
        yield separator + _encode(dict(zip(names, row, strict=True))) + (b"\n" if lines else b"")
        separator = b"" if lines else b",\n"
    yield b"" if lines else b"\n]\n"


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


def _parse_jsonl(line: bytes) -> JsonPair:
    record = _decode(line)
    return record["key"], record["value"]


def _parse_entry(line: bytes) -> JsonPair:
    ((key, value),) = _decode(b"{" + line.rstrip(b",") + b"}").items()
    return key, value


def _parse_item(line: bytes) -> JsonPair:
    key, value = _decode(line.rstrip(b","))
    return key, value
