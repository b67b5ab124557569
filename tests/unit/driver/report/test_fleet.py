"""What a run says of its fleet."""

from __future__ import annotations

import pytest

from driver.plan.events import FleetComing, FleetLeft, FleetScaled
from driver.report.fleet import fleet_text

ALL = {"splitter": 1, "mapper": 3, "reducer": 1}
NONE = dict.fromkeys(ALL, 0)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            FleetScaled(at=0, before=NONE, after=ALL),
            "fleet: starting 1 splitter, 3 mappers, 1 reducer",
        ),
        (
            FleetScaled(at=0, before={"mapper": 3}, after={"mapper": 20}),
            "fleet: from 3 to 20 mappers",
        ),
        (
            FleetComing(at=0, running=NONE | {"mapper": 2}, desired=ALL),
            "fleet: 0/1 splitter, 2/3 mappers, 0/1 reducer running",
        ),
        (FleetLeft(at=0, why="as it was", guarded_s=1800), ""),
        (FleetLeft(at=0, why="restored", counts=NONE), "fleet: stopped"),
        (FleetLeft(at=0, why="restored", counts={"mapper": 3}), "fleet: back to 3 mappers"),
        (
            FleetLeft(at=0, why="kept", kept_s=600),
            "fleet: stays for 10 min; stop it before: python -m driver stack stop",
        ),
        (
            FleetLeft(at=0, why="in use", guarded_s=1800),
            "fleet: stays, because another run uses it, which stops it; else the idle guard stops "
            "it after 30 min without a run",
        ),
        (
            FleetLeft(at=0, why="changed", guarded_s=1800),
            "fleet: stays, because its numbers were changed during the run; "
            "the idle guard stops it after 30 min without a run",
        ),
        (
            FleetLeft(at=0, why="may not do UpdateService"),
            "error: the fleet could not be stopped: may not do UpdateService; "
            "stop it: python -m driver stack stop",
        ),
    ],
)
def test_each_event_in_words(event: FleetScaled | FleetComing | FleetLeft, expected: str) -> None:
    """One line says what is done and, where the fleet stays, what stops it."""
    assert expected == fleet_text(event)
