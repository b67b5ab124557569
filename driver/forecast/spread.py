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
"""Fewer runs have no such quantiles: the range holds all of them."""


class Spread(Message):
    """What a single value is multiplied by, at the low end, in the middle and at the high end."""

    low: float = UNKNOWN_LOW
    middle: float = 1.0
    high: float = UNKNOWN_HIGH

    def of(self, value: float) -> Range:
        """Return the range of a value."""
        return Range(low=value * self.low, high=value * self.high)


def spread_of(ratios: Sequence[float]) -> Spread:
    """Return the spread of the ratios of actual value to forecast in earlier runs.

    Args:
        ratios: one for each run, in any order; those that are not positive do not count.
    """
    logs = sorted(math.log(ratio) for ratio in ratios if ratio > 0 and math.isfinite(ratio))
    if not logs:
        return Spread()
    middle = quantile(logs, 0.5)
    low, high = logs[0], logs[-1]
    if len(logs) >= SEVERAL:
        low, high = quantile(logs, LEAST_SHARE), quantile(logs, MOST_SHARE)
    if len(logs) in FEW:
        way = math.log(FEW[len(logs)])
        low, high = min(low, middle - way), max(high, middle + way)
    else:
        least, most = math.log(NARROWEST), math.log(WIDEST)
        low = min(low, middle - least)
        high = max(high, middle + least)
        if high - low > 2 * most:
            # centred on what most runs did, so that one odd run does not move both ends
            low, high = middle - most, middle + most
    return Spread(low=math.exp(low), middle=math.exp(middle), high=math.exp(high))


def quantile(ascending: Sequence[float], share: float) -> float:
    """Return a quantile of values in ascending order, between its neighbours in proportion."""
    place = share * (len(ascending) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ascending) - 1)
    return ascending[below] + (ascending[above] - ascending[below]) * (place - below)
