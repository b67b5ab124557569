"""Folds a run's events into its model, one by one, each at a cost that no run's size changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from driver.plan import events
from driver.plan.events import Event
from driver.plan.run_state import RunState
from driver.report.event_text import event_text, fleet_changes
from driver.report.model import (
    AttemptModel,
    AttemptState,
    Mark,
    Printed,
    RunModel,
    Skipped,
    SlotModel,
    StageModel,
)
from driver.report.slot_rows import SlotRows
from mapreduce.wire import keys
from mapreduce.wire.messages import StageName

LINES_A_TASK = 1_000
"""Printed lines of a task that the model keeps."""
LINES_KEPT = 20_000
"""Printed lines of all tasks that it keeps."""
MARKS_KEPT = 2_000
SKIPPED_KEPT = 10_000

_Attempt = tuple[int, str, int]  # step, task, number


def run_model(happened: Iterable[Event], now: float, state: RunState | None = None) -> RunModel:
    """Return the model of events in their order; the arguments are those of `RunFold.model`."""
    fold = RunFold()
    for event in happened:
        fold(event)
    return fold.model(now, state)


class RunFold:
    """Takes the events of a run in their order; an observer like any other."""

    def __init__(self) -> None:
        self._run = RunModel(run="", state="planned", started=0.0, now=0.0)
        self._began: float | None = None
        self._now = 0.0
        self._step = 0
        self._stages: list[StageModel] = []
        self._passes: dict[tuple[int, StageName], int] = {}
        self._attempts: list[AttemptModel] = []
        self._running: dict[_Attempt, int] = {}  # the place of each among the attempts
        self._refused: set[int] = set()  # the places of those that have not begun
        self._faults: dict[_Attempt, str] = {}
        self._slots = SlotRows()
        self._looked: set[tuple[int, StageName]] = set()
        self._capacity: dict[StageName, int] = {}
        self._marks: list[Mark] = []
        self._printed: dict[_Attempt, Printed] = {}
        self._lines = 0
        self._skipped: list[Skipped] = []
        self._skipped_records = 0
        self._handlers: dict[type[Event], Callable[[Any], None]] = {
            events.StageStarted: self._stage_started,
            events.StageDone: self._stage_done,
            events.AttemptStarted: self._attempt_started,
            events.AttemptProgress: self._progress,
            events.AttemptDone: self._attempt_done,
            events.AttemptFailed: self._attempt_failed,
            events.AttemptRefused: self._attempt_refused,
            events.AttemptCancelled: lambda event: self._attempt_ended(event, "cancelled"),
            events.FaultInjected: self._fault,
            events.Said: self._said,
            events.RecordSkipped: self._record_skipped,
            events.FleetChanged: self._fleet_changed,
        }

    def __call__(self, event: Event) -> None:
        """Take an event."""
        if self._began is None:
            self._began = event.at
        self._now = max(self._now, event.at)
        self._handlers.get(type(event), self._of_run)(event)
        self._mark(event)

    @property
    def stage(self) -> StageModel | None:
        """The stage that began last."""
        return self._stages[-1] if self._stages else None

    def model(self, now: float, state: RunState | None = None) -> RunModel:
        """Return what the events say so far.

        Args:
            now: seconds since the epoch; the length of what still runs is counted until then.
            state: the state where other records know better than the events: planned, or lost.
        """
        known = state or self._run.state
        over = known not in ("planned", "running")
        ended = self._run.ended
        if over and ended is None:
            ended = self._now
        attempts, rows = self._begun()
        return replace(
            self._run,
            state=known,
            started=self._began if self._began is not None else now,
            now=ended if over and ended is not None else max(now, self._now),
            ended=ended if over else None,
            stages=self._stages_over(known) if over else tuple(self._stages),
            attempts=tuple(_over(each, known) if over else each for each in attempts),
            slots=rows,
            marks=tuple(self._marks),
            printed=tuple(self._printed.values()),
            skipped=tuple(self._skipped),
            skipped_records=self._skipped_records,
        )

    def _stages_over(self, state: RunState) -> tuple[StageModel, ...]:
        """Return the stages as they are after the run's end, when nothing runs."""
        if not self._stages:
            return ()
        last = replace(self._stages[-1], running=0)
        if state != "lost":
            far = sum(self._attempts[place].bytes_done for place in self._running.values())
            last = replace(last, bytes_done=last.bytes_done - far)
        return (*self._stages[:-1], last)

    def _of_run(self, event: Event) -> None:
        match event:
            case events.Starting():
                self._run = replace(self._run, preparing=event.what, state="running")
            case events.RunStarted():
                self._run_started(event)
            case events.RunDone() if event.run == self._run.run:
                self._run = replace(self._run, state="done", ended=event.at)
            case events.RunFailed():
                told = {"failure_kind": event.kind, "failure": event.message}
                self._run = replace(self._run, state="failed", ended=event.at, **told)
            case events.RunInterrupted():
                told = {"failure": event.why}
                self._run = replace(self._run, state="interrupted", ended=event.at, **told)
            case events.RunPaused():
                spent = {"spent_usd": event.spent_usd, "limit_usd": event.limit_usd}
                self._run = replace(self._run, state="paused", ended=event.at, **spent)
            case _:
                pass

    def _run_started(self, event: events.RunStarted) -> None:
        """Take the plan; of a chain, the first one is the chain's, and the others its steps'."""
        if self._run.run and event.run.startswith(f"{self._run.run}{keys.STEP}"):
            self._step = len(self._run.steps) + 1
            self._run = replace(self._run, steps=(*self._run.steps, event.run))
            return
        self._run = replace(
            self._run,
            run=event.run,
            job=event.job,
            target=event.target,
            inputs=event.inputs,
            size_bytes=event.size_bytes,
            state="running",
        )

    def _stage_started(self, event: events.StageStarted) -> None:
        step_and_stage = (self._step, event.stage)
        again = self._passes.get(step_and_stage, -1) + 1
        self._passes[step_and_stage] = again
        self._run = replace(self._run, preparing="")
        self._stages.append(
            StageModel(
                step=self._step,
                stage=event.stage,
                again=again,
                tasks=event.tasks,
                reused=event.reused,
                kept=event.kept,
                done=event.reused + event.kept,
                slots=self._capacity.get(event.stage, 0),
                size_bytes=event.size_bytes,
                started=event.at,
            )
        )

    def _stage_done(self, event: events.StageDone) -> None:
        self._change(ended=event.at, seconds=event.seconds)

    def _change(self, **changes: object) -> None:
        """Change the stage that began last."""
        if self._stages:
            self._stages[-1] = replace(self._stages[-1], **changes)

    def _attempt_started(self, event: events.AttemptStarted) -> None:
        self._begin(event.task, event.attempt, event.endpoint, event.at, backup=event.backup)
        if self._stages:
            stage = self._stages[-1]
            first = stage.first_attempt if stage.first_attempt is not None else event.at
            self._change(
                running=stage.running + 1, attempts=stage.attempts + 1, first_attempt=first
            )

    def _begin(
        self, task: str, number: int, endpoint: str, started: float, *, backup: bool = False
    ) -> None:
        name: _Attempt = (self._step, task, number)
        self._running[name] = len(self._attempts)
        self._attempts.append(
            AttemptModel(
                step=self._step,
                stage=stage_of(task),
                task=task,
                number=number,
                endpoint=endpoint,
                slot=self._slots.take(endpoint, started),
                started=started,
                backup=backup,
                fault=self._faults.pop(name, ""),
            )
        )

    def _progress(self, event: events.AttemptProgress) -> None:
        place = self._running.get((self._step, event.task, event.attempt))
        if place is None:
            return
        before = self._attempts[place]
        self._attempts[place] = replace(
            before, bytes_done=event.bytes, records_done=event.records, status=event.status
        )
        if self._stages:
            done = self._stages[-1].bytes_done + event.bytes - before.bytes_done
            self._change(bytes_done=done)

    def _attempt_done(self, event: events.AttemptDone) -> None:
        self._attempt_ended(
            event,
            "done",
            bytes_done=event.size_bytes,
            records_done=event.volumes.records_in,
            size_bytes=event.size_bytes,
            volumes=event.volumes,
            requests=event.requests,
        )
        if self._stages:
            stage = self._stages[-1]
            done = stage.bytes_done + event.size_bytes
            self._change(done=stage.done + 1, bytes_done=done)

    def _attempt_failed(self, event: events.AttemptFailed) -> None:
        told = {"kind": event.kind, "message": event.message, "then": event.then}
        self._attempt_ended(event, "failed", **told)

    def _attempt_ended(
        self,
        event: events.AttemptDone | events.AttemptFailed | events.AttemptCancelled,
        state: AttemptState,
        **changes: object,
    ) -> None:
        name: _Attempt = (self._step, event.task, event.attempt)
        was_running = name in self._running
        if not was_running:  # Spark tells of its tasks when they are done
            self._begin(event.task, event.attempt, event.endpoint, event.at - event.seconds)
        place = self._running.pop(name)
        before = self._attempts[place]
        self._slots.free(before.slot, event.at)
        # heartbeats are not kept, so how far a failed attempt came is not part of the model
        ended = {"bytes_done": 0, "records_done": 0, "status": "", "ended": event.at}
        self._attempts[place] = replace(before, **(ended | {"state": state} | changes))
        if self._stages:
            stage = self._stages[-1]
            self._change(
                running=stage.running - was_running,
                attempts=stage.attempts + (not was_running),
                failures=stage.failures + (state == "failed"),
                bytes_done=stage.bytes_done - before.bytes_done,
            )

    def _attempt_refused(self, event: events.AttemptRefused) -> None:
        """Forget an attempt that has not begun."""
        place = self._running.pop((self._step, event.task, event.attempt), None)
        if place is None:
            return
        self._slots.free(self._attempts[place].slot, event.at)
        self._refused.add(place)
        if self._stages:
            stage = self._stages[-1]
            self._change(running=stage.running - 1, attempts=stage.attempts - 1)

    def _begun(self) -> tuple[Sequence[AttemptModel], tuple[SlotModel, ...]]:
        """Return the attempts that have begun, and the rows that they are in."""
        rows = tuple(self._slots.rows)
        if not self._refused:
            return self._attempts, rows
        begun = [each for n, each in enumerate(self._attempts) if n not in self._refused]
        used = sorted({each.slot for each in begun})
        places = {row: place for place, row in enumerate(used)}
        moved = [replace(each, slot=places[each.slot]) for each in begun]
        return moved, tuple(rows[row] for row in used)

    def _record_skipped(self, event: events.RecordSkipped) -> None:
        self._skipped_records += 1
        if len(self._skipped) < SKIPPED_KEPT:
            self._skipped.append(Skipped(task=event.task, place=event.place, message=event.message))

    def _fault(self, event: events.FaultInjected) -> None:
        """Note an injected fault; attempts are named from 0, and numbered from 1."""
        number = int(event.attempt) + 1 if event.attempt.isdecimal() else 0
        name: _Attempt = (self._step, event.task, number)
        place = self._running.get(name)
        if place is None:
            self._faults[name] = event.fault
        else:
            self._attempts[place] = replace(self._attempts[place], fault=event.fault)

    def _said(self, event: events.Said) -> None:
        name: _Attempt = (self._step, event.task, event.attempt)
        before = self._printed.get(name)
        lines = before.lines if before else ()
        room = max(0, min(LINES_A_TASK - len(lines), LINES_KEPT - self._lines))
        kept = event.lines[:room]
        self._lines += len(kept)
        dropped = sum(len(line) + 1 for line in event.lines[room:])
        self._printed[name] = Printed(
            step=self._step,
            task=event.task,
            attempt=event.attempt,
            lines=(*lines, *kept),
            left_out=(before.left_out if before else 0) + event.left_out + dropped,
        )

    def _fleet_changed(self, event: events.FleetChanged) -> None:
        self._capacity[event.stage] = event.slots
        if self._stages and self._stages[-1].stage == event.stage:
            self._change(slots=event.slots)
        is_first = (self._step, event.stage) not in self._looked
        self._looked.add((self._step, event.stage))
        for text, _ in fleet_changes(event, is_first=is_first):
            self._add_mark(event, text)

    def _mark(self, event: Event) -> None:
        if (text := event_text(event)) is not None and not isinstance(event, _IN_ATTEMPTS):
            self._add_mark(event, text)

    def _add_mark(self, event: Event, text: str) -> None:
        if len(self._marks) < MARKS_KEPT:
            self._marks.append(Mark(at=event.at, kind=type(event).__name__, text=text))


_IN_ATTEMPTS = (events.AttemptStarted, events.RecordSkipped)
"""Events whose words are said of an attempt, and not beside it."""


def stage_of(task: str) -> StageName:
    """Return the stage of a task by its name, e.g. `map` of `map-3`."""
    stage = task.partition("-")[0]
    return stage if stage in ("split", "map", "reduce") else "map"  # type: ignore[return-value]


def _over(attempt: AttemptModel, state: RunState) -> AttemptModel:
    """Return an attempt as it is after the run's end.

    How far it came is kept only where its driver was lost: other runs keep no heartbeats.
    """
    if attempt.state != "running":
        return attempt
    far = {} if state == "lost" else {"bytes_done": 0, "records_done": 0, "status": ""}
    return replace(attempt, state="ended", **far)
