"""Looks up the endpoints of a stage from time to time, beside its tasks.

No failed look-up ends a stage: the known endpoints stay. A stage ends only after it had no
endpoint, or no free slot, for as long as the policy allows, or when the fleet is certain that this
machine cannot reach any endpoint.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from driver.plan.clock import Clock
from driver.program.command_name import COMMAND
from driver.scheduling.endpoints import Endpoints
from driver.scheduling.policy import RetryPolicy
from driver.scheduling.stage_events import StageEvents
from driver.transport.endpoint import Fleet, FleetGone, SignInEnded
from mapreduce.errors import FleetError
from mapreduce.wire.messages import StageName

LOOK_S = 60.0
"""Seconds that a look-up may take."""
SAY_WAITING_S = 10.0
"""Seconds between messages that a stage waits for an endpoint."""


class FleetWatch:
    """Keeps the endpoints of a stage up to date.

    Args:
        stage: the stage.
        fleet: returns the endpoints.
        endpoints: takes them.
        policy: how long a stage may be without an endpoint, or without a free slot.
        tell: the stage's events.
        clock: the time of the look-ups.
        awake: the time without the pauses of this process.
        wake: called when the stage should look at its endpoints again.
    """

    def __init__(
        self,
        stage: StageName,
        fleet: Fleet,
        endpoints: Endpoints,
        policy: RetryPolicy,
        tell: StageEvents,
        clock: Clock,
        awake: Callable[[], float],
        wake: Callable[[], None],
    ) -> None:
        self._stage: StageName = stage
        self._fleet = fleet
        self._endpoints = endpoints
        self._policy = policy
        self._tell = tell
        self._clock = clock
        self._awake = awake
        self._wake = wake
        self._looking: asyncio.Task[None] | None = None
        self._looked = self._said_waiting = self._asked_why = -1e9
        self._failure = ""
        self._given_up: FleetError | None = None
        self._signed_out: float | None = None  # since when
        self._unreached: float | None = None  # since when no endpoint can be connected to
        self._asking: asyncio.Task[None] | None = None
        self._seen = self._worked = awake()

    @property
    def next_look(self) -> float | None:
        """When the next look-up is due; None during one, which wakes the stage at its end."""
        return None if self._looking is not None else self._looked + self._fleet.refresh_s

    def note_work(self) -> None:
        """Note that an endpoint works on this stage."""
        self._worked = self._awake()
        self.note_answer()

    def note_answer(self) -> None:
        """Note that an endpoint has answered, with any answer."""
        self._unreached = None

    def note_unreached(self) -> None:
        """Note that an endpoint could not be connected to."""
        if self._unreached is None:
            self._unreached = self._asked_why = self._awake()

    async def refresh(self) -> None:
        """Look up the endpoints when it is time; wait for the answer only while there is none.

        Raises:
            FleetError: there was no endpoint, or no free slot, for too long; the fleet has ended;
                or it is certain that this machine cannot reach it.
        """
        now = self._clock.now()
        if self._looking is None and now - self._looked >= self._fleet.refresh_s:
            self._looked = now
            self._looking = asyncio.create_task(self._look())
            self._looking.add_done_callback(lambda _: self._wake())
        if self._looking is not None and (self._looking.done() or not self._endpoints):
            looking, self._looking = self._looking, None
            await looking
        self._ask_why()
        if self._given_up is not None:
            raise self._given_up
        self._check()

    async def close(self) -> None:
        """Cancel what is under way."""
        under_way = [task for task in (self._looking, self._asking) if task is not None]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    def _ask_why(self) -> None:
        """Ask the fleet, from time to time, why no endpoint can be connected to."""
        if self._asking is not None and self._asking.done():
            self._asking = None
        if self._unreached is None or not self._endpoints or self._asking is not None:
            return
        now = self._awake()
        if now - self._asked_why >= self._policy.silent_s:
            self._asked_why = now
            self._asking = asyncio.create_task(self._why_unreached(self._endpoints.names))
            self._asking.add_done_callback(lambda _: self._wake())

    async def _why_unreached(self, names: tuple[str, ...]) -> None:
        why = ""
        with suppress(Exception):  # a diagnosis that fails ends nothing
            async with asyncio.timeout(LOOK_S):
                why = await self._fleet.why_unreached(self._stage, names)
        if self._unreached is None:  # one has answered meanwhile
            return
        if why:
            self._given_up = FleetError(why)
        else:
            self._tell.nothing_answers(len(names), self._awake() - self._unreached)

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(LOOK_S):
                found = await self._fleet.endpoints(self._stage)
        except FleetGone as exc:
            self._given_up = exc
            return
        except Exception as exc:  # noqa: BLE001 - the tasks that run need no look-up
            ended = isinstance(exc, SignInEnded)
            first = not self._failure or ended != (self._signed_out is not None)
            text = str(exc) if isinstance(exc, FleetError) else f"{type(exc).__name__}: {exc}"
            self._failure = text
            self._note_sign_in(ended=ended)
            if first:  # report only the first of several in a row
                self._tell.look_failed(text)
            return
        self._failure = ""
        self._note_sign_in(ended=False)
        appeared, gone = self._endpoints.update(found, self._clock.now())
        if appeared or gone:
            self._wake()
            why = await self._why_gone(gone) if gone else {}
            self._tell.fleet_changed(appeared, gone, why, sum(each.slots for each in found))

    async def _why_gone(self, gone: tuple[str, ...]) -> dict[str, str]:
        try:
            async with asyncio.timeout(LOOK_S):
                return await self._fleet.why_gone(self._stage, gone)
        except Exception:  # noqa: BLE001 - a diagnosis that fails ends nothing
            return {}

    def _note_sign_in(self, *, ended: bool) -> None:
        """Note whether the last look-up failed for want of credentials."""
        if ended and self._signed_out is None:
            self._signed_out = self._awake()
        elif not ended and self._signed_out is not None:
            self._signed_out = None
            self._seen = self._awake()  # the time before has told nothing about the fleet

    def _check(self) -> None:
        now = self._awake()
        if self._endpoints:
            self._seen = now
            if now - self._worked > self._policy.full_s:
                raise FleetError(
                    f"no {self._stage} service has had a free slot for {now - self._worked:.0f} s; "
                    "does another run use the fleet, or does a task of it hang? "
                    f"See: {COMMAND} doctor"
                )
            return
        missing_s = now - self._seen
        if self._signed_out is not None:
            if now - self._signed_out > self._policy.sign_in_s:
                raise SignInEnded(
                    f"{self._failure}; then run the same command again, which continues the run"
                )
        elif missing_s > self._policy.no_endpoint_s:
            why = f": {self._failure}" if self._failure else "; is the fleet running?"
            raise FleetError(f"there has been no {self._stage} service for {missing_s:.0f} s{why}")
        if now - self._said_waiting >= SAY_WAITING_S and missing_s >= SAY_WAITING_S:
            self._said_waiting = now
            self._tell.waiting(missing_s, self._failure)
