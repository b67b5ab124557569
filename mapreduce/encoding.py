"""Encode keys and values as bytes, and decode them.

Encoded keys sort as bytes exactly as the keys sort (the idea of FoundationDB's tuple layer), so
that merging never decodes one. Each type has a tag, and types sort by tag: bool, int, float, bytes,
tuple, str. `1`, `1.0` and `True` are three keys. Values are MessagePack with two extensions, for
tuples and for integers beyond 64 bits. Nothing is ever pickled: an unsupported value is refused
here, with its type and what to write instead.
"""

from __future__ import annotations

import math
import struct
from typing import TypeAlias, Union

import msgspec

Key: TypeAlias = Union[str, bytes, int, float, bool, tuple["Key", ...]]  # noqa: UP007 - recursive
Value: TypeAlias = Union[  # noqa: UP007 - recursive
    bool, int, float, str, bytes, list["Value"], tuple["Value", ...], dict[str, "Value"], None
]

# stored in map outputs and part of every partition: a tag must never change
FALSE, TRUE, INT, FLOAT, BYTES, TUPLE, STR = (
    bytes([tag]) for tag in (0x10, 0x11, 0x20, 0x30, 0x40, 0x50, 0x60)
)
STR_TAG = STR[0]
_END = b"\x00"
# the length byte is 0x80 plus or minus the length, so the length must stay below 128
_MAX_INT_BYTES = 126
_TUPLE_EXT, _BIG_INT_EXT = 1, 2


class NotCarriable(TypeError):
    """A key or value of an unsupported type or content."""


def encode_key(key: Key) -> bytes:
    """Return the bytes of a key; their order is the keys' order.

    Raises:
        NotCarriable: the key is not a str, bytes, int, float, bool or tuple of these.
    """
    kind = type(key)
    # a key that stands alone ends with its bytes, so text needs neither escapes nor an end mark
    if kind is str:
        return STR + _utf8(key)  # type: ignore[arg-type]
    if kind is bytes:
        return BYTES + key  # type: ignore[operator]
    if kind is tuple:
        return TUPLE + b"".join(map(_element, key))  # type: ignore[arg-type]
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


def encode_value(value: Value) -> bytes:
    """Return the bytes of a value.

    Raises:
        NotCarriable: the value is not a JSON value, bytes or a tuple.
    """
    kind = type(value)
    # the most frequent types skip `_carried`, which looks at every part of a value
    if kind is str:
        try:
            return _PACK(value)
        except UnicodeEncodeError as exc:
            raise NotCarriable(_surrogate(value)) from exc  # type: ignore[arg-type]
    if kind is int and -(1 << 63) <= value < (1 << 63):  # type: ignore[operator]
        return _PACK(value)
    return _PACK(_carried(value))


def decode_value(data: bytes | memoryview) -> Value:
    """Return the value of the bytes that `encode_value` returned."""
    decoded: Value = _UNPACK(data)
    return decoded


def pack_value(value: Value) -> int | bytes:
    """Return a value as a frame holds it: an int of 64 bits as it is, else its encoded bytes."""
    # `type() is`, because a bool is an int too, and must come back as a bool
    if type(value) is int and -(1 << 63) <= value < (1 << 63):
        return value
    return encode_value(value)


def unpack_value(packed: int | bytes) -> Value:
    """Return the value that `pack_value` packed."""
    return packed if type(packed) is int else decode_value(packed)  # type: ignore[arg-type]


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise NotCarriable(_surrogate(text)) from exc


def _surrogate(text: str) -> str:
    return (
        f"the text {text[:40]!r} holds a lone surrogate, which UTF-8 cannot encode; "
        "decode with errors='replace'"
    )


def _element(key: Key) -> bytes:
    """Return one key inside a tuple: as `encode_key`, but self-delimiting."""
    kind = type(key)
    # a zero byte inside is escaped as 00 FF, so that the end, a bare 00, sorts before any content
    if kind is str:
        return STR + _utf8(key).replace(b"\x00", b"\x00\xff") + _END  # type: ignore[arg-type]
    if kind is int:
        return INT + _ordered_int(key)  # type: ignore[arg-type]
    if kind is float:
        return FLOAT + _ordered_float(key)  # type: ignore[arg-type]
    if kind is bool:
        return TRUE if key else FALSE
    if kind is bytes:
        return BYTES + key.replace(b"\x00", b"\x00\xff") + _END  # type: ignore[union-attr,arg-type,operator]
    if kind is tuple:
        return TUPLE + b"".join(map(_element, key)) + _END  # type: ignore[arg-type]
    raise NotCarriable(
        f"a key of type {_name(key)} cannot be carried; use str, bytes, int, float, bool or a "
        f"tuple of these{_way_out(key, _KEY_HINTS)}"
    )


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
    if tag in (TRUE, FALSE):
        return tag == TRUE, at
    if tag == INT:
        size = data[at] - 0x80
        end = at + 1 + abs(size)
        number = int.from_bytes(data[at + 1 : end], "big")
        return (number if size >= 0 else number - (1 << (-8 * size)) + 1), end
    if tag == FLOAT:
        bits = int.from_bytes(data[at : at + 8], "big")
        # after encoding, a set first bit marks a positive number
        bits = (bits ^ (1 << 63)) if bits >> 63 else bits ^ 0xFFFFFFFFFFFFFFFF
        return struct.unpack(">d", bits.to_bytes(8, "big"))[0], at + 8
    if tag == TUPLE:
        return _decode_tuple(data, at)
    # 00 FF is a zero byte of the text, and a bare 00 its end
    end = data.index(_END, at)
    while data[end + 1 : end + 2] == b"\xff":
        end = data.index(_END, end + 2)
    raw = data[at:end].replace(b"\x00\xff", b"\x00")
    return (raw.decode("utf-8") if tag == STR else raw), end + 1


def _element_end(data: bytes, at: int) -> int:
    """Return the end of the element that begins at `at`."""
    tag, at = data[at : at + 1], at + 1
    if tag in (TRUE, FALSE):
        return at
    if tag == INT:
        return at + 1 + abs(data[at] - 0x80)
    if tag == FLOAT:
        return at + 8
    if tag == TUPLE:
        while data[at]:
            at = _element_end(data, at)
        return at + 1
    end = data.index(_END, at)
    while data[end + 1 : end + 2] == b"\xff":
        end = data.index(_END, end + 2)
    return end + 1


def _carried(value: object) -> object:
    """Return the value with tuples and big integers wrapped.

    Raises:
        NotCarriable: the value or a part of it is not supported.
    """
    kind = type(value)
    if value is None or kind is bool or kind is bytes:
        return value
    if kind is str:
        _utf8(value)  # type: ignore[arg-type]
        return value
    if kind is int:
        number: int = value  # type: ignore[assignment]
        if -(1 << 63) <= number < (1 << 63):
            return number
        return msgspec.msgpack.Ext(
            # one byte more than the bits fill, if need be: the sign takes a bit
            _BIG_INT_EXT,
            number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True),
        )
    if kind is float:
        if not math.isfinite(value):  # type: ignore[arg-type]
            raise NotCarriable(
                f"the value {value!r} cannot be carried: JSON has no such number; skip the record "
                "(`if math.isfinite(value)`), or yield None where no aggregation computes with it"
            )
        return value
    if kind is list:
        return [_carried(item) for item in value]  # type: ignore[attr-defined]
    if kind is tuple:
        return msgspec.msgpack.Ext(_TUPLE_EXT, _PACK([_carried(item) for item in value]))  # type: ignore[attr-defined]
    if kind is dict:
        return {_field(name): _carried(item) for name, item in value.items()}  # type: ignore[attr-defined]
    raise NotCarriable(
        f"a value of type {_name(value)} cannot be carried; "
        f"use None, bool, int, float, str, bytes, or a list, tuple or dict of these"
        f"{_way_out(value, _VALUE_HINTS)}"
    )


def _field(name: object) -> str:
    if type(name) is not str:
        raise NotCarriable(
            f"a dict with a key of type {_name(name)} cannot be carried; JSON has only str keys"
        )
    _utf8(name)
    return name


_KEY_HINTS = {
    "for one group of everything, take a constant such as 'all'": "NoneType",
    "tuple(key)": "list",
    "tuple(sorted(key))": "set frozenset",
    "tuple(sorted(key.items()))": "dict",
    "key.isoformat()": "datetime.date datetime.datetime",
    "str(key)": "decimal.Decimal",
}
"""What to write, and the types in whose place."""
_VALUE_HINTS = {
    "sorted(value)": "set frozenset",
    "list(value)": "generator map dict_values dict_keys dict_items",
    "value.isoformat()": "datetime.date datetime.datetime",
    "str(value)": "decimal.Decimal",
    "(value.numerator, value.denominator)": "fractions.Fraction",
    "dict(value)": "collections.Counter collections.defaultdict",
    "bytes(value)": "bytearray",
}


def _way_out(value: object, hints: dict[str, str]) -> str:
    """Return what to write instead of a value of that type, as the end of a sentence, or ""."""
    if hasattr(value, "dtype") and hasattr(value, "tolist"):  # numpy's scalars and arrays
        return "; of numpy, write value.tolist()"
    hint = next((hint for hint, names in hints.items() if _name(value) in names.split()), "")
    return f"; write {hint}" if hint.endswith(")") else f"; {hint}" if hint else ""


def _name(value: object) -> str:
    kind = type(value)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"{module}{kind.__qualname__}"


def _unwrap(code: int, data: memoryview) -> object:
    if code == _TUPLE_EXT:
        return tuple(_UNPACK(data))
    if code == _BIG_INT_EXT:
        return int.from_bytes(data, "big", signed=True)
    raise ValueError(f"unknown extension {code} in a value")


_PACK = msgspec.msgpack.Encoder().encode
_UNPACK = msgspec.msgpack.Decoder(ext_hook=_unwrap).decode
