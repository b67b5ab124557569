"""The events of one stage; each is built in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from driver.plan import events
from driver.plan.clock import Clock
from driver.plan.events import Observer
from driver.plan.outcomes import AnyResult, volumes_of
from driver.scheduling.attempts import Attempt, OpenTask
from mapreduce.wire.messages import Progress, Said, SkippedRecord, StageName, TaskError


class StageEvents:
    """Sends the events of a stage to an observer.

    Args:
        stage: the stage.
        emit: the observer.
        clock: gives the time of each event.
    """

    def __init__(self, stage: StageName, emit: Observer, clock: Clock) -> None:
        self._stage: StageName = stage
        self._emit = emit
        self._clock = clock

    def started(self, task: OpenTask, attempt: Attempt) -> None:
        """Report that an attempt begins; it is a backup when another one at the task runs."""
        self._emit(
            events.AttemptStarted(
                at=self._clock.wall(),
                task=task.spec.name,
                attempt=attempt.number,
                endpoint=attempt.endpoint,
                backup=bool(task.running),
            )
        )

    def progress(self, task: OpenTask, attempt: Attempt, event: Progress) -> None:
        """Report the progress of an attempt."""
        self._emit(
            events.AttemptProgress(
                at=self._clock.wall(),
                task=task.spec.name,
                attempt=attempt.number,
                bytes=event.bytes,
                records=event.records,
                status=event.status,
            )
        )

    def said(self, task: OpenTask, attempt: Attempt, event: Said) -> None:
        """Report what the job has printed in an attempt."""
        self._emit(
            events.Said(
                at=self._clock.wall(),
                task=task.spec.name,
                attempt=attempt.number,
                lines=event.lines,
                left_out=event.left_out,
            )
        )

    def done(self, task: OpenTask, attempt: Attempt, seconds: float, result: AnyResult) -> None:
        """Report that an attempt has given the task's result."""
        made = result.cost.requests
        self._emit(
            events.AttemptDone(
                at=self._clock.wall(),
                task=task.spec.name,
                attempt=attempt.number,
                endpoint=attempt.endpoint,
                seconds=seconds,
                size_bytes=task.spec.size_bytes,
                volumes=volumes_of(result),
                requests={kind: n for kind, n in asdict(made).items() if n} if made else {},
            )
        )

    def cancelled(self, task: OpenTask, attempt: Attempt) -> None:
        """Report that an attempt is no longer needed."""
        self._emit(
            events.AttemptCancelled(
                at=self._clock.wall(),
                task=task.spec.name,
                attempt=attempt.number,
                endpoint=attempt.endpoint,
                seconds=self._clock.now() - attempt.started,
            )
        )

    def refused(self, task: OpenTask, attempt: Attempt) -> None:
        """Report that an attempt has not begun, because its endpoint had no free slot."""
        self._emit(
            events.AttemptRefused(
                at=self._clock.wall(),
                task=task.spec.name,
                attempt=attempt.number,
                endpoint=attempt.endpoint,
            )
        )

    def failed(self, task: OpenTask, attempt: Attempt, error: TaskError, then: str) -> None:
        """Report why an attempt failed, and what follows."""
        self._emit(
            events.AttemptFailed(
                at=self._clock.wall(),
                task=task.spec.name,
                attempt=attempt.number,
                endpoint=attempt.endpoint,
                kind=error.kind,
                message=error.message,
                then=then,
                seconds=self._clock.now() - attempt.started,
            )
        )

    def skipped(self, task: OpenTask, record: SkippedRecord) -> None:
        """Report a record that a task has set aside."""
        at, message = self._clock.wall(), record.message
        self._emit(
            events.RecordSkipped(at=at, task=task.spec.name, place=record.place, message=message)
        )

    def imported_anew(self, why: str) -> None:
        """Report why each task of the job imports it again."""
        self._emit(events.ImportedAnew(at=self._clock.wall(), stage=self._stage, why=why))

    def circuit_opened(self, endpoint: str, failures: int, pause_s: float) -> None:
        """Report that an endpoint is paused."""
        at = self._clock.wall()
        self._emit(
            events.CircuitOpened(at=at, endpoint=endpoint, failures=failures, pause_s=pause_s)
        )

    def circuit_closed(self, endpoint: str) -> None:
        """Report that an endpoint works again."""
        self._emit(events.CircuitClosed(at=self._clock.wall(), endpoint=endpoint))

    def away(self, seconds: float) -> None:
        """Report that this process did not run for a while."""
        self._emit(events.DriverAway(at=self._clock.wall(), stage=self._stage, seconds=seconds))

    def look_failed(self, why: str) -> None:
        """Report that a look-up of the fleet failed."""
        self._emit(events.LookFailed(at=self._clock.wall(), stage=self._stage, why=why))

    def fleet_changed(
        self, appeared: tuple[str, ...], gone: tuple[str, ...], why: Mapping[str, str], slots: int
    ) -> None:
        """Report which endpoints have appeared and which have left, and why."""
        self._emit(
            events.FleetChanged(
                at=self._clock.wall(),
                stage=self._stage,
                appeared=appeared,
                gone=gone,
                why=dict(why),
                slots=slots,
            )
        )

    def nothing_answers(self, endpoints: int, seconds: float) -> None:
        """Report that none of the endpoints has answered for a while."""
        at, stage = self._clock.wall(), self._stage
        self._emit(events.NothingAnswers(at=at, stage=stage, endpoints=endpoints, seconds=seconds))

    def waiting(self, seconds: float, why: str) -> None:
        """Report for how long there has been no endpoint."""
        at, stage = self._clock.wall(), self._stage
        self._emit(events.WaitingForFleet(at=at, stage=stage, seconds=seconds, why=why))
