"""A trace follows the Trace Event Format, so that Perfetto opens it."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from driver.report.page.document import RunDocument
from driver.report.page.trace import trace_json
from tests.unit.driver.report.page.made import evil_document, large_document, small_document

NEEDED = {
    "X": {"name", "cat", "ts", "dur", "pid", "tid"},
    "M": {"name", "pid", "tid", "args"},
    "i": {"name", "ts", "pid", "tid", "s"},
    "C": {"name", "ts", "pid", "args"},
    "s": {"name", "cat", "id", "ts", "pid", "tid"},
    "f": {"name", "cat", "id", "ts", "pid", "tid", "bp"},
}
"""The fields that each kind of event must have."""


def _trace(document: RunDocument) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(trace_json(document))["traceEvents"]
    return found


@pytest.mark.parametrize(
    "document", [small_document(), evil_document(), large_document(300)], ids=["small", "evil", "l"]
)
def test_each_event_has_the_fields_of_its_kind(document: RunDocument) -> None:
    """Times are whole microseconds and not negative, and processes and threads are numbers."""
    for event in _trace(document):
        assert NEEDED[event["ph"]] <= set(event)
        for name in ("ts", "dur", "pid", "tid"):
            assert isinstance(event.get(name, 0), int)
            assert event.get(name, 0) >= 0
        assert event["ph"] != "i" or event["s"] in ("g", "p", "t")


def test_each_attempt_is_a_complete_event_in_its_slot() -> None:
    """Its place, its time in microseconds and what became of it."""
    events = [each for each in _trace(small_document()) if each["ph"] == "X"]
    assert 3 + 8 == len(events)
    second = next(each for each in events if each["name"] == "map-1" and "state" in each["args"])
    assert (1_000_000, 500_000, "failed") == (second["ts"], second["dur"], second["args"]["state"])
    assert "TaskLost: gone" == second["args"]["error"]


def test_complete_events_of_a_slot_do_not_overlap() -> None:
    """A slot carries out one attempt at a time; a trace that overlaps is drawn wrong."""
    busy: dict[tuple[int, int], int] = {}
    for event in sorted(_trace(large_document(500)), key=lambda each: each.get("ts", 0)):
        if event["ph"] == "X" and event["cat"] != "stage":
            place = (event["pid"], event["tid"])
            assert busy.get(place, 0) <= event["ts"] + 1
            busy[place] = event["ts"] + event["dur"]


def test_processes_and_threads_have_names() -> None:
    """Each place of an attempt is named: the endpoint, and the number of its slot."""
    events = _trace(small_document())
    named = {(each["name"], each["pid"], each["tid"]) for each in events if each["ph"] == "M"}
    for event in events:
        if event["ph"] == "X":
            assert ("thread_name", event["pid"], event["tid"]) in named
            assert ("process_name", event["pid"], 0) in named


def test_a_recovery_is_an_arrow() -> None:
    """From the attempt that failed to the one that did its work: both ends have the same id."""
    ends = Counter((each["id"], each["ph"]) for each in _trace(small_document()) if "id" in each)
    assert {(0, "s"): 1, (0, "f"): 1} == ends
