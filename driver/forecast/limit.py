"""Whether a run may start another task within its limit of dollars. The decision is pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from driver.forecast.meter import Meter
from driver.forecast.pricing import requests_price
from driver.forecast.receipt import Range
from driver.plan.events import Event
from mapreduce.errors import LimitReached, PriceRefused
from mapreduce.storage import Requests
from mapreduce.wire.messages import StageName


def projected_usd(
    spent_usd: float, usd_per_s: float, running_s: Sequence[float], task_s: float
) -> float:
    """Return what a run will have spent once its running tasks and one more are done.

    A fleet costs the same whether its tasks are busy or not, so what counts is how much longer it
    has to stay.

    Args:
        spent_usd: until now.
        usd_per_s: the price of the fleet.
        running_s: how long each running task has run so far.
        task_s: how long a task takes at most, as far as is known.
    """
    left = max([0.0, *(task_s - seconds for seconds in running_s)])
    return spent_usd + usd_per_s * max(left, task_s)


class SpendingLimit:
    """The limit of one run.

    Args:
        limit_usd: the user's limit.
        meter: adds up what the fleet costs; used here only.
        happened: the run's events, a list that grows.
        wall: the time, in seconds since the epoch.
        requests: returns the driver's own requests so far.
        task_s: how long a task of each stage takes at most by the forecast; without one, 0.
        before_usd: what the run's earlier drivers have spent.
    """

    def __init__(
        self,
        limit_usd: float,
        meter: Meter,
        happened: Sequence[Event],
        wall: Callable[[], float],
        requests: Callable[[], Requests] = Requests,
        task_s: Mapping[StageName, float] = MappingProxyType({}),
        before_usd: float = 0.0,
    ) -> None:
        self._limit_usd = limit_usd
        self._meter = meter
        self._happened = happened
        self._taken = 0
        self._wall = wall
        self._requests = requests
        self._task_s = task_s
        self._before_usd = before_usd

    def another(
        self, stage: StageName, running_s: Sequence[float], longest_s: float | None
    ) -> bool:
        """Return whether one more task of a stage may start.

        Args:
            stage: the stage.
            running_s: how long each running task has run so far.
            longest_s: how long the longest finished task of the stage took; None without one.
        """
        spent = self.spent_usd()
        task_s = self._task_s.get(stage, 0.0) if longest_s is None else longest_s
        projected = projected_usd(spent, self._meter.usd_per_s(), running_s, task_s)
        return projected <= self._limit_usd

    def spent_usd(self) -> float:
        """Return what the run has spent until now, by list prices."""
        self._meter.take(self._happened[self._taken :])
        self._taken = len(self._happened)
        requests = self._meter.requests + self._requests()
        used = self._meter.used(self._wall()).usd
        return self._before_usd + used + requests_price(requests)

    def reached(self, left: int, stage: str) -> LimitReached:
        """Return the error of a stage that has ended at the limit, with so many tasks left."""
        return LimitReached(stage, left, spent_usd=self.spent_usd(), limit_usd=self._limit_usd)


def check_limit(expected: Range, limit_usd: float) -> None:
    """Refuse a run that costs more than its limit at least; raises `PriceRefused`."""
    if expected.low > limit_usd:
        raise PriceRefused(
            f"the run would cost at least ${expected.low:.4f}, more than --max-usd {limit_usd:g}; "
            "nothing was started. Give a higher --max-usd, or less input"
        )
