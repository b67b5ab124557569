"""Variance and standard deviation: exact sums of the values and of their squares, rounded once.

A finite float is an integer divided by a power of two. So the sums are kept as integers over one
power of two, which is the largest of the values': the state does not depend on the splits.
"""

from __future__ import annotations

import statistics
from fractions import Fraction
from math import isqrt
from typing import Any

from mapreduce.aggregate import Aggregation, check_number, rounded

_ROOT_BITS = 130
"""Twice the bits of a root before it is rounded to a float's 53."""
_BEYOND = Fraction(1 << 1100)
"""A number beyond the largest float."""


class Variance(Aggregation[list[int]]):
    """The variance of int or float values, a float, exact and rounded once.

    It is the population's: the mean square of the distances from the mean. With `sample=True` the
    sum of squares is divided by one less than the number of values, and the variance of one value
    is None.

    The state is `[count, exponent, total, squares]`: the sum of the values is `total` divided by
    2**exponent, that of their squares is `squares` divided by 4**exponent.
    """

    associative = True
    keeps_values = False

    def __init__(self, *, sample: bool = False) -> None:
        self.sample = sample

    def create(self, value: Any) -> list[int]:
        return self.add([0, 0, 0, 0], value)

    def add(self, state: list[int], value: Any) -> list[int]:
        check_number(value, type(self).__name__)
        number, divisor = value.as_integer_ratio()
        exponent = divisor.bit_length() - 1
        count, common, _, _ = state
        if exponent > common:
            state = _scaled(state, exponent)
        else:
            number <<= common - exponent
        return [count + 1, state[1], state[2] + number, state[3] + number * number]

    def merge(self, state: list[int], other: list[int]) -> list[int]:
        common = max(state[1], other[1])
        one, two = _scaled(state, common), _scaled(other, common)
        return [one[0] + two[0], common, one[2] + two[2], one[3] + two[3]]

    def result(self, state: list[int]) -> float | None:
        exact = self._exact(state)
        return None if exact is None else rounded(exact, "the variance")

    def plain(self, values: list[Any]) -> float | None:
        for value in values:
            check_number(value, type(self).__name__)
        if self.sample and len(values) == 1:
            return None
        exact = list(map(Fraction, values))
        mean = sum(exact, Fraction(0)) / len(exact)
        squares = sum(((value - mean) ** 2 for value in exact), Fraction(0))
        return rounded(squares / (len(exact) - self.sample), "the variance")

    def _exact(self, state: list[int]) -> Fraction | None:
        count, exponent, total, squares = state
        if count == self.sample:
            return None
        return Fraction(
            count * squares - total * total, (count * (count - self.sample)) << 2 * exponent
        )


class StandardDeviation(Variance):
    """The standard deviation of int or float values: the exact root of the exact variance, rounded
    once. `sample=True` is as with `Variance`.
    """

    associative = True

    def result(self, state: list[int]) -> float | None:
        exact = self._exact(state)
        return None if exact is None else rounded_root(exact, "the standard deviation")

    def plain(self, values: list[Any]) -> float | None:
        for value in values:
            check_number(value, type(self).__name__)
        if self.sample and len(values) == 1:
            return None
        exact = list(map(Fraction, values))
        try:
            return float(statistics.stdev(exact) if self.sample else statistics.pstdev(exact))
        except OverflowError:
            return rounded(_BEYOND, "the standard deviation")


def _scaled(state: list[int], exponent: int) -> list[int]:
    """Return a state with a larger exponent."""
    more = exponent - state[1]
    return [state[0], exponent, state[2] << more, state[3] << 2 * more]


def rounded_root(number: Fraction, what: str) -> float:
    """Return the square root, correctly rounded.

    Raises:
        NotAggregable: it is beyond the range of float.
    """
    if not number:
        return 0.0
    # scaled by a power of four, so that the root of the quotient has more bits than a float
    shift = (number.numerator.bit_length() - number.denominator.bit_length() - _ROOT_BITS) // 2
    above, below = number.numerator, number.denominator
    if shift > 0:
        below <<= 2 * shift
    else:
        above <<= -2 * shift
    root = isqrt(above // below)
    # an inexact root is made odd, so that it is not taken for the middle between two floats
    root |= root * root * below != above
    return rounded(Fraction(root) * Fraction(2) ** shift, what)
