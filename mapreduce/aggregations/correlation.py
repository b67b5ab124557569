"""Correlation of pairs of numbers: exact sums of squares and products, rounded once."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, ClassVar

from mapreduce.aggregate import Aggregation, NotAggregable, check_number
from mapreduce.aggregations.spread import Variance, rounded_root


class Correlation(Aggregation[list[Any]]):
    """Pearson's correlation of values `(x, y)`, a float from -1 to 1, exact and rounded once.

    Its square is R2, the coefficient of determination of a linear regression of y on x. If all x or
    all y are equal, there is no correlation, and the result is None.

    The state is `[state of x, state of y, products]`: the first two are those of `Variance`, and
    the sum of the products is `products` divided by 2 to the power of both their exponents.
    """

    associative = True
    keeps_values = False
    _each: ClassVar[Variance] = Variance()

    def create(self, value: Any) -> list[Any]:
        one, other = self._pair(value)
        return _with_products(self._each.create(one), self._each.create(other))

    def add(self, state: list[Any], value: Any) -> list[Any]:
        return self.merge(state, self.create(value))

    def merge(self, state: list[Any], other: list[Any]) -> list[Any]:
        merged = [self._each.merge(state[at], other[at]) for at in (0, 1)]
        exponent = merged[0][1] + merged[1][1]
        products = [each[2] << (exponent - each[0][1] - each[1][1]) for each in (state, other)]
        return [*merged, sum(products)]

    def result(self, state: list[Any]) -> float | None:
        (count, _, total, squares), (_, _, other_total, other_squares), products = state
        spread = count * squares - total * total
        other_spread = count * other_squares - other_total * other_total
        if not spread or not other_spread:
            return None
        common = count * products - total * other_total
        root = rounded_root(Fraction(common * common, spread * other_spread), "the correlation")
        return -root if common < 0 else root

    def plain(self, values: list[Any]) -> float | None:
        pairs = [tuple(map(Fraction, self._pair(value))) for value in values]
        means = [sum(column, Fraction(0)) / len(pairs) for column in zip(*pairs, strict=True)]
        apart = [(one - means[0], other - means[1]) for one, other in pairs]
        spread = sum((one * one for one, _ in apart), Fraction(0))
        other_spread = sum((other * other for _, other in apart), Fraction(0))
        if not spread or not other_spread:
            return None
        common = sum((one * other for one, other in apart), Fraction(0))
        root = rounded_root(common**2 / (spread * other_spread), "the correlation")
        return -root if common < 0 else root

    def _pair(self, value: Any) -> Any:
        if type(value) not in (tuple, list) or len(value) != 2:
            raise NotAggregable(
                f"{type(self).__name__} takes pairs of numbers (x, y), not "
                f"{type(value).__name__}: {value!r}"[:300]
            )
        for each in value:
            check_number(each, type(self).__name__)
        return value


def _with_products(one: list[int], other: list[int]) -> list[Any]:
    """Return the state of one pair, given the states of its numbers."""
    return [one, other, one[2] * other[2]]
