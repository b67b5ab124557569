"""The receipt of a run, from its events."""

from __future__ import annotations

import pytest

from driver.forecast.document import Reuse
from driver.forecast.fleet_price import LEAST_BILLED_S
from driver.forecast.past import JobHistory
from driver.forecast.pricing import requests_price
from driver.forecast.receipt import ForecastLine, Range, Receipt, ReceiptLine
from driver.forecast.receipts import Account, spent_usd
from driver.plan import events
from driver.plan.events import Event, EventLog
from driver.plan.outcomes import Volumes
from mapreduce.storage import Requests
from tests.unit.driver.forecast.test_fleet_price import COUNTS, FLEET
from tests.unit.driver.forecast.test_meter import ALL, NONE
from tests.unit.driver.forecast.test_past import FORECAST, _past

DONE = events.AttemptDone(
    at=8.0,
    task="map-0",
    attempt=2,
    endpoint="a",
    seconds=3.0,
    size_bytes=10,
    volumes=Volumes(peak_memory_bytes=77),
    requests={"get": 10, "put": 1},
)
HAPPENED: list[Event] = [
    events.RunStarted(at=1.0, run="run-1", job="J", target="aws", inputs=1, size_bytes=10),
    events.FleetScaled(at=2.0, before=NONE, after=ALL),
    events.StageStarted(at=4.0, stage="map", tasks=2, reused=0, size_bytes=10),
    events.AttemptStarted(at=5.0, task="map-0", attempt=1, endpoint="a"),
    events.AttemptFailed(
        at=6.0, task="map-0", attempt=1, endpoint="a", kind="TaskLost", message="", then="",
        seconds=1.5,
    ),
    DONE,
    events.StageDone(at=9.0, stage="map", seconds=5.0),
    events.RunDone(at=11.0, run="run-1", seconds=11.0),
]  # fmt: skip


def _by_name(receipt: Receipt) -> dict[str, ReceiptLine]:
    return {line.name: line for line in receipt.lines}


def test_each_line_is_beside_its_forecast() -> None:
    """The time is in its range; the map stage was not forecast, the reduce stage did not come."""
    lines = (*FORECAST.lines, ForecastLine(name="reduce", unit="s", expected=Range(low=1, high=2)))
    forecast = FORECAST.model_copy(update={"lines": lines})
    found = _by_name(Account(began=0.0, forecast=forecast).receipt("run-1", HAPPENED))
    assert (11.0, True) == (found["end_to_end"].actual, found["end_to_end"].held)
    assert (5.0, None) == (found["map"].actual, found["map"].held)
    assert (None, None) == (found["reduce"].actual, found["reduce"].held)
    assert (5.0, 3.0) == (found["start"].actual, found["map_task"].actual)
    assert (77.0, 1.0) == (found["map_memory"].actual, found["map_tasks"].actual)
    assert 1.5 == found["done_twice"].actual
    assert 11 - 5 - 5 == found["commit"].actual


def test_here_nothing_is_priced() -> None:
    """On this machine a receipt has times and no dollars."""
    receipt = Account(began=0.0).receipt("run-1", HAPPENED)
    assert receipt.usd is None
    assert () == receipt.not_priced
    assert not {"usd", "vcpu_s"} & set(_by_name(receipt))


def test_in_aws_the_fleet_and_the_requests_are_priced() -> None:
    """A minute of each started task at least, the attempts' requests, and the driver's."""
    own = Requests(put=5, head=2)
    account = Account(
        began=0.0, fleet=FLEET, counts=COUNTS, requests=lambda: own,
        history=JobHistory(runs=(_past("a", held=True),)),
    )  # fmt: skip
    receipt = account.receipt("run-1", HAPPENED)
    found = _by_name(receipt)
    tasks = FLEET.usage({role: count * LEAST_BILLED_S for role, count in COUNTS.items()}, 9.0)
    made = requests_price(own + Requests(get=10, put=1))
    assert pytest.approx(tasks.usd) == found["usd_tasks"].actual
    assert pytest.approx(tasks.usd + made) == receipt.usd
    assert 18.0 == found["requests"].actual
    assert pytest.approx(FLEET.hour_usd(COUNTS)) == receipt.standing_usd_hour
    assert (1, 1) == (receipt.held_before, receipt.forecasts_before)


def test_a_receipt_is_of_the_whole_run() -> None:
    """What earlier drivers have spent has a line, and is part of the price."""
    alone, after = (
        Account(began=0.0, fleet=FLEET, before_usd=usd).receipt("run-1", HAPPENED)
        for usd in (0.0, 0.5)
    )
    assert "usd_before" not in _by_name(alone)
    assert 0.5 == _by_name(after)["usd_before"].actual
    assert alone.usd is not None
    assert pytest.approx(alone.usd + 0.5) == after.usd
    assert _by_name(alone)["usd"] == _by_name(after)["usd"]


def test_a_lost_driver_has_spent_until_the_next_one_began() -> None:
    """Its fleet until its last event, and its attempts' requests; a driver that slept may have
    later events, which are of another driver's time.
    """
    late = events.LookFailed(at=5000.0, stage="map", why="")
    fleet = FLEET.usage({role: count * 60.0 for role, count in COUNTS.items()}, 9.0).usd
    expected = fleet + requests_price(Requests(get=10, put=1))
    assert pytest.approx(expected) == spent_usd(FLEET, [*HAPPENED[:-1], late], 12.0)
    assert spent_usd(FLEET, [*HAPPENED[:-1], late], 6000.0) > 10 * expected
    assert 0.0 == spent_usd(FLEET, [], 12.0)


@pytest.mark.parametrize(
    "end",
    [
        events.RunFailed(at=20.0, run="run-1", kind="JobFailed", message=""),
        events.RunPaused(at=20.0, run="run-1", spent_usd=1.0, limit_usd=1.0),
        events.RunInterrupted(at=20.0, run="run-1", why=""),
    ],
)
def test_a_run_that_ends_otherwise_has_a_receipt_too(end: Event) -> None:
    """It says what was used until then."""
    found = _by_name(Account(began=0.0).receipt("run-1", [*HAPPENED[:-2], end]))
    assert 20.0 == found["end_to_end"].actual
    assert "map" not in found


def test_a_forecast_from_earlier_runs_is_of_a_run_that_reuses_nothing() -> None:
    """With reused tasks it says nothing; the forecast of a plan knows what is reused."""
    reused: list[Event] = [
        events.StageStarted(at=4.0, stage="map", tasks=2, reused=1, size_bytes=10),
        HAPPENED[-1],
    ]
    plain = Account(began=0.0, forecast=FORECAST).receipt("run-1", reused)
    planned = FORECAST.model_copy(update={"reuse": Reuse(maps=2, maps_reused=1)})
    known = Account(began=0.0, forecast=planned).receipt("run-1", reused)
    assert _by_name(plain)["end_to_end"].expected is None
    assert _by_name(known)["end_to_end"].expected is not None


def test_a_limit_needs_a_price() -> None:
    """Without a limit, or without prices, nothing limits the run."""
    log = EventLog()
    assert Account(began=0.0, fleet=FLEET).allowance(log, lambda: 0.0) is None
    assert Account(began=0.0, limit_usd=1.0).allowance(log, lambda: 0.0) is None
    limited = Account(began=0.0, fleet=FLEET, limit_usd=1.0).allowance(log, lambda: 0.0)
    assert limited is not None
    assert 0.0 == limited.spent_usd()


def test_each_step_of_a_chain_has_tasks_of_its_own() -> None:
    """The first task of the second step is another one than that of the first."""

    def step(number: int) -> Event:
        named = f"run-1-step-{number}"
        return events.RunStarted(at=1.0, run=named, job="J", target="local", inputs=1, size_bytes=1)

    happened = [HAPPENED[0], step(1), DONE, DONE, step(2), DONE, HAPPENED[-1]]
    assert 2.0 == _by_name(Account(began=0.0).receipt("run-1", happened))["map_tasks"].actual
