"""The log of a run, which no observer and no text can break."""

from __future__ import annotations

import json

import pytest

from driver.plan.events import (
    AttemptFailed,
    AttemptProgress,
    Event,
    EventLog,
    FleetChanged,
    RunDone,
    bounded,
)
from driver.text import MESSAGE_LIMIT


def _done(number: int) -> RunDone:
    return RunDone(at=0.0, run=f"run-{number}", seconds=1.0)


def test_a_fault_in_an_observer_ends_nothing() -> None:
    """A fault in an observer is noted once with its count; the others and the log get all."""
    heard: list[Event] = []

    def broken(_: Event) -> None:
        raise OSError(28, "No space \x1b[2J left")

    log = EventLog([broken, heard.append])
    log(_done(1))
    log(_done(2))
    assert heard == log.events == [_done(1), _done(2)]
    assert log.notes == (
        r"an event could not be shown, 2 times: OSError: [Errno 28] No space \x1b[2J left",
    )


def test_ctrl_c_in_an_observer_is_ctrl_c() -> None:
    """Ctrl-C in an observer propagates."""

    def interrupted(_: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        EventLog([interrupted])(_done(1))


def test_texts_of_events_are_cut() -> None:
    """Long texts of events are cut before they are logged or shown."""
    failed = AttemptFailed(
        at=0.0,
        task="map-0",
        attempt=1,
        endpoint="m",
        kind="UserCodeError",
        message="x" * 10_000_000,
        then="again",
    )
    kept = bounded(failed)
    assert isinstance(kept, AttemptFailed)
    assert (
        kept.message == "x" * MESSAGE_LIMIT + f"… ({10_000_000 - MESSAGE_LIMIT:,} more characters)"
    )
    assert (kept.task, kept.then) == ("map-0", "again")
    status = bounded(
        AttemptProgress(at=0.0, task="map-0", attempt=1, bytes=1, records=1, status="s" * 1_000_000)
    )
    assert isinstance(status, AttemptProgress)
    assert len(status.status) < MESSAGE_LIMIT + 50
    gone = bounded(FleetChanged(at=0.0, stage="map", gone=("m",), why={"m": "w" * 1_000_000}))
    assert isinstance(gone, FleetChanged)
    assert len(gone.why["m"]) < MESSAGE_LIMIT + 50


def test_events_of_any_text_are_json() -> None:
    """An event with a lone surrogate is valid JSON."""
    log = EventLog()
    log(
        AttemptFailed(
            at=0.0, task="t", attempt=1, endpoint="e", kind="K", message="bad \ud800", then="x"
        )
    )
    assert json.loads(log.json_lines())["message"] == r"bad \ud800"
