"""Whether another task fits into a run's limit of dollars."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driver.forecast.limit import SpendingLimit, projected_usd
from driver.forecast.meter import Meter
from driver.plan import events
from driver.plan.events import Event
from mapreduce.errors import LimitReached
from mapreduce.storage import Requests
from mapreduce.wire.messages import StageName
from tests.unit.driver.forecast.test_fleet_price import COUNTS, FLEET
from tests.unit.driver.forecast.test_meter import ALL, NONE

RATE = FLEET.hour_usd(COUNTS) / 3600
AMOUNTS = st.floats(0, 100)


def test_by_hand() -> None:
    """$1 spent, 1 cent a second: a task of 10 s beside one that runs for 4 s costs 10 cents."""
    assert pytest.approx(1.10) == projected_usd(1.0, 0.01, [4.0], 10.0)
    assert pytest.approx(1.00) == projected_usd(1.0, 0.01, [], 0.0)


@given(AMOUNTS, AMOUNTS, st.lists(AMOUNTS, max_size=5), AMOUNTS)
def test_another_task_never_makes_a_run_cheaper(
    spent: float, rate: float, running: list[float], task_s: float
) -> None:
    """At least what is spent, and no more than a whole task more."""
    projected = projected_usd(spent, rate, running, task_s)
    assert spent <= projected <= spent + rate * task_s * (1 + 1e-9) + 1e-9


def _limit(usd: float, now: float, happened: list[Event], task_s: float = 0.0) -> SpendingLimit:
    return SpendingLimit(usd, Meter(FLEET), happened, lambda: now, task_s={"map": task_s})


def test_a_task_that_fits_may_start() -> None:
    """200 s are spent of 300; a task of 90 s fits, one of 110 s does not."""
    happened: list[Event] = [events.FleetScaled(at=0.0, before=NONE, after=ALL)]
    limit = _limit(300 * RATE, 200.0, happened)
    assert limit.another("map", [5.0], 90.0)
    assert not limit.another("map", [5.0], 110.0)


def test_before_a_task_has_finished_the_forecast_says_how_long_one_takes() -> None:
    """The same with the forecast's upper end, and without any."""
    happened: list[Event] = [events.FleetScaled(at=0.0, before=NONE, after=ALL)]
    assert not _limit(300 * RATE, 200.0, happened, task_s=110.0).another("map", [], None)
    assert _limit(300 * RATE, 200.0, happened).another("map", [], None)


def test_each_stage_has_its_own_forecast() -> None:
    """A reduce task of 110 s does not fit where a map task of 1 s does."""
    happened: list[Event] = [events.FleetScaled(at=0.0, before=NONE, after=ALL)]
    known: dict[StageName, float] = {"map": 1.0, "reduce": 110.0}
    limit = SpendingLimit(300 * RATE, Meter(FLEET), happened, lambda: 200.0, task_s=known)
    assert limit.another("map", [], None)
    assert not limit.another("reduce", [], None)


def test_requests_are_spent_too() -> None:
    """The driver's own requests count."""
    limit = SpendingLimit(1.0, Meter(FLEET), [], lambda: 0.0, lambda: Requests(put=1000))
    assert pytest.approx(0.005) == limit.spent_usd()


def test_what_earlier_drivers_have_spent_counts() -> None:
    """A driver that goes on with a lost run has only the rest of the limit."""
    happened: list[Event] = [events.FleetScaled(at=0.0, before=NONE, after=ALL)]

    def limit(before_s: float) -> SpendingLimit:
        before_usd = before_s * RATE
        return SpendingLimit(
            300 * RATE, Meter(FLEET), happened, lambda: 200.0, before_usd=before_usd
        )

    assert limit(80.0).another("map", [], 10.0)
    assert not limit(100.0).another("map", [], 10.0)
    assert pytest.approx(300 * RATE) == limit(100.0).reached(1, "map").spent_usd


def test_the_error_says_what_was_spent_and_what_goes_on() -> None:
    """The message names the sum, the tasks that are left, and the next step."""
    happened: list[Event] = [events.FleetScaled(at=0.0, before=NONE, after=ALL)]
    error = _limit(0.5, 100.0, happened).reached(7, "map")
    assert isinstance(error, LimitReached)
    assert 5 == error.exit_code
    assert pytest.approx(100 * RATE) == error.spent_usd
    assert 0.5 == error.limit_usd
    assert all(word in str(error) for word in ("--max-usd 0.5", "7 of the map tasks", "higher"))
