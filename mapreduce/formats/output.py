"""How pairs are written as a result, and read back: JSON, JSON Lines, CSV and TSV, one pair a line in all of them.

(Parquet is no format of lines: `mapreduce.formats.parquet_output` writes it.)

In JSON a tuple is a list, and bytes are `{"base64": "..."}`. A result.json is an object of key to value when every key
is a str and none comes twice, else a list of [key, value].
"""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, TypeAlias

import msgspec

OutputFormat: TypeAlias = Literal["json", "jsonl", "csv", "tsv"]
FileFormat: TypeAlias = OutputFormat | Literal["parquet"]
JsonPair = tuple[Any, Any]
"""A key and a value as JSON holds them."""

_PLAIN = frozenset((str, int, float, bool, type(None)))
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def jsonable(value: Any) -> Any:
    """A key or value as JSON holds it."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is bytes:
        return {"base64": base64.b64encode(value).decode()}
    if kind is dict:
        return {name: jsonable(item) for name, item in value.items()}
    return [jsonable(item) for item in value]


def key_of_json(key: Any) -> Any:
    """The key that `jsonable` made this of (a JSON list can only be a tuple, an object only bytes)."""
    if isinstance(key, list):
        return tuple(key_of_json(item) for item in key)
    if isinstance(key, dict):
        return base64.b64decode(key["base64"])
    return key


def write_pairs(pairs: Iterable[JsonPair], style: OutputFormat, *, as_object: bool) -> Iterator[bytes]:
    """The bytes of a result in pieces.

    Args:
        pairs: keys and values as `jsonable` gives them, in the order in which they are to stand.
        style: the format.
        as_object: for "json": an object; the keys must be distinct strs.
    """
    if style == "jsonl":
        return _jsonl(pairs)
    if style == "json":
        return _json_object(pairs) if as_object else _json_list(pairs)
    return _separated(pairs, "," if style == "csv" else "\t")


def read_pairs(lines: Iterable[bytes]) -> Iterator[JsonPair]:
    """The pairs of a .jsonl part or a result.json that `write_pairs` wrote, line by line."""
    parse: Callable[[bytes], JsonPair] = _parse_jsonl
    for number, raw in enumerate(lines):
        line = raw.strip()
        if number == 0 and line in (b"{", b"["):
            parse = _parse_entry if line == b"{" else _parse_item
            continue
        if line not in (b"", b"}", b"]"):
            yield parse(line)


def _jsonl(pairs: Iterable[JsonPair]) -> Iterator[bytes]:
    for key, value in pairs:
        yield b'{"key":' + _encode(key) + b',"value":' + _encode(value) + b"}\n"


def _json_object(pairs: Iterable[JsonPair]) -> Iterator[bytes]:
    yield b"{\n"
    separator = b""
    for key, value in pairs:
        yield separator + _encode(key) + b": " + _encode(value)
        separator = b",\n"
    yield b"\n}\n"


def _json_list(pairs: Iterable[JsonPair]) -> Iterator[bytes]:
    yield b"[\n"
    separator = b""
    for key, value in pairs:
        yield separator + b"[" + _encode(key) + b", " + _encode(value) + b"]"
        separator = b",\n"
    yield b"\n]\n"


def _separated(pairs: Iterable[JsonPair], delimiter: str) -> Iterator[bytes]:
    text = io.StringIO(newline="")
    plain = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    quoted = csv.writer(text, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
    plain.writerow(("key", "value"))
    for key, value in pairs:
        row = (_cell(key), _cell(value))
        # a bare carriage return ends a row for most readers, but csv quotes one only from Python 3.13 on
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
