"""The sign of life of a run: its lease, and its events so far, written while it goes.

A thread of its own writes them, so that neither a slow store holds the run up, nor a task that runs
in this process the lease. What cannot be written is noted, and tried again with the next write.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from driver.history.epochs import taken_over
from driver.history.lease import HeldLease, Lease, is_held, rhythm_s
from driver.history.run_store import RunStore
from driver.plan.clock import Clock
from driver.plan.events import AttemptProgress, DriverTookOver, Event, EventLog, encoded
from driver.run.interruption import AGAIN
from mapreduce.errors import LeaseTaken, MapReduceError, ObjectMissing, RunStopped
from mapreduce.wire import keys

CLOSE_S = 10.0
"""How long the end of a run waits for a write that is under way."""


class Stop(Protocol):
    """Ends the run."""

    def __call__(self, why: MapReduceError) -> None:
        """End it with this error."""


@dataclass
class Life:
    """Writes the segments and renews the lease of one run.

    Args:
        runs: the store.
        run: the run's id.
        log: its events.
        clock: the time.
        stop: ends the run.
        emit: sends an event to the log, from any thread.
    """

    runs: RunStore
    run: str
    log: EventLog
    clock: Clock
    stop: Stop
    emit: Callable[[Event], None]
    again: str = AGAIN
    """What the same command does after the run's end."""
    segments: int = 0
    """How many segments have been written."""
    taken: bool = False
    """Whether another driver has the run now, so that this one must write nothing more."""
    _written: int = 0
    _unsure: bytes | None = None
    """A segment whose write has failed, and which may be there all the same."""
    _heartbeats: dict[tuple[str, int], AttemptProgress] = field(default_factory=dict)
    _renewed: float = 0.0

    def __post_init__(self) -> None:
        self._lease = HeldLease(
            self.runs.storage,
            keys.run_lease(self.runs.store, self.run),
            Lease.of_this_process(),
        )

    def beat(self) -> None:
        """Renew the lease, write what has happened, and look for a wish to end; never raises."""
        if self.taken:
            return
        try:
            self._renew()
            self.log.contain("the run's events could not be written", self._write)
            self._heed_cancel()
        except LeaseTaken as exc:
            self.taken = True
            self.stop(exc)
        except Exception as exc:  # noqa: BLE001 - no failure here may end the run
            self.log.note("the run's lease could not be renewed", exc)

    def end(self) -> None:
        """Delete what only a run that goes on has; its record has all events."""
        written = [
            keys.segment(self.runs.store, self.run, number) for number in range(self.segments)
        ]
        self.runs.storage.delete(written)
        self._lease.release()

    def _renew(self) -> None:
        now = self.clock.wall()
        before, first = self._renewed, not self._renewed
        self._lease.renew(now)
        self._renewed = now
        if not first and not is_held(before, now):
            lease = self._lease.lease
            self.emit(DriverTookOver(at=now, host=lease.host, process=lease.process))

    def _write(self) -> None:
        """Write a segment, if anything has happened.

        A segment whose write has failed is written again as it was: a reader may have seen it.
        """
        if self._unsure is not None:
            self._write_segment(self._unsure)
        events = self.log.events[self._written :]
        running = dict(self.log.heartbeats)
        new = [event for name, event in running.items() if self._heartbeats.get(name) != event]
        if not events and not new:
            return
        self._written += len(events)
        self._heartbeats = running
        self._write_segment(encoded([*events, *new]))

    def _write_segment(self, data: bytes) -> None:
        self._unsure = data
        self.runs.storage.write(keys.segment(self.runs.store, self.run, self.segments), data)
        self._unsure = None
        self.segments += 1

    def _heed_cancel(self) -> None:
        url = keys.cancel(self.runs.store, self.run)
        try:
            self.runs.storage.head(url)
            wish = self.runs.storage.read(url)
        except ObjectMissing:
            return
        if wish.isdigit():  # another driver has taken this epoch
            raise taken_over(int(wish))
        self.stop(RunStopped(f"{self.run} was cancelled; {self.again}"))


class Heart:
    """The thread that calls `Life.beat`, from `start` to `close`."""

    def __init__(self, life: Life, every_s: float | None = None) -> None:
        self.life = life
        self._every_s = rhythm_s(life.runs.store) if every_s is None else every_s
        self._ended = threading.Event()
        # a daemon: a request that hangs must not hold the end of the process up
        self._thread = threading.Thread(target=self._run, name="sign of life", daemon=True)

    def start(self) -> None:
        """Start the thread; the first beat comes after one rhythm, so a small run has none."""
        self._thread.start()

    async def close(self) -> bool:
        """End the thread; return whether a write of it is still under way."""
        self._ended.set()
        await asyncio.to_thread(self._thread.join, CLOSE_S)
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._ended.wait(self._every_s):
            self.life.beat()
