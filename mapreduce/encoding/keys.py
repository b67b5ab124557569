"""Encode keys as bytes that sort as the keys sort, and decode them.

Each type has a tag, and types sort by tag: None, bool, int, float, Decimal, date, datetime without
and with a time zone, time, bytes, tuple, members of an Enum, dataclasses, named tuples, descending
keys, str. `1`, `1.0`, `True` and `Decimal(1)` are four keys; `Decimal("1.0")` and `Decimal(1)` are
one, as are two times with a zone that are the same instant.
"""

from __future__ import annotations

import datetime
import math
import struct
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeAlias

from mapreduce.encoding import numpys, times
from mapreduce.encoding.decimals import decimal_of, ordered_decimal
from mapreduce.encoding.descending import Descending
from mapreduce.encoding.named import Kind, Named, field_names, made, named
from mapreduce.encoding.refusals import NotCarriable, surrogate, unknown_key

Key: TypeAlias = Any
"""A type of the list above; a type checker cannot know the fields of an author's own class."""

# stored in map outputs and part of every partition: a tag must never change. Text has the greatest,
# so that a result whose first key is a text has no other keys
NONE, FALSE, TRUE, INT, FLOAT, DECIMAL = (
    bytes([tag]) for tag in (0x08, 0x10, 0x11, 0x20, 0x30, 0x34)
)
DATE, NAIVE, AWARE, TIME = (bytes([tag]) for tag in (0x38, 0x39, 0x3A, 0x3B))
BYTES, TUPLE, ENUM, DATACLASS, NAMEDTUPLE, DESCENDING, STR = (
    bytes([tag]) for tag in (0x40, 0x50, 0x52, 0x54, 0x55, 0x58, 0x60)
)
STR_TAG = STR[0]
_END = b"\x00"
_FIXED = {NONE: 0, FALSE: 0, TRUE: 0, FLOAT: 8, DATE: 4, NAIVE: 8, AWARE: 8, TIME: 8}
"""The length of the types that always have the same, without the tag."""
_CLASSES: dict[Kind, bytes] = {"enum": ENUM, "dataclass": DATACLASS, "namedtuple": NAMEDTUPLE}
_KINDS = {tag: kind for kind, tag in _CLASSES.items()}
_INVERTED = bytes(range(255, -1, -1))
# the length byte is 0x80 plus or minus the length, so the length must stay below 128
_MAX_INT_BYTES = 126


def encode_key(key: Key) -> bytes:
    """Return the bytes of a key; their order is the keys' order.

    Raises:
        NotCarriable: the key has an unsupported type or content.
    """
    kind = type(key)
    # a key that stands alone ends with its bytes, so text needs neither escapes nor an end mark
    if kind is str:
        return STR + _utf8(key)
    if kind is bytes:
        raw: bytes = key
        return BYTES + raw
    if kind is tuple:
        return TUPLE + b"".join(map(_element, key))
    if kind not in _ALONE and numpys.is_numpy(key):
        return encode_key(numpys.as_key(numpys.plain(key)))
    return _element(key)


def decode_key(data: bytes) -> Key:
    """Return the key of the bytes that `encode_key` returned."""
    tag = data[0]
    if tag == STR_TAG:
        return data[1:].decode("utf-8")
    if tag == BYTES[0]:
        return data[1:]
    if tag == TUPLE[0]:
        return _decode_tuple(data, 1)[0]
    return _decode_element(data, 0)[0]


def key_prefix(data: bytes, fields: int) -> bytes:
    """Return the bytes of the key that holds only the first `fields` fields of an encoded tuple.

    Raises:
        NotCarriable: the key is not a tuple of at least `fields` fields.
    """
    at = 1
    if data[0] == TUPLE[0]:
        for _ in range(fields):
            if at >= len(data):
                break
            at = _element_end(data, at)
        else:
            return data[:at]
    raise NotCarriable(
        f"the key {decode_key(data)!r} is not a tuple of at least {fields} fields, "
        "which `group_by` needs"
    )


_ALONE = frozenset((int, float, bool, type(None), Decimal))
"""Types that are certainly not numpy's, and frequent."""


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise surrogate(text) from exc


def _element(key: Key) -> bytes:
    """Return one key inside a tuple: as `encode_key`, but self-delimiting."""
    kind = type(key)
    # a zero byte inside is escaped as 00 FF, so that the end, a bare 00, sorts before any content
    if kind is str:
        return STR + _utf8(key).replace(b"\x00", b"\x00\xff") + _END
    if kind is int:
        return INT + _ordered_int(key)
    if kind is float:
        return FLOAT + _ordered_float(key)
    if kind is bool:
        return TRUE if key else FALSE
    if kind is bytes:
        raw: bytes = key.replace(b"\x00", b"\x00\xff")
        return BYTES + raw + _END
    if kind is tuple:
        return TUPLE + b"".join(map(_element, key)) + _END
    if (encode := _OTHERS.get(kind)) is not None:
        return encode(key)
    if (parts := named(key, key=True)) is not None:
        fields = (parts.name, *parts.fields.values())
        return _CLASSES[parts.kind] + b"".join(map(_element, fields)) + _END
    if numpys.is_numpy(key):
        return _element(numpys.as_key(numpys.plain(key)))
    raise unknown_key(key)


def _descending(key: Descending) -> bytes:
    # the inverted end mark: a text is the beginning of another one that goes on with a zero byte,
    # and has to sort behind it here
    return DESCENDING + (_element(key.value) + _END).translate(_INVERTED)


_OTHERS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda key: NONE,
    Decimal: lambda key: DECIMAL + ordered_decimal(key),
    datetime.date: lambda key: DATE + times.ordered_date(key),
    datetime.datetime: lambda key: (
        (NAIVE if key.tzinfo is None else AWARE) + times.ordered_datetime(key)
    ),
    datetime.time: lambda key: TIME + times.ordered_time(key),
    Descending: _descending,
}


def _ordered_int(number: int) -> bytes:
    size = (abs(number).bit_length() + 7) // 8
    if size > _MAX_INT_BYTES:
        raise NotCarriable(
            f"an integer key of {size} bytes cannot be carried (at most {_MAX_INT_BYTES}); use str"
        )
    # the number of bytes comes first, so that longer numbers sort further from zero; a negative
    # number counts it down and stores the complement
    if number >= 0:
        return bytes([0x80 + size]) + number.to_bytes(size, "big")
    return bytes([0x80 - size]) + ((1 << (8 * size)) - 1 + number).to_bytes(size, "big")


def _ordered_float(number: float) -> bytes:
    if not math.isfinite(number):
        raise NotCarriable(
            f"the key {number!r} cannot be carried: JSON has no such number; "
            "skip the record, or use a str such as 'missing'"
        )
    raw = struct.pack(">d", number + 0.0)  # -0.0 equals 0.0, so it is the same key
    # IEEE 754 sorts as sign and magnitude: flip all bits of a negative number, else the sign bit
    bits = int.from_bytes(raw, "big")
    return ((bits ^ 0xFFFFFFFFFFFFFFFF) if bits >> 63 else (bits | 1 << 63)).to_bytes(8, "big")


def _decode_tuple(data: bytes, at: int) -> tuple[tuple[Key, ...], int]:
    items: list[Key] = []
    # an inner tuple ends with a zero byte, the outermost with the data
    while at < len(data) and data[at] != 0:
        item, at = _decode_element(data, at)
        items.append(item)
    return tuple(items), at + 1


def _decode_element(data: bytes, at: int) -> tuple[Key, int]:
    tag, at = data[at : at + 1], at + 1
    if tag in _FIXED:
        end = at + _FIXED[tag]
        return _DECODE[tag](data[at:end]), end
    if tag == INT:
        size = data[at] - 0x80
        end = at + 1 + abs(size)
        number = int.from_bytes(data[at + 1 : end], "big")
        return (number if size >= 0 else number - (1 << (-8 * size)) + 1), end
    if tag == TUPLE:
        return _decode_tuple(data, at)
    if tag == DECIMAL:
        return decimal_of(data, at)
    if tag in _KINDS:
        (name, *fields), end = _decode_tuple(data, at)
        return _made(_KINDS[tag], name, fields), end
    if tag == DESCENDING:
        value, length = _decode_element(data[at:].translate(_INVERTED), 0)
        return Descending(value), at + length + 1
    end = _text_end(data, at)
    raw = data[at : end - 1].replace(b"\x00\xff", b"\x00")
    return (raw.decode("utf-8") if tag == STR else raw), end


def _decode_float(data: bytes) -> float:
    bits = int.from_bytes(data, "big")
    # after encoding, a set first bit marks a positive number
    bits = (bits ^ (1 << 63)) if bits >> 63 else bits ^ 0xFFFFFFFFFFFFFFFF
    number: float = struct.unpack(">d", bits.to_bytes(8, "big"))[0]
    return number


_DECODE: dict[bytes, Callable[[bytes], Any]] = {
    NONE: lambda data: None,
    FALSE: lambda data: False,
    TRUE: lambda data: True,
    FLOAT: _decode_float,
    DATE: times.date_of,
    NAIVE: times.naive_of,
    AWARE: times.aware_of,
    TIME: times.time_of,
}


def _made(kind: Kind, name: str, fields: list[Any]) -> Any:
    """Return a value of an author's class; its fields' names are those of the class here."""
    return made(Named(kind, name, dict(zip(field_names(kind, name), fields, strict=True))))


def _text_end(data: bytes, at: int) -> int:
    """Return the end of a text or of bytes, behind the end mark."""
    # 00 FF is a zero byte of the text, and a bare 00 its end
    end = data.index(_END, at)
    while data[end + 1 : end + 2] == b"\xff":
        end = data.index(_END, end + 2)
    return end + 1


def _element_end(data: bytes, at: int) -> int:
    """Return the end of the element that begins at `at`."""
    tag, at = data[at : at + 1], at + 1
    if tag in _FIXED:
        return at + _FIXED[tag]
    if tag == INT:
        return at + 1 + abs(data[at] - 0x80)
    if tag == TUPLE or tag in _KINDS:
        while data[at]:
            at = _element_end(data, at)
        return at + 1
    if tag == DECIMAL:
        return decimal_of(data, at)[1]
    if tag == DESCENDING:
        return at + _element_end(data[at:].translate(_INVERTED), 0) + 1
    return _text_end(data, at)
