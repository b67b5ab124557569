"""What `submit` returns: a run that goes on in the background."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field

from driver.api.failures import shortened
from driver.api.result import Result
from driver.history.cancelling import ask_to_end
from driver.history.run_store import RecordedState, RunStore, parsed
from driver.history.watch import watch
from driver.report.document import Report
from driver.targets.background import begun, ends_for_good, successor
from driver.targets.plan_records import begins_until, command_of_plan, retries_of
from mapreduce.errors import (
    KINDS,
    FleetError,
    JobFailed,
    MapReduceError,
    RunStopped,
    StageFailed,
    TaskLost,
    UsageError,
)

REPORT_S = 10.0
"""How long the report of a run that is done may take to be written."""
POLL_S = 0.2


@dataclass(frozen=True, repr=False)
class Submitted:
    """A run that another process carries out, and that goes on without this one.

    Attributes:
        run: its id, for `python -m driver attach`, `status`, `cancel` and others.
    """

    run: str
    _runs: RunStore = field(kw_only=True)

    @property
    def state(self) -> RecordedState:
        """Its state now: planned, running, done, failed, interrupted, paused or lost."""
        return self._runs.state(self._newest)

    @property
    def result(self) -> Result:
        """The result of a run that is done.

        Raises:
            UsageError: the run is not done; `wait` waits for it.
            MapReduceError: the run failed, as `wait` raises it.
        """
        state = self.state
        if not ends_for_good(state):
            raise UsageError(f"{self.run} is {state}; wait for it: wait()")
        return self._ended(state)

    def wait(self) -> Result:
        """Wait until the run is over, and return its result.

        An interrupt ends the waiting, not the run.

        Raises:
            MapReduceError: the run failed, was cancelled, or has lost its driver; `failure` of it
                has the causes.
            FleetError: no driver has begun it in time.
        """
        name = self._newest
        while True:
            state = begun(self._runs, name, begins_until(self._runs, name), time.sleep)
            for seen in watch(self._runs, name):
                state = seen.state
            if state == "planned":
                start = command_of_plan(self._runs, name)
                raise shortened(FleetError(f"{name}: no driver has begun it; start: {start}"), None)
            if state != "lost":
                return self._ended(state)
            newest = successor(self._runs, name, retries_of(self._runs, name), time.sleep)
            if newest == name:
                raise shortened(TaskLost(self._lost(name)), None)
            name = newest

    def cancel(self) -> None:
        """Ask the run's driver to end it; it does within seconds, and keeps what is done.

        A run whose driver has not begun yet is over at once; one that is over stays as it is.
        """
        with suppress(UsageError):  # it is over
            ask_to_end(self._runs, self._newest)

    def __repr__(self) -> str:
        return f"<Submitted {self.run}: {self.state}>"

    @property
    def _newest(self) -> str:
        return self._runs.resolve(self.run)

    def _lost(self, name: str) -> str:
        return f"{name} has lost its driver; go on with it: {command_of_plan(self._runs, name)}"

    def _ended(self, state: RecordedState) -> Result:
        """Return the result of a run that is over; raises its error."""
        name = self._newest
        if state == "done":
            return Result(self._report(name), _runs=self._runs)
        if failure := self._runs.failure(name):
            kind = KINDS.get(failure.kind, MapReduceError)
            exc = (JobFailed if issubclass(kind, StageFailed) else kind)(failure.message)
            exc.failure = failure
            raise shortened(exc, None)
        ended = self._runs.ended(name)
        why = ended.why if ended else state
        raise shortened(RunStopped(f"{name} is {state}: {why}"), None)

    def _report(self, name: str) -> Report:
        until = time.monotonic() + REPORT_S
        while (data := self._runs.record(name, "report.json")) is None:
            if time.monotonic() > until:
                raise UsageError(f"the report of {name} is not written; run the job again")
            time.sleep(POLL_S)  # the driver writes it last
        return parsed(Report, data, f"the report of {name}")
