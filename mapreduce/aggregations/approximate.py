"""Approximate aggregations, whose states stay small however many values a key has.

They are deterministic: the result depends on the values alone, not on their order or the splits.
"""

from __future__ import annotations

import math
import struct
import sys
from fractions import Fraction
from typing import Any

from mapreduce.aggregate import Aggregation, check_number

_SHIFT = 52 - 7
"""A bucket holds the floats that agree in sign, exponent and the first 7 bits of the fraction."""
_MOST = (1 << 63) - 1
_LARGEST = sys.float_info.max


class ApproximateQuantile(Aggregation[dict[str, int]]):
    """A quantile of numbers to within 0.4 % of its value, in a state of bounded size.

    `ApproximateQuantile(0.95)` is near the value that 95 % of the values do not exceed (nearest
    rank), and exact about its rank. The state counts the values in buckets that are 0.8 % wide: at
    most 128 for each power of two that the values reach.
    """

    grows = True
    associative = True
    keeps_values = False

    def __init__(self, quantile: float) -> None:
        if type(quantile) not in (int, float) or not 0 <= quantile <= 1:
            raise ValueError(
                f"a quantile lies between 0 and 1, not {quantile!r}; "
                "write ApproximateQuantile(0.95)"
            )
        self.quantile = Fraction(repr(quantile))

    def create(self, value: Any) -> dict[str, int]:
        return {str(self._bucket(value)): 1}

    def add(self, state: dict[str, int], value: Any) -> dict[str, int]:
        name = str(self._bucket(value))
        state[name] = state.get(name, 0) + 1
        return state

    def merge(self, state: dict[str, int], other: dict[str, int]) -> dict[str, int]:
        total = dict(state)
        for name, count in other.items():
            total[name] = total.get(name, 0) + count
        # one order for all splits: a state is compared and kept as bytes
        return dict(sorted(total.items()))

    def result(self, state: dict[str, int]) -> float:
        counts = sorted((int(name), count) for name, count in state.items())
        left = max(1, math.ceil(self.quantile * sum(state.values())))
        for bucket, count in counts:
            left -= count
            if left <= 0:
                return _middle(bucket)
        raise AssertionError("a state has at least one value")

    def plain(self, values: list[Any]) -> float:
        inorder = sorted(float(self._checked(value)) for value in values)
        exact = inorder[max(0, math.ceil(self.quantile * len(inorder)) - 1)]
        return _middle(self._bucket(exact))

    def _checked(self, value: Any) -> Any:
        check_number(value, type(self).__name__)
        # an int beyond the floats counts in the outermost bucket
        return max(-_LARGEST, min(_LARGEST, value))

    def _bucket(self, value: Any) -> int:
        """Return the bucket's number; the numbers are in the order of the values."""
        bits: int
        (bits,) = struct.unpack(">q", struct.pack(">d", float(self._checked(value)) + 0.0))
        size = (bits & _MOST) >> _SHIFT
        # the first bucket holds zero and the subnormal numbers near it
        return -size if bits < 0 else size


def _middle(bucket: int) -> float:
    """Return the middle of a bucket, or 0."""
    if not bucket:
        return 0.0
    first = abs(bucket) << _SHIFT
    (number,) = struct.unpack(">d", struct.pack(">q", first | 1 << (_SHIFT - 1)))
    return float(math.copysign(number, bucket))
