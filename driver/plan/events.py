"""The events of a run, as frozen values. Observers receive them and never steer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ParamSpec, TypeAlias, Union

import msgspec

from driver.plan.outcomes import Volumes
from driver.text import MESSAGE_LIMIT, shown, storable
from mapreduce.wire.messages import StageName

Arguments = ParamSpec("Arguments")


class Event(msgspec.Struct, frozen=True, tag=True, omit_defaults=True, kw_only=True):
    """Common to all events: `at`, in seconds since the epoch."""

    at: float


class Starting(Event, frozen=True):
    """A step before the first stage begins, e.g. "the services start"."""

    what: str


class RunStarted(Event, frozen=True):
    """The plan is written. A chain has one for itself, and then one for each step."""

    run: str
    job: str
    target: str
    inputs: int
    size_bytes: int


class StageStarted(Event, frozen=True):
    """A stage begins, or begins again.

    `reused` of its `tasks` were done by an earlier run, `kept` by an earlier pass of this one;
    `size_bytes` are those of the others.
    """

    stage: StageName
    tasks: int
    reused: int
    size_bytes: int
    kept: int = 0


class AttemptStarted(Event, frozen=True):
    """The attempt's request is sent; `backup`: another attempt at the task is still running."""

    task: str
    attempt: int
    endpoint: str
    backup: bool = False


class AttemptRefused(Event, frozen=True):
    """The endpoint had no free slot, so the attempt has not begun; its task waits again."""

    task: str
    attempt: int
    endpoint: str


class AttemptProgress(Event, frozen=True):
    """A heartbeat of a worker."""

    task: str
    attempt: int
    bytes: int
    records: int
    status: str = ""


class AttemptDone(Event, frozen=True):
    """A task has its result.

    `size_bytes` is what the plan says that it reads; `volumes` what it has read and written, and
    its memory; `requests` counts its requests to S3 by kind, those that are not 0.
    """

    task: str
    attempt: int
    endpoint: str
    seconds: float
    size_bytes: int
    volumes: Volumes = Volumes()
    requests: dict[str, int] = {}


class Said(Event, frozen=True):
    """Lines that a job has printed in a task; `left_out` counts the bytes beyond the limit."""

    task: str
    attempt: int
    lines: tuple[str, ...] = ()
    left_out: int = 0


class AttemptFailed(Event, frozen=True):
    """An attempt failed after `seconds`; `then` says what follows."""

    task: str
    attempt: int
    endpoint: str
    kind: str
    message: str
    then: str
    seconds: float = 0.0


class AttemptCancelled(Event, frozen=True):
    """An attempt was cancelled after `seconds`, because another one had the result first."""

    task: str
    attempt: int
    endpoint: str
    seconds: float


class CircuitOpened(Event, frozen=True):
    """An endpoint failed so often in a row that it gets no tasks for `pause_s` seconds."""

    endpoint: str
    failures: int
    pause_s: float


class CircuitClosed(Event, frozen=True):
    """An endpoint whose circuit was open has finished a task."""

    endpoint: str


class OutputsRedone(Event, frozen=True):
    """Output of tasks was gone or damaged; the tasks run again."""

    tasks: tuple[str, ...]
    why: str


class LookFailed(Event, frozen=True):
    """The endpoints could not be looked up; the known ones stay."""

    stage: StageName
    why: str


class WaitingForFleet(Event, frozen=True):
    """There has been no endpoint for `seconds`; `why` is the error of the last look-up."""

    stage: StageName
    seconds: float
    why: str = ""


class WaitingForSpark(Event, frozen=True):
    """Spark runs none of the run's tasks; without a stage, it has not started yet."""

    stage: StageName | None
    seconds: float
    executors: int = 0


class EngineOnSpark(Event, frozen=True):
    """How many of Spark's tasks ran on the native extension; why others did not, by machine."""

    native: int
    missing: dict[str, str] = {}


class NothingAnswers(Event, frozen=True):
    """For `seconds`, no endpoint of the stage has answered, although `endpoints` run."""

    stage: StageName
    endpoints: int
    seconds: float


class SignInNeeded(Event, frozen=True):
    """The credentials of AWS have ended; the run waits for new ones, at most `limit_s` seconds."""

    why: str
    limit_s: float


class SignedIn(Event, frozen=True):
    """The credentials of AWS work again, after `seconds`."""

    seconds: float


class DriverAway(Event, frozen=True):
    """The driver did not run for `seconds`: its machine slept, or its process was stopped."""

    stage: StageName
    seconds: float


class FleetChanged(Event, frozen=True):
    """Endpoints came or went; `why` gives the known causes by name, `slots` their slots now."""

    stage: StageName
    appeared: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    why: dict[str, str] = {}
    slots: int = 0


class FleetFound(Event, frozen=True):
    """How many tasks each service is meant to have when the run begins to use them, by role."""

    counts: dict[str, int]


class FleetScaled(Event, frozen=True):
    """The run has asked for other numbers of tasks, by role."""

    before: dict[str, int]
    after: dict[str, int]


class FleetComing(Event, frozen=True):
    """How many tasks of each service run while the fleet starts, and how many are wanted."""

    running: dict[str, int]
    desired: dict[str, int]


class FleetLeft(Event, frozen=True):
    """What the run has done with the fleet at its end.

    `why`: restored, kept, in use, changed, as it was, or the error. `counts` are the numbers of
    tasks that were set. The user keeps it for `kept_s` seconds; the idle guard stops it after
    `guarded_s` seconds without a run, 0 without a guard.
    """

    why: str
    counts: dict[str, int] = {}
    kept_s: float = 0.0
    guarded_s: float = 0.0


class FaultInjected(Event, frozen=True):
    """Fault injection made this attempt go wrong."""

    task: str
    attempt: str
    fault: str


class RecordSkipped(Event, frozen=True):
    """A record on which the job's code fails is set aside; `message` is the error."""

    task: str
    place: str
    message: str


class ImportedAnew(Event, frozen=True):
    """Each task of the stage imports the job in a new process; `why` gives the reason."""

    stage: StageName
    why: str


class StageDone(Event, frozen=True):
    """All tasks of a stage have their results."""

    stage: StageName
    seconds: float


class RunDone(Event, frozen=True):
    """`_SUCCESS` is written."""

    run: str
    seconds: float


class RunFailed(Event, frozen=True):
    """The run ends without a result."""

    run: str
    kind: str
    message: str


class RunInterrupted(Event, frozen=True):
    """The user has ended the run, by Ctrl-C or `cancel`; the same command goes on."""

    run: str
    why: str


class RunPaused(Event, frozen=True):
    """The run has reached its limit of `limit_usd`; the same command with a higher one goes on."""

    run: str
    spent_usd: float
    limit_usd: float


class DriverTookOver(Event, frozen=True):
    """A driver begins to write this run's events; more than once only after a pause of it."""

    host: str
    process: int


Observer: TypeAlias = Callable[[Event], None]

_DECODER: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Union[tuple(Event.__subclasses__())])  # noqa: UP007
SAID_CHARACTERS = 4 << 20
"""Limit for all that a run's tasks print: the driver holds it, and so does a page of the run."""


class EventLog:
    """Keeps a run's events, sends each to the observers, and notes failures beside the run.

    An observer that fails ends nothing. No text of a kept event is longer than `MESSAGE_LIMIT`
    characters.
    """

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        self._observers = tuple(observers)
        self._notes: dict[str, tuple[int, str]] = {}
        self._said_bytes = 0
        self.events: list[Event] = []
        self.heartbeats: dict[tuple[str, int], AttemptProgress] = {}
        """The last heartbeat of each attempt that runs."""

    def __call__(self, event: Event) -> None:
        """Keep an event, and send it to the observers."""
        event = bounded(event)
        if isinstance(event, Said):
            event = self._within_limit(event)
        if isinstance(event, AttemptProgress):
            self.heartbeats[event.task, event.attempt] = event
        else:
            self.events.append(event)
        if isinstance(event, AttemptDone | AttemptFailed | AttemptCancelled):
            self.heartbeats.pop((event.task, event.attempt), None)
        for observer in self._observers:
            self.contain("an event could not be shown", observer, event)

    def _within_limit(self, event: Said) -> Said:
        """Return the lines of a job within the run's limit: the driver holds all events."""
        size = sum(map(len, event.lines))
        if self._said_bytes + size > SAID_CHARACTERS:
            return Said(
                at=event.at,
                task=event.task,
                attempt=event.attempt,
                left_out=event.left_out + size,
            )
        self._said_bytes += size
        return event

    def contain(
        self,
        what: str,
        call: Callable[Arguments, object],
        *args: Arguments.args,
        **named: Arguments.kwargs,
    ) -> None:
        """Make a call that the run does not depend on; when it fails, note it and go on.

        Args:
            what: the text of the note.
            call: an observer, or a write that the run can do without.
            args: its arguments.
            named: its arguments by name.
        """
        try:
            call(*args, **named)
        except Exception as exc:  # noqa: BLE001 - no failure here may end the run
            self.note(what, exc)

    def note(self, what: str, exc: Exception) -> None:
        """Note a failure beside the run; the same failure is noted once, with its count."""
        count, first = self._notes.get(what, (0, f"{type(exc).__name__}: {shown(exc)}"))
        self._notes[what] = (count + 1, first)

    @property
    def notes(self) -> tuple[str, ...]:
        """The failures beside the run so far, a line each."""
        return tuple(
            f"{what}{f', {count:,} times' if count > 1 else ''}: {first}"
            for what, (count, first) in self._notes.items()
        )

    def json_lines(self, since: int = 0) -> bytes:
        """Return the events from a number on, without heartbeats, one JSON object a line."""
        return encoded(self.events[since:])


def encoded(events: Iterable[Event]) -> bytes:
    """Return events as JSON Lines."""
    encode = msgspec.json.Encoder().encode
    return b"".join(b"%b\n" % encode(event) for event in events)


def decoded(lines: bytes) -> list[Event]:
    """Return the events in JSON Lines.

    A line that this version does not know, from a newer one, is left out: who watches a run shows
    what it can.
    """
    found = []
    for line in lines.splitlines():
        try:
            found.append(_DECODER.decode(line))
        except msgspec.DecodeError:
            continue
    return found


def bounded(event: Event) -> Event:
    """Return an event whose texts are cut to `MESSAGE_LIMIT` and hold no lone surrogate."""
    values = {name: getattr(event, name) for name in event.__struct_fields__}
    changed = {
        name: kept for name, value in values.items() if (kept := _bounded(value)) is not value
    }
    return msgspec.structs.replace(event, **changed) if changed else event


def _bounded(value: object) -> object:
    if isinstance(value, tuple):
        return tuple(map(_bounded, value)) if value else value
    if isinstance(value, dict):
        return {name: _bounded(each) for name, each in value.items()} if value else value
    if not isinstance(value, str) or (value.isascii() and len(value) <= MESSAGE_LIMIT):
        return value
    return storable(value)
