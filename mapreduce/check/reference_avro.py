"""The records of Avro files for the reference run: read value by value, by the text of the schema.

Shares nothing with `mapreduce.formats.avro`.
"""

from __future__ import annotations

import bz2
import io
import json
import lzma
import struct
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from mapreduce.formats.zstd import zstd

_DAY_0 = datetime(1970, 1, 1)
_UNITS = {"millis": 1000, "micros": 1}


def plain_rows(content: bytes) -> Iterator[tuple[str, Any]]:
    """Yield the key and the value of each record of a file."""
    file = io.BytesIO(content)
    file.seek(4)
    meta = _value({"type": "map", "values": "bytes"}, file, {}, "")
    schema, codec = json.loads(meta["avro.schema"]), meta.get("avro.codec", b"null")
    codecs: dict[bytes, Callable[[bytes], bytes]] = {
        b"null": bytes,
        b"deflate": lambda data: zlib.decompress(data, -15),
        b"bzip2": bz2.decompress,
        b"xz": lzma.decompress,
        b"zstandard": zstd.decompress,
    }
    file.seek(16, io.SEEK_CUR)
    while (at := file.tell()) < len(content):
        count = _value("long", file, {}, "")
        block = io.BytesIO(codecs[codec](_value("bytes", file, {}, "")))
        file.seek(16, io.SEEK_CUR)
        types: dict[str, Any] = {}
        for number in range(count):
            yield f"{at}:{number}", _value(schema, block, types, "")


def _value(schema: Any, file: io.BytesIO, types: dict[str, Any], space: str) -> Any:
    if isinstance(schema, list):
        return _value(schema[_long(file)], file, types, space)
    if isinstance(schema, dict):
        if isinstance(schema["type"], dict | list):
            return _value(schema["type"], file, types, space)
        if "name" in schema:
            head, _, tail = schema["name"].rpartition(".")
            space = head or schema.get("namespace", space)
            types[f"{space}.{tail}"] = schema
        value = _of_type(schema, file, types, space)
        return _of_logical(schema, value) if "logicalType" in schema else value
    if schema in ("null", "boolean", "int", "long", "float", "double", "bytes", "string"):
        return _of_type({"type": schema}, file, types, space)
    known = types.get(schema if "." in schema else f"{space}.{schema}") or types[f".{schema}"]
    return _value(known, file, types, space)


def _of_type(schema: dict[str, Any], file: io.BytesIO, types: dict[str, Any], space: str) -> Any:
    match schema["type"]:
        case "null":
            return None
        case "boolean":
            return file.read(1) == b"\x01"
        case "int" | "long":
            return _long(file)
        case "float":
            return struct.unpack("<f", file.read(4))[0]
        case "double":
            return struct.unpack("<d", file.read(8))[0]
        case "bytes":
            return file.read(_long(file))
        case "string":
            return file.read(_long(file)).decode()
        case "fixed":
            return file.read(schema["size"])
        case "enum":
            return schema["symbols"][_long(file)]
        case "array":
            return [_value(schema["items"], file, types, space) for _ in _items(file)]
        case "map":
            return {
                file.read(_long(file)).decode(): _value(schema["values"], file, types, space)
                for _ in _items(file)
            }
        case "record" | "error":
            return {
                each["name"]: _value(each["type"], file, types, space) for each in schema["fields"]
            }
    return _value(schema["type"], file, types, space)


def _items(file: io.BytesIO) -> Iterator[None]:
    """Yield once for each item of an array or map, which comes in blocks."""
    while count := _long(file):
        if count < 0:
            _long(file)
        for _ in range(abs(count)):
            yield


def _long(file: io.BytesIO) -> int:
    number = shift = 0
    more = True
    while more:
        (byte,) = file.read(1)
        number += (byte % 128) << shift
        shift += 7
        more = byte >= 128
    return -(number // 2) - 1 if number % 2 else number // 2


def _of_logical(schema: dict[str, Any], value: Any) -> Any:
    kind, _, unit = schema["logicalType"].rpartition("-")
    if kind in ("time", "timestamp", "local-timestamp"):
        moment = _DAY_0 + timedelta(microseconds=value * _UNITS[unit])
        if kind == "time":
            return moment.time()
        return moment.replace(tzinfo=UTC) if kind == "timestamp" else moment
    if unit == "date":
        return date(1970, 1, 1) + timedelta(days=value)
    if unit == "decimal":
        number = int.from_bytes(value, "big", signed=True)
        return Decimal(f"{number}E-{schema.get('scale', 0)}")
    return value
