"""Reads the events of a run: as they come from its segments, and after its end from its record."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from driver.history.run_store import RunStore
from driver.plan.events import AttemptProgress, Event, decoded
from mapreduce.errors import ObjectMissing
from mapreduce.wire import keys

RECORD = "events.jsonl"
READS_AT_ONCE = 8


class Follower:
    """Follows a run, from its first event on.

    The driver writes its record before it deletes the segments, so that between two calls of
    `take` no event is lost, and none comes twice.

    Args:
        runs: the store.
        run: the run; of a chain, the chain.

    Attributes:
        over: whether all events have been read, and no more will come.
    """

    def __init__(self, runs: RunStore, run: str) -> None:
        self._runs = runs
        self._run = run
        self._segment = 0
        self._kept = 0
        self.over = False

    def take(self) -> list[Event]:
        """Return the events since the last call; raises `StorageError`."""
        found: list[Event] = []
        while not self.over and (new := self._next()) is not None:
            found += new
        return found

    def _next(self) -> list[Event] | None:
        """Return the events of the next segment, or what the record has more; None before both."""
        data = self._read(keys.segment(self._runs.store, self._run, self._segment))
        if data is not None:
            self._segment += 1
            events = decoded(data)
            # the record holds no heartbeats
            self._kept += sum(not isinstance(event, AttemptProgress) for event in events)
            return events
        data = self._read(keys.run_file(self._runs.store, self._run, RECORD))
        if data is None:
            return None
        self.over = True
        return decoded(data)[self._kept :]

    def _read(self, url: str) -> bytes | None:
        try:
            return self._runs.storage.read(url)
        except ObjectMissing:
            return None


def events_of(runs: RunStore, run: str) -> list[Event]:
    """Return the events of a run so far; its segments are read several at a time."""
    while (data := runs.record(run, RECORD)) is None:
        found = [info.url for info in runs.storage.list(keys.segments(runs.store, run))]
        try:
            with ThreadPoolExecutor(READS_AT_ONCE) as pool:
                segments = list(pool.map(runs.storage.read, found))
            return [event for segment in segments for event in decoded(segment)]
        except ObjectMissing:  # the run has ended meanwhile: its record is there
            continue
    return decoded(data)
