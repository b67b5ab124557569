"""The log of a run, which no observer and no text can break."""

from __future__ import annotations

import json

import pytest

from driver.plan.events import (
    SAID_CHARACTERS,
    AttemptCancelled,
    AttemptFailed,
    AttemptProgress,
    Event,
    EventLog,
    FleetChanged,
    RunDone,
    Said,
    bounded,
    decoded,
    encoded,
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


def test_the_last_heartbeat_of_each_running_attempt_is_kept() -> None:
    """Heartbeats are no record; the last one of an attempt is there until the attempt ends."""
    log = EventLog()
    for size in (1, 2):
        for task in ("map-0", "map-1"):
            log(AttemptProgress(at=1.0, task=task, attempt=1, bytes=size, records=0))
    assert {("map-0", 1): 2, ("map-1", 1): 2} == {
        name: event.bytes for name, event in log.heartbeats.items()
    }
    log(AttemptCancelled(at=2.0, task="map-0", attempt=1, endpoint="a", seconds=1.0))
    assert [("map-1", 1)] == list(log.heartbeats)
    assert 1 == len(log.events)


def test_what_all_tasks_print_is_bounded() -> None:
    """Beyond the run's limit, lines are dropped and counted; later short ones are kept."""
    log = EventLog()
    line = "x" * 1000
    for number in range(SAID_CHARACTERS // 1000 + 10):
        log(Said(at=1.0, task=f"map-{number}", attempt=1, lines=(line,)))
    said = [event for event in log.events if isinstance(event, Said)]
    kept = sum(len(each) for event in said for each in event.lines)
    assert SAID_CHARACTERS - 1000 < kept <= SAID_CHARACTERS
    assert 1000 == said[-1].left_out
    assert 1000 * len(said) == kept + sum(event.left_out for event in said)


def test_events_are_read_back() -> None:
    """Events are read as they were written; those of a newer version, and other lines, are left
    out.
    """
    kept = [
        AttemptProgress(at=1.0, task="map-0", attempt=1, bytes=2, records=3, status="\x1b[2J\n"),
        Said(at=2.0, task="map-0", attempt=1, lines=("ü", "\r"), left_out=4),
    ]
    lines = encoded(kept)
    newer = b'{"type":"Tomorrow","at":1.0}\n{"type":"Said","at":"soon"}\nno JSON\n\xff\n'
    assert kept == decoded(newer + lines)
    with_more = lines.replace(b'"type"', b'"tomorrow":[1],"type"')
    assert kept == decoded(with_more)
