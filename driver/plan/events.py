"""What happens in a run, as frozen values. Observers are told; they never steer, and a fault in one ends nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ParamSpec, TypeAlias

import msgspec

from driver.text import MESSAGE_LIMIT, shown, storable
from mapreduce.wire.messages import StageName

Arguments = ParamSpec("Arguments")


class Event(msgspec.Struct, frozen=True, tag=True, omit_defaults=True, kw_only=True):
    """What all events share: `at`, in seconds since the epoch."""

    at: float


class RunStarted(Event, frozen=True):
    """The plan is written."""

    run: str
    job: str
    target: str
    inputs: int
    size_bytes: int


class StageStarted(Event, frozen=True):
    """A stage begins; `reused` of its `tasks` were done by an earlier run."""

    stage: StageName
    tasks: int
    reused: int
    size_bytes: int


class AttemptStarted(Event, frozen=True):
    """A service has been asked; `backup`: while another attempt at the task is still running."""

    task: str
    attempt: int
    endpoint: str
    backup: bool = False


class AttemptProgress(Event, frozen=True):
    """A heartbeat."""

    task: str
    attempt: int
    bytes: int
    records: int
    status: str = ""


class AttemptDone(Event, frozen=True):
    """A task has its result."""

    task: str
    attempt: int
    endpoint: str
    seconds: float
    size_bytes: int


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
    """An attempt was ended after `seconds`, because another one had come to the result first."""

    task: str
    attempt: int
    endpoint: str
    seconds: float


class CircuitOpened(Event, frozen=True):
    """An endpoint failed so often in a row that it is left alone for a while."""

    endpoint: str
    failures: int
    pause_s: float


class CircuitClosed(Event, frozen=True):
    """An endpoint whose circuit was open has carried out a task."""

    endpoint: str


class OutputsRedone(Event, frozen=True):
    """What tasks had written was gone or damaged; they are carried out again."""

    tasks: tuple[str, ...]
    why: str


class LookFailed(Event, frozen=True):
    """It could not be found out which endpoints there are; those that are known stay."""

    stage: StageName
    why: str


class WaitingForFleet(Event, frozen=True):
    """There has been no endpoint for `seconds`; `why` says what a look-up has failed of."""

    stage: StageName
    seconds: float
    why: str = ""


class DriverAway(Event, frozen=True):
    """The driver did not run for `seconds`: its machine slept, or its process was stopped."""

    stage: StageName
    seconds: float


class FleetChanged(Event, frozen=True):
    """Endpoints came or went; `why` says what is known of those that went."""

    stage: StageName
    appeared: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    why: dict[str, str] = {}


class FaultInjected(Event, frozen=True):
    """A drill made this attempt go wrong."""

    task: str
    attempt: str
    fault: str


class RecordSkipped(Event, frozen=True):
    """A record that the job's code fails on is set aside from now on; `message` is what it raised."""

    task: str
    place: str
    message: str


class ImportedAnew(Event, frozen=True):
    """Each task of the stage has a process that imports the job anew; `why` it cannot be a copy of one that has."""

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


Observer: TypeAlias = Callable[[Event], None]


class EventLog:
    """Remembers a run's events, passes each on to the observers, and notes what went wrong beside the run.

    No text of an event is longer than `MESSAGE_LIMIT` characters: what a job says is cut here, where it is kept.
    """

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        self._observers = tuple(observers)
        self._notes: dict[str, tuple[int, str]] = {}
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        """Take one more event."""
        event = bounded(event)
        if not isinstance(event, AttemptProgress):
            self.events.append(event)
        for observer in self._observers:
            self.contain("what happened could not be shown", observer, event)

    def contain(
        self,
        what: str,
        call: Callable[Arguments, object],
        *args: Arguments.args,
        **named: Arguments.kwargs,
    ) -> None:
        """Make a call that is of no importance to the run; when it fails, note it and go on.

        Args:
            what: went wrong then, in words.
            call: an observer, or a write that the run can do without.
            args: its arguments.
            named: its arguments by name.
        """
        try:
            call(*args, **named)
        except Exception as exc:  # noqa: BLE001 - whatever it is, the run must not end of it
            self.note(what, exc)

    def note(self, what: str, exc: Exception) -> None:
        """Note that something beside the run went wrong; the same thing is told once, with how often."""
        count, first = self._notes.get(what, (0, f"{type(exc).__name__}: {shown(exc)}"))
        self._notes[what] = (count + 1, first)

    @property
    def notes(self) -> tuple[str, ...]:
        """What went wrong beside the run so far, a line each."""
        return tuple(
            f"{what}{f', {count:,} times' if count > 1 else ''}: {first}"
            for what, (count, first) in self._notes.items()
        )

    def json_lines(self) -> bytes:
        """Return all events but the heartbeats, one JSON object a line."""
        encode = msgspec.json.Encoder().encode
        return b"\n".join([*map(encode, self.events), b""])


def bounded(event: Event) -> Event:
    """Return an event none of whose texts is longer than `MESSAGE_LIMIT` or holds a lone surrogate."""
    values = {name: getattr(event, name) for name in event.__struct_fields__}
    changed = {
        name: kept for name, value in values.items() if (kept := _bounded(value)) is not value
    }
    return msgspec.structs.replace(event, **changed) if changed else event


def _bounded(value: object) -> object:
    if isinstance(value, dict):
        return {name: _bounded(each) for name, each in value.items()} if value else value
    if not isinstance(value, str) or (value.isascii() and len(value) <= MESSAGE_LIMIT):
        return value
    return storable(value)
