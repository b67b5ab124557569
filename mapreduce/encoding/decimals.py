"""Decimals as bytes that sort by value: equal numbers have equal bytes, whatever their zeros."""

from __future__ import annotations

from decimal import Decimal

from mapreduce.encoding.refusals import NotCarriable

_NEGATIVE, _ZERO, _POSITIVE = b"\x00", b"\x01", b"\x02"
_INVERTED = bytes(range(255, -1, -1))
_BIAS = 1 << 63
_END = b"\x00"
_SHORT_ZEROS = 30
"""A whole number is shown without an exponent if it ends with at most so many zeros."""


def ordered_decimal(number: Decimal) -> bytes:
    """Return the sign, the power of ten and the digits; all of a negative number inverted.

    Raises:
        NotCarriable: it is not finite.
    """
    if not number.is_finite():
        raise NotCarriable(
            f"the key {number!r} cannot be carried: it is not a number; "
            "skip the record, or use a str such as 'missing'"
        )
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    first = next((at for at, digit in enumerate(digits) if digit), None)
    if first is None:
        return _ZERO
    text = bytes(digit + 1 for digit in digits[first:])
    # 0.d1d2d3... times ten to this power: it decides between two numbers before their digits do
    power = exponent + len(text) + _BIAS
    body = power.to_bytes(8, "big") + text.rstrip(b"\x01") + _END
    return _NEGATIVE + body.translate(_INVERTED) if sign else _POSITIVE + body


def decimal_of(data: bytes, at: int) -> tuple[Decimal, int]:
    """Return the number whose bytes begin at `at`, without trailing zeros, and where they end."""
    sign, at = data[at : at + 1], at + 1
    if sign == _ZERO:
        return Decimal(0), at
    negative = sign == _NEGATIVE
    end = data.index(_END.translate(_INVERTED) if negative else _END, at + 8)
    body = data[at:end].translate(_INVERTED) if negative else data[at:end]
    digits = [digit - 1 for digit in body[8:]]
    exponent = int.from_bytes(body[:8], "big") - _BIAS - len(digits)
    if 0 < exponent <= _SHORT_ZEROS:
        digits, exponent = [*digits, *[0] * exponent], 0
    return Decimal((negative, tuple(digits), exponent)), end + 1
