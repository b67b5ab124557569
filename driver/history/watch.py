"""Watches a run while it goes: its new events, and whether its driver is still there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from driver.history.lease import LeaseWatch, rhythm_s, sign_of_life
from driver.history.run_events import Follower
from driver.history.run_store import RecordedState, RunStore
from driver.plan.events import Event


@dataclass(frozen=True, slots=True)
class Seen:
    """What is new of a run, and its state now."""

    events: list[Event]
    state: RecordedState


def watch(
    runs: RunStore,
    run: str,
    *,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
    wall: Callable[[], float] = time.time,
) -> Iterator[Seen]:
    """Yield what is new of a run, in its own rhythm, until it is over or lost.

    Args:
        runs: the store.
        run: the run; of a chain, the chain.
        sleep: waits for some seconds.
        now: a clock that only goes forward.
        wall: seconds since the epoch.
    """
    follower, lease = Follower(runs, run), LeaseWatch(now())
    created = runs.plan(run).created
    while True:
        events = follower.take()
        if follower.over:
            yield Seen(events, runs.state(run, wall()))  # recorded before its events
            return
        # a run of an older version has a record of its end, and perhaps no events
        live = lease.is_live(sign_of_life(runs.storage, runs.store, run), created, wall(), now())
        state: RecordedState = "running" if live else runs.state(run, wall())
        if not live and state == "running":
            state = "lost"
        yield Seen(events, state)
        if not live:
            return
        sleep(rhythm_s(runs.store))
