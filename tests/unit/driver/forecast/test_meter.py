"""What a run uses of a fleet, from its events."""

from __future__ import annotations

import pytest

from driver.forecast.meter import Meter
from driver.plan import events
from mapreduce.storage import Requests
from tests.unit.driver.forecast.test_fleet_price import COUNTS, FLEET, SIZES

ALL = {"splitter": 1, "mapper": 3, "reducer": 1}
NONE = {"splitter": 0, "mapper": 0, "reducer": 0}


def _vcpu(**task_s: float) -> float:
    return sum(size.cpu / 1024 * task_s.get(role, 0.0) for role, size in SIZES.items())


def _scaled(at: float) -> events.FleetScaled:
    return events.FleetScaled(at=at, before=NONE, after=ALL)


def test_a_run_without_a_fleet_uses_nothing() -> None:
    """When all tasks are reused, no service is looked up, and nothing is paid."""
    meter = Meter(FLEET)
    meter.take([events.StageStarted(at=5.0, stage="map", tasks=3, reused=3, size_bytes=0)])
    assert 0.0 == meter.used(100.0).usd == meter.usd_per_s()


def test_started_tasks_count_from_their_start_to_the_end() -> None:
    """Five tasks, started at 10 and used until 310."""
    meter = Meter(FLEET)
    meter.take([_scaled(10.0)])
    assert pytest.approx(_vcpu(splitter=300, mapper=900, reducer=300)) == meter.used(310.0).vcpu_s
    assert pytest.approx(FLEET.hour_usd(COUNTS) / 3600) == meter.usd_per_s()


def test_a_started_task_counts_at_least_a_minute() -> None:
    """Fargate bills a minute, whatever the run takes."""
    meter = Meter(FLEET)
    meter.take([_scaled(10.0)])
    assert pytest.approx(_vcpu(splitter=60, mapper=180, reducer=60)) == meter.used(12.0).vcpu_s


def test_tasks_that_ran_before_count_from_the_first_use() -> None:
    """A fleet that ran: two mappers are found where the variables say three; no minute at least."""
    meter = Meter(FLEET)
    meter.take(
        [
            events.FleetChanged(at=10.0, stage="split", appeared=("a",)),
            events.FleetChanged(at=20.0, stage="map", appeared=("b", "c")),
        ]
    )
    assert pytest.approx(_vcpu(splitter=20, mapper=40, reducer=20)) == meter.used(30.0).vcpu_s


def test_mappers_that_come_and_go_count_while_they_are_there() -> None:
    """One mapper from 10, a second one from 20 to 40."""
    fleet = FLEET.model_copy(update={"usual": {}})
    meter = Meter(fleet)
    meter.take(
        [
            events.FleetChanged(at=10.0, stage="map", appeared=("b",)),
            events.FleetChanged(at=20.0, stage="map", appeared=("c",)),
            events.FleetChanged(at=40.0, stage="map", gone=("c",)),
        ]
    )
    assert pytest.approx(_vcpu(mapper=40 + 20)) == meter.used(50.0).vcpu_s


def _found(at: float, mappers: int) -> events.FleetFound:
    return events.FleetFound(at=at, counts=NONE | {"mapper": mappers})


def _changed(at: float, appeared: str = "", gone: str = "") -> events.FleetChanged:
    return events.FleetChanged(at=at, stage="map", appeared=tuple(appeared), gone=tuple(gone))


def test_all_tasks_of_a_fleet_that_grows_count() -> None:
    """Three mappers are there and four are added; the stage sees them one after another."""
    meter = Meter(FLEET)
    grown = events.FleetScaled(at=10.0, before={"mapper": 3}, after={"mapper": 7})
    meter.take([_found(0.0, 3), grown, _changed(20.0, "abc"), _changed(60.0, "defg")])
    assert pytest.approx(_vcpu(mapper=3 * 10 + 7 * 100)) == meter.used(110.0).vcpu_s


def test_mappers_that_the_run_leaves_alone_count_too() -> None:
    """Of ten mappers the user wants two used: AWS bills ten."""
    meter = Meter(FLEET)
    meter.take([_found(0.0, 10), _changed(5.0, "ab")])
    assert pytest.approx(_vcpu(mapper=10 * 50)) == meter.used(50.0).vcpu_s


def test_a_mapper_counts_once_with_the_one_that_replaces_it() -> None:
    """One of two is gone from 20 to 30; and between two stages another is replaced unseen."""
    meter = Meter(FLEET)
    meter.take([_found(0.0, 2), _changed(10.0, "ab"), _changed(20.0, gone="a")])
    meter.take([_changed(30.0, "c")])
    meter.take([events.StageStarted(at=40.0, stage="map", tasks=1, reused=0, size_bytes=1)])
    meter.take([_changed(50.0, "cd")])
    assert pytest.approx(_vcpu(mapper=2 * 60 - 10)) == meter.used(60.0).vcpu_s


def test_mappers_that_others_add_and_take_count_while_they_are_there() -> None:
    """Terraform makes five of two at 10, and three of five at 30."""
    meter = Meter(FLEET)
    meter.take(
        [_found(0.0, 2), _changed(0.0, "ab"), _changed(10.0, "cde"), _changed(30.0, gone="de")]
    )
    assert pytest.approx(_vcpu(mapper=2 * 10 + 5 * 20 + 3 * 20)) == meter.used(50.0).vcpu_s


def test_nothing_counts_after_the_run_has_left_the_fleet() -> None:
    """The fleet is stopped, or is its user's, from then on."""
    meter = Meter(FLEET)
    meter.take([_scaled(0.0), events.FleetLeft(at=100.0, why="restored")])
    assert meter.used(100.0) == meter.used(500.0)
    assert 0.0 == meter.usd_per_s()


def test_requests_add_up() -> None:
    """The requests of each attempt with a result count."""
    meter = Meter(FLEET)
    done = events.AttemptDone(
        at=1.0,
        task="map-0",
        attempt=1,
        endpoint="a",
        seconds=1.0,
        size_bytes=1,
        requests={"get": 2, "put": 1},
    )
    meter.take([done, done])
    assert Requests(get=4, put=2) == meter.requests
