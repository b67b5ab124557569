"""Encode values as MessagePack with extensions, and decode them."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec

from mapreduce.encoding import numpys
from mapreduce.encoding.named import Named, made, named
from mapreduce.encoding.refusals import NotCarriable, surrogate, type_name, unknown_value

Value: TypeAlias = Any
"""A JSON value, bytes, a tuple, a Decimal, a date or time, or a value of an author's class."""

# stored in map outputs: a code must never change
_TUPLE, _BIG_INT, _DECIMAL, _DATE, _DATETIME, _TIME, _NAMED = range(1, 8)


def encode_value(value: Value) -> bytes:
    """Return the bytes of a value.

    Raises:
        NotCarriable: the value has an unsupported type or content.
    """
    kind = type(value)
    # the most frequent types skip `_carried`, which looks at every part of a value
    if kind is str:
        try:
            return _PACK(value)
        except UnicodeEncodeError as exc:
            raise surrogate(value) from exc
    if kind is int and -(1 << 63) <= value < (1 << 63):
        return _PACK(value)
    return _PACK(_carried(value))


def decode_value(data: bytes | memoryview) -> Value:
    """Return the value of the bytes that `encode_value` returned."""
    return _UNPACK(data)


def pack_value(value: Value) -> int | bytes:
    """Return a value as a frame holds it: an int of 64 bits as it is, else its encoded bytes."""
    # `type() is`, because a bool is an int too, and must come back as a bool
    if type(value) is int and -(1 << 63) <= value < (1 << 63):
        return value
    return encode_value(value)


def unpack_value(packed: int | bytes) -> Value:
    """Return the value that `pack_value` packed."""
    return packed if isinstance(packed, int) else decode_value(packed)


def _text(text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise surrogate(text) from exc
    return text


def _carried(value: Any) -> Any:
    """Return the value with what MessagePack has no type for wrapped.

    Raises:
        NotCarriable: the value or a part of it is not supported.
    """
    kind = type(value)
    if value is None or kind is bool or kind is bytes:
        return value
    if (carry := _CARRY.get(kind)) is not None:
        return carry(value)
    if (parts := named(value)) is not None:
        return _ext(_NAMED, [parts.kind, parts.name, _dict(dict(parts.fields))])
    if numpys.is_numpy(value):
        return _carried(numpys.plain(value))
    raise unknown_value(value)


def _int(number: int) -> Any:
    if -(1 << 63) <= number < (1 << 63):
        return number
    # one byte more than the bits fill, if need be: the sign takes a bit
    size = number.bit_length() // 8 + 1
    return msgspec.msgpack.Ext(_BIG_INT, number.to_bytes(size, "big", signed=True))


def _float(number: float) -> float:
    if not math.isfinite(number):
        raise NotCarriable(
            f"the value {number!r} cannot be carried: JSON has no such number; skip the record "
            "(`if math.isfinite(value)`), or yield None where no aggregation computes with it"
        )
    return number


def _decimal(number: Decimal) -> Any:
    if not number.is_finite():
        raise NotCarriable(
            f"the value {number!r} cannot be carried: it is not a number; skip the record, or "
            "yield None where no aggregation computes with it"
        )
    return _ext(_DECIMAL, str(number))


def _dict(value: dict[Any, Any]) -> dict[str, Any]:
    return {_field(name): _carried(item) for name, item in value.items()}


def _field(name: object) -> str:
    if type(name) is not str:
        raise NotCarriable(
            f"a dict with a key of type {type_name(name)} cannot be carried; JSON has only str keys"
        )
    return _text(name)


def _ext(code: int, content: Any) -> msgspec.msgpack.Ext:
    return msgspec.msgpack.Ext(code, _PACK(content))


_CARRY: dict[type, Callable[[Any], Any]] = {
    str: _text,
    int: _int,
    float: _float,
    list: lambda value: [_carried(item) for item in value],
    tuple: lambda value: _ext(_TUPLE, [_carried(item) for item in value]),
    dict: _dict,
    Decimal: _decimal,
    datetime.date: lambda value: _ext(_DATE, value.isoformat()),
    datetime.datetime: lambda value: _ext(_DATETIME, value.isoformat()),
    datetime.time: lambda value: _ext(_TIME, value.isoformat()),
}


def _unwrap(code: int, data: memoryview) -> object:
    if code == _BIG_INT:
        return int.from_bytes(data, "big", signed=True)
    if code not in _MADE:
        raise ValueError(f"unknown extension {code} in a value")
    return _MADE[code](_UNPACK(data))


_MADE: dict[int, Callable[[Any], Any]] = {
    _TUPLE: tuple,
    _DECIMAL: Decimal,
    _DATE: datetime.date.fromisoformat,
    _DATETIME: datetime.datetime.fromisoformat,
    _TIME: datetime.time.fromisoformat,
    _NAMED: lambda content: made(Named(*content)),
}
_PACK = msgspec.msgpack.Encoder().encode
_UNPACK = msgspec.msgpack.Decoder(ext_hook=_unwrap).decode
