"""From single values to ranges: how earlier runs came out beside their forecasts. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from driver.forecast.receipt import Range
from mapreduce.wire.messages import Message

UNKNOWN_LOW, UNKNOWN_HIGH = 0.5, 3.0
"""Without an earlier run, the actual value is taken to lie between half and three times."""
FEW = {1: 2.0, 2: 1.7}
"""With one or two earlier runs, the range is so many times either way."""
WIDEST = math.sqrt(2)
"""From three earlier runs on, either way: the high end is at most twice the low end."""
NARROWEST = 1.15
LEAST_SHARE, MOST_SHARE = 0.1, 0.9
"""The range holds the ratios of earlier runs between these quantiles: eight of ten."""
SEVERAL = 10
"""Fewer runs have no such quantiles: the range is as wide as it may be."""


class Spread(Message):
    """What a single value is multiplied by, at the low end, in the middle and at the high end."""

    low: float = UNKNOWN_LOW
    middle: float = 1.0
    high: float = UNKNOWN_HIGH

    def of(self, value: float) -> Range:
        """Return the range of a value."""
        return Range(low=value * self.low, high=value * self.high)


def spread_of(ratios: Sequence[float], weights: Sequence[float] = ()) -> Spread:
    """Return the spread of the ratios of actual value to forecast in earlier runs.

    Args:
        ratios: one for each run, in any order; those that are not positive do not count.
        weights: how much each run says of the next one, 1 for one that is like it; empty for ones.
    """
    known = [
        (math.log(ratio), weight)
        for ratio, weight in zip(ratios, weights or [1.0] * len(ratios), strict=True)
        if ratio > 0 and math.isfinite(ratio)
    ]
    if not known:
        return Spread()
    middle = _middle(known)
    way = math.log(FEW.get(len(known), WIDEST))
    low, high = middle - way, middle + way
    if len(known) >= SEVERAL:
        logs = sorted(ratio for ratio, _ in known)
        least = math.log(NARROWEST)
        low = max(low, min(quantile(logs, LEAST_SHARE), middle - least))
        high = min(high, max(quantile(logs, MOST_SHARE), middle + least))
    return Spread(low=math.exp(low), middle=math.exp(middle), high=math.exp(high))


def _middle(known: Sequence[tuple[float, float]]) -> float:
    """Return the middle of values with weights: one odd run of several does not move it.

    One alone may be odd: its middle is as if half a run more had come out as forecast. Of two it is
    their mean, with half such a run where neither is like the next one.
    """
    total = math.fsum(weight for _, weight in known)
    if len(known) in FEW:
        likest = max(weight for _, weight in known) if len(known) > 1 else 0.0
        total *= 1 + 0.5 / len(known) * max(0.0, 1 - likest)
        return math.fsum(value * weight for value, weight in known) / total
    below = 0.0
    for value, weight in sorted(known):
        below += weight
        if below >= total / 2:
            return value
    return max(known)[0]


def quantile(ascending: Sequence[float], share: float) -> float:
    """Return a quantile of values in ascending order, between its neighbours in proportion."""
    place = share * (len(ascending) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ascending) - 1)
    return ascending[below] + (ascending[above] - ascending[below]) * (place - below)
