"""The forecast of a run and its receipt: each line of what was expected beside what came. Pure."""

from __future__ import annotations

from typing import Literal

from mapreduce.wire.messages import Message

Unit = Literal["s", "bytes", "tasks", "requests", "vcpu_s", "gib_s", "usd"]


class Range(Message):
    """A forecast: the actual value lies between `low` and `high` in eight of ten runs."""

    low: float
    high: float

    def holds(self, actual: float) -> bool:
        """Return whether the actual value lies in the range."""
        return self.low <= actual <= self.high


class ForecastLine(Message):
    """One expected quantity of a run, e.g. the seconds of its map stage."""

    name: str
    unit: Unit
    expected: Range


class ReceiptLine(Message):
    """One quantity of a run: what was expected, None without a forecast, and what came.

    `actual` is None for what did not come to pass, because the run ended before.
    """

    name: str
    unit: Unit
    expected: Range | None = None
    actual: float | None = None

    @property
    def held(self) -> bool | None:
        """Whether the actual value lies in the range; None where one of them is unknown."""
        if self.expected is None or self.actual is None:
            return None
        return self.expected.holds(self.actual)


class Receipt(Message):
    """What a run has used and what it costs, by list prices, beside its forecast.

    `usd` is what the run itself has used, with what its earlier drivers have (the line
    `usd_before`); None on this machine, which is not priced. What the stack costs by itself while
    it stands is `standing_usd_hour`. `held_before` counts the forecasts of earlier runs in this
    store whose end-to-end time lay in their range, of `forecasts_before`.
    """

    run: str
    lines: tuple[ReceiptLine, ...] = ()
    usd: float | None = None
    standing_usd_hour: float | None = None
    not_priced: tuple[str, ...] = ()
    held_before: int = 0
    forecasts_before: int = 0
