"""A run's events are read as they come, and after its end from its record: none lost or doubled."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from driver.history.run_events import Follower, events_of
from driver.history.run_store import RunStore
from driver.plan.events import AttemptProgress, Event, RunDone, Said, encoded
from mapreduce.storage import open_storage
from mapreduce.wire import keys

RUN = "run-20260101-000000-calm-owl"


def _event(number: int) -> Event:
    if number % 3 == 1:
        return AttemptProgress(at=number, task="map-1", attempt=1, bytes=number, records=0)
    return Said(at=number, task="map-1", attempt=1, lines=(f"line {number}",))


def _kept(events: Sequence[Event]) -> list[Event]:
    return [event for event in events if not isinstance(event, AttemptProgress)]


@given(
    cuts=st.lists(st.integers(0, 30), max_size=8),
    looks=st.sets(st.integers(0, 10)),
    over_at=st.integers(0, 10),
)
def test_no_cut_and_no_moment_loses_an_event(
    cuts: list[int], looks: set[int], over_at: int
) -> None:
    """Whenever one looks, and wherever the segments end, all events come once and in order."""
    events = [_event(number) for number in range(30)]
    places = sorted({0, *cuts, 30})
    segments = [events[a:b] for a, b in pairwise(places)]
    with tempfile.TemporaryDirectory() as folder:
        runs = RunStore(open_storage(), f"file://{folder}")
        follower, found = Follower(runs, RUN), list[Event]()
        for number, segment in enumerate(segments[:over_at]):
            runs.storage.write(keys.segment(runs.store, RUN, number), encoded(segment))
            if number in looks:
                found += follower.take()
        runs.write(RUN, "events.jsonl", encoded(_kept(events)))
        runs.storage.delete(
            info.url for info in runs.storage.list(f"{runs.store}/runs/{RUN}/events")
        )
        found += follower.take()
        assert follower.over
        assert _kept(events) == _kept(found)
        assert [] == follower.take()
        assert _kept(events) == events_of(runs, RUN)


def test_the_segments_of_a_lost_run_are_its_events(tmp_path: Path) -> None:
    """A run without a record has the events of its segments; one without both has none."""
    runs = RunStore(open_storage(), f"file://{tmp_path}")
    assert [] == events_of(runs, RUN)
    events = [_event(number) for number in range(4)]
    for number in range(2):
        url = keys.segment(runs.store, RUN, number)
        runs.storage.write(url, encoded(events[2 * number : 2 * number + 2]))
    assert events == events_of(runs, RUN)


def test_events_of_a_newer_version_are_left_out(tmp_path: Path) -> None:
    """A reader skips the events that it does not know, in segments and in the record alike."""
    runs = RunStore(open_storage(), f"file://{tmp_path}")
    unknown = b'{"type":"Tomorrow","at":1.0}\nnot even JSON\n'
    done = RunDone(at=2.0, run=RUN, seconds=1.0)
    runs.storage.write(keys.segment(runs.store, RUN, 0), unknown + encoded([_event(0)]))
    follower = Follower(runs, RUN)
    assert [_event(0)] == follower.take()
    runs.write(RUN, "events.jsonl", unknown + encoded([_event(0)]) + unknown + encoded([done]))
    assert [done] == follower.take()
